#!/usr/bin/env bash
# Surprise: the glass blur of imagecorruptions, and of the code that made ImageNet-C and CIFAR-10-C, says "swap" and copies: in NumPy the two sides of
# x[a], x[b] = x[b], x[a] are views of one array, so that one of both colours is lost. Of single values, as in a grey array, the same line swaps.
# Who it hurts: who writes glass blur anew from its description gets another corruption than the published data hold; grey and colour images differ.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@" 2>/dev/null; }
pip numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 setuptools==80.9.0 pillow==13.0.0  # newer setuptools lack pkg_resources, without which it is not imported
pip --no-deps imagecorruptions==1.1.2 opencv-python-headless==5.0.0.93
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from imagecorruptions import corruptions

corruptions.gaussian = lambda image, **_: image + 1e-9  # the shuffle alone; its call has an argument that scikit-image no longer takes


def left(image):
    """Which part of the colours is left."""
    np.random.seed(0)
    found = np.rint(np.asarray(corruptions.glass_blur(image, severity=1))).astype(int)
    return len({tuple(np.atleast_1d(one)) for row in found for one in row}) / image.shape[0] / image.shape[1]


rows, columns = np.mgrid[:16, :16]
colour = np.stack([rows * 16, columns * 16, rows + columns], 2).astype(np.uint8)
grey = (rows * 16 + columns).astype(np.uint8)
shares = left(colour), left(grey)
print(f"imagecorruptions {version('imagecorruptions')}, numpy {np.__version__}")
print("expected: every one of 256 different pixels is somewhere else, and none is lost: 100 % in colour, 100 % in grey")
print(f"observed: {shares[0]:.0%} of them left in colour, {shares[1]:.0%} in grey")
sys.exit(not (shares[0] < 0.8 and shares[1] == 1))
PYTHON
