"""Every registered attack on every foreign network: the reference's figure, or a refusal that names the cause."""

import warnings
from functools import cache

import networks
import pytest
import torch
from cases import CASES, Case
from expected import FOREIGN, Foreign

from brittle import Classifier, ModelError, Result, run
from brittle.core.attack import uses_gradients
from brittle.registry import ATTACKS, COMBINATORS


def _first_of_each() -> dict[str, Case]:
    """The first case of every registered attack, by its name."""
    names = {kind: name for name, kind in {**COMBINATORS, **ATTACKS}.items()}
    found: dict[str, Case] = {}
    for case in CASES:
        found.setdefault(names[type(case.attack)], case)
    return found


ATTACKED = _first_of_each()


@cache
def labels() -> torch.Tensor:
    with torch.no_grad():
        return networks.reference()(networks.images()).argmax(1)


@cache
def opened(foreign: Foreign) -> Classifier:
    made = getattr(networks, foreign.name)()
    return Classifier(made, **foreign.options)


def attacked(name: str, classifier: Classifier, draws: int = 1):
    case = ATTACKED[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "quantized::")  # torch's own word on a layer that passes no gradient on
        return run(case.attack, classifier, networks.images(), labels(), threat=case.threat, seed=5, eot_samples=draws)


def may_depend_on_scale(name: str) -> bool:
    attack = ATTACKED[name].attack
    return any(
        "scale of the logits" in " ".join((type(one).__doc__ or "").split()) for one in (attack, *attack.parts())
    )


@cache
def right(name: str):
    return attacked(name, Classifier(networks.reference()))


def test_the_reference_is_broken_by_every_attack_and_never_by_chance():
    assert set(ATTACKED) == {*ATTACKS, *COMBINATORS}
    for name in ATTACKED:
        assert right(name).success.any(), name
    assert torch.bincount(labels(), minlength=networks.CLASSES).min() >= 2


MECHANISMS = ("deepfool", "hop-skip-jump", "pgd", "square")
"""One attack of each way to ask (class by class, decisions, loss, scores), tried on every network in the main job."""
HARDEST = ("float16", "multiplies_in_place", "slope_that_is_none", "tiny_logits", "twins")
"""One network of each kind, on which every attack is tried in the main job."""


def pairs():
    for foreign in FOREIGN:
        for name in sorted(ATTACKED):
            quick = name in MECHANISMS or str(foreign) in HARDEST
            yield pytest.param(foreign, name, id=f"{foreign}-{name}", marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize(("foreign", "name"), list(pairs()))
def test_gives_the_references_figure_or_says_why_not(foreign: Foreign, name: str):
    if foreign.only is not None and name not in foreign.only:
        pytest.skip("finds less on a network that shows less")
    if foreign.scaled and may_depend_on_scale(name):
        pytest.skip("its docstring says why the scale counts")
    if foreign.refused is not None:
        with pytest.raises(ModelError, match=foreign.refused):
            attacked(name, opened(foreign))
        return
    if foreign.silent and uses_gradients(ATTACKED[name].attack):
        with pytest.raises(ModelError, match="gradient"):
            attacked(name, opened(foreign))
        return
    found = attacked(name, opened(foreign), foreign.draws)
    if name in foreign.blurred:
        assert found.success.any()
        return
    agree(foreign, found, right(name))


def agree(foreign: Foreign, found: Result, wanted: Result) -> None:
    """Raise where the figures differ by more than the network's kind explains."""
    if not foreign.images and not foreign.size:
        assert torch.equal(found.adversarial, wanted.adversarial)
        assert torch.equal(found.success, wanted.success)
        return
    assert abs(int(found.success.sum()) - int(wanted.success.sum())) <= foreign.images
    both = found.success & wanted.success
    if both.any():
        ratio = float(found.size[both].median() / wanted.size[both].median())
        assert abs(ratio - 1) <= foreign.size


@pytest.mark.parametrize("name", ["deepfool", "pgd"])
@pytest.mark.parametrize("margin", [{"images": 0, "size": 0}, {}, {"images": 2, "size": 0.1}], ids=str)
def test_a_network_that_hides_its_gradient_is_told(margin: dict[str, float], name: str):
    masked = networks.Around(lambda images: (images * 64).round() / 64)
    with pytest.raises(AssertionError):
        agree(Foreign("masked", **margin), attacked(name, Classifier(masked)), right(name))
