"""Filling a result batch by batch."""

import torch
from torch import Tensor

from brittle.classifiers.frozen import said_of_autocast
from brittle.core.goal import goal_text
from brittle.core.job import Job
from brittle.core.result import Result
from brittle.core.terms import Terms
from brittle.notebook import EXAMPLES
from brittle.types import Images


class Collector:
    """Fills the rows of a result batch by batch; every column is made once, so batches leave nothing in the memory."""

    def __init__(self, images: Images, dtype: torch.dtype):
        self._adversarial = torch.empty_like(images, dtype=torch.promote_types(images.dtype, dtype))
        self._columns: dict[str, Tensor] = {}
        self._sizes: dict[str, Tensor] = {}
        self._traces: list[Tensor] = []
        self._filled = 0

    def add(
        self, adversarial: Images, columns: dict[str, Tensor], sizes: dict[str, Tensor], trace: Tensor | None
    ) -> None:
        """Append a batch."""
        device, count = self._adversarial.device, len(self._adversarial)
        rows = slice(self._filled, self._filled + len(adversarial))
        self._adversarial[rows] = adversarial
        for kept, new in ((self._columns, columns), (self._sizes, sizes)):
            for name, values in new.items():
                if name not in kept:
                    kept[name] = torch.empty((count, *values.shape[1:]), dtype=values.dtype, device=device)
                kept[name][rows] = values
        self._filled = rows.stop
        if trace is not None:
            self._traces.append(trace.to(device))

    def result(self, job: Job) -> Result:
        """Return the whole, as found under the autocast that is on, with what was asked."""
        trace = None
        if self._traces:
            longest = max(part.shape[1] for part in self._traces)
            trace = torch.cat(
                [torch.nn.functional.pad(part, (0, longest - part.shape[1]), value=torch.nan) for part in self._traces]
            )
        said = said_of_autocast()
        kept = self._columns["success"].nonzero()[:EXAMPLES, 0]
        originals = job.images[kept].clone()
        asked = job.options
        terms = Terms(asked.attack, asked.threat, asked.classifier.bounds, originals, goal_text(asked.goal))
        return Result(
            adversarial=self._adversarial,
            trace=trace,
            autocast=said,
            sizes=self._sizes,
            labels=None if job.labels is None else job.labels.to(self._adversarial.device),
            terms=terms,
            **self._columns,
        )
