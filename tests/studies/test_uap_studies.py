"""The studies of universal perturbations on linear networks and a few digits, where all can be worked out."""

import base64
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from brittle import Lp
from brittle.attacks.deepfool import DeepFool
from brittle.errors import BrittleError, DataError, ModelError
from brittle.metrics import Estimate
from brittle.models import Network
from brittle.studies import Setting, run_study
from brittle.studies.bench.comparison import Comparison
from brittle.studies.bench.drawing import Curves, Graph, HeatMap, Picture
from brittle.studies.shared import photographs
from brittle.studies.shared.photographs import L2, LINF, SAMPLE, Photographs, fooled, uniform_in_ball
from brittle.studies.shared.views import (
    FETCHED,
    GIVEN,
    MOBILENET_128,
    MOBILENET_160,
    MOBILENET_192,
    MOBILENET_V2,
    SQUEEZENET,
)
from brittle.studies.uap import boundaries
from brittle.studies.uap import cross_model as uap_cross_model
from brittle.studies.uap import diversity as uap_diversity
from brittle.studies.uap import fooling as uap_fooling
from brittle.studies.uap import geometry as uap_geometry
from brittle.studies.uap import labels as uap_labels
from brittle.studies.uap import set_size as uap_set_size
from brittle.studies.uap import sizes as uap_sizes
from brittle.studies.uap.drawn import GAP, drawn
from brittle.studies.uap.set_size import Plan
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.sga import SGA
from brittle.universal_attacks.uap import UniversalDeepFool

SIDES = {"mobilenet_v1_0.25_128.pt2": 12, "mobilenet_v1_0.5_160.pt2": 8}
"""Sizes of the stand-ins' images; of all others 10."""
QUICK = UniversalAscent(passes=2, batch=5, step=0.5)
IMAGES = 30
STUDIES = (uap_cross_model, uap_diversity, uap_fooling, uap_geometry, uap_labels, uap_set_size, uap_sizes)
CIFAR = uap_sizes.RESNET


def linear(spec, device="cpu"):
    """A random linear network in place of a file's."""
    side = SIDES.get(Path(spec).name, 10)
    number = sorted(view.spec for view in (*GIVEN, CIFAR)).index(Path(spec).name)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 6))
    generator = torch.Generator().manual_seed(number)
    nn.init.zeros_(module[1].bias)
    nn.init.normal_(module[1].weight, generator=generator)
    return Network(spec, module, f"digest {number}", (3, side, side), (), 9)


@pytest.fixture(scope="module")
def folders(few_digits, tmp_path_factory):
    """Some digits in the place of photographs, and empty files in that of networks."""
    data, models = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("models")
    (data / SAMPLE).parent.mkdir()
    pq.write_table(pq.read_table(few_digits / "mnist/train.parquet").slice(0, IMAGES), data / SAMPLE)
    for view in (*GIVEN, CIFAR):
        (models / view.spec).touch()
    (data / CIFAR.images).parent.mkdir()
    shutil.copy(few_digits / "mnist/test.parquet", data / CIFAR.images)
    shutil.copy(few_digits / "mnist/train.parquet", data / CIFAR.training)
    return data, models


@pytest.fixture(scope="module", autouse=True)
def stand_ins():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "open_network", linear)
        for study in STUDIES:
            patch.setattr(study, "FAST", QUICK)
        patch.setattr(uap_fooling, "PUBLISHED", UniversalDeepFool(DeepFool(steps=10), passes=2))
        patch.setattr(uap_fooling, "PUBLISHED_ON", {"small": {("linf", MOBILENET_128.row): 6}})
        plans = {MOBILENET_128.row: Plan((10,), 12, 15), CIFAR.row: Plan((10, 50), 50, 10)}
        patch.setattr(uap_fooling, "AGGREGATED", {"small": SGA(passes=2, batch=10, small=5)})
        patch.setattr(uap_cross_model, "WITHOUT_IMAGES", {"small": QUICK, "full": QUICK})
        patch.setattr(uap_set_size, "PLANS", {"small": plans})
        patch.setattr(
            uap_set_size, "AMOUNTS", {"small": {row: (plan.sizes[-1], plan.held_out) for row, plan in plans.items()}}
        )
        patch.setattr(uap_geometry, "DIMENSIONS", 2)
        patch.setattr(uap_geometry, "DRAWS", {"small": 8})
        patch.setattr(uap_geometry, "FRACTIONS", {"small": (0.02, 1.0)})
        yield


