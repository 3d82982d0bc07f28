#!/usr/bin/env bash
# Surprise: Pillow turns a TIFF whose zero is white (PhotometricInterpretation 0) at 8 bits, and leaves it inverted at 16 bits and as floats.
# Who it hurts: who classifies scans or X-rays of several depths gets negatives of some of them, without a word.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3 2>/dev/null
"$folder/env/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image

seen = {}
for kind, white in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)):
    path = f"{sys.argv[1]}/{np.dtype(kind)}.tif"
    tifffile.imwrite(path, np.zeros((4, 4), kind), photometric="miniswhite")  # a stored zero means white
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0, "the file says that zero is white"
        seen[str(np.dtype(kind))] = float(np.asarray(image)[0, 0]) / white
print(f"pillow {PIL.__version__}")
print("expected: a stored zero is read as white (1.0) at every depth, or as stored (0.0) at every depth")
print(f"observed: {seen}")
sys.exit(seen != {"uint8": 1.0, "uint16": 0.0, "float32": 0.0})
PYTHON
