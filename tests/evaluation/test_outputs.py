"""What commands leave, and what they leave alone: one rule of outputs, one writer, the same call again."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from forked import ending, kill
from PIL import Image
from safetensors.torch import load_file

from brittle import Lp, ModelError, RunError, files
from brittle.evaluation import adversarial_images
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.models import open_network
from brittle.report import write_report
from brittle.report.universal_page import write_universal
from brittle.runs import lock
from brittle.runs.lock import folder_held
from brittle.studies import run_study
from brittle.universal_attacks.perturbation import Perturbation


def perturb(out: Path, **changes):
    options = {"attack": "ascent:passes=1", "eps": 0.2, "max_images": 20, **changes}
    return universal("digits-lenet", options.pop("data", "digits"), out, **options)


def fit(out: Path, **changes):
    options = {"epochs": 1, "max_images": 30, "seed": 0, **changes}
    return train("digits-lenet", options.pop("data", "digits:train"), out, **options)


def save_images(out: Path, **changes):
    options = {"attack": "fgsm", "norm": "linf", "eps": 0.3, "max_images": 18, **changes}
    return attack("digits-lenet", options.pop("data", "digits"), out, **options)


def audited(out: Path, **changes):
    options = {"attacks": ["fgsm"], "eps": 0.1, "max_images": 10, **changes}
    return audit("digits-lenet", options.pop("data", "digits"), out, **options)


MADE = {"universal": perturb, "train": fit}
FOLDERS = {"audit": audited, "attack": save_images, **MADE}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be opened before the place is looked at."""
    for module in ("attack", "prepared", "universal"):
        monkeypatch.setattr(f"brittle.evaluation.{module}.open_subject", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr("brittle.evaluation.training_run.in_memory", lambda *_: pytest.fail("opened"))


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_of_something_else_stays_and_nothing_is_computed(command, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for out in (tmp_path, tmp_path / "thesis.tex"):
        for force in (False, True):
            with pytest.raises(RunError, match=r"thesis.tex"):
                FOLDERS[command](out, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_study_leaves_a_folder_of_something_else_alone(tmp_path):
    (tmp_path / "deepfool-robustness").mkdir()
    (tmp_path / "deepfool-robustness" / "table.md").write_text("mine")
    with pytest.raises(RunError, match=r"holds other files \(table.md\)"):
        run_study("deepfool-robustness", tmp_path)


@pytest.mark.usefixtures("never")
def test_what_is_read_is_not_written_over(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "rows.parquet").write_bytes(b"images")
    with pytest.raises(RunError, match="is being read by this very command"):
        perturb(tmp_path / "v", data=str(tmp_path / "v" / "rows.parquet"), force=True)


@pytest.mark.parametrize("command", MADE)
def test_a_name_of_yesterday_makes_the_folder_and_says_so(command, tmp_path):
    with pytest.warns(DeprecationWarning, match=r"it lies in .*/v, not in the file .*/v\.safetensors"):
        made = MADE[command](tmp_path / "v.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    assert made.path.parent == made.folder == tmp_path / "v"
    (tmp_path / "v.safetensors").write_bytes(b"of an earlier version")
    with pytest.raises(RunError, match="stays as it is"):
        MADE[command](tmp_path / "v.safetensors", force=True)


@pytest.mark.parametrize("command", MADE)
def test_the_same_call_again_reads_what_it_made_and_another_is_refused(command, tmp_path, monkeypatch):
    out = tmp_path / "v-0.1"
    first = MADE[command](out)
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("brittle.evaluation.universal_seeds.searched", lambda *_, **__: pytest.fail("searched"))
        patch.setattr("brittle.evaluation.training_run.train_named", lambda *_, **__: pytest.fail("trained"))
        again = MADE[command](out)
    if command == "train":
        assert (again.accuracy, again.history) == (first.accuracy, first.history)
    else:
        assert (again.training, again.held_out, again.noise) == (first.training, first.held_out, first.noise)
    with pytest.raises(RunError, match=r"holds another run.*--force to replace it(?s:.*)seed: 0, now 1"):
        MADE[command](out, seed=1)
    assert everything(tmp_path) == before
    MADE[command](out, seed=1, force=True)
    replaced = everything(tmp_path)
    assert replaced.keys() == before.keys()
    assert all(replaced[name] != before[name] for name in before)


def test_the_same_attack_again_reads_what_it_made_and_another_is_refused(tmp_path, monkeypatch):
    first = save_images(tmp_path / "out")
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("brittle.evaluation.attack_job.run", lambda *_, **__: pytest.fail("attacked"))
        assert save_images(tmp_path / "out") == first
    with pytest.raises(RunError, match=r"images of another attack.*what differs: seed.*--force"):
        save_images(tmp_path / "out", seed=1)
    assert everything(tmp_path) == before
    (tmp_path / "out" / "mine.txt").write_text("mine")
    other = save_images(tmp_path / "out", attack="noise", force=True)
    assert (tmp_path / "out" / "mine.txt").exists()
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {one.path.name for one in other if one.path}


def test_a_harmed_image_is_made_again(tmp_path):
    first = save_images(tmp_path / "out")
    before = everything(tmp_path)
    victim = next(one.path for one in first if one.path)
    victim.write_bytes(victim.read_bytes()[:-9])
    assert save_images(tmp_path / "out") == first
    assert everything(tmp_path) == before


def test_another_audit_is_replaced_when_that_is_asked_for(tmp_path):
    audited(tmp_path / "run")
    write_report(tmp_path / "run")
    with pytest.raises(RunError, match=r"holds another run.*or give --force to replace it"):
        audited(tmp_path / "run", seed=1, attacks=["noise:draws=2"])
    run = audited(tmp_path / "run", seed=1, attacks=["noise:draws=2"], force=True)
    assert run.manifest.seed == 1
    assert not (tmp_path / "run" / "report.html").exists()
    assert [path.parent.name for path in (tmp_path / "run").rglob("*.parquet")] == ["noise_draws=2"]


def test_a_page_replaces_its_own_and_no_other(tmp_path):
    audited(tmp_path / "run")
    for _ in range(2):
        write_report(tmp_path / "run")
    (tmp_path / "mine.html").write_text("<html>mine</html>")
    with pytest.raises(RunError, match="is not a page of brittle"):
        write_report(tmp_path / "run", tmp_path / "mine.html", force=True)
    for _ in range(2):  # which would say the same
        write_report(tmp_path / "run", tmp_path / "page.html")
    with pytest.raises(RunError, match="holds another page"):
        write_report(tmp_path / "run", tmp_path / "page.html", title="another")
    write_report(tmp_path / "run", tmp_path / "page.html", title="another", force=True)


READ = {
    "perturbation.safetensors": Perturbation.load,
    "rows.parquet": write_universal,
    "weights.safetensors": lambda folder: open_network("digits-lenet", weights=folder),
    "training.json": write_report,
}
"""Who reads the files of a folder."""


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("universal", "perturbation.safetensors"),
        ("universal", "rows.parquet"),
        ("train", "weights.safetensors"),
        ("train", "training.json"),
    ],
)
def test_a_file_of_another_run_is_not_read_and_made_again(command, name, tmp_path):
    """A folder's files are known by their digests in the manifest, whatever they say themselves."""
    one, other = (MADE[command](tmp_path / str(seed), seed=seed) for seed in (0, 1))
    tensors = {key: tensor.clone() for key, tensor in load_file(one.path).items()}  # the file is mapped, and changes
    shutil.copy(other.folder / name, one.folder / name)
    with pytest.raises((RunError, ModelError), match=rf"{name} is not the file that was written"):
        READ[name](one.folder)
    MADE[command](one.folder)
    write_report(one.folder)
    again = load_file(one.path)
    assert all(torch.equal(again[key], tensor) for key, tensor in tensors.items())


def test_the_folder_stands_for_its_file(tmp_path):
    made, trained = perturb(tmp_path / "v"), fit(tmp_path / "w")
    assert torch.equal(Perturbation.load(made.folder).tensor, made.perturbation.tensor)
    by_file, by_folder = (open_network("digits-lenet", weights=path) for path in (trained.path, trained.folder))
    assert by_file.digest == by_folder.digest
    assert by_file.classes == by_folder.classes
    with pytest.raises(RunError, match="is the folder of a training, not of a universal perturbation"):
        Perturbation.load(trained.folder)
    for folder in (made.folder, tmp_path):
        with pytest.raises(
            ModelError, match=r"no weights can be taken from the folder .*give the folder of a training"
        ):
            open_network("digits-lenet", weights=folder)
    with pytest.raises(ModelError, match=r"is the folder of a training; name the network .* --weights"):
        open_network(str(trained.folder))


def test_a_perturbation_that_was_harmed_is_not_read(tmp_path):
    path = tmp_path / "v.safetensors"
    Perturbation(torch.full((1, 2, 2), 0.1), Lp("inf", 0.1)).save(path)
    harmed = bytearray(path.read_bytes())
    harmed[-1] ^= 1
    path.write_bytes(harmed)
    with pytest.raises(RunError, match="was damaged"):
        Perturbation.load(path)


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_of_another_writer_is_refused(command, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 1)
    with folder_held(tmp_path), pytest.raises(RunError, match="another process is writing to"):
        FOLDERS[command](tmp_path)


def test_a_killed_attack_leaves_whole_images_and_goes_on(tmp_path, monkeypatch):
    """Killed within the write of the third image: what lies there under its name is whole, and nothing is left over."""
    whole, seen = files._replace, []
    monkeypatch.setattr(adversarial_images, "now", lambda: "2026-01-01T00:00:00+00:00")

    def half(path: Path, content: bytes) -> None:
        seen.append(path)
        if sum(one.suffix == ".png" for one in seen) == 3:
            Path(path.parent, f".{path.name}.{os.getpid()}.unfinished").write_bytes(content[:50])
            kill()
        whole(path, content)

    save_images(tmp_path / "a", max_images=8)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_replace", half)
        assert ending(lambda: save_images(tmp_path / "b", max_images=8)) == -signal.SIGKILL
    assert any(path.suffix == ".unfinished" for path in (tmp_path / "b").iterdir())
    for path in (tmp_path / "b").glob("[!.]*.png"):
        with Image.open(path) as picture:
            picture.load()
    save_images(tmp_path / "b", max_images=8)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")
