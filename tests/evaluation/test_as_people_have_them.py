"""Every command on networks in half precision, and on ones that write into their input."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from brittle import ModelError
from brittle.data import open_source
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.universal import universal
from brittle.models import Network, open_network
from brittle.report.universal_page import write_universal
from brittle.training import PlainTraining
from brittle.training.accuracy import accuracy
from brittle.training.fit import fit
from brittle.universal_attacks.layers import layers_of

HALVES = [torch.float16, torch.bfloat16]


class InPlace(nn.Module):
    """Normalises in the memory that it is given, or in memory of its own."""

    def __init__(self, inner: nn.Module, *, writes: bool):
        super().__init__()
        self.inner, self.writes = inner, writes

    def forward(self, x: Tensor) -> Tensor:
        x = x.sub_(0.5).mul_(0.9).add_(0.5) if self.writes else x.sub(0.5).mul(0.9).add(0.5)
        return self.inner(x)


def lenet(kind: torch.dtype = torch.float32) -> Network:
    network = open_network("digits-lenet")
    return replace(network, module=copy.deepcopy(network.module).to(kind))


def placed(*, writes: bool) -> Network:
    network = open_network("digits-lenet")
    return replace(network, module=InPlace(network.module, writes=writes))


def figures(network: Network, out) -> tuple[dict[str, list[dict]], dict[str, str]]:
    """The rows of an audit, and what each check of it said."""
    run = audit(
        network, "digits", out, attacks=["pgd:steps=5", "square:queries=20"], eps=0.2, max_images=20, quantization=256
    )
    columns = ["success", "rounded_success", "size", "prediction", "forward", "backward"]
    health = run.health()
    assert health is not None
    said = {one.check: one.status for one in health.findings}
    return {name: table.to_pylist() for name, table in run.tables(columns).items()}, said


@pytest.fixture(scope="module")
def in_float32(tmp_path_factory):
    return figures(lenet(), tmp_path_factory.mktemp("wide"))


@pytest.mark.parametrize("kind", HALVES, ids=str)
def test_an_audit_in_half_precision_has_float32s_figures(kind, in_float32, tmp_path):
    (wide, sound), (half, said) = in_float32, figures(lenet(kind), tmp_path / "half")
    for name, rows in wide.items():
        for column in ("success", "rounded_success"):
            count = sum(row[column] for row in rows)
            assert count > 2
            assert abs(count - sum(row[column] for row in half[name])) <= 2
    assert [name for name in said if said[name] == "fail" and sound[name] != "fail"] == []


def test_an_audit_of_a_network_that_writes_is_that_of_one_that_does_not(tmp_path):
    assert figures(placed(writes=True), tmp_path / "in") == figures(placed(writes=False), tmp_path / "out")


@pytest.mark.parametrize("kind", HALVES, ids=str)
def test_files_made_in_half_precision_are_adversarial(kind, tmp_path):
    saved = attack(
        lenet(kind), open_source("digits", max_images=6), tmp_path, attack="pgd:steps=10", norm="linf", eps=0.2
    )
    assert sum(one.success for one in saved) >= 4
    assert all(one.linf <= 0.2 + 1e-6 for one in saved)


@pytest.mark.parametrize("method", ["ascent:passes=1", "gd-uap:iterations=20"])
def test_universal_perturbations_of_halves_and_of_networks_that_write(method, tmp_path):
    made = {
        name: universal(network, "digits", tmp_path / name, attack=method, eps=0.3, max_images=30)
        for name, network in {
            "wide": lenet(),
            "half": lenet(torch.float16),
            "brain": lenet(torch.bfloat16),
            "in": placed(writes=True),
            "out": placed(writes=False),
        }.items()
    }
    for one in made.values():
        assert one.perturbation.tensor.dtype == torch.float32
        assert one.perturbation.size <= 0.3 + 1e-6
    for name in ("half", "brain"):
        assert made[name].held_out.value == pytest.approx(made["wide"].held_out.value, abs=0.21)  # of 15 images
    assert torch.equal(made["in"].perturbation.tensor, made["out"].perturbation.tensor)
    assert made["in"].plain()["fooling"] == made["out"].plain()["fooling"]
    write_universal(made["half"].path, tmp_path / "page.html")


def test_layers_are_seen_before_a_later_layer_writes_over_them():
    """An activation in place gives the convolution's own memory back; an exported graph may hold such a one too."""
    x = torch.rand(2, 1, 6, 6)
    plain, writes = (nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=kept), nn.Conv2d(4, 2, 3)) for kept in (0, 1))
    writes.load_state_dict(plain.state_dict())
    exported = torch.export.export(writes, (x,)).module()
    expected = layers_of(plain, x, ("0",))(x)[0]
    assert (expected < 0).any()
    name = next(node.name for node in exported.graph.nodes if "conv2d" in node.name)
    for found in (layers_of(writes, x, ("0",)), layers_of(exported, x, (name,))):
        assert torch.equal(found(x)[0], expected)


@pytest.mark.parametrize("kind", [*HALVES, torch.float8_e5m2])
def test_training_in_half_precision_is_refused_by_the_way_out(kind):
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).to(kind)
    with pytest.raises(ModelError, match=r"float.*round to nothing; train it in float32 \(module\.float\(\)\)"):
        fit(module, torch.rand(8, 1, 4, 4), torch.arange(8) % 2)


def test_training_leaves_its_images_to_a_network_that_writes():
    images, labels = torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 10
    kept, weights = images.clone(), []
    for writes in (True, False):
        module = placed(writes=writes).module
        fit(module, images, labels, settings=PlainTraining(epochs=1, batch=16))
        accuracy(module, images, labels)
        weights.append(list(module.state_dict().values()))
    assert torch.equal(images, kept)
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))
