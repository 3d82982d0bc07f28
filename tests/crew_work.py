"""What the engines with workers are tried on: an attack that kills its process when told to, and who watches."""

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


def rows(folder):
    """All rows of a run, but for the times."""
    return {key: table.to_pylist() for key, table in folder.tables(COLUMNS).items()}
