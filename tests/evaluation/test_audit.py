import math
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import ending, kill
from PIL import Image
from torch import nn

from brittle import DataError, InputError, LabelError, ModelError, RunError, files
from brittle.data import open_source
from brittle.evaluation.audit import audit
from brittle.evaluation.gallery import GallerySelection
from brittle.maths.geometry import warp
from brittle.maths.quantization import rounded
from brittle.models import Network, open_network
from brittle.report import write_report
from brittle.runs.schema import NUMBERS
from brittle.runs.store import RunFolder
from brittle.runs.summary import summarise

pytestmark = pytest.mark.usefixtures("few_checks")

QUICK = {"attacks": ["fgsm", "deepfool:steps=3"], "eps": 0.1}


def rows(folder: RunFolder) -> dict[str, list[dict]]:
    """All rows but the times."""
    columns = [name for name in NUMBERS if name != "seconds"]
    return {key: table.to_pylist() for key, table in folder.tables(columns).items()}


def network(module: nn.Module, shape: tuple[int, int, int] | None = (1, 28, 28), classes: int = 10) -> Network:
    return Network("test", module, "0" * 64, shape, tuple(str(number) for number in range(classes)))


def test_rows_and_figures_agree_with_a_fresh_forward(tmp_path: Path):
    folder = audit("digits-lenet", "digits", tmp_path / "run", max_images=70, **QUICK)
    block = next(open_source("digits").blocks(70))
    module = open_network("digits-lenet").module
    right = (module(block.images).argmax(1) == block.labels).tolist()
    table = folder.table("fgsm")
    assert table["correct"].to_pylist() == right
    assert table["index"].to_pylist() == list(range(70))
    assert folder.manifest.status == "finished"
    assert folder.blocks("fgsm") == [0, 1]
    summary = summarise(folder)
    broken = np.zeros(70, dtype=bool)
    for key, table in folder.tables().items():
        sizes = np.array(table["size"]) if key != "fgsm" else np.array(table["linf"])
        broken |= np.array(table["success"]) & (sizes <= 0.1 + 1e-6)
    assert summary.robust.value == pytest.approx((np.array(right) & ~broken).mean())
    assert summary.plain()["images"] == 70


def test_kept_pictures_are_what_the_rows_say(tmp_path: Path):
    folder = audit("digits-lenet", "digits", tmp_path / "run", max_images=64, **QUICK)
    module = open_network("digits-lenet").module
    kept = [row for row in folder.table("fgsm", None).to_pylist() if row["original"] is not None]
    assert kept
    for row in kept:
        original, adversarial = (
            torch.from_numpy(np.frombuffer(row[name], "<f4").copy()).reshape(1, 1, 28, 28)
            for name in ("original", "adversarial")
        )
        assert int(module(adversarial).argmax()) == row["prediction"] != row["label"]
        assert float((adversarial - original).abs().max()) == pytest.approx(row["linf"])
        again = int(module(rounded(adversarial)).argmax())
        assert row["rounded_success"] == (again != row["label"])


