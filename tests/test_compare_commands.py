"""The commands `compare` and `leaderboard`, on audits of small networks that were really made."""

import html
import json
import sys

import pytest
import torch

from brittle import audit, open_network, write_report
from brittle.cli.app import main
from brittle.evaluation.gate import ExitCode
from brittle.report.formats import command_text


class HalfContrast(torch.nn.Module):
    def forward(self, images):
        return images / 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two audits of the built-in network, of which the second sees half of the contrast, and twice the change."""
    folder = tmp_path_factory.mktemp("runs")
    asked = {"attacks": ["fgsm"], "eps": 0.05, "max_images": 60}
    audit("digits-lenet", "digits", folder / "one", **asked)
    network = open_network("digits-lenet").module
    audit(torch.nn.Sequential(HalfContrast(), network), "digits", folder / "two", **asked)
    return folder


def ran(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["brittle", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


def test_a_drop_ends_with_the_code_of_the_gate(runs, monkeypatch, capsys, tmp_path):
    words = "compare", runs / "one", runs / "two", "--out", tmp_path / "c", "--max-drop", "0.02"
    code, out, err = ran(monkeypatch, capsys, *words, "--json")
    found = json.loads(out)
    assert code == ExitCode.BELOW_GATE
    assert found["gate"]["passed"] is False
    assert found["audits"][1]["difference"]["robust"]["lost"] > 5
    assert "fell by" in err
    assert (tmp_path / "c" / "report.html").is_file()


def test_a_rise_passes_unless_a_check_failed(runs, monkeypatch, capsys, tmp_path):
    words = "compare", runs / "two", runs / "one", "--out", tmp_path / "d", "--max-drop", "0"
    code, _, err = ran(monkeypatch, capsys, *words)
    assert (code, "checks failed" in err) == (ExitCode.UNRELIABLE, True), "one step alone proves nothing"
    code, _, err = ran(monkeypatch, capsys, *words, "--ignore-health")
    assert (code, "newly stand" in err) == (ExitCode.DONE, True)


def test_images_that_are_not_named_are_counted(runs, monkeypatch, capsys, tmp_path):
    words = "compare", runs / "one", runs / "two", "--out", tmp_path / "e", "--pictures", "0"
    _, _, err = ran(monkeypatch, capsys, *words)
    lost = json.loads((tmp_path / "e" / "comparison.json").read_text())["audits"][1]["difference"]["robust"]["lost"]
    assert (err.count("newly falls  "), f"and {lost - 5} more" in err) == (5, True)


def test_images_that_are_wrong_before_any_attack_are_named_as_well(runs, monkeypatch, capsys, tmp_path):
    asked = {"attacks": ["fgsm"], "eps": 0.05, "max_images": 60}
    dark = torch.nn.Sequential(torch.nn.Threshold(2.0, 0.0), open_network("digits-lenet").module)
    audit(dark, "digits", tmp_path / "dark", **asked)
    _, _, err = ran(monkeypatch, capsys, "compare", runs / "one", tmp_path / "dark", "--out", tmp_path / "f")
    assert "wrong before any attack" in err


@pytest.mark.usefixtures("few_checks")
@pytest.mark.parametrize(("least", "line"), [("0", "gate passed: "), ("0.99", "gate not passed: ")])
def test_the_gate_of_an_audit_is_told_in_the_terminal_and_on_its_page(monkeypatch, capsys, tmp_path, least, line):
    asked = "--data", "digits", "--attack", "noise:draws=1", "--eps", "0.01", "--max-images", "20"
    words = "audit", "digits-lenet", *asked, "--out", tmp_path / "a", "--fail-under", least
    _, _, err = ran(monkeypatch, capsys, *words)
    page = (tmp_path / "a" / "report.html").read_text()
    assert line[0].upper() + line[1:] + "the lower bound of the robust accuracy, " in page
    assert ("the lower bound of the robust accuracy, " in err, "gate passed" in err) == (True, least == "0")
    _, _, err = ran(monkeypatch, capsys, *words, "--quiet")
    assert "gate passed" not in err
    said = html.escape(command_text(["brittle", *map(str, words), "--quiet"]), quote=False).replace("'", "&#39;")
    assert f"<small>the gate of <code>{said}</code>" in write_report(tmp_path / "a").read_text(), "kept for later pages"
    ran(monkeypatch, capsys, *words[:-2], "--seed", "1", "--force")
    assert "ate passed" not in (tmp_path / "a" / "report.html").read_text(), "it was another run's"


def test_the_gate_of_a_comparison_is_told_in_the_terminal_and_on_its_page(runs, monkeypatch, capsys, tmp_path):
    words = "compare", runs / "two", runs / "one", "--out", tmp_path / "g", "--ignore-health", "--max-drop", "0.02"
    _, _, err = ran(monkeypatch, capsys, *words)
    line = "ate passed: the drop is not shown to be more than 2 points"
    assert f"g{line}" in err
    assert f"G{line}" in (tmp_path / "g" / "report.html").read_text()
    assert f"G{line}<small>the gate of <code>brittle compare two one " in write_report(tmp_path / "g").read_text()


@pytest.mark.parametrize("number", ["80%", "80", "-0.1", "nan", "much"])
@pytest.mark.parametrize("words", [("audit", "digits-lenet", "--fail-under"), ("compare", "a", "b", "--max-drop")])
def test_the_number_of_a_gate_is_a_fraction(monkeypatch, capsys, words, number):
    code, _, err = ran(monkeypatch, capsys, *words, number)
    assert code == ExitCode.REFUSED
    assert f"{number} is given; expected a fraction from 0 to 1: 0.8 for 80 %" in " ".join(err.replace("│", "").split())


def test_options_of_the_gate_need_one(runs, monkeypatch, capsys):
    code, _, err = ran(monkeypatch, capsys, "compare", runs / "one", runs / "two", "--strict")
    assert (code, "strict is given, which does nothing without --max-drop" in err) == (ExitCode.REFUSED, True)


def test_the_leaderboard_is_shown_and_kept(runs, monkeypatch, capsys, tmp_path):
    code, _, err = ran(monkeypatch, capsys, "leaderboard", runs / "two", runs / "one", "--out", tmp_path / "board")
    assert code == ExitCode.DONE
    assert err.index("one: digits-lenet") < err.index("two: ")
    assert (tmp_path / "board" / "leaderboard.csv").read_text().count("\n") == 3


def test_a_leaderboard_passes_over_what_is_no_audit(runs, monkeypatch, capsys, tmp_path):
    ran(monkeypatch, capsys, "compare", runs / "one", runs / "two", "--out", tmp_path / "c", "--pictures", "0")
    err = ""
    for _ in range(2):  # the second time its own folder is among them
        there = (runs / "one", *sorted(tmp_path.iterdir()))
        code, _, err = ran(monkeypatch, capsys, "leaderboard", *there, "--out", tmp_path / "own")
        assert (code, "c: the folder of a comparison" in " ".join(err.split())) == (ExitCode.DONE, True)
    assert "own: the folder of a leaderboard" in " ".join(err.split())
    code, _, err = ran(monkeypatch, capsys, "leaderboard", tmp_path / "c" / "report.html", "--out", tmp_path / "d")
    assert (code, "is a file; expected the run folder" in " ".join(err.split())) == (ExitCode.REFUSED, True)
