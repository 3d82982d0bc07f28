"""Whatever stands on the command line: an exit code from 0 to 3, and never an unexpected error."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import CASES, FEW
from typer.testing import CliRunner

from brittle import cli
from brittle.cli import app
from brittle.cli.app import _images_last
from brittle.evaluation.gate import ExitCode

TINY = ["--max-images", "1", "--seed", "0"]
BASES = {
    "audit": (["digits-lenet", "--data", "digits", *TINY, "--attack", "fgsm", "--quiet"], "folder"),
    "attack": (["digits-lenet", "digits", *TINY, "--attack", "fgsm", "--norm", "linf", "--json"], "folder"),
    "universal": (
        ["digits-lenet", "--data", "digits", "--max-images", "2", "--attack", "ascent:passes=1", "-q"],
        "folder",
    ),
    "corrupt": (
        ["digits-lenet", "--data", "digits", "--max-images", "2", "--kind", "fog", "--severity", "1", "-q"],
        "folder",
    ),
    "train": (["fc10", "--data", "digits", "--max-images", "2", "--epochs", "1", "--quiet"], "folder"),
    "study": (["none-of-these"], "folder"),
    "report": (["nothing"], "file"),
    "list": (["attacks"], ""),
}
"""A line for each command that works, or is refused, at once; and what it writes."""
OPTIONS = [
    *(
        "--seed",
        "--max-images",
        "--batch",
        "--device",
        "--budget",
        "--eot-samples",
        "--quantization",
        "--eps",
        "--norm",
        "--attack",
    ),
    *(
        "--resize",
        "--crop",
        "--class-order",
        "--dtype",
        "--labels",
        "--weights",
        "--target",
        "--held-out",
        "--fail-under",
    ),
    *(
        "--data",
        "--set",
        "--epochs",
        "--fraction",
        "--warmup",
        "--clean-epochs",
        "--recipe",
        "--test",
        "--scale",
        "--task",
        "--share",
    ),
]
SWITCHES = [
    *("--binary", "--probabilities", "--skip-bad", "--thorough", "--ignore-health", "--quiet", "--json", "--nothing"),
]
VALUES = [
    *("", " ", "0", "1", "2", "-1", "3.5", "nan", "inf", "1e999", "8/255", "1/0", "x", "é", "٣", "True", "None", "--"),
    *("[]", "((((", "9223372036854775807", "9223372036854775808", "1" * 60, "-9223372036854775809", "nowhere.pt2"),
    *("cpu", "cuda:7", "mps", "meta", "banana", "cpu:-1", "xla", "float16", "int8", "auto", "zigzag", "madry-mnist"),
    *(
        "linf",
        "l7",
        "flow",
        "digits",
        "noise",
        "small",
        "segmentation",
        "pixel-descent",
        "pgd:steps=1",
        "pgd:steps=1,steps=2",
        "pgd:steps=x",
    ),
    *("restarts(fgsm)", "cascade()", "fgsm:eps=nan", "epochs=1", "rate=nan", "batch=0", "seed=-1"),
]
extra = st.one_of(
    st.tuples(st.sampled_from(OPTIONS), st.sampled_from(VALUES)).map(list),
    st.sampled_from(SWITCHES).map(lambda word: [word]),
    st.sampled_from(VALUES).map(lambda word: [word]),
)


def ended(line: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the exit code of a command line."""
    monkeypatch.setattr(sys, "argv", ["brittle", *line])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@settings(FEW, max_examples=CASES if CASES <= 60 else CASES // 10)
@given(command=st.sampled_from([*BASES]), words=st.lists(extra, min_size=1, max_size=2))
def test_every_line_ends_with_a_code_of_the_table(command, words, tmp_path_factory):
    base, kind = BASES[command]
    folder: Path = tmp_path_factory.mktemp("out")
    out = [] if not kind else ["--out", str(folder / "out" if kind == "folder" else folder / "out.safetensors")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code = ended([command, *base, *out, *(word for group in words for word in group)], patch)
    assert code in (ExitCode.DONE, ExitCode.BELOW_GATE, ExitCode.REFUSED, ExitCode.UNRELIABLE)


DEVICES = ["cuda:7", "mps", "meta", "banana", "cpu:x"]
LINES = {
    "audit": ["digits-lenet", "--data", "digits"],
    "attack": ["digits-lenet", "digits"],
    "universal": ["digits-lenet", "--data", "digits"],
    "corrupt": ["digits-lenet", "--data", "digits"],
    "train": ["fc10", "--data", "digits", "--out", "w"],
    "study": ["planted-faults"],
}


@pytest.mark.parametrize("command", LINES)
@pytest.mark.parametrize("device", DEVICES)
def test_a_device_that_is_not_there_is_refused_by_every_command(command, device, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert ended([command, *LINES[command], "--device", device], monkeypatch) == ExitCode.REFUSED
    said = capfd.readouterr().err
    assert f"device is '{device}'; expected a device that" in said.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", LINES)
@pytest.mark.parametrize("seed", ["9223372036854775808", "-1", "1" * 60])
def test_a_seed_that_is_none_is_refused_by_every_command(command, seed, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert ended([command, *LINES[command], "--seed", seed], monkeypatch) == ExitCode.REFUSED
    assert "seed" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["net", "--data", "cats", "--eps", "0.1"], ["net", "--eps", "0.1", "cats"]),
        (["--data=cats", "net"], ["net", "cats"]),
        (["net", "cats"], ["net", "cats"]),
        (["net", "--data"], ["net", "--data"]),
        (["net", "--data", "--eps", "0.1"], ["net", "--data", "--eps", "0.1"]),
    ],
)
def test_images_of_attack_may_be_named_as_for_other_commands(words, meant):
    assert _images_last(words) == meant


def test_attack_takes_images_by_data(tmp_path):
    words = ["attack", "--data", "digits", "digits-lenet", "--attack", "fgsm", "--eps", "0.1", "--max-images", "2"]
    assert CliRunner().invoke(app, [*words, "--out", str(tmp_path / "made"), "--quiet"]).exit_code == 0
    assert (tmp_path / "made" / "index.json").exists()