@pytest.fixture
def setting(folders, tmp_path):
    return Setting(*folders, "small", "cpu", 0, tmp_path)


@pytest.fixture
def study(folders, tmp_path):
    data, models = folders
    return lambda name, **options: run_study(name, tmp_path, data=data, models=models, **options)


def test_x_and_the_unseen_images_are_disjoint_halves(setting):
    paper = Photographs(MOBILENET_128, replace(setting, scale="paper"))
    both = torch.cat([paper.given.images, paper.held_out.images])
    assert both.dtype == torch.uint8
    assert len(paper.given) == len(paper.held_out) == IMAGES // 2
    (block,) = paper.source.blocks(IMAGES)
    every = (block.images * 255).round().to(torch.uint8)
    assert sorted(both.flatten(1).tolist()) == sorted(every.flatten(1).tolist())
    small = Photographs(MOBILENET_128, setting, most=(4, 7))
    assert torch.equal(small.given.images, paper.given.images[:4])
    assert torch.equal(small.held_out.images, paper.held_out.images[:7])
    assert torch.equal(small.first(3).images, paper.given.images[:3])
    other = Photographs(MOBILENET_128, replace(setting, seed=1), most=(4, 7))
    assert not torch.equal(other.given.images, small.given.images)
    assert len({str(one.identity()) for one in (paper, small, other)}) == 3


@pytest.mark.parametrize(("threat", "name"), [(Lp("inf", 0.2), "linf"), (Lp(2, 3.0), "l2")], ids=("linf", "l2"))
def test_noise_fills_the_ball(threat, name):
    drawn = torch.stack([uniform_in_ball((3, 9, 9), threat, torch.Generator().manual_seed(n)) for n in range(20)])
    sizes = drawn.flatten(1).abs().amax(1) if name == "linf" else drawn.flatten(1).norm(dim=1)
    assert (sizes <= threat.radius * (1 + 1e-6)).all()
    assert (sizes > 0.97 * threat.radius).all()
    assert drawn.mean().abs() < 0.01
    if name == "linf":
        assert float(drawn.abs().mean()) == pytest.approx(0.1, rel=0.05)


def test_a_perturbation_is_made_once_and_a_killed_search_goes_on(setting):
    class Killed(Exception):
        pass

    def stop(line, fraction=None):
        if "pass 1" in line:
            raise Killed

    seen = Photographs(MOBILENET_128, setting)
    whole = seen.found(QUICK, LINF)
    folder = setting.folder / "another"
    with pytest.raises(Killed):
        Photographs(MOBILENET_128, replace(setting, folder=folder, tell=stop)).found(QUICK, LINF)
    told = []
    later = Photographs(
        MOBILENET_128, replace(setting, folder=folder, tell=lambda line, fraction=None: told.append(line))
    )
    assert torch.equal(later.found(QUICK, LINF).tensor, whole.tensor)
    assert [line.split(", ")[2] for line in told] == ["pass 2 of 2"]
    assert torch.equal(later.found(QUICK, LINF).tensor, whole.tensor)
    assert len(told) == 1
    assert not torch.equal(later.found(QUICK, LINF, seed=1).tensor, whole.tensor)


def test_what_is_missing_is_said(setting):
    def error(view, **changes):
        with pytest.raises(BrittleError) as caught:
            Photographs(view, replace(setting, **changes)).identity()
        return caught.value

    lost = replace(MOBILENET_128, spec="lost.pt2")
    assert "needs mobilenet_v1_0.25_128.pt2: give the folder" in str(error(MOBILENET_128, models=None))
    assert "needs lost.pt2, which is not in the folder" in str(error(lost))
    assert isinstance(error(lost), ModelError)
    assert isinstance(error(MOBILENET_128, data=None), DataError)
    assert "measured at the scale of the paper" in str(error(FETCHED[0]))


def test_a_perturbation_made_by_one_study_is_read_by_the_next(study, setting):
    told = []
    study("uap-fooling")
    made = {path: path.stat().st_mtime_ns for path in setting.networks.parent.rglob("networks/*.safetensors")}
    study("uap-cross-model", watch=lambda line, fraction=None: told.append(line))
    study("uap-labels", watch=lambda line, fraction=None: told.append(line))
    assert len(made) == 3 * len(GIVEN) + 3
    assert made == {path: path.stat().st_mtime_ns for path in made}
    assert not [line for line in told if "pass 1" in line]


