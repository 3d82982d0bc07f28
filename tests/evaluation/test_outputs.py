"""What commands leave, and what they leave alone: one rule of outputs, one writer, the same call again."""

import json
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from forked import ending, kill
from PIL import Image
from safetensors.torch import load_file, save_file

from brittle import Lp, RunError, files
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.report import write_report
from brittle.report.universal_page import write_universal
from brittle.runs import lock
from brittle.runs.lock import folder_held, names_held
from brittle.studies import run_study
from brittle.universal.perturbation import Perturbation


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


FILES = {"universal": perturb, "train": fit}
FOLDERS = {"audit": audited, "attack": save_images}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be opened before the place is looked at."""
    for module in ("attack", "audit", "universal"):
        monkeypatch.setattr(f"brittle.evaluation.{module}.open_subject", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr("brittle.evaluation.train.in_memory", lambda *_: pytest.fail("opened"))


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("command", FILES)
def test_a_file_of_something_else_stays_and_nothing_is_computed(command, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / "link").symlink_to("thesis.tex")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    save_file({"weight": torch.ones(1)}, tmp_path / "mine.safetensors")
    before = everything(tmp_path)
    for name in ("thesis.tex", "link", "folder", "fifo", "mine.safetensors"):
        for force in (False, True):
            with pytest.raises(RunError, match=name):
                FILES[command](tmp_path / name, force=force)
    assert everything(tmp_path) == before


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
    (tmp_path / "v.rows.parquet").write_bytes(b"images")
    with pytest.raises(RunError, match="is being read by this very command"):
        perturb(tmp_path / "v.safetensors", data=str(tmp_path / "v.rows.parquet"), force=True)


@pytest.mark.parametrize("command", FILES)
def test_the_same_call_again_reads_what_it_made_and_another_is_refused(command, tmp_path, monkeypatch):
    out = tmp_path / "v-0.1"
    first = FILES[command](out)
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("brittle.evaluation.universal.find_universal", lambda *_, **__: pytest.fail("searched"))
        patch.setattr("brittle.evaluation.train.train_named", lambda *_, **__: pytest.fail("trained"))
        again = FILES[command](out)
    if command == "train":
        assert (again.accuracy, again.history) == (first.accuracy, first.history)
    else:
        assert (again.seen, again.unseen, again.noise) == (first.seen, first.unseen, first.noise)
    with pytest.raises(RunError, match=r"holds .*another .*--force to replace it"):
        FILES[command](out, seed=1)
    assert everything(tmp_path) == before
    FILES[command](out, seed=1, force=True)
    replaced = everything(tmp_path)
    assert replaced.keys() == before.keys()
    assert all(replaced[name] != before[name] for name in before)


@pytest.mark.parametrize("command", FILES)
def test_names_with_dots_share_no_file(command, tmp_path):
    for number in (1, 2):
        FILES[command](tmp_path / f"v-0.{number}", seed=number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert sum(name.startswith("v-0.1") for name in names) == len(names) / 2 == 2


def test_the_same_attack_again_reads_what_it_made_and_another_is_refused(tmp_path, monkeypatch):
    first = save_images(tmp_path / "out")
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("brittle.evaluation.attack.run", lambda *_, **__: pytest.fail("attacked"))
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
    write_report(tmp_path / "run", tmp_path / "page.html")
    with pytest.raises(RunError, match="holds another page"):
        write_report(tmp_path / "run", tmp_path / "page.html")
    write_report(tmp_path / "run", tmp_path / "page.html", force=True)


def test_rows_of_another_perturbation_are_refused(tmp_path):
    made = perturb(tmp_path / "v.safetensors")
    assert pq.read_schema(made.rows).metadata[b"brittle.id"].decode() == made.perturbation.id
    Perturbation(torch.zeros(1, 28, 28), Lp("inf", 0.2), made.perturbation.made).save(made.path)
    with pytest.raises(RunError, match="holds the rows of another perturbation"):
        write_universal(made.path)


def test_weights_and_course_carry_one_id_and_are_made_again_where_they_do_not(tmp_path):
    made = fit(tmp_path / "w.safetensors")
    whole = made.course.read_bytes()
    course = json.loads(whole)
    course["data"]["identity"] = "of another"
    made.course.write_text(json.dumps(course))
    before = load_file(made.path)
    again = fit(tmp_path / "w.safetensors")
    assert again.history.epochs == made.history.epochs
    assert json.loads(made.course.read_bytes())["data"]["identity"] == json.loads(whole)["data"]["identity"]
    assert all(torch.equal(before[name], tensor) for name, tensor in load_file(made.path).items())


def test_a_perturbation_that_was_harmed_is_not_read(tmp_path):
    path = tmp_path / "v.safetensors"
    Perturbation(torch.full((1, 2, 2), 0.1), Lp("inf", 0.1)).save(path)
    harmed = bytearray(path.read_bytes())
    harmed[-1] ^= 1
    path.write_bytes(harmed)
    with pytest.raises(RunError, match="was damaged"):
        Perturbation.load(path)


@pytest.mark.parametrize("command", FILES)
def test_a_second_writer_of_a_file_is_refused(command, tmp_path):
    with names_held(tmp_path, "v", ["v"]), pytest.raises(RunError, match="another process is writing to"):
        FILES[command](tmp_path / "v")


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_of_another_writer_is_refused(command, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 1)
    with folder_held(tmp_path), pytest.raises(RunError, match="another process is writing to"):
        FOLDERS[command](tmp_path)


def test_a_killed_attack_leaves_whole_images_and_goes_on(tmp_path, monkeypatch):
    """Killed within the write of the third image: what lies there under its name is whole, and nothing is left over."""
    whole, seen = files._replace, []

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
