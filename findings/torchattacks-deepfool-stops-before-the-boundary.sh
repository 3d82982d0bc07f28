#!/usr/bin/env bash
# Surprise: torchattacks' DeepFool clamps to [0, 1] after every step, so that pixels that are 0 or 1 already swallow a part of it, and the overshoot of 2 %
# does not make up for that: each step halves the distance, the search ends a rounding before the boundary, and the class is still the true one. The
# authors' code does not clamp, and adds 1e-4 to every distance. With either, torchattacks breaks all of these images, by changes of the same length.
# Who it hurts: who attacks images with black or white pixels, as in MNIST, reads robust accuracies of a network that has none.
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

COUNT = 100


def attacked(images):
    """Broken images, the largest lead of a class that is still the true one, the median change."""
    labels = network(images).argmax(1)
    found = torchattacks.DeepFool(network, steps=50, overshoot=0.02)(images, labels)
    with torch.no_grad():
        logits = network(found)
    lead = logits.gather(1, labels[:, None])[:, 0] - logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    wrong = logits.argmax(1) != labels
    rest = lead[~wrong].max().item() if (~wrong).any() else 0.0
    return int(wrong.sum()), rest, (found - images).flatten(1).norm(dim=1).median().item()


torch.manual_seed(0)
network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
black_and_white = torch.rand(COUNT, 1, 8, 8).round()
grey = 0.25 + 0.5 * black_and_white
print("torchattacks", torchattacks.__version__, "torch", torch.__version__)
print(f"expected: {COUNT} of {COUNT} images broken: the network is linear, and any step beyond its nearest boundary breaks one")
found = {"grey": attacked(grey), "black and white": attacked(black_and_white)}
for name, (broken, lead, size) in found.items():
    print(f"observed: {name}: {broken} broken, the others by a lead of at most {lead:.1e}; median change {size:.3f}")
sys.exit(0 if found["grey"][0] == COUNT and found["black and white"][0] < 0.9 * COUNT and found["black and white"][1] < 1e-5 else 1)
PYTHON
