"""What the figures were measured with: the class of machine and the versions, and nothing that names the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine_class() -> str:
    """Return the processor, the number of cores and the system, such as `Intel Xeon @ 2.50GHz, 2 cores, Linux`."""
    cores = os.cpu_count()
    return f"{_processor()}, {cores} core{'' if cores == 1 else 's'}, {platform.system()}"


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].replace("(R)", "").replace("(TM)", "").split())
    return platform.processor() or platform.machine()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package, `none` where it is not installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found
