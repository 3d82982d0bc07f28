"""What all tests share: shapes are checked at run time, and helpers lie beside the tests."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
for folder in (Path(__file__).parent, Path(__file__).parent / "contract"):
    sys.path.insert(0, str(folder))

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook(["brittle.core", "brittle.maths", "brittle.attacks"], "checked.checker")
