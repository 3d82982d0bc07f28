import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from brittle.errors import MissingExtra, ModelError
from brittle.models import open_network
from brittle.models.onnx import _without_detection_operators


def side(size):
    return SimpleNamespace(dim_value=size)


def tensor(name, *sizes):
    shape = SimpleNamespace(dim=[side(size) for size in sizes])
    return SimpleNamespace(name=name, type=SimpleNamespace(tensor_type=SimpleNamespace(shape=shape)))


class Fake:
    """Stands in for onnx and onnx2torch: the graph and the module are what the test says."""

    def __init__(self, monkeypatch, module, *inputs, version=17, nodes=(), constants=None):
        self.module, self.converted, self.imported_torchvision = module, None, None
        constants = constants or {}
        graph = SimpleNamespace(
            initializer=[SimpleNamespace(name=name) for name in ("weight", *constants)],
            input=[tensor("weight", 3, 3), *inputs],
            node=list(nodes),
        )
        self.model = SimpleNamespace(graph=graph, opset_import=[SimpleNamespace(domain="", version=version)])
        onnx, converter, onnx2torch = ModuleType("onnx"), ModuleType("onnx.version_converter"), ModuleType("onnx2torch")
        onnx.load = lambda path: self.model
        onnx.checker = SimpleNamespace(check_model=lambda model: None)
        onnx.numpy_helper = SimpleNamespace(to_array=lambda entry: constants.get(entry.name, ()))
        onnx.version_converter = converter
        converter.convert_version = self.lower
        onnx2torch.convert = self.convert
        for name, module in (("onnx", onnx), ("onnx.version_converter", converter), ("onnx2torch", onnx2torch)):
            monkeypatch.setitem(sys.modules, name, module)

    def lower(self, model, version):
        model.opset_import[0].version = version
        return model

    def convert(self, model):
        self.converted = model
        if isinstance(self.module, Exception):
            raise self.module
        return self.module


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"a graph")
    return tmp_path / "net.onnx"


def test_a_file_goes_through_the_converter(file, monkeypatch):
    fake = Fake(monkeypatch, nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), tensor("images", 0, 2, 2, 2), version=21)
    network = open_network(str(file))
    assert network.module is fake.module
    assert (network.input_shape, network.parameters, network.spec) == ((2, 2, 2), 27, str(file))
    assert fake.converted.opset_import[0].version == 17
    digest = network.digest
    file.write_bytes(b"another graph")
    assert open_network(str(file)).digest != digest


def test_only_reshapes_that_cannot_meet_a_zero_lose_allowzero(file, monkeypatch):
    nodes = [
        SimpleNamespace(op_type="Reshape", input=["x", shape], attribute=[SimpleNamespace(name="allowzero")])
        for shape in ("plain", "zero", "computed")
    ]
    Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 2, 2, 2), nodes=nodes, constants={"plain": (-1, 8), "zero": (0, 8)})
    open_network(str(file))
    assert [len(node.attribute) for node in nodes] == [0, 1, 0]


def test_free_sides_leave_the_shape_unknown(file, monkeypatch):
    Fake(monkeypatch, nn.Flatten(), tensor("images", 0, 2, 0, 0))
    assert open_network(str(file)).input_shape is None


class Fixed(nn.Module):
    def forward(self, images):
        return images.reshape(1, 8)


class First(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:1]


@pytest.mark.parametrize(("module", "message"), [(Fixed(), "fails on 3 images"), (First(), "1 rows for 3 images")])
def test_a_fixed_number_of_images_is_refused(file, monkeypatch, module, message):
    Fake(monkeypatch, module, tensor("images", 1, 2, 2, 2))
    with pytest.raises(ModelError, match=f"{message}.*export it for any number"):
        open_network(str(file))


@pytest.mark.parametrize("inputs", [(), (tensor("a", 0, 3, 2, 2), tensor("b", 1)), (tensor("tokens", 0, 77),)])
def test_other_inputs_are_refused(file, monkeypatch, inputs):
    Fake(monkeypatch, nn.Flatten(), *inputs)
    with pytest.raises(ModelError, match="must have one, of images"):
        open_network(str(file))


def test_an_unknown_operator_is_named(file, monkeypatch):
    Fake(monkeypatch, NotImplementedError("Converter is not implemented (Magic)"), tensor("x", 0, 1, 2, 2))
    with pytest.raises(ModelError, match=r"Magic.*\.pt2 instead"):
        open_network(str(file))


def test_a_broken_or_missing_file_is_refused(file, monkeypatch, tmp_path):
    fake = Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2))

    def broken(path):
        raise RuntimeError("Error parsing message")

    monkeypatch.setattr(sys.modules["onnx"], "load", broken)
    with pytest.raises(ModelError, match="not a whole ONNX file"):
        open_network(str(file))
    with pytest.raises(ModelError, match="there is no file"):
        open_network(str(tmp_path / "nowhere.onnx"))
    assert fake.converted is None


@pytest.mark.parametrize("package", ["onnx", "onnx2torch"])
def test_a_missing_package_names_the_extra(file, monkeypatch, package):
    Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"brittle\[onnx\]"):
        open_network(str(file))


def test_without_torchvision_a_stand_in_is_there_only_for_the_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "onnx2torch", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with _without_detection_operators():
        import torchvision
        from torchvision.ops import roi_align

        assert torchvision.ops.nms is not None
        with pytest.raises(ModelError, match=r"torchvision\.ops\.roi_align.*install the torchvision"):
            roi_align(torch.zeros(1))
    assert sys.modules["torchvision"] is None
    assert "torchvision.ops" not in sys.modules


def test_a_torchvision_that_works_is_used(monkeypatch):
    monkeypatch.delitem(sys.modules, "onnx2torch", raising=False)
    real = ModuleType("torchvision")
    real.__spec__ = SimpleNamespace(name="torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", real)
    with _without_detection_operators():
        assert sys.modules["torchvision"] is real


def test_the_real_converter_keeps_outputs_and_gradients(tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    if importlib.util.find_spec("onnx2torch") is None:
        pytest.skip("the extra onnx is not installed")
    helper, checks = onnx.helper, onnx.numpy_helper
    weight = torch.randn(3, 8)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w"], ["y"], transB=1)],
        "net",
        [helper.make_tensor_value_info("x", 1, ["n", 2, 2, 2])],
        [helper.make_tensor_value_info("y", 1, ["n", 3])],
        [checks.from_array(weight.numpy(), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), tmp_path / "net.onnx")
    network = open_network(str(tmp_path / "net.onnx"))
    images = torch.rand(4, 2, 2, 2, requires_grad=True)
    logits = network.module(images)
    torch.testing.assert_close(logits, images.flatten(1) @ weight.T)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), images)
    torch.testing.assert_close(gradient.flatten(1), weight[:1].expand(4, 8))
