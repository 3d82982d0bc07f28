"""Moved to `brittle.studies.gd_uap.scenes`; this name goes with the next version."""

import warnings

from brittle.studies.gd_uap.scenes import Scenes, render

__all__ = ["Scenes", "render"]

warnings.warn("brittle.studies.scenes is now brittle.studies.gd_uap.scenes", DeprecationWarning, stacklevel=2)
