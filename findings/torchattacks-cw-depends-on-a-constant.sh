#!/usr/bin/env bash
# Surprise: torchattacks' CW finds nothing on a network whose logits are all negative, such as one that ends in log_softmax, although adding a number to
# all logits changes neither classes nor probabilities. It masks classes by multiplying with 0, and this 0 is then the largest "other" logit.
# Who it hurts: who attacks such a network with it reads 0 % success and takes the network for robust.
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

import torch
import torchattacks
from torch import nn


class Shifted(nn.Module):
    def __init__(self, inner, constant):
        super().__init__()
        self.inner, self.constant = inner, constant

    def forward(self, images):
        return self.inner(images) + self.constant


torch.manual_seed(0)
network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
images = torch.rand(50, 1, 8, 8)
labels = network(images).argmax(1)
found = {}
for constant in (0.0, 100.0, -100.0):
    module = Shifted(network, constant).eval()
    attacked = torchattacks.CW(module, c=10, steps=100, lr=0.01)(images, labels)
    broken = int((module(attacked).argmax(1) != labels).sum())
    found[constant] = broken
log_softmax = nn.Sequential(network, nn.LogSoftmax(1)).eval()
attacked = torchattacks.CW(log_softmax, c=10, steps=100, lr=0.01)(images, labels)
found["log_softmax"] = int((log_softmax(attacked).argmax(1) != labels).sum())
print("torchattacks", torchattacks.__version__)
print("expected: as many of 50 images broken whatever is added to all logits, and by log-probabilities")
print("observed:", found)
sys.exit(0 if found[0.0] >= 45 and found[-100.0] == 0 else 1)
PYTHON
