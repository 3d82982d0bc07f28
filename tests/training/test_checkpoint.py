import pytest
import torch
from torch import nn

from brittle.errors import RunError
from brittle.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


@pytest.fixture
def parts():
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.rand(4, 3)).square().sum().backward()
    optimiser.step()
    return module, optimiser


def test_there_and_back(parts, tmp_path):
    module, optimiser = parts
    save_checkpoint(tmp_path / "state", module, optimiser, Checkpoint("me", ({"number": 1},)))
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    restored = torch.optim.Adam(other.parameters())
    assert load_checkpoint(tmp_path / "state", other, restored, "me") == Checkpoint("me", ({"number": 1},))
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    before, after = optimiser.state_dict()["state"], restored.state_dict()["state"]
    assert before.keys() == after.keys()
    for index, state in before.items():
        for key, tensor in state.items():
            assert torch.equal(tensor, after[index][key])


def test_tied_weights_survive(tmp_path):
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    save_checkpoint(tmp_path / "state", module, optimiser, Checkpoint("me", ()))
    assert load_checkpoint(tmp_path / "state", module, optimiser, "me") is not None


def test_nothing_there(parts, tmp_path):
    assert load_checkpoint(tmp_path / "nowhere", *parts, "me") is None


@pytest.mark.parametrize("kept", [0, 4, 0.5])
def test_a_broken_file_is_refused(parts, tmp_path, kept):
    save_checkpoint(tmp_path / "state", *parts, Checkpoint("me", ()))
    content = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(RunError, match="remove it to start again"):
        load_checkpoint(tmp_path / "state", *parts, "me")


def test_a_file_of_weights_is_no_checkpoint(parts, tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "state")
    with pytest.raises(RunError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "state", *parts, "me")


def test_a_checkpoint_of_another_training_changes_nothing(parts, tmp_path):
    module, optimiser = parts
    save_checkpoint(tmp_path / "state", module, optimiser, Checkpoint("other", ()))
    with torch.no_grad():
        module[0].weight.zero_()
    with pytest.raises(RunError, match="another training"):
        load_checkpoint(tmp_path / "state", module, optimiser, "me")
    assert not module[0].weight.any()
