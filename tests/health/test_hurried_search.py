"""What only bfloat16 takes for adversarial is no change that an attack has kept from us."""

import torch
from torch import nn

from brittle import Classifier
from brittle.evaluation.audit import audit

OFFSET = 300.0
"""Of every logit: in bfloat16 numbers of this size lie 2 apart, and the margins here are less than that."""


def test_checks_go_by_the_network_as_it_is(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, images = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), torch.rand(24, 1, 3, 4)
    with torch.no_grad():
        module[1].bias += OFFSET + torch.linspace(0, 0.9, 3)
        labels = module(images).argmax(1)
    asked = {"attacks": ["pgd:steps=5", "deepfool"], "eps": 0.02, "precision": "bf16", "thorough": True}
    made = audit(Classifier(module), (images, labels), tmp_path, **asked)
    assert {row["success"] for row in made.table("deepfool").to_pylist()} == {True}
    found = {one.check: one for one in made.health().findings}
    for name in ("returned", "constraints", "repeatable", "radius"):
        assert found[name].status == "pass", found[name].text
