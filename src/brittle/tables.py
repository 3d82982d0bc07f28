"""Tables as plain lines: they fit 80 columns and logs, and a name is never cut or broken."""

from collections.abc import Sequence

from rich.text import Text

GAP = 2
"""Columns between two columns of a table."""
INDENT = 4
"""How far the figures of a row stand in where there is no room beside its name."""


def table_lines(heads: Sequence[str], rows: Sequence[Sequence[str | Text]], width: int = 80) -> list[Text]:
    """Lay out a table whose first column holds names, and whose others hold figures.

    A name that leaves no room for its figures has a line of its own, whole, with the figures below it. Where not even
    the figures fit, they are written with their heads, as many to a line as there is room for.

    Args:
        heads: one for each column.
        rows: cells, the name first; a `Text` keeps its style.
        width: columns there are.

    Returns:
        The lines, a rule of hyphens below the heads.

    Example:
        >>> rows = [["fgsm", "7.0%"], ["pgd:steps=40,restarts=5", "90.1%"]]
        >>> for line in table_lines(["attack", "success"], rows, 24):
        ...     print(line.plain)
        attack  success
        ------  -------
        fgsm       7.0%
        pgd:steps=40,restarts=5
                  90.1%
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    figures = [max(len(head), *(row[at].cell_len for row in cells), 0) for at, head in enumerate(heads) if at]
    room = width - sum(figures) - GAP * len(figures)
    names = [row[0].cell_len for row in cells]
    if room < max(len(heads[0]), INDENT):
        return _stacked(heads, cells, width)
    side = max([len(heads[0]), INDENT, *(name for name in names if name <= room)])
    head = _line(Text(heads[0]), [Text(one) for one in heads[1:]], side, figures)
    head.stylize("bold")
    lines = [head, Text((" " * GAP).join("-" * one for one in (side, *figures)), "dim")]
    for row in cells:
        if row[0].cell_len > side:
            lines.append(row[0])
            row = [Text(), *row[1:]]
        lines.append(_line(row[0], row[1:], side, figures))
    return lines


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _line(name: Text, figures: Sequence[Text], side: int, widths: Sequence[int]) -> Text:
    line = Text.assemble(name, " " * (side - name.cell_len))
    for figure, width in zip(figures, widths, strict=True):
        line = Text.assemble(line, " " * (GAP + width - figure.cell_len), figure)
    line.rstrip()
    return line


def _stacked(heads: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> list[Text]:
    lines: list[Text] = []
    for row in rows:
        lines.append(row[0])
        line = Text(" " * INDENT)
        for head, figure in zip(heads[1:], row[1:], strict=True):
            if not figure.plain:
                continue
            piece = Text.assemble((f"{head} ", "dim"), figure)
            empty = line.cell_len == INDENT
            if not empty and line.cell_len + GAP + piece.cell_len > width:
                lines.append(line)
                line, empty = Text(" " * INDENT), True
            line = Text.assemble(line, "" if empty else " " * GAP, piece)
        if line.cell_len > INDENT:
            lines.append(line)
    return lines
