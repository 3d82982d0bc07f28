import inspect
import re

import pytest
import torch

from brittle.errors import InputError, ModelError
from brittle.models import open_network


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digits-lent", "did you mean 'digits-lenet'"),
        ("anything", r"Known are NETWORK\.pt2, NETWORK\.onnx"),
        ("net.safetensors", r"without a network; .*--weights net\.safetensors"),
        ("net.py", r"net\.py:FACTORY"),
        ("net.pth", "is a pickle"),
        ("folder/net.bin", "is a pickle"),
        ("nowhere.pt2", "there is no file"),
        ("resnet18", "did you mean 'timm:resnet18' or 'torchvision:resnet18'"),
        ("vit_b_16", "did you mean 'timm:vit_b_16' or 'torchvision:vit_b_16'"),
        ("microsoft/resnet-50", r"did you mean 'hf:microsoft/resnet-50'\?"),
        ("anything", r"there is no network 'anything'\. Known"),
        ("", "there is no network ''"),
        ("cat.JPG", "'cat.JPG' is the name of a picture; the network comes first, then the images"),
    ],
)
def test_what_is_no_network_is_refused_with_the_way_out(spec, message):
    with pytest.raises(ModelError, match=message):
        open_network(spec)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="device is 'mainframe'; expected a device that torch can use here"):
        open_network("digits-lenet", device="mainframe")


def test_another_device_keeps_the_digest():
    unchecked = inspect.unwrap(open_network)
    network = unchecked("digits-lenet", device="meta")  # it holds no numbers, and is refused
    assert next(network.module.parameters()).device.type == "meta"
    assert network.digest == open_network("digits-lenet").digest


def test_a_network_is_brought_to_another_number_format():
    plain, halves = open_network("digits-lenet"), open_network("digits-lenet", dtype="float16")
    assert {weight.dtype for weight in halves.module.parameters()} == {torch.float16}
    assert halves.digest != plain.digest
    assert {weight.dtype for weight in plain.module.parameters()} == {torch.float32}
    with pytest.raises(ModelError, match="the number format is 'int8'; expected float16"):
        open_network("digits-lenet", dtype="int8")


@pytest.mark.parametrize(
    ("spec", "there", "message"),
    [
        ("mine", ["mine.pt2"], "did you mean '{}mine.pt2'"),
        ("mine.pt2", ["mine.onnx"], "did you mean '{}mine.onnx'"),
        ("mine", ["mine.safetensors"], "did you mean 'FILE.py:FACTORY --weights {}mine.safetensors'"),
        ("mine", ["mine.py"], "did you mean '{}mine.py:FACTORY'"),
        ("mime.pt2", ["mine.pt2"], "did you mean '{}mine.pt2'"),
        ("mime.py:make", ["mine.py"], "did you mean '{}mine.py'"),
        ("mine.onnx", ["notes.txt", "mine.txt"], "there is no file '{}mine.onnx'$"),
    ],
)
def test_a_file_that_is_not_there_is_met_with_those_that_are(tmp_path, spec, there, message):
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=message.format(re.escape(f"{tmp_path}/")).replace("?", r"\?")):
        open_network(f"{tmp_path}/{spec}")


def test_weights_that_are_not_there_are_met_with_those_that_are(tmp_path):
    (tmp_path / "w.safetensors").touch()
    with pytest.raises(ModelError, match=r"did you mean '.*w\.safetensors'"):
        open_network("digits-lenet", weights=tmp_path / "w.safetensor")
