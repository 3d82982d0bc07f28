"""The contract of every attack, as functions that raise where it is broken."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from affine import affine, convolutional, distance, middle, row_by_row
from cases import Case
from odd_networks import odd
from torch import Tensor

from brittle import (
    ALMA,
    APGD,
    DDN,
    FGSM,
    JSMA,
    LBFGS,
    NES,
    PDPGD,
    PGD,
    AutoAttack,
    BasicIterative,
    CarliniWagnerL0,
    CarliniWagnerL2,
    CarliniWagnerLinf,
    Classifier,
    Flow,
    IterativeLeastLikely,
    Lp,
    OnePixel,
    Result,
    SigmaZero,
    SimBA,
    SpatiallyTransformed,
    run,
)
from brittle.core.attack import uses_gradients
from brittle.maths.geometry import warp
from brittle.tolerance import TOLERANCE

KEPT, KEPT_IN_L0, LONGER = 0.75, 0.5, 1.5
"""Fractions of the successes that a search keeps where the network is odd, and how many times its median may grow."""


def attacked(
    case: Case, classifier: Classifier | None = None, images: Tensor | None = None, **options: object
) -> Result:
    classifier = convolutional() if classifier is None else classifier
    images = middle() if images is None else images
    return run(case.attack, classifier, images, threat=options.pop("threat", case.threat), **options)


@lru_cache(maxsize=8)
def plain(case: Case, network: Callable[[], Classifier] = convolutional) -> Result:
    """What the attack finds with its defaults: run once, for all the clauses that compare something with it."""
    return attacked(case, network())


@dataclass(frozen=True)
class Again:
    """A second run of what `plain` is, by a network in train mode that works in place, whose passes are counted.

    Attributes:
        result: what it found.
        passes: that the network has seen, forward and backward.
        module: the network afterwards; its first layer with weights asks for no gradients.
        before: its tensors before the run.
        images: that the run was given.
        state: torch's random state before the run; that after it is `after`.
    """

    result: Result
    passes: dict[str, int]
    module: torch.nn.Sequential
    before: dict[str, Tensor]
    images: Tensor
    state: Tensor
    after: Tensor


@lru_cache(maxsize=8)
def again(case: Case) -> Again:
    """Run the attack a second time, once for all the clauses that ask what a run does beside finding something."""
    module, images = torch.nn.Sequential(_Writes(), *convolutional().module[1:]).train(), middle()
    module[1].weight.requires_grad_(False)
    before, state = {name: tensor.clone() for name, tensor in module.state_dict().items()}, torch.get_rng_state()
    with torch.no_grad():
        result, passes = counted(case, Classifier(module), images)
    return Again(result, passes, module, before, images, state, torch.get_rng_state())


@lru_cache(maxsize=8)
def alone(case: Case, image: int, budget: int | None) -> tuple[Result, dict[str, int]]:
    """One of two images alone, and the passes that a network has seen that sees one image at a time."""
    ids = torch.tensor([image])
    return counted(case, row_by_row(SHAPE), middle(2, SHAPE)[ids], seed=3, ids=ids, budget=budget)


def counted(case: Case, classifier: Classifier, images: Tensor, **options: object) -> tuple[Result, dict[str, int]]:
    """Run an attack, and count by hooks of our own what the network is asked."""
    passes = {"forward": 0, "backward": 0}

    def forward(_: object, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        passes["forward"] += len(inputs[0])
        if output.requires_grad:
            output.register_hook(lambda gradient: passes.update(backward=passes["backward"] + len(gradient)))

    handle = classifier.module.register_forward_hook(forward)
    result = attacked(case, classifier, images, **options)
    handle.remove()
    return result, passes


def proposed(case: Case, result: Result) -> Tensor:
    """What the threat measures: the fields of deformations, which must lead to what is returned, or the images."""
    if not isinstance(case.threat, Flow):
        assert result.field is None
        return result.adversarial
    assert result.field is not None
    return result.field


def agrees_with_a_fresh_forward(case: Case) -> None:
    for network in (affine, convolutional):
        classifier, images = network(), middle()
        result = plain(case, network)
        before, after = (classifier.logits(x).argmax(1) for x in (images, result.adversarial))
        assert (result.clean_prediction == before).all()
        assert (result.success == (after != before)).all()
        assert torch.isfinite(result.size[result.success]).all()
        assert torch.isinf(result.size[~result.success]).all()
        measured = case.threat.size(images, proposed(case, result))
        torch.testing.assert_close(result.size[result.success], measured[result.success])
        assert result.success.any(), "the attack breaks nothing"


def stays_inside_box_and_threat(case: Case) -> None:
    lift = torch.tensor([-0.5, 0.5], dtype=torch.float64).repeat(6)[:, None, None, None]
    edges = (middle() + lift).clamp(0, 1)
    for images, result in ((middle(), plain(case, affine)), (edges, attacked(case, affine(), edges))):
        if result.field is not None:
            torch.testing.assert_close(warp(images, result.field), result.adversarial, atol=1e-12, rtol=0)
            assert (result.field[result.size == 0] == 0).all()
        assert result.adversarial.min() >= 0
        assert result.adversarial.max() <= 1
        size = case.threat.size(images, proposed(case, result))
        assert (size <= case.threat.radius + TOLERANCE * max(1, case.threat.radius)).all()


def reaches_the_closed_form(case: Case) -> None:
    classifier, images = affine(), middle()
    labels = classifier.logits(images).argmax(1)
    result = plain(case, affine)
    assert isinstance(case.threat, Lp)
    least = distance(classifier, images, labels, case.threat.dual)
    found = result.success
    assert (result.size[found] >= least[found] * (1 - 1e-9)).all()
    if case.exact:
        assert found.all()
        nudge = 1.03e-4  # DeepFool's, with its overshoot
        assert (result.size <= 1.05 * least + nudge).all()


def depends_on_seed_alone(case: Case) -> None:
    first, parted = plain(case), attacked(case, batch=8)
    assert torch.equal(first.adversarial, again(case).result.adversarial)
    torch.testing.assert_close(parted.adversarial, first.adversarial, atol=1e-6, rtol=0)
    assert torch.equal(parted.success, first.success)


OWN = ("adversarial", "success", "size", "forward", "backward", "iterations")
"""Columns of a result that no other image may have a part in."""
SHAPE = (1, 3, 4) if torch.backends.mkl.is_available() else (1, 4, 8)
"""Without MKL torch's elementary functions round the last values of a tensor otherwise, if these are no full vector."""


