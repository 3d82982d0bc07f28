"""What engines with workers are tried on: an attack that kills its process, who watches, and a worker here."""

import contextlib
import pickle

from brittle.engine.engine import LocalEngine, ignore_part
from brittle.engine.lease import lease
from brittle.engine.portable import PortablePart
from brittle.evaluation.progress import NullProgress
from brittle.runs.schema import SCHEMA

COLUMNS = [name for name in SCHEMA.names if name != "seconds"]
MORTAL = """
import os
from dataclasses import dataclass
from pathlib import Path

from brittle import FGSM, Attack

DIES, FAILS = (Path(__file__).with_name(name) for name in ("dies", "fails"))


@dataclass(frozen=True)
class Mortal(Attack):
    def check(self, threat):
        FGSM().check(threat)

    def perturb(self, problem):
        if DIES.exists():
            DIES.unlink()
            os.kill(os.getpid(), 9)
        if FAILS.exists():
            raise KeyError("nothing")
        return FGSM().perturb(problem)
"""


class Watch(NullProgress):
    """Adds up what it is told; interrupts after so many parts."""

    def __init__(self, interrupts=None):
        self.total = self.images = self.begun = self.points = self.parts = 0
        self.interrupts = interrupts

    def begin(self, total, done):
        self.total, self.images, self.begun = total, done, done

    def advance(self, attack, images):
        self.images, self.parts = self.images + images, self.parts + 1
        if self.parts == self.interrupts:
            raise KeyboardInterrupt

    def passed(self, points):
        self.points += points


class Posted:
    """An engine whose worker gets the recipe and the names, and nothing else."""

    def __init__(self, sees=True, before=lambda recipe: recipe):
        self.sees, self.before, self.sent, self.recipe, self.points = sees, before, [], None, 0

    def run(self, parts, leases, elsewhere=ignore_part):
        portable = [part for part in parts if isinstance(part, PortablePart)]
        mark = leases / "posted.lease"
        if portable:
            self.recipe = self.before(pickle.loads(pickle.dumps(portable[0].recipe)))
            with lease(mark), contextlib.closing(self.recipe.open(mark if self.sees else mark / "unseen")) as bench:
                for part in portable:
                    self.sent.append(pickle.loads(pickle.dumps(bench.do(part.name))))
                    self.points += bench.points()
                    part.take(self.sent[-1])
        return len(portable) + LocalEngine().run([one for one in parts if one not in portable], leases, elsewhere)


def rows(folder):
    """All rows of a run, but for the times."""
    return {key: table.to_pylist() for key, table in folder.tables(COLUMNS).items()}
