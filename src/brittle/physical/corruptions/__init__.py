"""The fifteen common corruptions of Hendrycks & Dietterich, ICLR 2019 (arXiv:1903.12261); one family a file."""

from brittle.physical.corruptions.corruption import Corruption
from brittle.physical.corruptions.kinds import KINDS, Kind

__all__ = ["KINDS", "Corruption", "Kind"]
