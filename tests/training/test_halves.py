"""Weights stored in halves: half the bytes, the same network but for rounding, the story kept."""

import torch
from safetensors import safe_open

from brittle.models import ARCHITECTURES, open_network
from brittle.training.weights import save_weights, store_in_halves


def test_weights_in_halves_are_half_as_large_and_nearly_the_same(tmp_path):
    module = ARCHITECTURES["lenet-mnist"].build()
    save_weights(tmp_path / "whole.safetensors", module, {"architecture": "lenet-mnist"})
    store_in_halves(tmp_path / "whole.safetensors", tmp_path / "halves.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "halves")]
    assert sizes[1] < 0.52 * sizes[0]
    network = open_network("lenet-mnist", weights=tmp_path / "halves.safetensors")
    for found, wanted in zip(network.module.parameters(), module.parameters(), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, wanted, rtol=2**-11, atol=2**-24)
    with safe_open(str(tmp_path / "halves.safetensors"), "pt") as file:
        assert "lenet-mnist" in file.metadata()["brittle"]