def test_only_extremes_are_kept():
    extremes = GallerySelection()
    sizes = np.arange(20.0)
    assert extremes.take(sizes, np.ones(20, bool)).tolist() == [0, 1, 2, 3, 16, 17, 18, 19]
    assert extremes.take(sizes + 0.5, np.ones(20, bool)).tolist() == [0, 1, 18, 19]
    assert extremes.take(np.full(3, 9.0), np.ones(3, bool)).tolist() == []
    assert extremes.take(sizes - 5, np.zeros(20, bool)).tolist() == []


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of eight images, so that a few images make several."""
    monkeypatch.setattr("brittle.evaluation.prepared.PARTS_OF", 8)


@pytest.mark.usefixtures("small_parts")
def test_going_on_gives_the_same_rows(tmp_path: Path):
    whole = rows(audit("digits-lenet", "digits", tmp_path / "whole", max_images=18, **QUICK))
    folder = audit("digits-lenet", "digits", tmp_path / "broken", max_images=18, **QUICK)
    folder.part_path("fgsm", 1).unlink()
    folder.part_path("deepfool_steps=3", 2).write_bytes(b"half a file")
    assert rows(audit("digits-lenet", "digits", tmp_path / "broken", max_images=18, **QUICK)) == whole


@pytest.mark.usefixtures("small_parts")
def test_killed_and_started_again_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    options = {"attacks": ["noise:draws=12", "fgsm"], "eps": 0.1, "max_images": 18}
    whole, written = files._replace, []

    def dies(path: Path, content: bytes) -> None:
        written.extend([path] * (path.suffix == ".parquet"))
        if len(written) == 3:
            kill()
        whole(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_replace", dies)
        assert ending(lambda: audit("digits-lenet", "digits", tmp_path / "killed", **options)) == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("parts/*/*.parquet")}
    assert len(before) == 2
    assert RunFolder.open(tmp_path / "killed").manifest.status == "running"
    again = audit("digits-lenet", "digits", tmp_path / "killed", **options)
    assert rows(again) == rows(audit("digits-lenet", "digits", tmp_path / "whole", **options))
    assert all(path.stat().st_mtime_ns == when for path, when in before.items()), "finished parts were done again"


def test_a_run_folder_of_another_model_is_refused(tmp_path: Path):
    audit("digits-lenet", "digits", tmp_path / "run", max_images=10, **QUICK)
    other = network(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    with pytest.raises(RunError, match=r"holds another run(.|\n)*network: digits-lenet .* now test"):
        audit(other, "digits", tmp_path / "run", max_images=10, **QUICK)


def test_an_unwritable_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="Not a directory; give another folder"):
        audit("digits-lenet", "digits", tmp_path / "file" / "run", max_images=10, **QUICK)


def test_a_full_disk_leaves_a_run_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunError, match=r"disk is full.*MB left"):
            audit("digits-lenet", "digits", tmp_path / "run", max_images=10, **QUICK)
    assert not list(tmp_path.rglob("*.unfinished"))
    assert audit("digits-lenet", "digits", tmp_path / "run", max_images=10, **QUICK).manifest.status == "finished"


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1)), (1, 28, 28), "probabilities"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 1)), (1, 28, 28), "one output per image"),
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 10)), (1, 28, 28), "cannot take images of 1x28x28"),
        (nn.Flatten(2), (1, 28, 28), "shape"),
    ],
)
def test_networks_that_are_no_classifiers_are_refused(tmp_path: Path, module: nn.Module, shape, message: str):
    with pytest.raises(ModelError, match=message):
        audit(network(module, shape), "digits", tmp_path / "run", max_images=10, **QUICK)


def test_classes_that_cannot_mean_the_same_are_refused(tmp_path: Path):
    with pytest.raises(LabelError, match=r"the data have 10 classes .* the network has 7 outputs"):
        audit(
            network(nn.Sequential(nn.Flatten(), nn.Linear(784, 7))), "digits", tmp_path / "run", max_images=10, **QUICK
        )


def test_two_classes_work(tmp_path: Path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "two.npz", images=rng.integers(0, 255, (12, 8, 8), dtype=np.uint8), labels=np.arange(12) % 2)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    folder = audit(network(module, (1, 8, 8), 2), str(tmp_path / "two.npz"), tmp_path / "run", eps=0.2)
    assert {table.num_rows for table in folder.tables().values()} == {12}
    one = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    folder = audit(network(one, (1, 8, 8), 2), str(tmp_path / "two.npz"), tmp_path / "one", eps=0.2, binary=True)
    assert folder.table("fast-ensemble").num_rows == 12


def images_on_disk(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(rng.integers(0, 255, (28, 28), dtype=np.uint8)).save(folder / str(label) / f"{number}.png")
    return folder


def test_a_truncated_image_stops_the_audit_or_is_listed(tmp_path: Path):
    folder = images_on_disk(tmp_path / "images")
    path = folder / "3" / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"3/1\.png.*--skip-bad"):
        audit("digits-lenet", str(folder), tmp_path / "strict", **QUICK)
    run = audit("digits-lenet", str(folder), tmp_path / "run", skip_bad=True, **QUICK)
    assert run.table("fgsm").num_rows == 19
    assert [bad.name for bad in RunFolder.open(tmp_path / "run").manifest.data.bad] == ["3/1.png"]
    assert summarise(run).bad == 1


def test_no_images_and_no_labels_are_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        audit("digits-lenet", str(tmp_path / "empty"), tmp_path / "run", **QUICK)
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(flat / "a.png")
    with pytest.raises(DataError, match="no labels"):
        audit("digits-lenet", str(flat), tmp_path / "run", **QUICK)


def test_an_unknown_norm_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="'l3'; expected linf, l2, l1, l0, pixels"):
        audit("digits-lenet", "digits", tmp_path / "run", norm="l3")


def test_a_network_that_returns_probabilities_is_taken_when_it_is_said(tmp_path: Path):
    plain = open_network("digits-lenet").module
    soft = network(nn.Sequential(plain, nn.Softmax(1)))
    options = {"attacks": ["noise:draws=5", "fgsm"], "eps": 0.1, "max_images": 20}
    said = audit(soft, "digits", tmp_path / "soft", probabilities=True, **options)
    logits = audit("digits-lenet", "digits", tmp_path / "plain", **options)
    ours, theirs = (run.table("noise_draws=5") for run in (said, logits))
    for column in ("success", "prediction", "rounded_success"):
        assert ours[column].to_pylist() == theirs[column].to_pylist()
    assert ours["confidence"].to_pylist() == pytest.approx(theirs["confidence"].to_pylist())
    assert any(said.table("fgsm")["success"].to_pylist())
    with pytest.raises(ModelError, match=r"was said to return probabilities, but .* leave out probabilities=True"):
        audit(network(plain), "digits", tmp_path / "run", probabilities=True, **options)


@pytest.mark.parametrize("quantization", [None, 256])
def test_deformations_are_audited(tmp_path: Path, quantization: int | None):
    options = {
        "attacks": ["noise:draws=3", "adef"],
        "norm": "flow",
        "eps": 2.0,
        "max_images": 12,
        "quantization": quantization,
    }
    folder = audit("digits-lenet", "digits", tmp_path / "run", **options)
    module = open_network("digits-lenet").module
    rows = folder.table("adef", None).to_pylist()
    for row in rows:
        assert row["flow"] == pytest.approx(row["size"] if math.isfinite(row["size"]) else row["flow"])
        if row["field"] is not None:
            field, original, adversarial = (
                torch.from_numpy(np.frombuffer(row[name], "<f4").copy()).reshape(1, -1, 28, 28)
                for name in ("field", "original", "adversarial")
            )
            assert float(field.norm(dim=1).max()) == pytest.approx(row["flow"], rel=1e-5)
            bent = warp(original, field)
            bent = bent if quantization is None else rounded(bent)
            torch.testing.assert_close(bent, adversarial)
            assert int(module(adversarial).argmax()) == row["prediction"] != row["label"]
    assert sum(row["field"] is not None for row in rows) > 3
    summary = summarise(folder)
    assert (summary.norm, summary.radius) == ("flow", 2.0)
    broken = [row["success"] and row["size"] <= 2 + 1e-6 for row in rows]
    assert summary.robust.value <= np.mean([row["correct"] for row in rows]) - np.mean(broken) + 1e-9
    if quantization is not None:
        assert all(row["rounded_success"] == row["success"] for row in rows)
        assert summary.attacks[1].quantization_cost is None
    write_report(folder.path)


def test_a_run_on_the_lattice_says_what_it_costs_and_is_another_run(tmp_path: Path):
    asked = {"attacks": ["deepfool"], "norm": "l2", "eps": 1.0, "max_images": 20}
    folder = audit("digits-lenet", "digits", tmp_path / "run", quantization=256, **asked)
    assert folder.manifest.quantization == 256
    table = folder.table("deepfool")
    assert table["rounded_success"].to_pylist() == table["success"].to_pylist()
    assert all(math.isfinite(size) for size in table["size_unrounded"].to_pylist())
    summary = summarise(folder)
    assert summary.quantization == 256
    ratios = np.array(table["size"])[np.array(table["success"])] / np.array(table["size_unrounded"])[table["success"]]
    assert summary.attacks[0].quantization_cost.value == pytest.approx(np.median(ratios) - 1)
    audit("digits-lenet", "digits", tmp_path / "run", quantization=256, **asked)
    with pytest.raises(RunError, match="quantization: 256, now null"):
        audit("digits-lenet", "digits", tmp_path / "run", **asked)
    plain = audit("digits-lenet", "digits", tmp_path / "plain", **asked)
    assert plain.table("deepfool")["size_unrounded"].null_count == 20
    assert summarise(plain).attacks[0].quantization_cost is None
    with pytest.raises(InputError, match="quantization is 1; expected"):
        audit("digits-lenet", "digits", tmp_path / "one", quantization=1, **asked)
