"""What counts as a change's size, and which changes are allowed: each threat speaks for itself."""

from brittle.threats.colour import ColourShift
from brittle.threats.flow import Flow
from brittle.threats.frame import Frame
from brittle.threats.lp import Lp
from brittle.threats.named import BUILT_IN, MEASURES, THREATS, check_named, described, parse_threat, spelled
from brittle.threats.parametric import Parametric
from brittle.threats.patch import Patch
from brittle.threats.pixels import Pixels
from brittle.threats.shared import SharedThreat
from brittle.threats.threat import Threat

__all__ = [
    "BUILT_IN",
    "MEASURES",
    "THREATS",
    "ColourShift",
    "Flow",
    "Frame",
    "Lp",
    "Parametric",
    "Patch",
    "Pixels",
    "SharedThreat",
    "Threat",
    "check_named",
    "described",
    "parse_threat",
    "spelled",
]
