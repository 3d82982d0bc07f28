"""What counts as a change's size, and which changes are allowed: each threat speaks for itself."""

from brittle.threats.flow import Flow
from brittle.threats.lp import Lp
from brittle.threats.pixels import Pixels
from brittle.threats.threat import TOLERANCE, Threat

__all__ = ["TOLERANCE", "Flow", "Lp", "Pixels", "Threat"]
