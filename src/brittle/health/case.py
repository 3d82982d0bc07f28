"""Moved to `brittle.health.context`; this name goes with the next version."""

import warnings

from brittle.health.context import AttackRun as Attempt
from brittle.health.context import HealthContext as Case

__all__ = ["Attempt", "Case"]
warnings.warn("brittle.health.case is brittle.health.context now", DeprecationWarning, stacklevel=2)
