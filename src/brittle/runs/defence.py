"""The two audits of a defended network: one that knows nothing of the defence, and one that does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brittle.errors import RunError
from brittle.names import stored
from brittle.runs.command import without_option
from brittle.runs.finding import Finding
from brittle.runs.store import MANIFEST, RunFolder
from brittle.runs.summary import Summary, summarise

NAIVE, ADAPTIVE = "naive", "adaptive"
"""Folders of the two audits."""
PICTURES = "pictures"
"""Folder of what the network sees."""
OF_BOTH = ("--defence", "--defence-data", "--out", "--title", "--junit", "--sarif", "--fail-under")
"""Options of the command that are not those of an audit without the defence."""
STAGES = ("original", "original-seen", "adversarial", "adversarial-seen")
"""Ends of the names of the pictures of an image: as it is, as the network sees it, and both for the adversarial one."""


@dataclass(frozen=True)
class DefenceFolder:
    """The folder of `brittle audit --defence`.

    Attributes:
        path: holds the two run folders, the pictures and the page.
        naive: the audit as someone makes it who takes the defended network for any other.
        adaptive: the audit as someone makes it who knows the defence.
    """

    path: Path
    naive: RunFolder
    adaptive: RunFolder

    @classmethod
    def open(cls, path: Path) -> "DefenceFolder":
        """Open the two audits.

        Raises:
            RunError: one of them is not there, or cannot be read.
        """
        if not is_defence_folder(path):
            raise RunError(f"{path} holds no two audits of a defended network; expected {NAIVE}/ and {ADAPTIVE}/")
        return cls(path, RunFolder.open(path / NAIVE), RunFolder.open(path / ADAPTIVE))

    @property
    def without(self) -> list[str]:
        """The command that audits the network without the defence, word by word; empty from Python."""
        words = self.adaptive.manifest.command
        if not words:
            return []
        for option in OF_BOTH:
            words = without_option(words, option)
        out = f"{stored(str(self.path))}-undefended"
        ends = words.index("--") if "--" in words else len(words)
        return [*words[:ends], "--out", out, *words[ends:]]

    def pictures(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield the number of each image that has all four pictures, with their files in the order of `STAGES`."""
        for first in sorted((self.path / PICTURES).glob(f"*-{STAGES[0]}.png")):
            number = first.name.partition("-")[0]
            files = [first.with_name(f"{number}-{stage}.png") for stage in STAGES]
            if all(file.is_file() for file in files):
                yield number, files


def is_defence_folder(path: Path) -> bool:
    """Say whether two audits of a defended network lie in a folder."""
    return all((path / name / MANIFEST).is_file() for name in (NAIVE, ADAPTIVE))


@dataclass(frozen=True)
class DefenceSummary:
    """The figures of both audits.

    Attributes:
        defence: as it is written.
        attacked: how the adaptive audit meets it.
        naive: the figures that a careless evaluation would report.
        adaptive: those that count.
    """

    defence: str
    attacked: str
    naive: Summary
    adaptive: Summary

    @classmethod
    def of(cls, folder: DefenceFolder) -> "DefenceSummary":
        """Read the figures."""
        network = folder.adaptive.manifest.network
        return cls(network.defence, network.attacked, summarise(folder.naive), summarise(folder.adaptive))

    @property
    def difference(self) -> float:
        """By how much the naive robust accuracy is above the adaptive one, from -1 to 1."""
        return self.naive.robust.value - self.adaptive.robust.value

    @property
    def conclusion(self) -> str:
        """What the two figures say, in a sentence or two."""
        points = f"{100 * abs(self.difference):.1f} points"
        if self.difference > 0:
            return (
                f"Of the naive figure {points} are not robustness: they are lost when the attack goes {self.attacked}."
            )
        if not self.adaptive.clean.value:
            return "No image was right without an attack, so that there was nothing to break."
        if self.adaptive.robust.value == self.adaptive.clean.value:
            either = " either" if not self.difference else f", the naive one {points}"
            return (
                f"The adaptive attack broke nothing{either}; this is no evidence of robustness: add a black-box attack "
                "such as --attack square."
            )
        gains = f"An adversary who knows the defence, and goes {self.attacked}, gains nothing by it."
        more = f" The naive attack broke {points} more: the lower figure counts."
        return gains + (more if self.difference else "")

    @property
    def told_by(self) -> list[Finding]:
        """The checks that the naive audit did not pass and the adaptive one did, what matters most first.

        None where the adaptive figure is no lower: there was nothing to know.
        Not those that make the figure uncertain either way, as too few images do: an interval is narrower at 0 anyway.
        """
        if self.difference <= 0 or self.naive.health is None or self.adaptive.health is None:
            return []
        passed = {one.check for one in self.adaptive.health.ordered("pass")}
        told = (one for one in self.naive.health.ordered("fail", "warn") if one.error != "uncertain")
        return [one for one in told if one.check in passed]

    def plain(self) -> dict[str, Any]:
        """Return what JSON can say."""
        return {
            "defence": self.defence,
            "attacked": self.attacked,
            "difference": self.difference,
            "told_by": [one.check for one in self.told_by],
            NAIVE: self.naive.plain(),
            ADAPTIVE: self.adaptive.plain(),
        }
