"""The studies of data-free perturbations on tiny networks and a few pictures, and the scenes with exact depth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from digit_files import write_digits
from torch import nn

from brittle.metrics import Estimate, mean_iou
from brittle.models import Network
from brittle.studies import STUDIES, run_study
from brittle.studies.gd_uap import cross_model as gd_uap_cross_model
from brittle.studies.gd_uap import depth as gd_uap_depth
from brittle.studies.gd_uap import priors as gd_uap_priors
from brittle.studies.gd_uap import segmentation as gd_uap_segmentation
from brittle.studies.gd_uap.data_free import METHODS, NOISE, Short
from brittle.studies.gd_uap.depth_network import DepthNetwork, DepthTraining, load_depth, save_depth, train_depth
from brittle.studies.gd_uap.scenes import DOWN, FIELD, HEIGHT, WALL, render
from brittle.studies.gd_uap.segmentation import CLASSES, colours
from brittle.studies.shared import photographs
from brittle.studies.shared.photographs import SAMPLE
from brittle.training.named import seeded

TINY = Short(iterations=2, shown=2, batch=2)
SIDE = 16


class Segmenter(nn.Module):
    """Classes at full size, sure of most pixels."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, CLASSES, 1)
        self.two.weight.data *= 100

    def forward(self, x):
        return self.two(self.one(x).relu())


