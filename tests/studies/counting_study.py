"""A small study that counts its work."""

from dataclasses import dataclass, field

from brittle.errors import BrittleError
from brittle.metrics import proportion
from brittle.studies import Cell, Column, Measured, Row, Study
from brittle.studies.bench.study import NotGiven


@dataclass
class Counting:
    """A study of three networks and two methods; the last network's cells lack a file."""

    done: list[str] = field(default_factory=list)
    stop_at: str = ""
    rows: tuple[str, ...] = ("first", "second", "third")
    remark: str = ""
    hits: int = 1
    lacks: type[BrittleError] = NotGiven

    def study(self):
        columns = (
            Column("error", "test error", "percent", "Sizes"),
            Column("rho", "rho", "ratio", "Sizes"),
            Column("old", "by hand", "ratio", "Sizes", measured=False),
        )
        published = {("first", "error"): 25.0, ("first", "rho"): 0.2, ("second", "old"): "> 4"}
        return Study(
            "counting",
            "A count",
            "A paper",
            self.cells,
            tuple(Row(row) for row in self.rows),
            columns,
            lambda row, column: published.get((row, column)),
            ("A note.",),
            ("rho",),
        )

    def cells(self, setting):
        def cell(row, column):
            def identity():
                if row.startswith("third"):
                    raise self.lacks("needs third.parquet: give the folder that holds it with --data")
                return {"seed": setting.seed, "row": row}

            def compute():
                if f"{row} {column}" == self.stop_at:
                    raise KeyboardInterrupt
                self.done.append(f"{row} {column}")
                notes = {"rho": "(some were left out)"} if column == "rho" else {}
                return Measured({column: proportion(setting.seed + self.hits, 8)}, notes, self.remark)

            return Cell(row, column, compute, identity)

        return [cell(row, column) for row in self.rows for column in ("error", "rho")]
