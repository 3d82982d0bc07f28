import math
from dataclasses import dataclass, replace

import pytest
import torch

from brittle import (
    FGSM,
    PGD,
    Cascade,
    Classifier,
    FastEnsemble,
    Flow,
    InputError,
    Lp,
    Restarts,
    SpatiallyTransformed,
    UnsupportedThreat,
    run,
)
from brittle.core.attack import Attack
from brittle.core.problem import Problem
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.plan import (
    DEFAULT_ATTACKS,
    plan,
    refuse_twice,
    spec_of,
    threat_for,
    threat_of,
    threat_settings,
    usual,
)
from brittle.evaluation.substitute_transfer import sweep
from brittle.models import open_network
from brittle.specs import Question
from brittle.threats import parse_threat


def test_the_default_plan_suits_the_norm():
    assert [one.info.spec for one in plan([], "linf", 0.1)] == list(DEFAULT_ATTACKS[:4])
    for norm in ("l0", "pixels"):
        assert [one.info.name for one in plan([], norm, 5)] == ["noise", "support-descent"]


def test_pixels_are_counted_and_not_measured():
    fixed, minimum = plan(["one-pixel", "support-descent"], "pixels", 3)
    assert (fixed.info.norm, fixed.info.kind, fixed.threat.name, fixed.threat.radius) == (
        "pixels",
        "fixed",
        "pixels",
        3,
    )
    assert (minimum.info.kind, minimum.threat.radius) == ("minimum", math.inf)


def test_deformations_have_a_plan_of_their_own_with_a_baseline():
    noise, poses, adef, stadv = plan([], "flow", 2.5)
    assert (noise.info.name, noise.info.kind, noise.threat.name, noise.threat.radius) == ("noise", "fixed", "flow", 2.5)
    assert (poses.info.name, poses.info.kind) == ("rotation-translation", "minimum")
    assert (adef.info.name, adef.info.kind, adef.info.norm) == ("adef", "minimum", "flow")
    assert (stadv.info.name, stadv.info.kind, stadv.threat.radius) == ("stadv", "fixed", 2.5)
    assert plan(["stadv"], "flow", None)[0].info.kind == "minimum"
    assert plan(["stadv:eps=1"], "flow", 2.5)[0].threat.radius == 1


def test_attacks_that_need_a_radius_get_it_and_the_others_search():
    fixed, minimum, turned = plan(["pgd", "deepfool", "smallest(pgd)"], "l2", 0.5)
    assert (fixed.info.kind, fixed.threat.radius, fixed.info.radius) == ("fixed", 0.5, 0.5)
    assert (minimum.info.kind, minimum.threat.radius, minimum.info.radius) == ("minimum", math.inf, None)
    assert turned.info.kind == "minimum"


def test_a_radius_of_its_own_wins():
    assert plan(["pgd:eps=0.25"], "l2", 0.5)[0].threat.radius == 0.25


def test_keys_are_folder_names_and_all_different():
    keys = [one.info.key for one in plan(["smallest(pgd:steps=3)", "smallest(pgd:steps=3)"], "linf", 0.1)]
    assert keys == ["smallest_pgd_steps=3", "smallest_pgd_steps=3-2"]


def test_settings_hold_every_hyper_parameter():
    assert plan(["pgd:steps=3"], "linf", 0.1)[0].info.settings["steps"] == 3
    assert plan(["deepfool:slack=inf"], "l2", None)[0].info.settings["slack"] == "inf"


def test_a_norm_without_mathematics_is_refused():
    with pytest.raises(UnsupportedThreat, match="BasicIterative cannot measure changes by l2; it knows linf"):
        plan(["bim"], "l2", 0.5)


@pytest.mark.parametrize("text", ["deepfool:eps=0.1", "smallest(fgsm:eps=0.1)", "smallest(fgsm):eps=0.1"])
def test_a_radius_that_would_be_ignored_is_refused(text):
    with pytest.raises(InputError, match="eps"):
        plan([text], "linf", 0.1)


def test_settings_name_the_attacks_inside():
    assert plan(["smallest(bim)"], "linf", 0.1)[0].info.settings["attack"]["attack"] == "BasicIterative"