def stand_in(spec, device="cpu"):
    """A small network in place of a file's; all classifiers are the same."""
    layers = lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 10))  # noqa: E731
    build = Segmenter if "deeplab" in spec else layers
    return Network(spec, seeded(build, 0).eval(), f"digest {build is Segmenter}", (3, SIDE, SIDE), (), 9)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Photographs that are digits, and empty files where the studies look for networks."""
    folder = tmp_path_factory.mktemp("gd-uap")
    write_digits(folder / SAMPLE, "test", 12, SIDE, "RGB")
    for view in (*gd_uap_cross_model.GIVEN, gd_uap_segmentation.DEEPLAB):
        (folder / view.spec).touch()
    return folder


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "open_network", stand_in)
        for module in (gd_uap_cross_model, gd_uap_depth, gd_uap_priors, gd_uap_segmentation):
            patch.setattr(module, "SMALL", TINY)
        tiny = DepthTraining(width=2, scenes=4, side=16, epochs=1, batch=2)
        patch.setattr(gd_uap_depth, "TRAINING", {"small": tiny})
        patch.setattr(gd_uap_depth, "TESTED", {"small": 6})
        yield


def studied(name, folders, out):
    return run_study(name, out, data=folders, models=folders)


def test_priors_measure_every_method_on_every_network(folders, tmp_path):
    result = studied("gd-uap-priors", folders, tmp_path)
    for view in gd_uap_priors.VIEWS[:3]:
        for column in (NOISE, *METHODS):
            estimate = result.entry(view.row, column).measured
            assert isinstance(estimate, Estimate)
            assert estimate.n == 6
    assert result.entry("VGG-16", "GD-UAP, range prior").published == 63.08
    assert result.entry("CaffeNet", NOISE).published == 12.9
    assert result.entry("VGG-16", NOISE).measured is None
    assert [figure.title for figure in result.figures] == ["Published"]
    again = studied("gd-uap-priors", folders, tmp_path)
    assert (again.computed, again.reused) == (0, result.computed)


def test_the_cross_model_matrix_is_the_table(folders, tmp_path):
    result = studied("gd-uap-cross-model", folders, tmp_path)
    rows = [view.row for view in gd_uap_cross_model.GIVEN]
    measured, paper = result.figures
    assert list(measured.rows) == [*rows, NOISE]
    for row, values in zip(measured.rows, measured.values, strict=True):
        assert values == [result.entry(row, column).measured.value for column in measured.columns]
    # all networks are the same file, and so is what is made for them
    assert all(len(set(values)) == 1 for values in measured.values)
    assert paper.values[0][0] == 0.8702
    assert result.entry("VGG-16", "ResNet-152").published == 36.84
    assert result.entry("CaffeNet", "VGG-F").published == 65.97


def test_segmentation_is_compared_with_the_networks_own(folders, tmp_path):
    result = studied("gd-uap-segmentation", folders, tmp_path)
    for row in (NOISE, *METHODS):
        for column in gd_uap_segmentation.COLUMNS:
            assert isinstance(result.entry(row, column.key).measured, Estimate)
        lost, iou = (result.entry(row, f"all.{column}").measured.value for column in ("lost", "iou"))
        assert lost == pytest.approx(1 - iou)
    assert result.entry(NOISE, "all.times").measured.value == 1
    assert 0 < result.entry(NOISE, "all.lost").measured.value < 1
    assert result.entry(NOISE, "sure.agreement").measured.value > result.entry(NOISE, "all.agreement").measured.value
    assert [figure.kind for figure in result.figures] == ["picture"] * 5


def test_many_mean_ious_at_once_are_that_of_the_metric():
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 9, (5, 4, 4)) * (generator.random((5, 4, 4)) < 0.5)
    counts[:, 3] = 0  # a class that is expected nowhere
    samples = generator.integers(0, 5, (7, 5)).astype(float)
    wholes = gd_uap_segmentation.resampled(counts, samples)
    for whole, sample in zip(wholes, samples.astype(int), strict=True):
        assert whole.tolist() == counts[sample].sum(0).tolist()
    assert gd_uap_segmentation.mean_ious(wholes).tolist() == pytest.approx([mean_iou(whole) for whole in wholes])


def test_colours_are_those_of_pascal_voc():
    painted = (colours(np.array([[0, 1, 2, 8, 15, 20]])) * 255).round().astype(int)[0]
    voc = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [64, 0, 0], [192, 128, 128], [0, 64, 128]]
    assert painted.tolist() == voc


def test_depth_is_measured_against_the_true_one(tmp_path):
    result = run_study("gd-uap-depth", tmp_path)
    assert result.missing == 0
    for row in (gd_uap_depth.CLEAN, NOISE, *METHODS):
        for column in gd_uap_depth.COLUMNS[:-1]:
            assert result.entry(row, column.key).measured.n == 6
    assert result.entry(gd_uap_depth.CLEAN, "times").measured is None
    assert [figure.kind for figure in result.figures] == ["picture"] * 6
    again = run_study("gd-uap-depth", tmp_path)
    assert (again.computed, again.reused) == (0, 6)
    times = result.entry(NOISE, "times").measured
    assert times == "noise does no harm" or times.value == pytest.approx(1)


def test_times_are_rises_over_that_by_noise():
    clean = np.array([0.1, 0.3])
    assert gd_uap_depth._times(clean + 0.6, clean + 0.2, clean).value == pytest.approx(3)
    assert gd_uap_depth._times(clean, clean - 0.1, clean) == "noise does no harm"


def test_at_the_scale_of_the_paper_methods_are_the_published_ones():
    for name, method in METHODS.items():
        assert TINY.method(name, "paper") == method
    short = Short(iterations=7, shown=5, batch=3)
    assert short.method("GD-UAP, no prior", "small") == replace(METHODS["GD-UAP, no prior"], iterations=7, step=1 / 255)
    ranged = short.method("GD-UAP, range prior", "small")
    assert (ranged.iterations, ranged.batch, ranged.prior) == (5, 3, "range")


def test_a_scene_is_the_same_however_many_there_are():
    some, more = render(2, 12, seed=3), render(40, 12, seed=3)
    assert np.array_equal(some.images, more.images[:2])
    assert np.array_equal(some.depth, more.depth[:2])
    assert not np.array_equal(more.depth[0], more.depth[1])
    assert not np.array_equal(render(2, 12, seed=4).depth, some.depth)


def test_the_floor_and_the_wall_are_where_they_should_be():
    """What no body hides is floor or wall: floor depths follow from the eye's height, the wall's is one number."""
    side, scenes = 24, render(30, 24, seed=0)
    assert scenes.images.shape == (30, 3, side, side)
    assert 0 <= scenes.images.min() < scenes.images.max() <= 1
    slope = -((np.arange(side) + 0.5) / side * 2 - 1) * FIELD - DOWN
    for depth in scenes.depth:
        wall = depth.max()
        assert WALL[0] <= wall <= WALL[1]
        assert np.median(depth[0]) == pytest.approx(wall)
        eyes = -(slope[:, None] * depth)[-1]
        floor = eyes.max()  # bodies are nearer than the floor behind them
        assert HEIGHT[0] - 1e-9 <= floor <= HEIGHT[1] + 1e-9
        expected = np.where(slope < 0, np.minimum(-floor / np.minimum(slope, -1e-9), wall), wall)
        assert (depth <= expected[:, None] + 1e-9).all()
        assert (np.isclose(depth, expected[:, None])).mean() > 0.3


def test_spheres_and_boxes_are_hit_where_geometry_says(monkeypatch):
    """A ray to the middle of a sphere hits it one radius before its centre; one to a box, on its front."""
    from brittle.studies.gd_uap import scenes as module

    draws = np.array([[0.5, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0]])  # radius 0.5, two away, in the middle
    height = np.array([0.0])
    eye = HEIGHT[0]
    rays = np.array([[0.0, (0.5 - eye) / 2, 1.0], [1.0, 1.0, 1.0]])
    depth, normal, colour = module._sphere(rays, draws, height)
    centre = np.array([0.0, 0.5 - eye, 2.0])
    distance = np.linalg.norm(centre)
    assert depth[0, 0] == pytest.approx(2 * (distance - 0.5) / distance)
    assert depth[0, 1] == np.inf
    np.testing.assert_allclose(normal[0, 0], -centre / distance)
    assert colour[0, 0].tolist() == [1, 0, 0]
    draws = np.array([[0.5, 0.5, 0.5, 0.0, 0.5, 0.0, 0.2, 0.3, 0.4]])  # half sides 0.4, not turned
    rays = np.array([[0.0, (0.4 - eye) / 2, 1.0], [1.0, 1.0, 1.0]])
    depth, normal, _ = module._box(rays, draws, height)
    assert depth[0].tolist() == pytest.approx([1.6, np.inf])
    np.testing.assert_allclose(normal[0, 0], [0, 0, -1], atol=1e-12)
    draws[0, 5] = 0.25  # turned by 45 degrees: an edge is in front
    depth, _, _ = module._box(rays, draws, height)
    assert depth[0, 0] == pytest.approx(2 - 0.4 * np.sqrt(2), abs=1e-6)


def test_the_depth_network_learns_and_is_kept(tmp_path):
    training = DepthTraining(width=4, scenes=16, side=16, epochs=10, batch=8, rate=1e-2)
    scenes, losses = render(training.scenes, training.side, 0), []
    state = torch.get_rng_state()
    network = train_depth(training, scenes, progress=lambda epoch, loss: losses.append(loss))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(losses) == 10
    assert losses[-1] < 0.8 * losses[0]
    again = train_depth(training, scenes)
    save_depth(network, tmp_path / "n.safetensors")
    images = torch.from_numpy(scenes.images[:3]).float()
    depths = network(images)
    assert depths.shape == (3, 1, 16, 16)
    assert torch.equal(again(images), depths)
    assert torch.equal(load_depth(tmp_path / "n.safetensors", 4)(images), depths)
    assert isinstance(network, DepthNetwork)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_are_in_the_catalogue():
    for name in ("gd-uap-cross-model", "gd-uap-depth", "gd-uap-priors", "gd-uap-segmentation"):
        assert STUDIES[name].name == name
