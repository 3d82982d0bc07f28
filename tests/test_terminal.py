"""What the terminal shows: names stay text, whatever they look like."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from brittle import Lp, terminal
from brittle.cli.attack import _show as show_saved
from brittle.cli.universal import _show
from brittle.evaluation.adversarial_images import Saved
from brittle.evaluation.attack_index import SavedAttack, SavedAttacks
from brittle.evaluation.plan import BLACK_BOX_ATTACKS, DEFAULT_ATTACKS
from brittle.listing import DECISIONS, GRADIENTS, GROUPS, SCORES, SMALLEST, listing
from brittle.metrics import proportion, without_interval
from brittle.runs.summary import AttackSummary, Summary
from brittle.tables import table_lines

NAMES = ["[red]red[/red]", "[/]", "[link=there]here[/link]", "a[0].py:Attack"]
"""What rich would take for markup: swallowed, or an error where it closes what was never opened."""


def summary(spec: str) -> Summary:
    rate = proportion(1, 2)
    line = AttackSummary(spec, "minimum", rate, rate, without_interval(0.1, 2), None, 1.0, 1.0, 0.1, 1.0, 1, rate)
    median = without_interval(0.25, 2)
    return Summary("run", 2, 0, "linf", None, rate, rate, median, (line,), quantization=256, budget=5)


def trained(name: str) -> SimpleNamespace:
    history = SimpleNamespace(remarks=(name,), adversarial=None)
    return SimpleNamespace(path=Path(name), history=history, accuracy=None, robust=None, said=(name,))


def universal(name: str) -> SimpleNamespace:
    made = SimpleNamespace(threat=SimpleNamespace(name="linf", unit=""), size=0.1, made={"noise": False})
    rate = proportion(1, 2)
    rates = {
        "training": rate,
        "held_out": None,
        "noise": rate,
        "target": None,
        "reached": None,
        "only": (),
        "seeds": (),
        "by_count": (),
        "by_choice": None,
        "farther": None,
    }
    return SimpleNamespace(path=Path(name), rows=Path(name), perturbation=made, **rates, said=(name,))


def saved(name: str) -> SavedAttacks:
    image = Saved(name, Path(name).parent / "odd" / Path(name).name, 0, 0, 1, 0.5, 0.1, 0.2, None, True, False)
    return SavedAttacks(Path("out"), (SavedAttack(name, Lp(2), name, name, (name, name), (image,), Path("out")),))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "show",
    [
        lambda name: terminal.show_summary(summary(name)),
        lambda name: show_saved(saved(name)),
        lambda name: terminal.show_trained(trained(name)),
        lambda name: _show(universal(name)),
        terminal.fail,
    ],
    ids=["summary", "saved", "trained", "universal", "error"],
)
def test_names_stay_text(show, name, capsys, monkeypatch):
    monkeypatch.setattr(terminal, "console", terminal.Console(stderr=True, highlight=False, width=200))
    show(name)
    assert name in capsys.readouterr().err


def test_a_number_without_an_interval_says_so():
    assert terminal.percent(without_interval(0.25, 2), ".4g") == "0.25  (no interval, n = 2)"
    assert re.fullmatch(r"50\.0%  \(95 % interval 1\.3% to 98\.7%, n = 2\)", terminal.percent(proportion(1, 2)))


def test_a_table_at_80_columns_keeps_names_whole_and_sizes_in_one_unit(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "console", terminal.Console(stderr=True, highlight=False, width=80))
    name = "smallest(pgd:steps=40,restarts=3,loss=scaled):steps=10"
    terminal.show_summary(replace(summary(name), radius=0.1))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "2 images, linf 25.5/255 (0.1)"
    assert name in lines
    (row,) = [line for line in lines if "50.0%" in line and "/255" in line]
    assert "25.5/255" in row  # 0.1, as the radius above
    assert any(line.startswith("median change    63.8/255") for line in lines)
    assert not {*"".join(lines)} & {*"━┃│┏┡└"}


def test_attacks_are_listed_under_what_they_go_by(capsys):
    terminal.show_listing(listing("attacks"))
    said = capsys.readouterr().out
    places = [said.index(f"attacks: {group}") for group in GROUPS]
    assert places == sorted(places)
    for group, after, name in ((GRADIENTS, SMALLEST, "pgd"), (SMALLEST, SCORES, "fmn"), (SCORES, DECISIONS, "square")):
        assert said.index(f"attacks: {group}") < said.index(f"\n  {name} ") < said.index(f"attacks: {after}")


def test_the_default_attacks_of_an_audit_have_a_line_each_on_80_columns():
    heads = ("attack", "success", "8 bits", "median", "forward", "backward", "seconds")
    widest = ("100.0%", "100.0%", "25.5/255", "1,234.5", "1,234.5", "12.3456")
    assert heads == terminal.HEADS
    for name in (*DEFAULT_ATTACKS, *(one for names in BLACK_BOX_ATTACKS.values() for one in names)):
        assert len(table_lines(heads, [(name, *widest)], 80)) == 3, name


@pytest.mark.parametrize(
    ("begins", "side"),
    [("images           ", 17), ("WARN ", 0), ("     ", 5), ("/a/name/without/room/for/a/label  ", 0)],
)
def test_sentences_are_broken_between_words_in_a_terminal_and_stay_whole_in_a_log(begins, side, monkeypatch, capsys):
    long = f"{'x' * 90}.png"
    line = f"{begins}{'one two three ' * 12}{long} and the end"
    for width in (40, 80):
        monkeypatch.setattr(
            terminal, "console", terminal.Console(stderr=True, highlight=False, width=width, force_terminal=True)
        )
        terminal.tell(line)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err).splitlines()
        assert len(lines) > len(line) // width
        assert all(len(one) <= width or one.strip() == long for one in lines)
        assert all(one.startswith(" " * side) and one[side] != " " for one in lines[1:])
        assert " ".join(" ".join(lines).split()) == " ".join(line.split())
    monkeypatch.setattr(terminal, "console", terminal.Console(stderr=True, highlight=False, width=80))
    terminal.tell(line)
    assert capsys.readouterr().err == line + "\n"
