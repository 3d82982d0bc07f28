"""The checksum over all that a checkpoint says."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from brittle import RunError
from brittle.identity.compare import stated
from brittle.runs.checkpoint import broken_seal, read_checkpoint, sealed, write_checkpoint

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3), "none": torch.zeros(0, 2)}
WHOSE = stated({"seed": 0})


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / "state", "training", WHOSE, {"epochs": [1]}, TENSORS)
    return tmp_path / "state"


def test_there_and_back(path):
    kept = read_checkpoint(path, "training", WHOSE)
    assert kept.header["epochs"] == [1]
    assert all(torch.equal(kept.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_any_flipped_bit_is_refused(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        harmed = bytearray(whole)
        harmed[place] ^= 1 << place % 8
        path.write_bytes(harmed)
        with pytest.raises(RunError, match=r"remove it to start again"):
            read_checkpoint(path, "training", WHOSE)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, header: tensors.update(weights=tensors.pop("weight")),
        lambda tensors, header: tensors.update(weight=tensors["weight"].reshape(3, 2)),
        lambda tensors, header: tensors.pop("count"),
        lambda tensors, header: header.update(epochs=[1, 2]),
    ],
)
def test_a_renamed_reshaped_or_missing_tensor_is_refused(path, change):
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["brittle"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors, header)
    save_file(tensors, path, {"brittle": json.dumps(header)})
    with pytest.raises(RunError, match="is damaged: its checksum"):
        read_checkpoint(path, "training", WHOSE)


def test_one_of_other_work_is_refused_with_what_differs(path):
    with pytest.raises(RunError, match="is of another training; what differs: seed;"):
        read_checkpoint(path, "training", stated({"seed": 1}))
    with pytest.raises(RunError, match="is of another training; what differs: everything"):
        read_checkpoint(path, "search", WHOSE)


def test_a_seal_survives_json_and_shows_a_change():
    content = sealed({"values": {10: 0.1, 9: (1, 2)}, "text": "ä"})
    read = json.loads(json.dumps(content))
    assert not broken_seal(read)
    read["values"]["9"] = [1, 3]
    assert broken_seal(read)
    assert broken_seal({"values": 1})
