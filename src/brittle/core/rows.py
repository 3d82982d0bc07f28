"""Moved to `brittle.base.rows`; this name goes with the next version."""

import warnings

from brittle.base.rows import Rows as Rows
from brittle.base.rows import column as column

warnings.warn("brittle.core.rows is brittle.base.rows now", DeprecationWarning, stacklevel=2)
