"""The studies of data-free perturbations on tiny networks and a few pictures, and the scenes with exact depth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from digit_files import write_digits
from torch import nn

from brittle.metrics import Estimate, mean_iou
from brittle.models import Network
from brittle.studies import STUDIES, published, run_study
from brittle.studies.bench.comparison import Comparison, published_beside
from brittle.studies.bench.study import Setting
from brittle.studies.gd_uap import cross_model as gd_uap_cross_model
from brittle.studies.gd_uap import depth as gd_uap_depth
from brittle.studies.gd_uap import depth_estimates, segmented
from brittle.studies.gd_uap import priors as gd_uap_priors
from brittle.studies.gd_uap import segmentation as gd_uap_segmentation
from brittle.studies.gd_uap.data_free import DATA, FFF, METHODS, NEWER, NOISE, OURS, PSP, RANGE, TRM, Lengths, Short
from brittle.studies.gd_uap.depth_network import DepthNetwork, DepthTraining, load_depth, save_depth, train_depth
from brittle.studies.gd_uap.one_class import CLIP, OneClass
from brittle.studies.gd_uap.scenes import DOWN, FIELD, HEIGHT, WALL, render
from brittle.studies.gd_uap.segmented import CLASSES
from brittle.studies.shared import photographs
from brittle.studies.shared.photographs import LINF, SAMPLE
from brittle.studies.shared.views import GIVEN
from brittle.threats import Lp
from brittle.training.named import seeded
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.perturbation import Perturbation

TINY = Short(Lengths(2, 2, 2), Lengths(3, 3, 3))
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
    for view in (*GIVEN, segmented.DEEPLAB):
        (folder / view.spec).touch()
    return folder


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "open_network", stand_in)
        for module in (gd_uap_cross_model, gd_uap_depth, gd_uap_priors, gd_uap_segmentation):
            patch.setattr(module, "SHORT", TINY)
        tiny = DepthTraining(width=2, scenes=4, side=16, epochs=1, batch=2)
        patch.setattr(depth_estimates, "TRAINING", {"small": tiny})
        patch.setattr(depth_estimates, "TESTED", {"small": 6})
        patch.setattr(segmented, "PAINTING", UniversalAscent(target=1, loss="margin", passes=1, clip=100.0))
        patch.setattr(segmented, "MOST", {"small": (3, 6)})
        yield


def studied(name, folders, out):
    return run_study(name, out, data=folders, models=folders)


def test_priors_measure_every_method_on_every_network(folders, tmp_path):
    result = studied("gd-uap-priors", folders, tmp_path)
    for view in GIVEN:
        for column in (NOISE, *METHODS, *NEWER, gd_uap_priors.UAP):
            estimate = result.entry(view.row, column).measured
            assert isinstance(estimate, Estimate)
            assert estimate.n == 6
    assert result.entry("MobileNet v1 0.5 (160)", RANGE).published == 63.08
    assert result.entry("SqueezeNet 1.0", NOISE).published == 12.9
    assert result.entry("SqueezeNet 1.0", gd_uap_priors.UAP).published == 93.3
    assert result.entry("SqueezeNet 1.0", gd_uap_priors.SHARE).published == 0.981
    assert result.entry("VGG-16", NOISE).measured is None
    assert [figure.title for figure in result.figures] == ["Published"]
    # 2 steps of one image by Fast Feature Fool; 10 passes of UAP over the 6 images of X
    costs = {name: result.entry("SqueezeNet 1.0", key).measured.value for name, key in gd_uap_priors.GRADIENTS.items()}
    assert costs == {FFF: 2, gd_uap_priors.UAP: 60}
    again = studied("gd-uap-priors", folders, tmp_path)
    assert (again.computed, again.reused) == (0, result.computed)


def test_what_stands_for_the_papers_networks_fills_their_tables(folders, tmp_path):
    priors, crossed = (Comparison(studied(f"gd-uap-{name}", folders, tmp_path)) for name in ("priors", "cross-model"))
    assert (len(crossed.published), len(crossed.beside)) == (36, 25)
    missing = {place for place in priors.published - priors.beside if place[0] != "GoogLeNet"}
    assert not missing
    for comparison in (priors, crossed):
        assert "not measured" not in {comparison.order(order) for order in comparison.result.study.orders}


def test_every_order_is_one_of_the_published_figures():
    """Where the paper prints all figures of an order that a study declares, they stand in it."""
    judged = 0
    for name in ("gd-uap-priors", "gd-uap-cross-model", "gd-uap-depth", "gd-uap-segmentation"):
        study = STUDIES[name]
        rows, columns = ({one.key: one for one in many} for many in (study.rows, study.columns))
        for order in study.orders:
            figures = [published_beside(study, rows[row], columns[column]) for row, column in order.places]
            known = [figure for figure in figures if figure is not None]
            assert known == sorted(known), order.text
            judged += len(known) > 1
    assert judged > 30


def test_both_figures_of_vgg_f_stand_as_printed():
    own = published()["gd_uap_cross_model"].figure("VGG-F", "VGG-F")
    assert (own, published()["gd_uap_priors"].figure("VGG-F", "range prior")) == (91.91, 91.81)


def test_the_share_of_uap_is_a_quotient_of_rates():
    whole = np.array([1.0, 1, 1, 1, 0, 0, 1, 1])
    part = np.array([1.0, 1, 1, 0, 0, 0, 0, 0])
    assert gd_uap_priors.share(part, whole).value == pytest.approx(0.5)
    assert gd_uap_priors.share(part, np.zeros(8)) == "UAP fools none"


def test_the_cost_is_read_from_the_passes():
    passes = [{"backward": 3, "seconds": 1.5}, {"backward": 9, "seconds": 2.0}]
    made = Perturbation(torch.zeros(1, 2, 2), LINF, {"passes": passes})
    assert gd_uap_priors.cost(made) == (9, 3.5)
    assert gd_uap_priors.cost(replace(made, made={"passes": []})) == (0, 0)


def test_the_cross_model_matrix_is_the_table(folders, tmp_path):
    result = studied("gd-uap-cross-model", folders, tmp_path)
    rows = [view.row for view in GIVEN]
    measured, paper = result.figures
    assert list(measured.rows) == [*rows, NOISE]
    for row, values in zip(measured.rows, measured.values, strict=True):
        assert values == [result.entry(row, column).measured.value for column in measured.columns]
    # all networks are the same file, and so is what is made for them
    assert all(len(set(values)) == 1 for values in measured.values)
    assert paper.values[0][0] == 0.8702
    assert result.entry("MobileNet v1 0.5 (160)", "MobileNet v2").published == 36.84
    assert result.entry("SqueezeNet 1.0", "MobileNet v1 0.25 (128)").published == 65.97
    assert result.entry("GoogLeNet", "SqueezeNet 1.0").published == 44.7


def test_segmentation_is_compared_with_the_networks_own(folders, tmp_path):
    result = studied("gd-uap-segmentation", folders, tmp_path)
    for row in gd_uap_segmentation.ROWS:
        for column in gd_uap_segmentation.COLUMNS:
            assert isinstance(result.entry(row, column.key).measured, Estimate) == column.measured
        lost, iou = (result.entry(row, f"all.{column}").measured.value for column in ("lost", "iou"))
        assert lost == pytest.approx(1 - iou)
    assert result.entry(NOISE, "all.times").measured.value == 1
    assert 0 < result.entry(NOISE, "all.lost").measured.value < 1
    assert result.entry(NOISE, "sure.agreement").measured.value > result.entry(NOISE, "all.agreement").measured.value
    assert [figure.kind for figure in result.figures] == ["picture"] * 7
    assert result.entry(DATA, "sure.iou").published == 50.0  # 37.45 of 74.94
    assert result.entry(gd_uap_segmentation.LESS, "DL-VGG").published == 27.41
    assert result.entry(gd_uap_segmentation.PAINTED, "sure.iou").published is None


def test_less_background_is_that_of_the_networks_own_segmentation(folders, tmp_path, monkeypatch):
    setting = Setting(folders, folders, "small", "cpu", 0, tmp_path)
    subject = segmented.Segmented(setting)
    pool = subject._pool.given
    monkeypatch.setattr(segmented, "BACKGROUND", 3)
    shares = [float((subject.labels(pool.at(torch.tensor([row]))) == 3).mean()) for row in range(len(pool))]
    chosen = [
        row
        for row in range(len(pool))
        if any(torch.equal(pool.images[row], one) for one in subject.less_background.images)
    ]
    assert len(subject.less_background) == 3
    assert max(shares[row] for row in chosen) <= min(shares[row] for row in range(len(pool)) if row not in chosen)


def test_the_lead_of_a_class_is_averaged_and_cut_off():
    def segmenter(images):
        logits = torch.zeros(1, 3, 1, 2)
        logits[0, :, 0, 0] = torch.tensor([1.0, 0.0, 9.0])  # leads by 8
        logits[0, :, 0, 1] = torch.tensor([4.0, 0.0, 1.0])  # is 3 behind
        return logits + 0 * images.sum()

    module = OneClass(nn.Identity(), 2)
    module.segmenter.forward = segmenter
    assert module(torch.zeros(1, 3, 1, 2)).tolist() == [[0, (CLIP - 3) / 2]]


def test_a_sofa_is_painted_where_the_network_can_be_led_to_it(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(segmented, "PAINTING", UniversalAscent(target=1, loss="margin", passes=8, clip=100.0, batch=2))
    monkeypatch.setattr(segmented, "LINF", Lp("inf", 0.5))
    subject = segmented.Segmented(Setting(folders, folders, "small", "cpu", 0, tmp_path))
    counts = np.bincount(np.concatenate([labels.ravel() for labels in subject.noisy]), minlength=CLASSES)
    second = int(np.argsort(counts)[-2])  # a class that the random network has at hand, and not everywhere
    monkeypatch.setattr(segmented, "SOFA", second)
    painted = subject.moved(subject.painted())
    before, after = (np.mean([labels == second for labels in made]) for made in (subject.noisy, painted))
    assert after > before + 0.1


@pytest.mark.parametrize("draws", [4, 5])
def test_many_mean_ious_at_once_are_that_of_the_metric(draws):
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 9, (5, 4, 4)) * (generator.random((5, 4, 4)) < 0.5)
    counts[:, 3] = 0  # a class that is expected nowhere
    samples = generator.integers(0, 5, (7, draws)).astype(float)
    wholes = segmented.resampled(counts, samples)
    for whole, sample in zip(wholes, samples.astype(int), strict=True):
        assert whole.tolist() == counts[sample].sum(0).tolist()
    assert segmented.mean_ious(wholes).tolist() == pytest.approx([mean_iou(whole) for whole in wholes])


def test_depth_is_measured_against_the_true_one(tmp_path):
    result = run_study("gd-uap-depth", tmp_path)
    assert result.missing == 0
    for kind in gd_uap_depth.KINDS:
        for what in (gd_uap_depth.CLEAN, NOISE, *METHODS):
            for column in gd_uap_depth.COLUMNS[:-1]:
                assert result.entry(gd_uap_depth.key_of(what, kind), column.key).measured.n == 6
    assert result.entry("unchanged scenes, plain", "times").measured is None
    plain, residual = (result.entry(f"unchanged scenes, {kind}", "absolute") for kind in gd_uap_depth.KINDS)
    assert (plain.published, residual.published) == (0.148, 0.133)
    assert plain.measured.value != residual.measured.value
    assert result.entry("uniform noise, plain", "within1").published == 80.0
    comparison = Comparison(result)
    assert comparison.beside == comparison.published
    assert len(comparison.published) == 63
    assert [figure.kind for figure in result.figures] == ["picture"] * 12
    again = run_study("gd-uap-depth", tmp_path)
    assert (again.computed, again.reused) == (0, 13)
    times = result.entry("uniform noise, plain", "times").measured.value
    noisy = result.entry("uniform noise, plain", "absolute").measured.value
    assert times == pytest.approx(noisy / plain.measured.value)


def test_the_mean_of_the_training_scenes_is_measured_as_an_estimate(tmp_path):
    world = depth_estimates.World(Setting(None, None, "small", "cpu", 0, tmp_path))
    mean = world.known.depth.mean(0)
    expected = [np.mean(np.abs(mean - depth) / depth) for depth in world.tested.depth]
    assert world.mean_errors().absolute.tolist() == pytest.approx(expected)


def test_times_are_errors_over_those_of_unchanged_scenes():
    clean = np.array([0.1, 0.3])
    assert gd_uap_depth._times(np.array([0.2, 1.0]), clean).value == pytest.approx(3)


def test_at_the_scale_of_the_paper_methods_are_the_published_ones():
    for name, method in {**METHODS, **NEWER}.items():
        assert TINY.method(name, "paper") == method
    short = Short(Lengths(7, 5, 3, step=1.0), Lengths(70, 50, 4))
    assert short.method("GD-UAP, no prior", "small") == replace(METHODS["GD-UAP, no prior"], iterations=7, step=1 / 255)
    ranged = short.method("GD-UAP, range prior", "small")
    assert (ranged.iterations, ranged.batch, ranged.prior) == (5, 3, "range")
    full = short.method("GD-UAP, range prior", "full")
    assert (full.iterations, full.batch, full.step) == (50, 4, METHODS[RANGE].step)
    assert "10 times the published rate" in short.note
    assert short.method(TRM, "small").iterations == 7
    assert (short.method(PSP, "full").iterations, short.method(PSP, "full").copies) == (50, 4)
    assert short.method(OURS, "full").steps * short.method(OURS, "full").passes == 70


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


@pytest.mark.parametrize("residual", [False, True])
def test_the_depth_network_learns_and_is_kept(tmp_path, residual):
    training = DepthTraining(width=4, scenes=16, side=16, epochs=10, batch=4, rate=5e-3, residual=residual)
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
    assert torch.equal(load_depth(tmp_path / "n.safetensors", 4, residual=residual)(images), depths)
    assert isinstance(network, DepthNetwork)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_are_in_the_catalogue():
    for name in ("gd-uap-cross-model", "gd-uap-depth", "gd-uap-priors", "gd-uap-segmentation"):
        assert STUDIES[name].name == name
