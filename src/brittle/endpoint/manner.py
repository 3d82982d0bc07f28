"""How a service is asked: how fast, how patiently, and how long one waits before asking again."""

import math
import random
from dataclasses import dataclass

from brittle.arguments import Count, check_fields
from brittle.errors import InputError


@dataclass(frozen=True)
class Manner:
    """How a service over HTTP is asked.

    Attributes:
        timeout: seconds within which a connection must stand and a whole answer must be there; then it counts as lost.
        attempts: how often one image is asked about before its question counts as failed, the first time included.
        first_wait: seconds before the second attempt; twice as many before each further one (exponential back-off).
        longest_wait: seconds that are waited at most, also where the service asks for more (`Retry-After`).
        jitter: fraction of each wait that is drawn anew, so that many askers do not come back at once.
        rate: most requests a second, attempts included; None for as many as there come.

    Raises:
        InputError: a number that is no time, no fraction or no rate.

    Example:
        >>> [Manner(jitter=0).wait(attempt) for attempt in (1, 2, 3)]
        [0.5, 1.0, 2.0]
    """

    timeout: float = 30.0
    attempts: Count = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    jitter: float = 0.5
    rate: float | None = None

    def __post_init__(self):
        check_fields(self)
        for name in ("timeout", "first_wait", "longest_wait"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; expected a number of seconds above 0")
        if not 0 <= self.jitter <= 1:
            raise InputError(f"jitter is {self.jitter}; expected a fraction from 0 to 1")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise InputError(f"rate is {self.rate}; expected a number of requests a second above 0, or None")

    def wait(self, attempt: int) -> float:
        """Return how many seconds to wait after an attempt, 1 for the first, that gave no answer."""
        whole = min(self.first_wait * 2.0 ** min(attempt - 1, 60), self.longest_wait)
        return whole * (1 - self.jitter * random.random())
