#!/usr/bin/env bash
# Surprise: torch.sign of NaN is 0, where numpy.sign of NaN is NaN. So an attack by signed steps on a network whose gradient is NaN gives the clean image
# back, bit for bit and without a word, in place of images of NaN that somebody would notice, as torchattacks' FGSM does.
# Who it hurts: who attacks such a network (a square root at 0, a norm of zeros, overflow in half precision) with FGSM or PGD reads 100 % robust accuracy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check install"
$pip torch==2.13.0 numpy==2.4.6 scipy==1.17.1
$pip --no-deps torchattacks==3.5.1
# stands in for what it imports and this does not use
mkdir "$folder/stand_ins"
for module in torchvision torchvision.transforms requests; do
  path="$folder/stand_ins/${module//.//}"; mkdir -p "$path"; : > "$path/__init__.py"
done
PYTHONPATH="$folder/stand_ins" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import torch
import torchattacks
from torch import nn


class ZeroNorm(nn.Module):
    """Adds the square root of 0, which is 0: the logits are those of the layer, the gradient is 0 times infinity."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, images):
        return self.layer(images) + (images * 0).sum((1, 2, 3)).sqrt()[:, None]


torch.manual_seed(0)
layer = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
images = 0.3 + 0.4 * torch.rand(50, 3, 4, 4)
labels = layer(images).argmax(1)
signs = {str(kind): float(torch.tensor(float("nan"), dtype=kind).sign()) for kind in (torch.float32, torch.float64, torch.bfloat16)}
moved = {}
for name, network in (("plain", layer), ("with a slope of NaN", ZeroNorm(layer))):
    found = torchattacks.FGSM(network.eval(), eps=0.3)(images, labels)
    moved[name] = float((found - images).abs().max()), float((network(found).argmax(1) != labels).float().mean())
leaf = images.clone().requires_grad_()
(gradient,) = torch.autograd.grad(nn.functional.cross_entropy(ZeroNorm(layer)(leaf), labels), leaf)

print(f"torch {torch.__version__}, numpy {np.__version__}, torchattacks {torchattacks.__version__}")
print(f"gradient: {int(gradient.isnan().sum())} of {gradient.numel()} values are NaN")
print(f"expected: sign of NaN is NaN, as numpy's: {np.sign(np.float32('nan'))}; FGSM returns NaN, or an error")
print(f"observed: torch.sign of NaN: {signs}")
for name, (size, broken) in moved.items():
    print(f"observed: FGSM within 0.3, {name}: largest change {size:.3g}, broken {broken:.0%}")
same = all(value == 0 for value in signs.values()) and np.isnan(np.sign(np.float32("nan"))) and bool(gradient.isnan().all())
same = same and moved["with a slope of NaN"] == (0.0, 0.0) and moved["plain"][1] > 0.5
sys.exit(0 if same else 1)
PYTHON
