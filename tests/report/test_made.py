"""When and by which command something was made: pages say it, of whatever they are."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brittle import report
from brittle.cli import app
from brittle.report import write_report
from brittle.report.formats import command_text

SMALL = ["--max-images", "4"]
WITHIN = ["--norm", "linf", "--eps", "0.1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


def shown(page):
    text = page.read_text(encoding="utf-8")
    return re.findall(r'<time datetime="(\d{4}-\d\d-\d\dT[^"]*)">', text), text


def asked(*words, monkeypatch):
    command = ["brittle", *map(str, words)]
    monkeypatch.setattr("sys.argv", command)
    done = CliRunner().invoke(app, command[1:])
    assert done.exit_code == 0, done.output
    return command_text(command)


@pytest.mark.parametrize("attacks", [["fgsm"], ["fgsm", "noise"]])
def test_pages_of_attacks_and_photographs_say_when_and_how(attacks, tmp_path, monkeypatch):
    own = [word for one in attacks for word in ("--attack", one)]
    out = tmp_path / "images"
    command = asked("attack", "digits-lenet", "digits", *own, *WITHIN, *SMALL, "--out", out, monkeypatch=monkeypatch)
    times, page = shown(out / "report.html")
    assert len(times) == 1
    assert command in page
    asked("attack", "digits-lenet", "digits", *SMALL, *own, *WITHIN, "--out", out, "--quiet", monkeypatch=monkeypatch)
    assert shown(out / "report.html") == (times, page), "made by the first command, and read by the second"
    if len(attacks) == 1:
        command = asked("photograph", out, "--channel", "noise", "--quiet", monkeypatch=monkeypatch)
        times, page = shown(tmp_path / "images-photographed" / "report.html")
        assert len(times) == 1
        assert command in page


def test_a_folder_of_an_older_version_has_a_page_without_a_date(tmp_path, monkeypatch):
    out = tmp_path / "images"
    asked("attack", "digits-lenet", "digits", "--attack", "fgsm", *SMALL, "--out", out, monkeypatch=monkeypatch)
    index = json.loads((out / "index.json").read_text())
    older = {name: one for name, one in index.items() if name not in ("created", "command", "versions")}
    (out / "index.json").write_text(json.dumps(older))
    times, page = shown(write_report(out))
    assert not times
    assert "How it was made" not in page


def test_the_page_of_a_defence_says_how_to_audit_without_it(tmp_path, monkeypatch, few_checks):
    out = tmp_path / "both"
    words = ["--defence", "bit-depth:bits=2", "--eps", "0.1", "--attack", "fgsm", *SMALL]
    command = asked("audit", "digits-lenet", "--data", "digits", *words, "--out", out, monkeypatch=monkeypatch)
    times, page = shown(out / "report.html")
    assert len(times) == 1
    assert command in page
    without = command_text([*command.split()[:5], *words[2:], "--out", str(out) + "-undefended"])
    assert f"<code>{without}</code>" in page


def test_every_page_says_when():
    templates = Path(report.__file__).parent / "templates"
    texts = {path.name: path.read_text() for path in templates.glob("*.html")}
    pages = {name for name, text in texts.items() if text.startswith('{% extends "base.html"')}
    assert {name for name in pages if "<time" not in texts[name] and "made(" not in texts[name]} == {"studies.html"}
