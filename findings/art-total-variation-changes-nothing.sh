#!/usr/bin/env bash
# Surprise: ART's TotalVarMin with the settings of the paper (half of the values dropped, L2, weight 0.03) returns the image as it came, bit for
# bit: the derivative that it hands to scipy has its total-variation part twice as long as the objective's, so that the search stops where it began.
# Who it hurts: who reports a robustness "under total-variation minimisation" measured with it measured no defence at all.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@" 2>/dev/null; }
pip numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 six==1.17.0 tqdm==4.67.1 setuptools==84.2.1 packaging==26.0
pip --no-deps adversarial-robustness-toolbox==1.20.1
"$folder/env/bin/python" - <<'PYTHON'
import sys

import art
import numpy as np
from art.defences.preprocessor import TotalVarMin

random = np.random.default_rng(0)
images = random.random((2, 16, 16, 3)).astype(np.float32)
np.random.seed(0)
found, _ = TotalVarMin(prob=0.5, norm=2, lamb=0.03, max_iter=1000, clip_values=(0, 1))(images)
changed = float(np.abs(found - images).max())

# the derivative beside central differences of the objective, at a point away from the image, with nothing kept: total variation alone
point, image, nothing = random.random(64), random.random((8, 8)), np.zeros((8, 8))
loss = lambda z: TotalVarMin._loss_func(z, image, nothing, 2, 1.0)
central = np.array([(loss(point + 1e-6 * unit) - loss(point - 1e-6 * unit)) / 2e-6 for unit in np.eye(64)])
stated = TotalVarMin._deri_loss_func(point, image, nothing, 2, 1.0)
ratio = float(stated @ central / (central @ central))

print(f"adversarial-robustness-toolbox {art.__version__}")
print("expected: about half of the values change; the derivative is 1.0 times the objective's")
print(f"observed: largest change {changed:g}; {ratio:.3f} times")
sys.exit(not (changed == 0 and abs(ratio - 2) < 1e-3))
PYTHON
