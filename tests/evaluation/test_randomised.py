"""A network that draws random numbers is recognised, attacked by the mean over its samples, and said to be one."""

import pytest
import torch
from torch import nn

from brittle import Classifier
from brittle.core.randomness import DISTANCE, disagreement, is_randomised
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.models import open_network
from brittle.report import write_report
from brittle.runs.finding import Finding
from brittle.runs.store import RunFolder


class Noisy(nn.Module):
    """A network whose images are covered with noise."""

    def __init__(self, inner: nn.Module, scale: float):
        super().__init__()
        self.inner, self.scale = inner, scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner(images + self.scale * torch.randn_like(images))


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "noisy.py"
    path.write_text(
        "import torch\nfrom brittle.models import open_network\n\n"
        "class Noisy(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.inner = open_network('digits-lenet').module\n\n"
        "    def forward(self, images):\n"
        "        return self.inner(images + 0.1 * torch.randn_like(images))\n\n"
        "def make():\n    return Noisy()\n"
    )
    return f"{path}:make"


def found(folder: RunFolder, name: str) -> Finding:
    health = folder.health()
    assert health is not None
    return next(finding for finding in health.findings if finding.check == name)


def test_the_rule_is_autoattacks():
    same = torch.randn(1, 4, 3, dtype=torch.float64).expand(5, -1, -1)
    assert disagreement(same) == 0
    assert disagreement(2 * same) == disagreement(same)
    turned = same.clone()
    turned[2, 1] += 2e-4 * same[2, 1].norm() * nn.functional.normalize(torch.randn(3, dtype=torch.float64), dim=0)
    assert 0 < disagreement(turned) <= 2.1e-4
    assert disagreement(torch.zeros(5, 0, 3)) == 0


@pytest.mark.parametrize(("scale", "expected"), [(0.0, False), (0.1, True)])
def test_a_network_with_noise_is_randomised_and_the_random_state_is_left(scale, expected):
    block = next(open_source("digits").blocks(4))
    before = torch.random.get_rng_state()
    assert is_randomised(Classifier(Noisy(open_network("digits-lenet").module, scale)), block.images) is expected
    assert torch.equal(before, torch.random.get_rng_state())
    assert DISTANCE == 1e-4


def test_an_audit_recognises_it_and_says_so(noisy, tmp_path):
    folder = audit(noisy, "digits", tmp_path / "run", attacks=["pgd:steps=3"], eps=0.1, max_images=6)
    assert folder.manifest.eot_samples == 20
    table = folder.table("pgd_steps=3")
    assert min(table["forward"].to_pylist()) >= 2 * 20
    finding = found(folder, "randomised")
    assert finding.status == "warn"
    assert "mean over 20 samples" in finding.text
    assert "Forward passes per query" in write_report(folder.path).read_text(encoding="utf-8")


def test_attacked_files_are_judged_by_the_mean_over_the_draws(noisy, tmp_path):
    asked = []
    network = open_network(noisy)
    network.module.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    saved = attack(
        network, open_source("digits", max_images=2), tmp_path / "out", attack="pgd:steps=3", norm="linf", eps=0.3
    )
    assert sum(one.success for one in saved) > 0
    assert asked[-20:] == [1] * 20, "each file that is read back is looked at twenty times"
    few = len(asked)
    attack(
        network,
        open_source("digits", max_images=2),
        tmp_path / "few",
        attack="pgd:steps=3",
        norm="linf",
        eps=0.3,
        eot_samples=2,
    )
    assert len(asked) - few < few / 5


def test_without_draws_it_is_a_fault(noisy, tmp_path):
    folder = audit(noisy, "digits", tmp_path / "run", attacks=["pgd:steps=3"], eps=0.1, max_images=6, eot_samples=1)
    assert folder.manifest.eot_samples == 1
    finding = found(folder, "randomised")
    assert finding.status == "fail"
    assert "--eot-samples 20" in finding.remedy


def test_a_sound_network_is_looked_at_once_and_its_run_keeps_its_identity(tmp_path):
    folder = audit("digits-lenet", "digits", tmp_path / "run", attacks=["fgsm"], eps=0.1, max_images=6)
    assert folder.manifest.eot_samples == 1
    assert "eot_samples" not in folder.manifest.identity_fields()