def test_fooling_beside_noise_and_the_published_algorithm(study):
    result = study("uap-fooling")
    totals = {"given": 0.0, "unseen": 0.0, "noise": 0.0}
    for view in GIVEN:
        for norm in ("linf", "l2"):
            for key in totals:
                rate = result.entry(view.row, f"{norm}.{key}").measured
                assert rate.n == IMAGES // 2
                totals[key] += rate.value
    assert totals["noise"] + 1 < totals["unseen"] < totals["given"] + 1
    small = MOBILENET_128.row
    assert result.entry(small, "linf.sga.unseen").measured.value > result.entry(small, "linf.noise").measured.value
    assert result.entry(small, "linf.sga.unseen").published is None
    assert result.entry(small, "linf.paper.count").measured == "6"
    assert result.entry(small, "linf.paper.given").measured.n == 6
    assert "pass" in result.entry(small, "linf.paper.given").note
    assert result.entry(SQUEEZENET.row, "linf.paper.given").measured is None
    assert result.entry("VGG-F", "l2.unseen").published == 87.0
    assert result.entry(small, "l2.unseen").published == 87.0
    assert result.entry(small, "linf.paper.unseen").published == 93.7
    assert result.entry("ResNet-152", "linf.given").published == 85.4
    assert result.missing == 3 * len(FETCHED)
    assert [type(one) for one in result.figures] == [Picture] * (2 * len(GIVEN) + 1)


def test_each_published_rate_is_counted_once_and_has_a_neighbour_but_googlenets(study):
    for name, whole, beside in (("uap-fooling", 24, 20), ("uap-cross-model", 36, 25)):
        comparison = Comparison(study(name))
        assert len(comparison.published) == whole
        assert len(comparison.beside) == beside


def test_a_perturbation_fools_other_networks_at_their_own_size(study, setting):
    result = study("uap-cross-model")
    (figure,) = result.figures
    assert isinstance(figure, HeatMap)
    assert figure.columns == tuple(view.row for view in GIVEN)
    assert figure.rows[-1] == uap_cross_model.NOISE_ROW
    for row, values in zip(figure.rows, figure.values, strict=True):
        assert values == [result.entry(row, column).measured.value for column in figure.columns]
        others = [value for name, value in zip(figure.columns, values, strict=True) if not row.startswith(name)]
        assert result.entry(row, uap_cross_model.OTHERS).measured.value == pytest.approx(np.mean(others))
    made = Photographs(MOBILENET_128, setting).found(QUICK, LINF)
    onto = Photographs(MOBILENET_160, setting)
    wanted = fooled(onto.held_out, made.resampled(8, 8).tensor)
    assert result.entry(MOBILENET_128.row, MOBILENET_160.row).measured == wanted
    assert result.entry("VGG-16", "VGG-19").published == 73.1
    assert result.entry(MOBILENET_160.row, MOBILENET_192.row).published == 73.1
    assert result.entry(MOBILENET_160.row, "GoogLeNet").published == 56.5
    assert study("uap-cross-model").reused == 7 + len(GIVEN)


def test_shufflings_are_compared_by_their_directions(study, setting):
    result = study("uap-diversity")
    matrix = next(one for one in result.figures if isinstance(one, HeatMap) and MOBILENET_128.row in one.title)
    values = np.array(matrix.values)
    seen = Photographs(MOBILENET_128, setting, (200, 500))
    found = [seen.found(QUICK, LINF, seed=seed).tensor.flatten() for seed in range(3)]
    cosine = torch.nn.functional.cosine_similarity(found[0], found[2], dim=0)
    assert values[0, 2] == pytest.approx(float(cosine), abs=1e-4)
    assert np.diag(values) == pytest.approx(1)
    largest = np.abs(values - np.eye(3)).max()
    assert result.entry(MOBILENET_128.row, "largest").measured.value == pytest.approx(largest, abs=1e-4)
    assert result.entry(MOBILENET_V2.row, "largest").published == "< 0.1"
    assert sum(isinstance(one, Picture) for one in result.figures) == 2


def test_pictures_of_perturbations_stand_beside_each_other():
    first = torch.zeros(3, 5, 6)
    first[0, 0, 0], first[1, 4, 5] = 0.2, -0.1
    picture = drawn("two", [first, -2 * first], "made for nothing")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.png))))
    assert pixels.shape == (5, 6 + GAP + 6, 3)
    assert pixels[0, 0].tolist() == [255, 128, 128]
    assert pixels[4, 5].tolist() == [128, 64, 128]
    assert pixels[0, 6 + GAP].tolist() == [0, 128, 128]


