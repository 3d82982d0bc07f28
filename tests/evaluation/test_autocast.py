"""What is said where the caller is under autocast."""

from pathlib import Path

import torch

from brittle.evaluation.audit import audit


def test_an_audit_under_autocast_says_so(tmp_path: Path):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = audit("digits-lenet", "digits", tmp_path / "under", max_images=4, attacks=["fgsm"], eps=0.1).manifest
    usual = audit("digits-lenet", "digits", tmp_path / "usual", max_images=4, attacks=["fgsm"], eps=0.1).manifest
    said = "the network is asked and judged under autocast to bfloat16 on cpu, as the caller is"
    assert said in under.data.said
    assert said not in usual.data.said
    assert under.network.outputs == "autocast to bfloat16 on cpu"
    assert under.fingerprint() != usual.fingerprint()
