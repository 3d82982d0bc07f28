"""The commands as a newcomer types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked import ending
from typer.testing import CliRunner

from brittle import ModelError, cli
from brittle.cli import app

runner = CliRunner()
AUDIT = ["audit", "digits-lenet", "--data", "digits", "--max-images", "20", "--attack", "fgsm", "--eps", "0.1"]


def test_audit_writes_a_report_and_prints_json(tmp_path: Path):
    result = runner.invoke(app, [*AUDIT, "--out", str(tmp_path / "run"), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert summary["images"] == 20
    assert 0 <= summary["robust"]["low"] <= summary["robust"]["value"] <= summary["robust"]["high"] <= 1
    assert Path(summary["report"]).read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("option", ["--junit", "--sarif", "--out"])
def test_what_is_written_to_one_place_is_named_once(tmp_path: Path, option: str):
    words = [option, str(tmp_path / "a"), f"{option}={tmp_path / 'b'}"]
    result = runner.invoke(app, [*AUDIT, *words])
    assert str(result.exception) == f"{option} is given 2 times, and one is written; leave the others out"
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", ["universal", "train"])
def test_one_attack_is_named_once(tmp_path: Path, command: str):
    words = [
        command,
        "digits-lenet",
        "--data",
        "digits",
        "--out",
        str(tmp_path / "a"),
        "--attack",
        "pgd",
        "--attack=fgsm",
    ]
    result = runner.invoke(app, words)
    assert str(result.exception) == "--attack is given 2 times, and one is run; leave the others out"
    assert not [*tmp_path.iterdir()]


def test_audit_prints_a_table(tmp_path: Path):
    result = runner.invoke(app, [*AUDIT, "--out", str(tmp_path / "run")], catch_exceptions=False)
    assert "robust accuracy" in result.stderr
    assert "report.html" in result.stderr.replace("\n", "")
    assert result.stdout == ""
    quiet = runner.invoke(app, [*AUDIT, "--out", str(tmp_path / "run"), "--quiet"], catch_exceptions=False)
    assert quiet.stdout == ""
    assert "FAIL More than one attack" in quiet.stderr.replace("\n", " ")
    assert "robust accuracy" not in quiet.stderr


GATED = ["audit", "digits-lenet", "--data", "digits", "--max-images", "100", "--eps", "0.1", "--attack", "fgsm"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--fail-under", "0.9"], 1, "is below 90.0%"),
        (["--fail-under", "0.01"], 3, "cannot be relied on, it may be too high: “More than one attack"),
        (["--fail-under", "0.01", "--ignore-health"], 0, "robust accuracy"),
        (["--fail-under", "0.01", "-q", "--json"], 3, "FAIL More than one attack"),
        (["--fail-under", "0.01", "--attack", "pgd:steps=10"], 0, "robust accuracy"),
        ([], 0, "The evaluation cannot be relied on"),
    ],
)
def test_audit_is_a_gate(tmp_path: Path, words: list[str], code: int, said: str):
    result = runner.invoke(app, [*GATED, "--out", str(tmp_path / "run"), *words], catch_exceptions=False)
    assert result.exit_code == code
    assert said in result.stderr.replace("\n", " ")
    if "--json" in words:
        told = json.loads(result.stdout)
        assert told["gate"] == {"least": 0.01, "passed": False, "code": 3, "reason": told["gate"]["reason"]}
        assert told["verdict"]["reliable"] is False
        assert "strength" in told["verdict"]["failed"]


def test_a_network_that_rounds_its_input_never_passes_the_gate(tmp_path: Path):
    (tmp_path / "rounds.py").write_text(
        "import torch\nfrom brittle.models import open_network\n\nprint('a factory that prints')\n\n"
        "class Rounds(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.inner = open_network('digits-lenet').module\n\n"
        "    def forward(self, images):\n        print('and a network')\n"
        "        return self.inner((images * 255).round() / 255)\n\ndef make():\n    return Rounds()\n"
    )
    words = ["audit", f"{tmp_path / 'rounds.py'}:make", "--data", "digits", "--max-images", "40", "--eps", "0.1"]
    words += ["--attack", "fgsm", "--attack", "pgd:steps=5", "--out", str(tmp_path / "run"), "--json"]
    result = runner.invoke(app, [*words, "--fail-under", "0.5", "-q"], catch_exceptions=False)
    assert result.exit_code == 3
    told = json.loads(result.stdout)  # nothing but JSON, whatever the user's code prints
    assert "gradients" in told["verdict"]["failed"]
    assert "a factory that prints" in result.stderr
    assert "The evaluation cannot be relied on" in (tmp_path / "run" / "report.html").read_text()


def test_json_is_alone_on_standard_output_of_the_real_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "loud.py").write_text(
        "import os\nfrom brittle.models import open_network\n\n"
        "def make():\n    print('loud')\n    os.system('echo louder')\n    return open_network('digits-lenet').module\n"
    )
    words = [
        "attack",
        f"{tmp_path / 'loud.py'}:make",
        "digits",
        "--max-images",
        "2",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    monkeypatch.setattr(sys, "argv", ["brittle", *words])
    out, err = tmp_path / "stdout", tmp_path / "stderr"
    assert ending(cli.main, out=out, err=err) == 0
    assert len(json.loads(out.read_text())["images"]) == 2
    assert "loud" in err.read_text()
    assert "louder" in err.read_text()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("odd"), 70, "unexpected ValueError: odd; where it came from is written to "),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on where it stopped"),
        (ModelError("no"), 2, "error: no"),
    ],
)
def test_a_command_ends_with_1_only_below_the_gate(error, code, said, monkeypatch, capsys):
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("brittle.listing.listing", fails)
    monkeypatch.setattr(sys, "argv", ["brittle", "list"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == code
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_words_that_are_no_command_end_with_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["brittle", "audit", "--no-such-option"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "no-such-option" in capsys.readouterr().err


def test_an_error_is_a_message_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        sys, "argv", ["brittle", "audit", "weights.pth", "--data", "digits", "--out", str(tmp_path / "run")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert "error:" in shown
    assert "Traceback" not in shown


def test_report_says_where_it_lies(tmp_path: Path):
    runner.invoke(app, [*AUDIT, "--out", str(tmp_path / "run")], catch_exceptions=False)
    result = runner.invoke(
        app, ["report", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")], catch_exceptions=False
    )
    assert Path(result.stdout.strip()) == (tmp_path / "page.html").resolve()
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!doctype html>")


def test_attack_saves_pngs(tmp_path: Path):
    result = runner.invoke(
        app,
        ["attack", "digits-lenet", "digits", "--max-images", "3", "--out", str(tmp_path), "--json"],
        catch_exceptions=False,
    )
    saved = json.loads(result.stdout)["images"]
    assert len(saved) == 3
    assert all(Path(one["path"]).is_file() for one in saved if one["success"])
    shown = runner.invoke(
        app, ["attack", "digits-lenet", "digits", "--max-images", "3", "--out", str(tmp_path)], catch_exceptions=False
    )
    assert "still adversarial when read back" in shown.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "line", [AUDIT, ["attack", "digits-lenet", "digits", "--max-images", "3"]], ids=["audit", "attack"]
)
def test_logits_are_no_probabilities(line: list[str], tmp_path: Path):
    with pytest.raises(ModelError, match="was said to return probabilities"):
        runner.invoke(app, [*line, "--probabilities", "--out", str(tmp_path / "run")], catch_exceptions=False)


def test_list_names_everything():
    result = runner.invoke(app, ["list"], catch_exceptions=False)
    for name in ("pgd", "deepfool", "digits-lenet", "torchvision:NAME", "deepfool-robustness"):
        assert name in result.stdout
    only = runner.invoke(app, ["list", "attacks"], catch_exceptions=False)
    assert "digits-lenet" not in only.stdout


TRAIN = ["train", "digits-lenet", "--data", "digits:train", "--max-images", "64", "--epochs", "1", "--test", "digits"]


def test_train_writes_weights_that_audit_takes(tmp_path: Path):
    weights = tmp_path / "small"
    result = runner.invoke(app, [*TRAIN, "--out", str(weights)], catch_exceptions=False)
    assert "test accuracy" in result.stderr
    again = runner.invoke(
        app, [*AUDIT, "--weights", str(weights), "--out", str(tmp_path / "run")], catch_exceptions=False
    )
    assert again.exit_code == 0


def test_train_on_an_attack_and_its_curves(tmp_path: Path):
    attacked = ["--attack", "fgsm", "--eps", "26/255", "--fraction", "0.5", "--out", str(tmp_path / "hard")]
    result = runner.invoke(app, [*TRAIN, *attacked], catch_exceptions=False)
    assert "radius 0.102" in result.stderr
    assert "robust accuracy" in result.stderr
    assert "n = 500), linf 26/255" in result.stderr
    page = tmp_path / "hard" / "report.html"
    before = page.read_bytes()
    shown = runner.invoke(app, ["report", str(tmp_path / "hard")], catch_exceptions=False)
    assert Path(shown.stdout.replace("\n", "")) == page
    assert page.read_bytes() == before
    assert "attacked by FGSM" in page.read_text()


def test_every_command_teaches():
    for command in ("audit", "attack", "report", "list", "demo", "train", "study"):
        result = runner.invoke(app, [command, "--help"], catch_exceptions=False)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) > 5


def test_python_m_brittle_is_the_command():
    shown = subprocess.run([sys.executable, "-m", "brittle", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("brittle 0.")


def test_study_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("BRITTLE_DATA", "BRITTLE_MODELS"):
        monkeypatch.delenv(name, raising=False)
    result = runner.invoke(app, ["study", "deepfool-robustness", "--out", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "--data" in said
    assert "nothing of deepfool-robustness can be computed here: not one of" in said
    assert "0.0027" not in result.stdout, "a row that nothing is measured in is one of those in the line"
    kept = (tmp_path / "deepfool-robustness" / "study.json").read_text()
    assert "0.0027" in kept
    assert "needs mnist/train.parquet" in kept
    assert (tmp_path / "deepfool-robustness" / "study.html").is_file()


def test_the_lattice_is_asked_for_on_the_command_line(tmp_path: Path):
    words = [
        *AUDIT[:-4],
        "--attack",
        "deepfool",
        "--norm",
        "l2",
        "--quantization",
        "256",
        "--out",
        str(tmp_path / "run"),
    ]
    shown = runner.invoke(app, words, catch_exceptions=False).stderr
    assert "on the grid of 256 levels; cost of rounding in the median: deepfool" in " ".join(shown.split())
    summary = json.loads(runner.invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert summary["quantization"] == 256
    assert summary["attacks"][0]["rounded"] == summary["attacks"][0]["success"]
    assert -0.5 < summary["attacks"][0]["quantization_cost"]["value"] < 0.5


def test_universal_prints_what_it_fools(tmp_path: Path):
    out = tmp_path / "v"
    line = [
        "universal",
        "digits-lenet",
        "--data",
        "digits",
        "--max-images",
        "40",
        "--eps",
        "0.3",
        "--attack",
        "ascent:passes=2",
    ]
    said = runner.invoke(app, [*line, "--out", str(out)], catch_exceptions=False)
    assert said.exit_code == 0
    assert "fooled, held-out" in said.stderr
    assert "random noise" in said.stderr
    assert (out / "report.html").exists()
    told = json.loads(runner.invoke(app, [*line, "--out", str(out), "--json"], catch_exceptions=False).stdout)
    assert told["fooling"]["held_out"]["n"] == 20


def test_corrupt_prints_a_table_that_fits_and_the_same_as_json(tmp_path: Path):
    line = ["corrupt", "digits-lenet", "--data", "digits", "--max-images", "20", "--kind", "fog", "--kind", "jpeg"]
    said = runner.invoke(app, [*line, "--out", str(tmp_path / "c")], catch_exceptions=False)
    assert said.exit_code == 0
    assert "…" not in said.stderr
    assert "corrupted  " in said.stderr
    assert (tmp_path / "c" / "report.html").exists()
    told = json.loads(
        runner.invoke(app, [*line, "--out", str(tmp_path / "c"), "--json"], catch_exceptions=False).stdout
    )
    assert set(told["kinds"]) == {"fog", "jpeg"}
    assert told["cells"]["fog-5"]["n"] == 20
    assert f"{100 * told['cells']['fog-5']['value']:.1f}" in said.stderr


def test_a_network_in_halves_gives_the_figures_of_float32(tmp_path: Path):
    found = []
    for words in ([], ["--dtype", "float16"], ["--dtype", "bfloat16"]):
        out = ["--out", str(tmp_path / f"run{len(found)}"), "--json"]
        result = runner.invoke(app, [*AUDIT, *words, *out, "--max-images", "40"], catch_exceptions=False)
        assert result.exit_code == 0
        found.append(json.loads(result.stdout)["robust"]["value"])
    assert max(found) - min(found) <= 0.1


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["audit", "--help"], ["study", "--help"]])
def test_what_runs_nothing_imports_no_torch(words: list[str]):
    code = (
        "import atexit, sys; from brittle.cli import main; sys.argv = ['brittle', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('loaded:', *sorted({name.split('.')[0] for name in sys.modules})))\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    loaded = {*done.stdout.rpartition("loaded:")[2].split()}
    assert "brittle" in loaded
    assert not loaded & {"torch", "sklearn", "scipy", "pyarrow", "plotly"}


def test_who_only_attacks_waits_for_no_statistics():
    code = "import sys; from brittle import run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "brittle.core.run" in loaded
    assert not {*loaded} & {"scipy.stats", "scipy.special", "plotly", "pandas"}


def test_completion_imports_no_torch():
    code = (
        "import atexit, sys; from brittle.cli import app; sys.argv = ['brittle']\n"
        "atexit.register(lambda: print('loaded:', *sys.modules))\napp(prog_name='brittle')"
    )
    asked = {"_BRITTLE_COMPLETE": "complete_bash", "COMP_WORDS": "brittle au", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked})
    assert done.stdout.startswith("audit\n")
    assert not {*done.stdout.rpartition("loaded:")[2].split()} & {"torch", "sklearn"}
