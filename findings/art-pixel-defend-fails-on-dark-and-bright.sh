#!/usr/bin/env bash
# Surprise: ART's PixelDefend raises an OverflowError on every image with a value below 16 or above 239 of 255 under NumPy 2: it subtracts its radius
# from an 8-bit number, which wraps around since NumPy 2 keeps the type, so that no level is left to choose from. Mid-grey images pass.
# Who it hurts: who purifies photographs or digits with it (nearly all have black or white), and who tried it on a synthetic grey image first.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@" 2>/dev/null; }
pip torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 six==1.17.0 tqdm==4.67.1 setuptools==84.2.1 packaging==26.0
pip --no-deps adversarial-robustness-toolbox==1.20.1
"$folder/env/bin/python" - <<'PYTHON'
import sys

import art
import numpy as np
import torch
from art.defences.preprocessor import PixelDefend
from art.estimators.classification import PyTorchClassifier


class Even(torch.nn.Module):
    """Every level as likely as any other, for each of four values."""

    def forward(self, images):
        return torch.full((len(images), 4 * 256), 1 / 256) + 0 * images.sum()


model = PyTorchClassifier(torch.nn.Sequential(torch.nn.Identity(), Even()), loss=torch.nn.CrossEntropyLoss(), input_shape=(1, 2, 2), nb_classes=4 * 256, clip_values=(0.0, 1.0), device_type="cpu")
defence = PixelDefend(eps=16, pixel_cnn=model)


def outcome(level):
    try:
        defence(np.full((1, 1, 2, 2), (level + 0.5) / 255, dtype=np.float32))
    except OverflowError:
        return "OverflowError"
    return "an image"


found = {level: outcome(level) for level in (5, 100, 250)}
print(f"adversarial-robustness-toolbox {art.__version__}, numpy {np.__version__}")
print("expected: an image for values of 5, 100 and 250")
print(f"observed: {found}")
sys.exit(found != {5: "OverflowError", 100: "an image", 250: "OverflowError"})
PYTHON
