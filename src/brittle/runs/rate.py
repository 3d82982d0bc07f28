"""An estimate as a file holds it, with numbers that JSON cannot say."""

import math
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from brittle.metrics import Estimate
from brittle.runs.manifest_info import Strict


def _number(value: object) -> object:
    return float(value) if isinstance(value, str) and value in ("inf", "-inf", "nan") else value


def _text(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


Number = Annotated[float, BeforeValidator(_number), PlainSerializer(_text, when_used="json")]
"""A number; what JSON cannot say is text in a file: "inf", "-inf" and "nan"."""


class Rate(Strict):
    """An estimate, as of `brittle.metrics.Estimate`."""

    value: Number
    low: Number
    high: Number
    n: int = Field(gt=0)

    @classmethod
    def of(cls, estimate: Estimate) -> "Rate":
        """Take over an estimate."""
        return cls(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)

    @property
    def estimate(self) -> Estimate:
        """The estimate."""
        return Estimate(self.value, self.low, self.high, self.n)