def test_dominant_labels_and_their_graph(study):
    result = study("uap-labels")
    graph = next(one for one in result.figures if MOBILENET_128.row in one.title)
    assert isinstance(graph, Graph)
    entry = {column.key: result.entry(MOBILENET_128.row, column.key).measured for column in result.columns}
    assert entry["images"] == "30"
    assert entry["fooled"].n == 30
    assert entry["edges"] == f"{len(graph.edges)}" != "0"
    degrees = np.bincount([end for _, end, _ in graph.edges], minlength=len(graph.nodes))
    assert [weight for _, weight in graph.nodes] == degrees.tolist()
    heaviest = max(graph.nodes, key=lambda node: node[1])
    assert entry["dominant"].startswith("class ")
    assert f"({heaviest[1]:g})" in entry["dominant"].split(";")[0]
    assert entry["top"].value <= entry["five"].value
    assert entry["top"].n == round(entry["fooled"].value * 30)


def test_sizes_of_x(study):
    result = study("uap-set-size")
    curves = next(one for one in result.figures if CIFAR.row in one.title)
    x, held_out = curves.lines["held-out images"]
    assert list(x) == [10, 50]
    assert [result.entry(CIFAR.row, f"{size}").measured.value for size in x] == held_out
    assert result.entry(CIFAR.row, "50.given").measured.n == 50
    assert result.entry(CIFAR.row, "50").measured.n == 10
    assert result.entry(MOBILENET_128.row, "10.given").measured.n == 10
    assert result.entry(MOBILENET_128.row, "50").measured is None
    assert result.entry(MOBILENET_V2.row, "500").published == "> 30 %"


def test_x_of_a_network_with_training_images_is_drawn_from_these(setting):
    seen = Photographs(CIFAR, setting, (20, 12))
    assert (len(seen.given), len(seen.held_out)) == (20, 12)
    for images, source in ((seen.given, seen.training), (seen.held_out, seen.source)):
        (block,) = source.blocks(len(source))
        every = {tuple(image) for image in (block.images * 255).round().to(torch.uint8).flatten(1).tolist()}
        assert {tuple(image) for image in images.images.flatten(1).tolist()} <= every
    assert len(seen.training) > len(seen.source) == 12


def test_normals_of_linear_boundaries_are_differences_of_weights(setting):
    seen = Photographs(MOBILENET_128, setting)
    around = boundaries.boundaries(seen)
    weight = seen.network.module[1].weight.detach()
    lines = (weight[:, None] - weight[None]).flatten(0, 1)
    lines = lines / lines.norm(dim=1, keepdim=True).clamp_min(1e-9)
    assert around.images == 15
    assert len(around.normals) > 10
    assert around.normals.norm(dim=1).numpy() == pytest.approx(1, abs=1e-5)
    assert (around.normals @ lines.T).amax(1).numpy() == pytest.approx(1, abs=1e-4)
    assert seen.held_out.fooled(torch.zeros(seen.shape)).sum() == 0
    assert float(around.single.norm()) > 0


def test_the_normals_of_six_classes_have_five_dimensions(study):
    result = study("uap-geometry")
    lengths, values = result.figures
    assert isinstance(lengths, Curves)
    own = np.array(values.lines["normals of the boundary"][1])
    random = np.array(values.lines["random unit vectors"][1])
    assert (own**2).sum() == pytest.approx(len(own), rel=1e-4)
    assert (random**2).sum() == pytest.approx(len(random), rel=1e-4)
    assert own[5:].max() < 1e-3
    entry = {column.key: result.entry(MOBILENET_V2.row, column.key).measured for column in result.columns}
    assert entry["half"].value <= 3 < entry["half.random"].value
    assert entry["columns"] == "300"
    assert isinstance(entry["span"], Estimate)
    assert entry["faint.span"].value > entry["faint.whole"].value
    (x, rates) = lengths.lines["universal perturbation"]
    assert "mean image" in lengths.lines
    assert x[1] == pytest.approx(L2.radius)
    assert rates[1] == pytest.approx(entry["universal"].value, abs=0.07)
    keys = ("universal", "span", "whole", "faint.span", "faint.whole", "random.length")
    published = [result.entry(MOBILENET_V2.row, key).published for key in keys]
    assert published == [85, 38, 10, 38, 10, 20000]
    assert len(Comparison(result).published) == 4
    assert entry["random.length"].value == pytest.approx(300**0.5 * entry["own"].value)
    assert entry["universal.length"].value <= 2000 * (1 + 1e-6)
