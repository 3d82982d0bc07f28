"""What the commands show while they work: progress bars, and where everything is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from brittle.names import shown

if TYPE_CHECKING:  # errors are shown by this console, also those before torch is there
    from brittle.evaluation.substitute_result import Round
    from brittle.evaluation.substitute_transfer import Transferred
    from brittle.training.epoch import Epoch
    from brittle.universal.search import Pass

console = Console(stderr=True, highlight=False)
"""Progress, tables and errors go to standard error; standard output carries what `--json` prints, and nothing else."""


class Speed(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """Return the speed of a task."""
        return Text("" if task.speed is None else f"{task.speed:,.1f} images/s")


class Bar:
    """A watch that draws a progress bar; `quiet` draws nothing."""

    def __init__(self, *, quiet: bool = False):
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Speed(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, total: int, done: int) -> None:
        """Show how much there is to do, and how much an earlier run has done."""
        self._task = self._progress.add_task("attacks", total=total, completed=done)
        if done and not self._progress.disable:
            console.print(f"{done:,} of {total:,} done by an earlier run; going on")

    def advance(self, attack: str, images: int) -> None:
        """Move on."""
        if self._task is not None:
            self._progress.update(self._task, description=shown(attack), advance=images)

    def note(self, text: str) -> None:
        """Print what was found when rows of an earlier run were used again."""
        if not self._progress.disable:
            console.print(Text(shown(text)), soft_wrap=True)


class Passes:
    """The progress of what goes over images again and again: a bar for the pass under way, a line for each done."""

    def __init__(self, noun: str = "pass", *, quiet: bool = False):
        self._progress = Progress(
            TextColumn(noun + " {task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet,
            transient=True,
        )
        self._task = self._progress.add_task("1", total=1.0)

    def __enter__(self) -> Passes:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, fraction: float) -> None:
        """Show which fraction of the pass is done."""
        self._progress.update(self._task, completed=fraction)

    def look(self, fraction: float) -> None:
        """Show which fraction of the images has been looked at once more, after the last pass."""
        self._progress.update(self._task, completed=fraction, description="over, a last look at all images")

    def tell(self, line: Pass | Epoch) -> None:
        """Show how a pass went."""
        from brittle.training.epoch import Epoch

        self.note(_epoch(line) if isinstance(line, Epoch) else _pass(line))
        self._progress.reset(self._task, description=str(line.number + 1))

    def taught(self, line: Round) -> None:
        """Show how a round of a substitute went."""
        self.note(_round(line))
        self._progress.reset(self._task, description=str(line.number + 1))

    def transferred(self, line: Transferred) -> None:
        """Show what an attack on a substitute did to the oracle."""
        self.note(_transfer(line))
        self._progress.reset(self._task, description="over, what transfers")

    def note(self, text: str) -> None:
        """Show a line of text."""
        if not self._progress.disable:
            self._progress.console.print(Text(shown(text)), soft_wrap=True)


def _pass(line: Pass) -> str:
    done = "fooled" if line.target is None else f"taken for {line.target}"
    done = "fooled of these less of others" if line.only else done
    return f"pass {line.number:3d}   {done} {line.score:6.1%}   size {line.size:.4g}   {line.seconds:.1f} s"


def _epoch(epoch: Epoch) -> str:
    said = f"epoch {epoch.number:3d}   loss {epoch.loss:.4f}"
    said += "" if epoch.accuracy is None else f"   accuracy {epoch.accuracy:.2%}"
    if epoch.adversarial_accuracy is not None and epoch.clean_accuracy is not None:
        said += f"   attacked {epoch.adversarial_accuracy:.2%}   before {epoch.clean_accuracy:.2%}"
        said += "" if epoch.radius is None else f"   radius {epoch.radius:.3g}"
    if epoch.held_out_accuracy is not None:
        said += f"   held out {epoch.held_out_accuracy:.2%}"
        robust = epoch.held_out_robust_accuracy
        said += "" if robust is None else f", robust {robust:.2%}"
    if epoch.collapsed:
        said += "   COLLAPSED: it hides from its own attack"
    return f"{said}   {epoch.seconds:.1f} s"


def _round(line: Round) -> str:
    said = f"round {line.number:3d}   {line.images:,} labelled   {line.queries:,} queries   loss {line.loss:.4f}"
    said += f"   agrees {line.agreement.value:.1%}   right {line.accuracy.value:.1%}"
    said += "" if line.transfer is None else f"   transfers {line.transfer.value:.0%} of {line.transfer.n}"
    return f"{said}   {line.seconds:.1f} s"


def _transfer(line: Transferred) -> str:
    said = f"{line.named}   fools the substitute {line.fooled.value:.1%}   transfers {line.rate.value:.1%}"
    return f"{said}   {line.queries:,} queries"
