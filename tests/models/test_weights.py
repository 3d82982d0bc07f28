import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittle.errors import ModelError
from brittle.models.weights import PICKLES, classes_in, load_weights, refuse_pickle


def test_weights_arrive_by_name(tmp_path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_weights(target, tmp_path / "w.safetensors")
    assert torch.equal(source.weight, target.weight)
    assert torch.equal(source.bias, target.bias)


def test_a_mismatch_is_told_with_names_and_changes_nothing(tmp_path):
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    given = {**before, "0.weight": torch.zeros(2, 4), "head.bias": torch.zeros(1)}
    del given["1.running_var"]
    save_file(given, tmp_path / "w.safetensors")
    with pytest.raises(ModelError) as caught:
        load_weights(module, tmp_path / "w.safetensors")
    message = str(caught.value)
    assert "1 missing in the file (1.running_var)" in message
    assert "1 unknown to the network (head.bias)" in message
    assert "0.weight is (2, 4), not (2, 3)" in message
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_long_lists_are_cut(tmp_path):
    save_file({f"part{index}": torch.zeros(1) for index in range(9)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"9 unknown .*part4, \.\.\.\)"):
        load_weights(nn.Identity(), tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [b"", b"garbage that is long enough to look at", b"\xff" * 64])
def test_a_broken_file_is_refused(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        load_weights(nn.Identity(), tmp_path / "w.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        load_weights(nn.Identity(), tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("ending", PICKLES)
def test_pickles_are_refused_with_the_way_out(tmp_path, ending):
    with pytest.raises(ModelError, match=r"(?s)save_file.*FILE\.py:FACTORY --weights"):
        refuse_pickle(tmp_path / f"net{ending}")
    with pytest.raises(ModelError, match="is a pickle"):
        load_weights(nn.Identity(), tmp_path / f"net{ending.upper()}")


@pytest.mark.parametrize(
    ("layers", "classes"),
    [
        ((nn.Linear(3, 4), nn.Linear(4, 7)), 7),
        ((nn.Linear(3, 4), nn.Linear(4, 5)), 5),
        ((nn.Linear(3, 4), nn.Linear(6, 7)), 5),
        ((nn.Linear(2, 4), nn.Linear(4, 7)), 5),
        ((nn.Linear(3, 4), nn.Linear(4, 7, bias=False)), 5),
        ((nn.Linear(3, 4), nn.Linear(4, 7), nn.Linear(7, 7)), 5),
    ],
    ids=["another head", "the same", "a head of other features", "another trunk", "no bias", "one layer more"],
)
def test_a_file_says_its_classes_where_the_head_alone_differs(tmp_path, layers, classes):
    save_file(nn.Sequential(*layers).state_dict(), tmp_path / "w.safetensors")
    assert classes_in(tmp_path / "w.safetensors", nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)), 5) == classes


def test_two_heads_must_have_as_many_classes(tmp_path):
    module = nn.ModuleDict({"head": nn.Linear(3, 5), "aux": nn.Linear(3, 5)})
    for aux, classes in ((7, 7), (6, 5)):
        given = nn.ModuleDict({"head": nn.Linear(3, 7), "aux": nn.Linear(3, aux)})
        save_file(given.state_dict(), tmp_path / "w.safetensors")
        assert classes_in(tmp_path / "w.safetensors", module, 5) == classes


def test_a_file_that_cannot_be_read_says_nothing_of_classes(tmp_path):
    assert classes_in(tmp_path / "nowhere.safetensors", nn.Linear(3, 5), 5) == 5


def test_an_empty_file_is_no_pickle(tmp_path):
    (tmp_path / "empty.pth").touch()
    with pytest.raises(ModelError, match=r"empty\.pth' is an empty file"):
        refuse_pickle(tmp_path / "empty.pth")