def is_alone_in_any_company(case: Case) -> None:
    for image, budget in ((0, None), (1, 20)):
        single, _ = alone(case, image, budget)
        together = attacked(case, row_by_row(SHAPE), middle(2, SHAPE), seed=3, budget=budget)
        for name in OWN:
            one, other = getattr(single, name), getattr(together, name)[image : image + 1]
            assert torch.equal(one, other), f"{name} of image {image} with budget {budget}: {other}, not {one}"


def permutes_with_the_images(case: Case) -> None:
    images = middle()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(5))
    mixed = attacked(case, images=images[order], ids=order)
    torch.testing.assert_close(mixed.adversarial, plain(case).adversarial[order], atol=1e-6, rtol=0)


def scales_with_the_bounds(case: Case) -> None:
    unitless = case.threat.counts or case.threat.name == "flow"  # such sizes are not in the units of the values
    wide = case.threat if unitless else Lp(case.threat.p, case.threat.radius * 255)
    large = attacked(replace(case, threat=wide), convolutional(scale=255.0), middle(span=255.0))
    torch.testing.assert_close(large.adversarial / 255, plain(case).adversarial, atol=1e-6, rtol=0)


def leaves_no_traces(case: Case) -> None:
    run = again(case)
    module = run.module
    assert module.training
    assert module[3].training
    assert not module[1].weight.requires_grad
    assert module[6].weight.requires_grad
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(run.before[name], tensor) for name, tensor in module.state_dict().items())
    assert torch.equal(run.images, middle())
    assert torch.equal(run.after, run.state)


def counts_every_pass(case: Case) -> None:
    result, seen = alone(case, 0, None)
    assert seen == {"forward": int(result.forward.sum()), "backward": int(result.backward.sum())}
    result, seen = again(case).result, again(case).passes
    assert seen["forward"] == int(result.forward.sum())
    assert seen["backward"] >= int(result.backward.sum())  # images that need no more of a graph ride along, uncharged


def never_worse_with_more(case: Case) -> None:
    if case.grows is None:
        return
    field = case.grows
    now = getattr(case.attack, field)
    more = replace(case, attack=replace(case.attack, **{field: 2 * (now or 5)}))
    if now is None:
        case = replace(case, attack=replace(case.attack, **{field: 5}))
    if case.attack.needs_radius and getattr(case.attack, "step_size", 0) is None:
        stride = 2.5 * case.threat.radius / 6
        case = replace(case, attack=replace(case.attack, step_size=stride))
        more = replace(more, attack=replace(more.attack, step_size=stride))
    few, many = plain(case), attacked(more)
    assert (many.success >= few.success).all()
    if case.threat.radius == torch.inf:
        assert (many.size <= few.size + 1e-12).all()


def survives_odd_inputs(case: Case) -> None:
    assert len(attacked(case, images=middle(0))) == 0
    wrong = (convolutional().logits(middle()).argmax(1) + 1) % 4
    already = attacked(case, labels=wrong)
    assert already.already.all()
    assert not already.success.any()
    assert (already.size == 0).all()
    classes = 3 if getattr(case.attack, "loss", "") == "dlr" else 2
    colour = attacked(case, convolutional(channels=3, classes=classes), middle(1, (3, 5, 2)))
    assert colour.adversarial.shape == (1, 3, 5, 2)


