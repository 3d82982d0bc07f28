#!/usr/bin/env bash
# Surprise: on a processor without bfloat16 instructions torch's CPU autocast, a gain elsewhere, makes a training step of a small
# convolutional network several times slower, and says nothing. Who it hurts: who takes over a "fast adversarial training" recipe.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 2>/dev/null
# On processors that have more, both libraries are told to use AVX2 only.
ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 OMP_NUM_THREADS=1 "$folder/env/bin/python" - <<'PYTHON'
import sys
import time

import torch
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(3136, 1024), nn.ReLU(), nn.Linear(1024, 10),
)
images, labels = torch.rand(50, 1, 28, 28), torch.arange(50) % 10


def step(mixed: bool) -> float:
    began = time.process_time()
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        logits = network(images)
    nn.functional.cross_entropy(logits.float(), labels).backward()
    return time.process_time() - began


step(True), step(False)
mixed, full = (min(step(way) for _ in range(3)) for way in (True, False))
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
print("expected: a step in bfloat16 takes about as long as one in float32, 0.5 to 2 times")
print(f"observed: {mixed / full:.1f} times ({1000 * full:.0f} ms in float32, {1000 * mixed:.0f} ms in bfloat16)")
sys.exit(mixed / full < 2)
PYTHON
