#!/usr/bin/env bash
# Surprise: the EfficientNet processor of transformers divides by the standard deviation once more (include_top), after normalising, and even
# with do_normalize=False. Who it hurts: who moves "rescale, subtract, divide" inside a network shows it images that are half as contrasted.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@" 2>/dev/null; }
pip torch==2.13.0
pip transformers==5.24.0 pillow==13.0.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys

import numpy as np
import transformers

try:
    from transformers import EfficientNetImageProcessorPil as Processor
except ImportError:
    from transformers import EfficientNetImageProcessor as Processor

options = {"do_resize": False, "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255, "rescale_offset": False}
options |= {"image_mean": [0.0] * 3, "image_std": [0.5] * 3}
white = np.full((8, 8, 3), 255, np.uint8)


def value(**more):
    made = Processor(**options, **more)(white, return_tensors="np", input_data_format="channels_last")
    return round(float(np.asarray(made["pixel_values"]).ravel()[0]), 4)


observed = {"normalised": value(do_normalize=True, include_top=True), "not normalised": value(do_normalize=False, include_top=True)}
print(f"transformers {transformers.__version__}")
print("expected: white / 0.5 = 2.0 where it is normalised, 1.0 where it is not")
print(f"observed: {observed}")
sys.exit(observed != {"normalised": 4.0, "not normalised": 2.0})
PYTHON
