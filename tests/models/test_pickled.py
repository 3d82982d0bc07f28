"""Pickles are told apart without being loaded, and the advice for each works when it is pasted."""

import contextlib
import pickle
import re
import textwrap
from argparse import Namespace
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from brittle.errors import ModelError
from brittle.models import open_network
from brittle.models.pickled import conversion


def network():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3, bias=False), nn.BatchNorm1d(3)).eval()
    module[1].weight.data = module[1].weight.data.t().contiguous().t()  # which safetensors refuses to save
    return module


def weights():
    return network().state_dict()


def prefixed(prefix):
    return OrderedDict((prefix + name, one) for name, one in weights().items())


LIGHTNING = {"epoch": 3, "pytorch-lightning_version": "2.0", "state_dict": prefixed("backbone.")}
CHECKPOINTS = {
    "weights": (weights(), "It looks like weights\\. "),
    "state_dict": ({"epoch": 3, "state_dict": weights()}, "weights under 'state_dict'\\."),
    "model": ({"optimizer": {"state": {0: {"step": 1}}}, "model": weights()}, "under 'model'"),
    "parallel": ({"state_dict": prefixed("module.")}, r"under 'state_dict', each called module\.NAME"),
    "compiled": (prefixed("_orig_mod."), r"each called _orig_mod\.NAME"),
    "lightning": (LIGHTNING, r"each called backbone\.NAME"),
    "settings": ({"args": Namespace(lr=0.1), "state_dict": weights()}, r"(?s)weights_only=False.* # runs what its"),
}


def pasted(message, place):
    """Run the indented lines of a message, as one who pastes them."""
    lines = re.findall(r"^ {4}.*$", message, re.M)
    assert 3 <= len(lines) <= 6
    with contextlib.chdir(place):
        exec(textwrap.dedent("\n".join(lines)), {})  # what the user is told to paste


@pytest.mark.parametrize(("held", "message"), CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_checkpoint_is_converted_by_the_lines_that_are_told(held, message, zipped, tmp_path, monkeypatch):
    torch.save(held, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        open_network("net.pth")
    pasted(str(caught.value), tmp_path)
    found = load_file(tmp_path / "net.safetensors")
    assert found.keys() == weights().keys()
    assert all(torch.equal(one, found[name]) for name, one in weights().items())


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_whole_module_is_told_with_its_class(zipped, tmp_path):
    torch.save(network(), tmp_path / "net.pt", _use_new_zipfile_serialization=zipped)
    message = conversion(tmp_path / "net.pt")
    assert "It looks like a whole module. " in message
    pasted(message, tmp_path)
    assert torch.equal(load_file(tmp_path / "net.safetensors")["1.weight"], weights()["1.weight"])
    torch.save(Own(), tmp_path / "net.pt", _use_new_zipfile_serialization=zipped)
    assert re.search(r"of the class \S*test_pickled\.Own, without its code", conversion(tmp_path / "net.pt"))


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_opened_by_the_file_that_is_told(tmp_path):
    images = torch.rand(2, 3, 2, 2)
    torch.jit.trace(network(), images).save(tmp_path / "script.pt")
    message = conversion(tmp_path / "script.pt")
    lines = re.findall(r"^ {4}(.*)$", message, re.M)
    (tmp_path / "network.py").write_text("\n".join(lines))
    found = open_network(f"{tmp_path / 'network.py'}:network")
    torch.testing.assert_close(found.module(images), network()(images))


def test_an_exported_graph_of_another_name_is_told(tmp_path):
    program = torch.export.export(nn.Linear(2, 2), (torch.rand(2, 2),))
    torch.export.save(program, tmp_path / "net.pt2")
    (tmp_path / "net.pt2").rename(tmp_path / "net.pt")
    assert "It looks like a torch.export archive, which is read by its ending: call it net.pt2." in conversion(
        tmp_path / "net.pt"
    )


class Armed:
    def __reduce__(self):
        return print, ("it ran",)


@pytest.mark.parametrize("content", [pickle.dumps(Armed()), b"", b"PK\x03\x04 no archive", b"\x80\x02(" * 1000])
def test_nothing_is_unpickled_and_nothing_fails(content, tmp_path, capsys):
    (tmp_path / "net.pth").write_bytes(content)
    assert "Where you trust the file, convert its weights once" in conversion(tmp_path / "net.pth")
    assert capsys.readouterr().out == ""
