"""Every command takes odd names in every place, shows them as text and stores them so that they come back."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_names import ODD, SHORT, Said, Words, network, obeyed, odd, pictures, typed
from studies.counting_study import Counting

from brittle import Perturbation
from brittle.evaluation.audit import audit
from brittle.evaluation.command import command_words
from brittle.names import in_shell, restored, stored
from brittle.report import write_report
from brittle.runs.store import RunFolder
from brittle.studies.bench.catalogue import STUDIES

pytestmark = pytest.mark.usefixtures("few_checks")

AUDIT = ["--attack", "fgsm", "--eps", "0.1", "--max-images", "2"]
UNIVERSAL = ["--attack", "ascent:passes=1", "--max-images", "4"]


def net(folder: Path, name: str = "net.py") -> str:
    return f"{network(folder / name)}:net"


def classes(folder: Path, first: str = "a", image: str = "1.png") -> Path:
    pictures(folder / first, [image, "2.png"])
    pictures(folder / "zz")
    return folder


def weights(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    shipped = resources.files("brittle.models").joinpath("weights", "digits-lenet.safetensors")
    path.write_bytes(shipped.read_bytes())
    return path


def table(folder: Path, name: str) -> Path:
    """A Parquet file of four images, whose own names are odd as well."""
    files = sorted(classes(folder / "images").rglob("*.png"))
    cells = [{"bytes": one.read_bytes(), "path": f"{stored(name)}{one.name}"} for one in files]
    path = folder / odd_file(name, ".parquet")
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        pq.write_table(pa.table({"image": cells, "label": [0, 1, 0, 1]}), file)
    return path


def odd_file(name: str, ending: str) -> str:
    return odd(next(kind for kind, one in ODD.items() if one == name), ending)


def arrays(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, x=np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8), y=[0, 1, 0, 1])
    return path


def image(folder: Path, kind: str) -> Path:
    return pictures(folder, [odd(kind, ".png")]) / odd(kind, ".png")


@cache
def audited() -> RunFolder:
    return audit("digits-lenet", "digits", attacks=["fgsm"], eps=0.1, max_images=2)


def run_folder(path: Path) -> Path:
    return Path(shutil.copytree(audited().path, path))


WORK: dict[str, Words] = {
    "audit --out": lambda at, kind: ["audit", "digits-lenet", "--data", "digits", *AUDIT, "--out", at / odd(kind)],
    "audit --data FOLDER": lambda at, kind: ["audit", net(at), "--data", classes(at / odd(kind)), *AUDIT],
    "audit --data FOLDER of odd classes": lambda at, kind: [
        *("audit", net(at), "--data", classes(at / "data", odd(kind)), *AUDIT, "--json")
    ],
    "audit --data FOLDER of odd files": lambda at, kind: [
        *("audit", net(at), "--data", classes(at / "data", image=odd(kind, ".png")), *AUDIT)
    ],
    "audit --data FILE.parquet": lambda at, kind: ["audit", net(at), "--data", table(at, ODD[kind]), *AUDIT],
    "audit --data FILE.npz": lambda at, kind: ["audit", net(at), "--data", arrays(at / odd(kind, ".npz")), *AUDIT],
    "audit FILE.py:NAME": lambda at, kind: ["audit", net(at, odd(kind, ".py")), "--data", classes(at / "data"), *AUDIT],
    "audit --weights": lambda at, kind: [
        *("audit", "digits-lenet", "--data", "digits", "--weights", weights(at / odd(kind, ".safetensors")), *AUDIT)
    ],
    "attack IMAGE": lambda at, kind: ["attack", "digits-lenet", image(at, kind)],
    "attack IMAGE by a deformation": lambda at, kind: ["attack", "digits-lenet", image(at, kind), "--attack", "adef"],
    "attack --out": lambda at, kind: [
        *("attack", "digits-lenet", pictures(at / "data"), "--out", at / odd(kind), "--json")
    ],
    "universal --out": lambda at, kind: [
        *("universal", "digits-lenet", "--data", "digits", *UNIVERSAL, "--out", at / odd(kind))
    ],
    "universal --data": lambda at, kind: [
        *("universal", net(at, odd(kind, ".py")), "--data", classes(at / "d", odd(kind)), *UNIVERSAL, "--json")
    ],
    "train --out": lambda at, kind: [
        *("train", "digits-lenet", "--data", classes(at / "data"), "--epochs", "1"),
        *("--out", at / odd(kind)),
    ],
    "train --data --test": lambda at, kind: [
        *("train", "digits-lenet", "--data", classes(at / odd(kind), odd(kind)), "--epochs", "1"),
        *("--test", at / odd(kind), "--out", at / "weights"),
    ],
    "report RUN": lambda at, kind: ["report", run_folder(at / odd(kind))],
    "report --out": lambda at, kind: ["report", run_folder(at / "run"), "--out", at / odd(kind, ".html")],
    "study --out": lambda at, kind: ["study", "counting", "--out", at / odd(kind)],
}
"""What does some work with an odd name, by command and place."""
REFUSED: dict[str, Words] = {
    "audit --data": lambda at, kind: ["audit", "digits-lenet", "--data", odd(kind)],
    "audit MODEL": lambda at, kind: ["audit", "--data", "digits", "--", odd(kind)],
    "audit MODEL.pt2": lambda at, kind: ["audit", "--data", "digits", "--", odd(kind, ".pt2")],
    "audit MODEL.onnx": lambda at, kind: ["audit", "--data", "digits", "--", odd(kind, ".onnx")],
    "audit --weights": lambda at, kind: ["audit", "digits-lenet", "--data", "digits", "--weights", odd(kind)],
    "audit --attack": lambda at, kind: ["audit", "digits-lenet", "--data", "digits", "--attack", odd(kind)],
    "attack IMAGES": lambda at, kind: ["attack", "digits-lenet", "--", odd(kind, ".png")],
    "universal --data": lambda at, kind: ["universal", "digits-lenet", "--data", odd(kind)],
    "train NETWORK": lambda at, kind: ["train", "--data", "digits", "--out", at / "x", "--", odd(kind)],
    "report": lambda at, kind: ["report", "--", odd(kind)],
    "study": lambda at, kind: ["study", "--", odd(kind)],
    "list": lambda at, kind: ["list", "--", odd(kind)],
    "a command": lambda at, kind: ["--", odd(kind)],
    "an option": lambda at, kind: ["list", "--" + odd(kind)],
    "a number": lambda at, kind: ["audit", "digits-lenet", "--data", "digits", "--max-images", odd(kind)],
}
"""What names something that is not there."""
LONG = ("the longest", "the longest, of wide letters")
QUICK = ("no text", "a closing tag", "a code of the terminal", "the longest, of wide letters", "quotes")


def pairs(words: dict[str, Words], kinds=tuple(ODD), quick=QUICK):
    return [
        pytest.param(place, kind, marks=() if kind in quick else pytest.mark.slow, id=f"{place}, {kind}")
        for place in words
        for kind in kinds
    ]


def check_files(folder: Path) -> None:
    """Read whatever was written, as a stranger would."""
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_bytes().decode("utf-8"))
            assert "\\ud" not in path.read_text("utf-8").replace("\\\\", "")  # half a character
        elif path.suffix == ".html":
            page = path.read_bytes().decode("utf-8")
            assert page.startswith("<!doctype html>")
            assert "<b>{{x}}" not in page
        elif path.suffix == ".parquet" and path.is_relative_to(folder):
            with path.open("rb") as file:
                pq.read_table(file)
        elif path.suffix == ".safetensors" and path.name.startswith("perturbation"):
            Perturbation.load(path)
        assert not path.name.endswith(".unfinished")


def check(said: Said, place: str) -> None:
    text = said.out + said.err
    assert not obeyed(text), text
    if "--json" in place or said.out.startswith(("{", "[")):
        json.loads(said.out)


@pytest.mark.parametrize(("place", "kind"), pairs(WORK))
def test_a_command_works_with_an_odd_name(place, kind, tmp_path, monkeypatch):
    monkeypatch.setitem(STUDIES, "counting", Counting().study())
    monkeypatch.chdir(tmp_path)
    words = WORK[place](tmp_path, kind)
    said = typed(words, monkeypatch)
    check(said, place)
    assert said.code in (0, 2), said.err
    if kind not in LONG:
        assert said.code == 0, said.err
    if said.code == 2:
        assert said.err.count("error: ") == 1, said.err
        assert not [path for path in tmp_path.rglob("*") if path.suffix == ".html"]  # at the start, not in the end
    check_files(tmp_path)


@pytest.mark.parametrize(("place", "kind"), pairs(REFUSED, quick=SHORT + list(LONG)))
def test_a_word_that_means_nothing_is_repeated_as_text(place, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = typed(REFUSED[place](tmp_path, kind), monkeypatch)
    check(said, place)
    assert said.code == 2, said
    assert said.out == ""


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "a closing tag"])
def test_a_real_shell_gives_the_words_of_a_command_again(kind, tmp_path):
    words = ["train", odd(kind)], {"data": odd(kind), "out": odd(kind, ".safetensors")}
    line = in_shell(command_words(*words))
    assert line.isprintable()
    assert stored(line) == line
    program = tmp_path / "brittle"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\nsys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))\n"
    )
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [shutil.which("bash"), "-c", line], capture_output=True, check=True, env={**os.environ, "PATH": path}
    )
    given = [os.fsdecode(word) for word in run.stdout.split(b"\0")]
    dashed = ["--"] if odd(kind).startswith("-") else []
    options = ["--data", odd(kind), "--out", odd(kind, ".safetensors")]
    assert given == (["train", *options, *dashed, odd(kind)] if dashed else ["train", odd(kind), *options])


def test_a_run_names_its_images_so_that_they_come_back(tmp_path):
    name = odd("no text", ".png")
    folder = audit(
        net(tmp_path),
        str(classes(tmp_path / "data", odd("no text"), name)),
        tmp_path / "run",
        attacks=["fgsm"],
        eps=0.1,
    )
    names = RunFolder.open(tmp_path / "run").table("fgsm").column("name").to_pylist()
    assert f"{odd('no text')}/{name}" in [*map(restored, names)]
    assert odd("no text") in [*map(restored, folder.manifest.data.classes)]
    assert stored(name) in write_report(tmp_path / "run").read_text("utf-8")


def test_the_command_of_a_report_can_be_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["audit", "digits-lenet", "--data", "digits", *AUDIT, "--out", odd("no text")]
    assert typed(words, monkeypatch).code == 0
    command = in_shell(["brittle", *words])
    page = (tmp_path / odd("no text") / "report.html").read_text("utf-8")
    assert command in page.replace("&#39;", "'")
