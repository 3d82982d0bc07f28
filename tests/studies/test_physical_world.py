"""The study of photographed adversarial images, on a linear network and digits in the place of photographs."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from brittle.metrics import Estimate
from brittle.models import Network
from brittle.physical.blur import Blur
from brittle.physical.photograph import Photograph
from brittle.studies import Setting, run_study
from brittle.studies.bench.drawing import Curves
from brittle.studies.physical import shots as shooting
from brittle.studies.physical import sweep, world
from brittle.studies.physical.shots import METHODS, Shots
from brittle.studies.physical.world import NONE, PHYSICAL_WORLD, VIEWS, Shooting, row_name
from brittle.studies.shared import photographs
from brittle.studies.shared.photographs import SAMPLE
from brittle.studies.shared.views import MOBILENET_V2

IMAGES = 12


def linear(spec: str, device: str = "cpu") -> Network:
    """A random linear network in place of a file's."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 100, 10))
    nn.init.zeros_(module[1].bias)
    nn.init.normal_(module[1].weight, generator=torch.Generator().manual_seed(len(spec)))
    return Network(spec, module, f"digest {spec}", (3, 10, 10), (), 9)


@pytest.fixture(scope="module")
def folders(few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Some digits in the place of photographs, and empty files in that of networks."""
    data, models = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("models")
    (data / SAMPLE).parent.mkdir()
    pq.write_table(pq.read_table(few_digits / "mnist/train.parquet").slice(0, 30), data / SAMPLE)
    for view in VIEWS:
        (models / view.spec).touch()
    return data, models


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "open_network", linear)
    monkeypatch.setattr(shooting, "IMAGES", {"small": {view.row: IMAGES for view in VIEWS}})
    monkeypatch.setattr(world, "IMAGES", shooting.IMAGES)
    monkeypatch.setattr(world, "RADII", (4, 16))
    monkeypatch.setattr(sweep, "SWEPT", {name: sweep.SWEPT[name] for name in ("blur", "jpeg")})
    monkeypatch.setattr(world, "SWEPT", sweep.SWEPT)


@pytest.fixture
def setting(folders: tuple[Path, Path], tmp_path: Path) -> Setting:
    return Setting(*folders, "small", "cpu", 0, tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_every_image_is_attacked_at_the_full_radius(setting: Setting, method: str):
    shots = Shots(MOBILENET_V2, setting)
    change = (shots.adversarial(method, 8) - shots.images).abs().flatten(1)
    assert change.amax(1) == pytest.approx(torch.full((IMAGES,), 8 / 255), abs=1e-6)  # misclassified ones too
    levels = shots.adversarial(method, 8) * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)


def test_rows_hold_originals_and_adversarial_images_before_and_behind_the_camera(setting: Setting):
    shots, channel = Shots(MOBILENET_V2, setting), Blur(sigma=1.0)
    adversarial = shots.adversarial("fast", 16)
    table = shots.table("fast", 16, channel)
    with torch.no_grad():
        for column, images in (
            ("clean_rank", shots.images),
            ("rank", adversarial),
            ("clean_channel_rank", channel(shots.images)),
            ("channel_rank", channel(adversarial)),
        ):
            logits = shots.classifier.logits(images)
            first = (logits.argmax(1) == shots.labels).tolist()
            assert [rank == 0 for rank in table[column].to_pylist()] == first


def test_without_a_camera_nothing_is_destroyed(setting: Setting):
    found = Shooting(Shots(MOBILENET_V2, setting), "iterative basic", 16, Photograph(strength=0)).measure()
    rate = found.values["average.1"]
    assert rate == NONE or (isinstance(rate, Estimate) and rate.value == 0)
    assert found.values["rank.1"] == found.values["channel_rank.1"]


def test_the_identity_says_method_radius_camera_and_network(setting: Setting):
    shots = Shots(MOBILENET_V2, setting)
    one = Shooting(shots, "fast", 8, Photograph()).identity()
    others = [
        Shooting(shots, "fast", 16, Photograph()),
        Shooting(shots, "least-likely", 8, Photograph()),
        Shooting(shots, "fast", 8, Photograph(strength=2.0)),
        Shooting(Shots(VIEWS[1], setting), "fast", 8, Photograph()),
    ]
    assert all(other.identity() != one for other in others)


@pytest.mark.parametrize(
    ("row", "column", "figure"),
    [
        (row_name("Inception v3", "fast", 16), "average.1", 12.5),
        (row_name("Inception v3", "iterative basic", 2), "average.5", 81.5),
        (row_name("Inception v3", "least-likely", 8), "prefiltered.1", 88.9),
        (row_name("Inception v3", "fast", 2), "rank.1", None),
        (row_name("Inception v3", "fast", 16), "channel_rank.5", 67.7),
        (row_name("Inception v3", "least-likely", 8), "clean_rank.1", 78.4),
        (row_name("MobileNet v2", "fast", 16), "average.1", None),
    ],
)
def test_published_figures_are_those_of_the_papers_network(row: str, column: str, figure: float | None):
    assert PHYSICAL_WORLD.published(row, column) == figure


def test_networks_at_hand_stand_for_the_papers():
    stands = {row.key: row.stands_for for row in PHYSICAL_WORLD.rows}
    for view in VIEWS:
        assert stands[row_name(view.row, "fast", 8)] == row_name("Inception v3", "fast", 8)
    assert len([row for row in stands.values() if not row]) == 12


def test_the_whole_study_runs(folders: tuple[Path, Path], tmp_path: Path):
    data, models = folders
    result = run_study("physical-world", tmp_path, data=data, models=models)
    assert result.missing == len(METHODS) * len(world.RADII) + 1  # Inception v3 and its curves
    entry = result.entry(row_name("SqueezeNet 1.0", "fast", 16), "average.1")
    assert (entry.published, result.entry(row_name("Inception v3", "fast", 16), "average.1").measured) == (12.5, None)
    curves = [one.title for one in result.figures if isinstance(one, Curves)]
    assert curves == [
        "Destruction rate by method, MobileNet v2",
        "Destruction rate by method, SqueezeNet 1.0",
    ]
    entry = result.entry(row_name("MobileNet v2", "fast", 16), "clean_rank.5")
    assert isinstance(entry.measured, Estimate)
    assert entry.measured.n == IMAGES


def test_strengths_are_drawn_where_there_is_time_for_them(setting: Setting, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shooting, "IMAGES", {"full": {MOBILENET_V2.row: 3}})
    monkeypatch.setattr(world, "IMAGES", shooting.IMAGES)
    names = {scale: [cell.column for cell in world.cells(replace(setting, scale=scale))] for scale in ("full", "paper")}
    assert all(f"strengths of {one}" in found for found in names.values() for one in sweep.SWEPT)
    (curve,) = sweep.Swept(Shots(MOBILENET_V2, replace(setting, scale="full")), "blur").measure().figures
    assert isinstance(curve, Curves)
    assert list(curve.lines) == list(METHODS)
