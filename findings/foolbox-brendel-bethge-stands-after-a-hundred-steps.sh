#!/usr/bin/env bash
# Surprise: foolbox's Brendel-Bethge attack, which makes 1,000 steps by default, ends after 1,000 where it stood after 100: its step length halves twenty
# times in whatever number of steps it is given. The guess before the run was a median at least 5 % smaller.
# Who it hurts: who gives it ten times the passes "to be fair" compares with a search that has not used nine tenths of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check install"
$pip torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
$pip --no-deps foolbox==3.3.4 eagerpy==0.30.0 numba==0.68.1 llvmlite==0.50.0 GitPython==3.2.1 gitdb==4.0.12 smmap==5.0.3 requests==2.32.5 \
  urllib3==2.5.0 idna==3.10 certifi==2025.8.3 charset-normalizer==3.4.3
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import foolbox
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

TRAINING, TESTED = 1500, 40
torch.manual_seed(0)
torch.set_num_threads(1)
digits = load_digits()
images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
labels = torch.tensor(digits.target)
network = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10)
)
optimiser = torch.optim.Adam(network.parameters(), 1e-3)
for _ in range(60):
    for batch in torch.randperm(TRAINING).split(100):
        optimiser.zero_grad()
        functional.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimiser.step()
network.eval().requires_grad_(False)

seen, clean, right = images[:TRAINING], images[TRAINING : TRAINING + TESTED], labels[TRAINING : TRAINING + TESTED]
known = network(clean).argmax(1) == right
clean, right = clean[known], right[known]
apart = torch.cdist(clean.flatten(1), seen.flatten(1)).masked_fill(right[:, None] == network(seen).argmax(1), torch.inf)
starts = seen[apart.argmin(1)]  # for each image the nearest one of another class
model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")


def median(kind, norm, steps):
    """The median size of what the attack finds."""
    attack = getattr(foolbox.attacks, f"{kind}BrendelBethgeAttack")(steps=steps)
    found = attack(model, clean, right, epsilons=None, starting_points=starts)[1]
    return float((found - clean).flatten(1).norm(p=norm, dim=1).median())


print(f"foolbox {foolbox.__version__}, torch {torch.__version__}, {len(clean)} digits that the network gets right")
print("expected: with ten times the steps a median at least 5 % smaller")
gains = {}
for kind, norm in (("L1", 1), ("L2", 2)):
    few, many = (median(kind, norm, steps) for steps in (100, 1000))
    gains[kind] = 1 - many / few
    print(f"observed: {kind} {few:.4f} with 100 steps, {many:.4f} with 1,000: {gains[kind]:.2%} smaller")
sys.exit(max(gains.values()) >= 0.02)
PYTHON
