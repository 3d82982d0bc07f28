#!/usr/bin/env bash
# Surprise: ART's CarliniL2Method never lowers a constant that followed a failure: `c_old = c_current` copies nothing, so that the lower bound of its
# bisection is the constant just raised, and half-way between the two is where it stands. And it raises by 2, where the paper's authors take 10.
# Who it hurts: all searches after the first success repeat it, so changes are longer than the paid passes could find; and with few searches from the
# default first constant, 0.01, the constant stays too small to break anything, which reads as robustness.
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
from art.attacks.evasion import CarliniL2Method
from art.estimators.classification import PyTorchClassifier

SEARCHES, tried = 8, []


class Watched(CarliniL2Method):
    """The attack as it is; the constants that it tries are written down."""

    def _loss(self, x, x_adv, target, c_weight):
        if tried[-1:] != [float(c_weight[0])]:
            tried.append(float(c_weight[0]))
        return super()._loss(x, x_adv, target, c_weight)


network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
with torch.no_grad():  # class 1 where the sum of the pixels is beyond 1.6
    network[1].weight.copy_(torch.tensor([[0.0] * 4, [1.0] * 4]))
    network[1].bias.copy_(torch.tensor([0.0, -1.6]))
model = PyTorchClassifier(network, loss=torch.nn.CrossEntropyLoss(), input_shape=(1, 2, 2), nb_classes=2, clip_values=(0.0, 1.0), device_type="cpu")
image = np.full((1, 1, 2, 2), 0.5, np.float32)
attack = Watched(model, learning_rate=0.1, binary_search_steps=SEARCHES, max_iter=50, initial_const=0.1, batch_size=1, verbose=False)
found = attack.generate(image, np.array([1]))
broken = model.predict(found).argmax() == 0
print(f"adversarial-robustness-toolbox {art.__version__}, numpy {np.__version__}")
print(f"expected: {SEARCHES} constants: growing to the first that breaks the image, then half-way between the last failure and the last success")
print(f"observed: {[round(one, 6) for one in tried]}, the last of them {SEARCHES - len(tried) + 1} times; broken: {broken}")
sys.exit(not (broken and np.allclose(tried, [0.1, 0.2, 0.4])))
PYTHON
