#!/usr/bin/env bash
# Surprise: ART's PixelDefend asks the PixelCNN once, about the attacked image, and moves all values by these answers. In the paper's algorithm 1 a value
# is moved by what the model says given the values before it *as they have been moved*: with a model of "like the value to the left" nothing spreads.
# Who it hurts: who measures PixelDefend with it measures a weaker purification than the published one, and finds lower likelihoods.
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

WIDTH, asked = 6, []


class LikeTheLeft(torch.nn.Module):
    """The first value is most likely 100, every other one the value to its left."""

    def forward(self, images):
        asked.append(len(images))
        levels = (images.flatten(1) * 255).long()
        centre = torch.cat([torch.full_like(levels[:, :1], 100), levels[:, :-1]], 1)
        return (-(torch.arange(256) - centre[:, :, None]).abs() / 8.0).softmax(-1).flatten(1) + 0 * images.sum()


model = PyTorchClassifier(torch.nn.Sequential(torch.nn.Identity(), LikeTheLeft()), loss=torch.nn.CrossEntropyLoss(), input_shape=(1, 1, WIDTH), nb_classes=WIDTH * 256, clip_values=(0.0, 1.0), device_type="cpu")
image = (np.array([[[[108, 92, 108, 92, 108, 92]]]]) + 0.5).astype(np.float32) / 255
asked.clear()
found = np.rint(PixelDefend(eps=16, pixel_cnn=model)(image)[0] * 255).astype(int).flatten().tolist()
print(f"adversarial-robustness-toolbox {art.__version__}, numpy {np.__version__}")
print(f"expected: {[100] * WIDTH}, as each value is asked about after the one before it has been moved; {WIDTH} questions")
print(f"observed: {found}; {len(asked)} question")
sys.exit(not (found == [100, 108, 92, 108, 92, 108] and len(asked) == 1))
PYTHON