@pytest.mark.parametrize("norm", ["linf", "l2", "flow"])
def test_the_default_plan_does_not_depend_on_the_scale_of_the_logits(norm):
    block = next(open_source("digits").blocks(6))
    network = open_network("digits-lenet").module
    radius = {"linf": 0.07, "l2": 0.6, "flow": 0.7}[norm]

    def broken(scale):
        classifier = Classifier(Scaled(network, scale))
        runs = [
            run(replace_steps(one.attack), classifier, block.images, block.labels, threat=one.threat)
            for one in plan([], norm, radius)
        ]
        return torch.stack([one.success & (one.size <= radius + 1e-6) for one in runs])

    usual = broken(1.0)
    assert int(usual.any(0).sum()) > 0
    for scale in (0.001, 1000.0):
        assert int((broken(scale) != usual).sum(1).amax()) <= 1


def replace_steps(attack):
    if isinstance(attack, FastEnsemble):
        return FastEnsemble(steps=8, targets=2, queries=20)
    return replace(attack, steps=15) if isinstance(attack, SpatiallyTransformed) else attack


class Scaled(torch.nn.Module):
    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, images):
        return self.network(images) * self.scale


class Owned(Lp):
    """A threat that no radius is reported for."""

    name = "own"
    default_radius = math.inf


PLAIN = FGSM()


@dataclass(frozen=True)
class Own(Attack):
    """Knows no threat that is built in.

    Attributes:
        inner: another attack.
        pair: numbers.
        kind: of no plain type.
    """

    threats = ("own",)

    inner: Attack = PLAIN
    pair: tuple[int, ...] = (1, 2)
    kind: type = int

    def perturb(self, problem: Problem) -> None:
        """Propose nothing."""


def test_an_attack_for_no_threat_that_is_known_is_asked_about_l2():
    assert threat_for(Own()) == Lp(2)
    with pytest.raises(UnsupportedThreat, match="Own cannot measure changes by l2; it knows own"):
        plan([Own()], threat_for(Own()), 0.5)
    assert [threat_for(one).name for one in ("pgd", "bim", "one-pixel", "adef")] == ["l2", "linf", "pixels", "flow"]


@pytest.mark.parametrize(
    ("access", "budget", "specs"),
    [
        ("white_box", None, ["noise:draws=10", "fgsm:loss=scaled", "fast-ensemble", "boundary-descent:steps=7"]),
        ("white_box", 40, ["noise:draws=10", "fgsm:loss=scaled", "fast-ensemble", "boundary-descent:steps=7"]),
        ("scores", None, ["noise:draws=10", "random-direction", "square"]),
        ("scores", 1000, ["noise:draws=10", "random-direction", "square:queries=997"]),
        ("scores", 4, ["noise:draws=10", "random-direction", "square:queries=1"]),
        ("scores", 1, ["noise:draws=10", "random-direction", "square:queries=1"]),
        ("decision", 40, ["noise:draws=10", "random-direction", "hop-skip-jump"]),
    ],
)
def test_the_default_attacks_suit_what_the_network_gives_and_what_it_may_be_asked(access, budget, specs):
    found = plan((), Lp("inf"), 0.1, access=access, budget=budget)
    assert [one.info.spec for one in found] == specs
    assert plan((), "linf", 0.1, access=access, budget=budget) == found


@pytest.mark.parametrize(
    ("attack", "text", "name"),
    [
        ("pgd: steps=3", "pgd:steps=3", "pgd"),
        (PGD(steps=3), "PGD(steps=3)", "pgd"),
        (PGD(), "PGD()", "pgd"),
        (Restarts(PGD(steps=3), 2), "Restarts(attack=PGD(steps=3), count=2)", "restarts"),
        (Cascade((FGSM(), PGD(steps=3))), "Cascade(attacks=(FGSM(), PGD(steps=3)))", "cascade"),
        (Own(), "Own()", "Own"),
        (Own(PGD(), (3,)), "Own(inner=PGD(), pair=(3))", "Own"),
        (Own(pair=()), "Own(pair=())", "Own"),
    ],
)
def test_how_an_attack_is_called(attack, text, name):
    spec = spec_of(attack)
    assert (spec.text, spec.name, spec.radius) == (text, name, None)


def test_settings_are_recorded_as_a_manifest_can_hold_them():
    (one,) = plan([replace(Own(), inner=Cascade((PLAIN,)))], Owned(2), 1.0)
    assert one.info.settings == {
        "inner": {"attack": "Cascade", "attacks": [{"attack": "FGSM", "loss": "cross_entropy"}]},
        "pair": [1, 2],
        "kind": "<class 'int'>",
    }


@pytest.mark.parametrize(
    ("threat", "settings"),
    [
        (Lp("inf", 0.1), {}),
        (Lp(1), {}),
        (Flow(2.0), {}),
        (Flow(2.0, grid=4), {"grid": 4}),
    ],
)
def test_a_threat_is_told_by_what_is_not_as_by_default(threat, settings):
    assert threat_settings(threat) == settings


