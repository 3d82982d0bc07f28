import math
from dataclasses import replace

import pytest
import torch

from brittle import PGD, Classifier, InputError, SpatiallyTransformed, UnsupportedThreat, run
from brittle.data import open_source
from brittle.evaluation.plan import DEFAULT_ATTACKS, plan
from brittle.models import open_network


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
    return replace(attack, steps=15) if isinstance(attack, PGD | SpatiallyTransformed) else attack


class Scaled(torch.nn.Module):
    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, images):
        return self.network(images) * self.scale