DEPENDS_ON_SCALE = (
    *(FGSM, PGD, APGD, AutoAttack, BasicIterative, IterativeLeastLikely, LBFGS, JSMA, SimBA, NES, DDN, OnePixel),
    *(ALMA, CarliniWagnerL0, CarliniWagnerL2, CarliniWagnerLinf, PDPGD, SigmaZero, SpatiallyTransformed),
)
"""Attacks whose published loss or constants are in logits or of a softmax, with their default settings."""


def says_it_depends_on_scale(kind: type) -> bool:
    return "scale of the logits" in " ".join((kind.__doc__ or "").split())


def says_where_the_scale_of_logits_counts(case: Case) -> None:
    listed = [part for part in (case.attack, *case.attack.parts()) if says_it_depends_on_scale(type(part))]
    free = getattr(case.attack, "loss", "cross_entropy") in ("margin", "dlr") and isinstance(case.attack, (PGD, APGD))
    if listed and not free:
        return
    usual = plain(case)
    for scale in (0.01, 100.0):
        result = attacked(case, odd(scale=scale))
        assert torch.equal(result.success, usual.success), scale
        assert torch.equal(result.clean_prediction, usual.clean_prediction)
        found = usual.success & result.success
        torch.testing.assert_close(result.size[found].mean(), usual.size[found].mean(), rtol=0.02, atol=0)


def searches_with_what_is_finite(case: Case) -> None:
    images = middle()
    labels = odd().logits(images).argmax(1)
    usual = plain(case)
    for way in ("slope", "hole", "copy"):
        result = attacked(case, odd(way), images, labels=labels)
        narrow = case.threat.name in ("l0", "pixels") and way == "hole"  # one of twelve pixels is lost
        kept = KEPT_IN_L0 if narrow else KEPT
        found, known = int(result.success.sum()), int(usual.success.sum())
        assert found >= kept * known, f"{way}: {found} where the plain network gives {known}"
        assert torch.isfinite(odd(way).logits(result.adversarial)).all()
        if way == "slope":
            asked = (result.backward > 0) & (result.iterations > 0)
            assert (result.nonfinite_gradients[asked] > 0).all()
        if way == "hole":
            assert not result.nonfinite_gradients.any()
        if way == "copy":
            assert not result.nonfinite_outputs.any()
        both = result.success & usual.success
        if not case.threat.bounded and not narrow and both.any():
            assert result.size[both].median() <= LONGER * usual.size[both].median(), way


def agrees_in_half_precision(case: Case) -> None:
    """Within 10 points of float32's fraction of broken images, and 20 % of the median size; all figures in float32.

    So is a search in bfloat16 of a network in float32, which takes what it returns for another class.
    """
    images, expected, module = middle(20).float(), None, convolutional().module.float()
    searches = [(torch.float32, {"precision": "bf16"})] if uses_gradients(case.attack) else []
    for kind, asked in [(torch.float32, {}), (torch.float16, {}), (torch.bfloat16, {}), *searches]:
        found = attacked(case, Classifier(convolutional().module.to(kind)), images, **asked)
        if asked:
            changed = module(found.adversarial).argmax(1) != module(images).argmax(1)
            assert changed[found.success].all()
        assert found.adversarial.dtype == found.size.dtype == found.margin.dtype == torch.float32
        size = case.threat.size(images, proposed(case, found))
        assert (size <= case.threat.radius + TOLERANCE * max(1, case.threat.radius)).all()
        expected = found if expected is None else expected
        assert abs(int(found.success.sum()) - int(expected.success.sum())) <= 2
        both = found.success & expected.success
        torch.testing.assert_close(found.size[both].median(), expected.size[both].median(), rtol=0.2, atol=0)


class _Writes(torch.nn.Module):
    """Centres its input as the first layer of `convolutional` does, but in the memory that it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sub_(0.5)


def leaves_its_images_to_a_network_that_writes(case: Case) -> None:
    """A network that works in place gives, bit for bit, what the same network gives that does not."""
    assert torch.equal(again(case).images, middle())
    for name in ("adversarial", "success", "size", "margin", "forward", "backward"):
        assert torch.equal(getattr(again(case).result, name), getattr(plain(case), name)), name


CLAUSES = [
    says_where_the_scale_of_logits_counts,
    searches_with_what_is_finite,
    agrees_with_a_fresh_forward,
    stays_inside_box_and_threat,
    reaches_the_closed_form,
    depends_on_seed_alone,
    is_alone_in_any_company,
    permutes_with_the_images,
    scales_with_the_bounds,
    leaves_no_traces,
    counts_every_pass,
    never_worse_with_more,
    survives_odd_inputs,
    agrees_in_half_precision,
    leaves_its_images_to_a_network_that_writes,
]
