"""What the commands show while they work: progress bars, and where everything is shown."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
from brittle.sentences import put_sentence
from brittle.words import time_in_words

if TYPE_CHECKING:  # errors are shown by this console, also those before torch is there
    from brittle.evaluation.substitute_result import Round
    from brittle.evaluation.substitute_transfer import Transferred
    from brittle.training.epoch import Epoch
    from brittle.universal_attacks.search import Pass

console = Console(stderr=True, highlight=False)
"""Progress, tables and errors go to standard error; standard output carries what `--json` prints, and nothing else."""
MEGABYTE = 10**6
STILL = 1.0
"""Seconds after which a bar that has not moved shows the passes of the block under way instead of its speed."""


class Speed(ProgressColumn):
    """Images per second; inside a block that takes its time, what the network has been shown of it."""

    def render(self, task: Task) -> Text:
        """Return the speed of a task."""
        return Text(speed_of(task))


def speed_of(task: Task) -> str:
    """Say how fast a task is, or that it goes on."""
    points, moved = task.fields.get("points", 0), task.fields.get("moved", 0.0)
    if points and task.get_time() - moved > STILL:
        return f"{points:,} points seen"
    return "" if task.speed is None else f"{task.speed:,.1f} {task.fields.get('unit', 'images')}/s"


class Bar:
    """A watch that draws a progress bar, in a terminal and in a notebook; `quiet` draws nothing.

    Args:
        total: how many images there are, for `run`, which does not say it; an audit does.
        quiet: draw nothing.

    Example:
        >>> with Bar(20, quiet=True) as bar:
        ...     bar(5)  # what `run(..., progress=bar, on_pass=bar.passed)` does
    """

    def __init__(self, total: int | None = None, *, quiet: bool = False):
        self._notebook = NotebookBar() if console.is_jupyter and not quiet else None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Speed(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or self._notebook is not None,
        )
        self._quiet = quiet
        self._task: TaskID | None = None
        if total is not None:
            self.begin(total, 0)

    def __enter__(self) -> Bar:
        from brittle.remote.fetch import TELL

        self._told = TELL.set(self.fetching)
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        from brittle.remote.fetch import TELL

        TELL.reset(self._told)
        self._progress.stop()
        self._draw(last=True)

    @contextmanager
    def fetching(self, address: str, size: int) -> Generator[Callable[[int], None]]:
        """Show how far data or a network have come that are fetched from an address.

        Args:
            address: where they lie.
            size: in bytes.

        Yields:
            What takes the number of bytes that are there.
        """
        task = self._progress.add_task(shown(f"fetching {address}"), total=max(size // MEGABYTE, 1), unit="MB")
        try:
            yield lambda done: self._progress.update(task, completed=done // MEGABYTE)
        finally:
            self._progress.remove_task(task)

    def __call__(self, images: int) -> None:
        """Move on by so many images, as `progress` of `run`."""
        self.advance("images", images)

    def begin(self, total: int, done: int) -> None:
        """Show how much there is to do, and how much an earlier run has done."""
        self._task = self._progress.add_task("attacks", total=total, completed=done, points=0, moved=0.0)
        if done:
            self.note(f"{done:,} of {total:,} done by an earlier run; going on")

    def advance(self, attack: str, images: int) -> None:
        """Move on."""
        if self._task is not None:
            now = self._progress.get_time()
            self._progress.update(self._task, description=shown(attack), advance=images, points=0, moved=now)
            self._draw()

    def passed(self, points: int) -> None:
        """Show, inside a block of images, that the network was shown so many points."""
        if self._task is not None and not self._quiet:
            seen = self._progress.tasks[0].fields["points"]
            self._progress.update(self._task, points=seen + points)
            self._draw()

    def note(self, text: str) -> None:
        """Print what was found when rows of an earlier run were used again."""
        if not self._quiet:
            put_sentence(console, Text(shown(text)))

    def _draw(self, *, last: bool = False) -> None:
        if self._notebook is not None and self._task is not None:
            self._notebook.draw(self._progress.tasks[0], last=last)


class NotebookBar:
    """A bar in the output of a notebook's cell, which is replaced as work goes on; it needs no widgets."""

    EVERY = 0.25
    """Seconds between two drawings."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = -math.inf

    def draw(self, task: Task, *, last: bool) -> None:
        """Draw a task, unless that was done a moment ago."""
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]  # there in every notebook

        now = task.get_time()
        if now - self._drawn < self.EVERY and not last:
            return
        self._drawn = now
        view = HTML(bar_html(task))
        if self._handle is None:
            self._handle = display(view, display_id=True)
        else:
            self._handle.update(view)


def bar_html(task: Task) -> str:
    """Return a task as HTML without scripts."""
    left = "" if task.time_remaining is None else f", {time_in_words(task.time_remaining)} left"
    said = f"{task.completed:,.0f} of {task.total or 0:,.0f} images"
    speed = speed_of(task)
    text = html.escape(f"{task.description}: {said}{', ' * bool(speed)}{speed}{left if not task.finished else ''}")
    return f'<progress value="{task.completed:.0f}" max="{task.total or 0:.0f}"></progress> <span>{text}</span>'


class Passes:
    """The progress of what goes over images again and again: a bar for the pass under way, a line for each done.

    Args:
        noun: what a pass is called.
        norm: by which the changes are measured whose sizes are told.
        quiet: show nothing.
    """

    def __init__(self, noun: str = "pass", *, norm: str = "linf", quiet: bool = False):
        self._norm = norm
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

        self.note(_epoch(line) if isinstance(line, Epoch) else _pass(line, self._norm))
        self._progress.reset(self._task, description=str(line.number + 1))

    def taught(self, line: Round) -> None:
        """Show how a round of a substitute went."""
        self.note(_round(line))
        self._progress.reset(self._task, description=str(line.number + 1))

    def transferred(self, line: Transferred) -> None:
        """Show what an attack on a substitute did to the oracle."""
        self.note(_transfer(line))
        self._progress.reset(self._task, description="over, what transfers")

    def begin(self, text: str) -> None:
        """Show of what the passes are that follow, counted from 1."""
        self.note(text)
        self._progress.reset(self._task, description="1")

    def note(self, text: str) -> None:
        """Show a line of text."""
        if not self._progress.disable:
            self._progress.console.print(Text(shown(text)), soft_wrap=True)


def _pass(line: Pass, norm: str) -> str:
    from brittle.metrics.formats import Units

    done = "fooled" if line.target is None else f"taken for {line.target}"
    done = "fooled of these less of others" if line.only else done
    size = Units(1.0).text(line.size, norm)
    return f"pass {line.number:3d}   {done} {line.score:6.1%}   size {size}   {line.seconds:.1f} s"


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
