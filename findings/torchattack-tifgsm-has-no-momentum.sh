#!/usr/bin/env bash
# Surprise: the `decay` of torchattack's TIFGSM, documented as the decay factor of its momentum, changes nothing: what it decays is this step's own
# gradient, not the sum so far, so that any decay gives the same images. MIFGSM of the same package accumulates.
# Who it hurts: who takes it for TI-MI-FGSM, as the paper's attack is run, and compares transfer rates with published ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check install"
$pip torch==2.13.0 numpy==2.4.6 scipy==1.17.1 rich==15.0.0 pillow==13.0.0
$pip --no-deps torchattack==1.7.2
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from unittest.mock import MagicMock

for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
    sys.modules[name] = MagicMock()  # imported by the package, not used here

import torch
from torch import nn
from torchattack import MIFGSM, TIFGSM

torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 18 * 18, 10)).eval()
network[0].weight.data *= 10
images = torch.rand(8, 3, 20, 20)
labels = network(images).argmax(1)
found = {}
for attack in (MIFGSM, TIFGSM):
    pair = [attack(network, device=torch.device("cpu"), eps=0.1, steps=10, decay=decay)(images, labels) for decay in (0.0, 1.0)]
    found[attack.__name__] = float((pair[0] != pair[1]).float().mean())
print("torchattack", version("torchattack"))
print("expected: with a decay of 1 other images than with 0, of both attacks")
print("observed: fraction of values that differ", {name: round(value, 3) for name, value in found.items()})
sys.exit(0 if found["MIFGSM"] > 0.05 and found["TIFGSM"] == 0 else 1)
PYTHON
