"""A network that is asked within a budget, and never twice about the same image."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from brittle.arguments import Count, CountOrNone, fitted, seen
from brittle.blackbox.answers import Answers
from brittle.endpoint.protocol import MOST_CLASSES, Answer, digest_of_image
from brittle.errors import OracleError
from brittle.types import Images, Labels
from brittle.words import plural


class Oracle:
    """Anything that labels images, with a budget of queries and a memory on disk.

    A query is an image that was not asked about before: what is asked again comes from memory, in this process and in
    every later one that opens the same answers. The budget is never exceeded; before a call that would exceed it
    anything is asked, it is refused. Called with images it answers as what it asks does, so that it can stand in a
    `Classifier(oracle, labels=10)`.

    Args:
        ask: from images, n x c x h x w in [0, 1] on the CPU, to class numbers (n,) or scores (n, k): an
            `brittle.endpoint.Endpoint`, a network, or a function of your own.
        answers: what it has answered, and where that is kept.
        budget: most images that it is ever asked about; None for no end.
        at_once: images in one call of `ask`. Those of a call that fails or is killed are asked about again, with the
            same digests, and count once.

    Raises:
        InputError: a budget or a number of images that is none.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "answers.sqlite"
        >>> oracle = Oracle(lambda images: images.flatten(1).argmax(1), Answers(file, "brightest"), budget=2)
        >>> images = torch.eye(4).reshape(4, 1, 2, 2)
        >>> oracle.labels(images[:2]), oracle.labels(images[:2]), oracle.left
        (tensor([0, 1]), tensor([0, 1]), 0)
    """

    def __init__(
        self, ask: Callable[[Images], Tensor], answers: Answers, *, budget: int | None = None, at_once: int = 1
    ):
        self._ask, self._answers = ask, answers
        self.budget = fitted("budget", budget, CountOrNone | None)
        self._at_once = fitted("at_once", at_once, Count)

    @property
    def spent(self) -> dict[str, int]:
        """Queries by what they were asked for."""
        return self._answers.spent()

    @property
    def left(self) -> int | None:
        """Queries that the budget leaves; None where there is no end."""
        return None if self.budget is None else max(0, self.budget - sum(self.spent.values()))

    def close(self) -> None:
        """Let go of the file of answers; harmless when done twice."""
        self._answers.close()

    def __call__(self, images: Images) -> Tensor:
        """Return class numbers (n,), or scores (n, k) where the oracle tells them; see `labels`."""
        return _together(self._answered(images, "attack", None))

    def labels(self, images: Images, purpose: str = "labels", watch: Callable[[int], None] | None = None) -> Labels:
        """Return the labels of images, int64 (n,).

        Args:
            images: n x c x h x w in [0, 1], on any device.
            purpose: what they are asked for, under which they are counted.
            watch: told how many of the images have an answer, as they come.

        Raises:
            OracleError: the budget does not suffice, or the oracle gives no answer.
        """
        return torch.tensor([one.chosen for one in self._answered(images, purpose, watch)], dtype=torch.int64)

    def _answered(self, images: Images, purpose: str, watch: Callable[[int], None] | None) -> list[Answer]:
        images = images.detach().to("cpu", torch.float32)
        digests = [digest_of_image(image) for image in images]
        known: dict[str, Answer] = self._answers.known(digests)
        places = {digest: place for place, digest in enumerate(digests) if digest not in known}
        self._check_budget(places)
        missing = list(places)
        for first in range(0, len(missing), self._at_once):
            if watch is not None:
                watch(len(images) - len(missing) + first)
            some = missing[first : first + self._at_once]
            self._answers.intend(some, purpose, self.budget)
            said = _answers_in(self._ask(images[[places[digest] for digest in some]]), len(some))
            found = dict(zip(some, said, strict=True))
            self._answers.keep(found)
            known |= found
        if watch is not None:
            watch(len(images))
        return [known[digest] for digest in digests]

    def _check_budget(self, places: Mapping[str, int]) -> None:
        """Refuse a call that the budget does not suffice for before anything of it is asked."""
        left = self.left
        if left is None or not places:
            return
        new = len(places) - len(self._answers.asked(places))
        if new > left:
            raise OracleError(
                f"{plural(new, 'image')} would have to be asked about, and the budget of {self.budget:,} queries "
                f"leaves {left:,}; nothing of it was asked: give a larger budget, or ask about fewer images"
            )


def _answers_in(said: Any, count: int) -> list[Answer]:
    """Return what a callable said as answers, and refuse what is none."""
    if isinstance(said, Tensor):
        said = said.detach().cpu()
        whole = not (said.is_floating_point() or said.is_complex() or said.dtype == torch.bool)
        if said.shape == (count,) and whole and bool(((said >= 0) & (said < MOST_CLASSES)).all()):
            return [Answer(label=int(one)) for one in said.tolist()]
        fine = said.ndim == 2 and len(said) == count and 2 <= said.shape[1] <= MOST_CLASSES
        if fine and said.is_floating_point() and bool(said.isfinite().all()):
            return [Answer(label=int(row.argmax()), scores=row.tolist()) for row in said.double()]
    raise OracleError(
        f"the oracle returned {seen(said)} for {plural(count, 'image')}; expected class numbers ({count},), whole and "
        f"from 0 on, or finite scores ({count}, classes)"
    )


def _together(said: list[Answer]) -> Tensor:
    """Return answers as one tensor: scores where all tell them, and else labels."""
    if said and all(one.scores is not None and len(one.scores) == len(said[0].scores or ()) for one in said):
        return torch.tensor([one.scores for one in said], dtype=torch.float32)
    return torch.tensor([one.chosen for one in said], dtype=torch.int64)
