#!/usr/bin/env bash
# Surprise: the penalty of adv-lib's ALMA-prox for segmentation, mu y + mu rho y^2 + rho^2 y^3 / 6 where y >= 0, is differentiated by hand, and the slope
# of its first term is written mu y where it is mu. So the pull of a constraint vanishes where it is nearly met, and the multipliers learn from it too.
# Who it hurts: who compares with the attack at its defaults; `penalty=` takes the same function with torch's own derivative.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check install"
$pip torch==2.13.0 numpy==2.4.6 tqdm==4.70.1
$pip --no-deps adv-lib==0.2.8
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from unittest.mock import MagicMock

for name in ("torchvision", "torchvision.models", "visdom"):
    sys.modules[name] = MagicMock()  # imported by the package, not used here

import torch
from adv_lib.attacks.segmentation.alma_prox import P

y = torch.tensor([0.0, 0.1, 0.5, -0.3], dtype=torch.float64, requires_grad=True)
rho, mu, h = torch.full_like(y, 0.7), torch.full_like(y, 0.4), 1e-6
(observed,) = torch.autograd.grad(P.apply(y, rho, mu).sum(), y)
with torch.no_grad():
    expected = (P.apply(y + h, rho, mu) - P.apply(y - h, rho, mu)) / (2 * h)
print("adv-lib", version("adv_lib"))
print("expected: central differences", [round(value, 3) for value in expected.tolist()])
print("observed: its derivative     ", [round(value, 3) for value in observed.tolist()])
wrong = (observed - expected).abs() > 1e-3
sys.exit(0 if wrong.tolist() == [True, True, True, False] else 1)
PYTHON
