"""Tables as plain lines: names whole, figures under their heads, within the width."""

import pytest
from rich.text import Text

from brittle.tables import table_lines

HEADS = ("attack", "success", "median")
LONG = "pgd:steps=40,restarts=3,loss=scaled"


def plain(rows, width):
    return [line.plain for line in table_lines(HEADS, rows, width)]


def test_figures_end_under_their_heads():
    head, rule, *lines = plain([("fgsm", "7.5%", "1/255"), ("noise:draws=10", "100.0%", "")], 80)
    assert head == "attack          success  median"
    assert rule == "--------------  -------  ------"
    assert lines == ["fgsm               7.5%   1/255", "noise:draws=10   100.0%"]


@pytest.mark.parametrize("width", [80, 40, 30, 20, 12])
def test_no_name_is_cut_or_broken_and_no_figure_is_lost(width):
    rows = [("fgsm", "7.5%", "1/255"), (LONG, "99.5%", "17.8/255")]
    lines = plain(rows, width)
    for name, *figures in rows:
        (at,) = [at for at, line in enumerate(lines) if line.startswith(name)]
        below = " ".join(lines[at : at + 3])
        assert all(figure in below for figure in figures)
    assert all(len(line) <= width or line == LONG for line in lines if width >= 20)


def test_a_name_without_room_has_a_line_of_its_own_above_its_figures():
    lines = plain([(LONG, "99.5%", "1/255"), ("fgsm", "7.5%", "1/255")], 40)
    assert lines[2:] == [LONG, "          99.5%   1/255", "fgsm       7.5%   1/255"]


def test_figures_that_do_not_fit_are_written_with_their_heads():
    assert plain([("fgsm", "7.5%", "1/255")], 20) == ["fgsm", "    success 7.5%", "    median 1/255"]


def test_wide_letters_are_counted_as_wide_and_styles_are_kept():
    lines = table_lines(HEADS, [(Text("猫", "bold"), "1%", "2")], 40)
    assert lines[2].cell_len == lines[0].cell_len
    assert [lines[2].plain[span.start : span.end] for span in lines[2].spans if span.style == "bold"] == ["猫"]


def test_no_rows_are_a_head_and_a_rule():
    assert len(plain([], 80)) == 2