def test_a_question_is_a_threat_without_a_radius_and_a_radius():
    assert threat_of(Question()) == (None, None)
    assert threat_of(Question(radius=0.1)) == (None, 0.1)
    for given in ("linf:51/255", Lp("inf", 0.2)):
        assert threat_of(Question(given)) == (Lp("inf"), 0.2)
    assert threat_of(Question("linf", radius=0.3)) == (Lp("inf"), 0.3)
    with pytest.raises(InputError, match=r"given twice, as 0\.2 and as 0\.3; leave one out"):
        threat_of(Question("linf:0.2", radius=0.3))
    with pytest.raises(InputError, match="expected one number for all images"):
        threat_of(Question(Lp("inf", torch.tensor([0.1, 0.2]))))
    assert [usual(parse_threat(name)) for name in ("linf", "l2", "flow")] == [8 / 255, 0.5, 3.0]
    assert usual(Owned(2)) is None


@pytest.mark.parametrize(
    ("text", "radius", "kind", "own"),
    [
        ("pgd", 0.5, "fixed", 0.5),
        ("pgd:eps=0.25", 0.5, "fixed", 0.25),
        ("pgd:eps=0.25", None, "fixed", 0.25),
        ("deepfool", 0.5, "minimum", None),
        ("deepfool", None, "minimum", None),
    ],
)
def test_a_plan_is_at_a_radius_or_searches(text, radius, kind, own):
    (one,) = plan([text], "l2", radius)
    assert (one.info.kind, one.info.radius, one.info.norm, one.info.spec) == (kind, own, "l2", text)
    assert one.threat == (Lp(2) if own is None else Lp(2, own))


def test_an_attack_that_needs_a_radius_and_gets_none_is_refused():
    with pytest.raises(InputError, match="radius"):
        plan(["pgd"], "l2", None)
    for radius in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match=r"l2 radius of deepfool is .*, which allows no change"):
            plan(["deepfool"], "l2", radius)


def test_a_key_is_a_short_name_that_no_other_attack_has():
    (long,) = plan(["pgd:steps=" + "0" * 200 + "3"], "linf", 0.1)
    assert long.info.key == ("pgd_steps=" + "0" * 90)
    keys = [one.info.key for one in plan(["cascade(fgsm;fgsm)"] * 3 + ["fgsm", FGSM()], "linf", 0.1)]
    assert keys == ["cascade_fgsm_fgsm", "cascade_fgsm_fgsm-2", "cascade_fgsm_fgsm-3", "fgsm", "FGSM"]


def test_an_attack_that_is_given_twice_is_refused_by_every_command(tmp_path):
    said = r"the attack fgsm is given twice as fgsm and FGSM.*leave one out"
    words = ("digits-lenet", "digits", tmp_path / "run")
    with pytest.raises(InputError, match=said):
        audit(*words, attacks=["pgd", "fgsm", FGSM()], eps=0.1)
    with pytest.raises(InputError, match=r"the attack fgsm is given twice, and the second would find"):
        attack(*words, attack=["fgsm", "fgsm"], eps=0.1)
    with pytest.raises(InputError, match="given twice"):
        sweep(["fgsm"], Question(), [0.1, 0.1])
    assert not list(tmp_path.iterdir())
    refuse_twice(plan(["fgsm", "fgsm:loss=margin", "cascade(fgsm;pgd)", "cascade(fgsm;pgd:steps=3)"], "linf", 0.1))


@pytest.mark.parametrize("spec", ["pixel-descent", "restarts(pixel-descent:steps=3)"])
def test_an_attack_of_pixels_is_for_networks_with_a_class_for_every_pixel(spec):
    (planned,) = plan([spec], "linf", None, dense=True)
    assert planned.info.kind == "minimum"
    with pytest.raises(InputError, match="a class or a depth for every pixel: say --task segmentation"):
        plan([spec], "linf", None)


@pytest.mark.parametrize("spec", ["pgd", "cascade(pixel-descent;fgsm)"])
def test_an_attack_of_one_class_per_image_is_refused_where_there_is_one_for_every_pixel(spec):
    with pytest.raises(InputError, match=r"goes by one class per image; expected an attack .* such as pixel-descent"):
        plan([spec], "linf", 0.1, dense=True)


def test_an_own_attack_that_takes_both_is_planned_for_both():
    @dataclass(frozen=True)
    class Both(Attack):
        dense = True

        def perturb(self, problem: Problem) -> None:
            problem.probe(problem.images)

    assert plan([Both()], "linf", None) == plan([Both()], "linf", None, dense=True)
