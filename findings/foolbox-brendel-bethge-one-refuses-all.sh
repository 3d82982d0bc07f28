#!/usr/bin/env bash
# Surprise: foolbox's Brendel-Bethge attacks begin at noise. Where a single image of the batch stands against it, they end the whole batch with a bare
# AssertionError, while foolbox's other searches for the smallest change return such an image as not broken. With starting points it goes on.
# Who it hurts: who compares searches on a robust network gets no figure at all for this one, and drops a strong attack.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check install"
$pip torch==2.13.0 numpy==2.4.6 scipy==1.17.1
$pip --no-deps foolbox==3.3.4 eagerpy==0.30.0 numba==0.68.1 llvmlite==0.50.0 GitPython==3.2.1 gitdb==4.0.12 smmap==5.0.3 requests==2.32.5 \
  urllib3==2.5.0 idna==3.10 certifi==2025.8.3 charset-normalizer==3.4.3
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import foolbox
import torch
from torch import nn


class BrightOrDark(nn.Module):
    """The second class is where the mean value is above 0.8, which uniform noise over 64 values does not reach."""

    def forward(self, images):
        lead = 100 * (images.flatten(1).mean(1) - 0.8)
        return torch.stack([-lead, lead], 1)


network = BrightOrDark().eval()
images = torch.stack([torch.full((1, 8, 8), value) for value in (0.95, 0.1)])
labels = network(images).argmax(1)
model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")


def broken(attack, **options):
    """Say which images an attack breaks, or how it ends."""
    try:
        return attack(model, images, labels, epsilons=None, **options)[2].tolist()
    except Exception as error:
        return f"{type(error).__name__}({str(error)!r})"


by_noise = broken(foolbox.attacks.L2BrendelBethgeAttack(steps=20))
from_each_other = broken(foolbox.attacks.L2BrendelBethgeAttack(steps=20), starting_points=images.flip(0))
elsewhere = broken(foolbox.attacks.L2FMNAttack(steps=1))
print(f"foolbox {foolbox.__version__}, torch {torch.__version__}, labels {labels.tolist()}")
print("expected: what its start cannot break is returned as not broken: [True, False]")
print(f"observed: by noise {by_noise}; from each other {from_each_other}; FMN, one step {elsewhere}")
sys.exit(by_noise != "AssertionError('')" or from_each_other != [True, True])
PYTHON
