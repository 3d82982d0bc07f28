#!/usr/bin/env bash
# Surprise: on Linux every pass of a batch of photographs through a network on a CPU gets its activations as new pages from the kernel, although the pass
# before has just freed as many: the GNU C library maps each piece above 32 MiB apart, and torch's CPU allocator keeps none. Clearing them can be half of the time.
# Who it hurts: who times or budgets attacks on a CPU, in one library or several: MALLOC_MMAP_MAX_=0 and MALLOC_TRIM_THRESHOLD_=-1 change the figures, not the results.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install torch==2.13.0 numpy==2.4.6
cat > "$folder/passes.py" <<'PYTHON'
import os
import resource
import sys
import time

import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
layers = [nn.Conv2d(3, 32, 3, stride=2, padding=1)]
for _ in range(4):
    layers += [nn.ReLU6(), nn.Conv2d(32, 96, 1), nn.ReLU6(), nn.Conv2d(96, 96, 3, padding=1, groups=96), nn.Conv2d(96, 32, 1)]
network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).requires_grad_(False)
images = torch.rand(8, 3, 224, 224)


def gradient():
    moved = images.clone().requires_grad_()
    return torch.autograd.grad(network(moved).sum(), moved)[0]


first = gradient()
gradient()
before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
for _ in range(5):
    last = gradient()
after = resource.getrusage(resource.RUSAGE_SELF)
faults = (after.ru_minflt - before.ru_minflt) // 5
print(f"{faults} {(time.perf_counter() - began) / 5:.3f} {float(last.double().sum()):.17g} {torch.equal(first, last)}")
PYTHON
usual=$("$folder/venv/bin/python" "$folder/passes.py")
kept=$(MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 "$folder/venv/bin/python" "$folder/passes.py")
"$folder/venv/bin/python" - "$usual" "$kept" <<'PYTHON'
import platform
import sys

import torch

usual, kept = (text.split() for text in sys.argv[1:])
print(f"torch {torch.__version__}, {' '.join(platform.libc_ver())}")
print("expected: after two passes the third finds the memory of those before, a few page faults a pass, as with a GPU's caching allocator")
print(f"observed: {usual[0]} page faults a pass, {usual[1]} s; with MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 {kept[0]}, {kept[1]} s; the same gradient: {usual[2] == kept[2]}")
sys.exit(not (int(usual[0]) > 20 * max(int(kept[0]), 100) and usual[2:] == kept[2:]))
PYTHON
