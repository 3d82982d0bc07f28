import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from brittle.errors import MissingExtra, ModelError, OverLimit
from brittle.evaluation.subject import open_subject
from brittle.limits import use_limits
from brittle.models import open_network
from brittle.models.graph import distance
from brittle.models.onnx import _without_detection_operators
from brittle.specs import DataSpec, ModelSpec


def side(size):
    return SimpleNamespace(dim_value=size)


def tensor(name, *sizes, kind=1):
    shape = SimpleNamespace(dim=[side(size) for size in sizes])
    return SimpleNamespace(name=name, type=SimpleNamespace(tensor_type=SimpleNamespace(shape=shape, elem_type=kind)))


def attribute(name, **values):
    empty = SimpleNamespace(initializer=(), node=())
    return SimpleNamespace(**{"name": name, "t": weight(""), "tensors": (), "g": empty, "graphs": ()} | values)


def weight(name, **told):
    """A tensor of a graph; where it is told, in another file."""
    entries = [SimpleNamespace(key=key, value=value) for key, value in told.items()]
    return SimpleNamespace(name=name, data_location=int(bool(told)), external_data=entries)


class Fake:
    """Stands in for onnx and onnx2torch: the graph and the module are what the test says."""

    def __init__(self, monkeypatch, module, *inputs, version=17, nodes=(), constants=None):
        self.module, self.converted, self.truth = module, None, None
        constants = constants or {}
        graph = SimpleNamespace(
            initializer=[weight(name) for name in ("weight", *constants)],
            input=[tensor("weight", 3, 3), *inputs],
            node=list(nodes),
        )
        opsets = [SimpleNamespace(domain="", version=version)]
        self.model = SimpleNamespace(graph=graph, functions=(), opset_import=opsets)
        onnx, converter, onnx2torch = ModuleType("onnx"), ModuleType("onnx.version_converter"), ModuleType("onnx2torch")
        onnx.load = onnx.load_model_from_string = lambda path: self.model
        onnx.external_data_helper = SimpleNamespace(load_external_data_for_model=lambda model, folder: None)
        onnx.checker = SimpleNamespace(check_model=lambda model: None)
        onnx.numpy_helper = SimpleNamespace(to_array=lambda entry: constants.get(entry.name, ()))
        onnx.version_converter = converter
        converter.convert_version = self.lower
        onnx2torch.convert = self.convert
        onnx.helper = SimpleNamespace(make_attribute=lambda name, value: attribute(name, i=value))
        reference = ModuleType("onnx.reference")
        reference.ReferenceEvaluator = lambda path: SimpleNamespace(
            input_names=["x"], output_names=["y"], run=lambda names, given: [self.answer(given["x"])]
        )
        monkeypatch.setitem(sys.modules, "onnx.reference", reference)
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        for name, module in (("onnx", onnx), ("onnx.version_converter", converter), ("onnx2torch", onnx2torch)):
            monkeypatch.setitem(sys.modules, name, module)

    def lower(self, model, version):
        model.opset_import[0].version = version
        return model

    def answer(self, images):
        """What the graph itself says."""
        if isinstance(self.truth, Exception):
            raise self.truth
        with torch.no_grad():
            return (self.truth or self.module)(torch.from_numpy(images)).numpy()

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
        SimpleNamespace(op_type="Reshape", input=["x", shape], attribute=[attribute("allowzero")])
        for shape in ("plain", "zero", "computed")
    ]
    Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 2, 2, 2), nodes=nodes, constants={"plain": (-1, 8), "zero": (0, 8)})
    open_network(str(file))
    assert [len(node.attribute) for node in nodes] == [0, 1, 0]


def test_a_cumulative_sum_goes_forward_unless_it_says_otherwise(file, monkeypatch):
    said = attribute("reverse", i=1)
    nodes = [
        SimpleNamespace(op_type="CumSum", input=["x", "axis"], attribute=attributes) for attributes in ([], [said])
    ]
    Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 2, 2, 2), nodes=nodes)
    open_network(str(file))
    assert [[(one.name, one.i) for one in node.attribute] for node in nodes] == [[("reverse", 0)], [("reverse", 1)]]


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
    with pytest.raises(ModelError, match=r"Magic.*dynamo=False, opset_version=17\), or a \.pt2 instead"):
        open_network(str(file))


def test_a_broken_or_missing_file_is_refused(file, monkeypatch, tmp_path):
    fake = Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2))

    def broken(path):
        raise RuntimeError("Error parsing message")

    monkeypatch.setattr(sys.modules["onnx"], "load_model_from_string", broken)
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


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, images):
        return images.flatten(1) * self.factor


@pytest.mark.parametrize(("factor", "refused"), [(1 + 1e-6, False), (1.01, True), (float("inf"), True)])
def test_the_module_is_compared_with_its_graph_on_noise(file, monkeypatch, factor, refused):
    fake = Fake(monkeypatch, Scaled(1.0), tensor("x", 0, 1, 2, 2))
    fake.truth = Scaled(factor)
    if not refused:
        assert open_network(str(file)).input_shape == (1, 2, 2)
        return
    with pytest.raises(ModelError, match=r"on 2 images \(noise\) their outputs lie .* rounding explains 0\.1%"):
        open_network(str(file))


class Bright(nn.Module):
    """Like `Scaled(1)`, but for images without any dark pixel."""

    def forward(self, images):
        return images.flatten(1) * (1 + (images.amin((1, 2, 3), keepdim=True) == 1).flatten(1))


def test_the_module_is_compared_with_its_graph_on_the_first_images(file, monkeypatch, tmp_path):
    fake = Fake(monkeypatch, Scaled(1.0), tensor("x", 0, 1, 2, 2))
    fake.truth = Bright()
    images = np.full((3, 2, 2), 255, np.uint8)
    np.savez(tmp_path / "white.npz", images=images, labels=[0, 1, 2])
    np.savez(tmp_path / "black.npz", images=images * 0, labels=[0, 1, 2])
    assert len(open_subject(ModelSpec(str(file)), DataSpec(str(tmp_path / "black.npz"))).source) == 3
    with pytest.raises(ModelError, match=r"images \(the first of .*white\.npz\) their outputs lie up to 1 apart"):
        open_subject(ModelSpec(str(file)), DataSpec(str(tmp_path / "white.npz")))


def test_a_graph_that_no_interpreter_runs_is_refused(file, monkeypatch):
    fake = Fake(monkeypatch, Scaled(1.0), tensor("x", 0, 1, 2, 2))
    fake.truth = NotImplementedError("no Magic here")
    with pytest.raises(ModelError, match=r"cannot be compared .*onnxruntime.* reference 'NotImplementedError: no"):
        open_network(str(file))


@pytest.mark.parametrize(("kind", "name"), [(2, "uint8"), (7, "int64"), (16, "bfloat16"), (99, "ONNX type 99")])
def test_other_types_of_images_are_refused(file, monkeypatch, kind, name):
    Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2, kind=kind))
    with pytest.raises(ModelError, match=f"takes images of {name}; .*must take float32, float16, float64"):
        open_network(str(file))


@pytest.mark.parametrize(("kind", "dtype"), [(10, torch.float16), (11, torch.float64)])
def test_halves_and_doubles_are_asked_in_their_own_type(file, monkeypatch, kind, dtype):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).to(dtype)
    Fake(monkeypatch, linear, tensor("x", 0, 1, 2, 2, kind=kind))
    assert {weight.dtype for weight in open_network(str(file)).module.parameters()} == {dtype}


def test_differences_are_measured_by_the_range_of_what_was_wanted():
    far = np.array([1000.0, 1020.0])
    assert distance(far + np.array([0, 0.01]), far) == pytest.approx((0.01, 0.0005))
    assert distance(far, far[:1])[1] == distance(np.array([np.nan]), np.array([1.0]))[1] == np.inf
    assert distance(np.array([np.nan, np.inf, 1]), np.array([np.nan, np.inf, 1])) == (0, 0)


def outside(fake, name, **told):
    fake.model.graph.initializer.append(weight(name, **told))


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link", ""])
def test_tensors_outside_of_the_folder_are_refused(tmp_path, monkeypatch, location):
    (tmp_path / "secret").write_bytes(bytes(8))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "inner" / "net.onnx").write_bytes(b"a graph")
    fake = Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2))
    outside(fake, "w", location=location)
    with pytest.raises(ModelError, match=r"lies outside of its own folder|it is a folder"):
        open_network(str(tmp_path / "inner" / "net.onnx"))
    assert fake.converted is None


def test_tensors_beside_the_network_are_read_as_far_as_their_file_goes(file, monkeypatch):
    (file.parent / "data").write_bytes(bytes(8))
    fake = Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2))
    outside(fake, "w", location="data", offset="4", length="4")
    assert open_network(str(file)).module is fake.module
    with use_limits(record=6), pytest.raises(OverLimit):
        open_network(str(file))
    outside(fake, "v", location="data", offset="4", length="5")
    with pytest.raises(ModelError, match="beyond the end of data"):
        open_network(str(file))


def test_a_tensor_that_would_take_too_much_is_refused(file, monkeypatch):
    fake = Fake(monkeypatch, nn.Flatten(), tensor("x", 0, 1, 2, 2))
    fake.model.graph.value_info = [tensor("ones", 0, 30_000, 30_000)]
    with pytest.raises(OverLimit, match=r"the tensor 'ones' of net\.onnx would take 7,200,000,000"):
        open_network(str(file))


@pytest.mark.parametrize("error", [IndexError("empty"), TypeError("kernel"), RuntimeError("shape"), KeyError(3)])
def test_whatever_the_converter_raises_is_one_sentence(file, monkeypatch, error):
    Fake(monkeypatch, error, tensor("images", 0, 2, 2, 2))
    with pytest.raises(ModelError, match=rf"onnx2torch cannot convert .* \({type(error).__name__}: .*; export with"):
        open_network(str(file))


def test_images_that_take_all_memory_are_refused(file, monkeypatch):
    Fake(monkeypatch, nn.Flatten(), tensor("images", 0, 3, 99999, 99999))
    with pytest.raises(ModelError, match=r"takes images of 3x99999x99999; expected .* at most 33,554,432 values"):
        open_network(str(file))


class Classes(nn.Module):
    def forward(self, images):
        return images.flatten(1).argmax(1)


def test_an_output_that_is_no_logits(file, monkeypatch):
    Fake(monkeypatch, Classes(), tensor("images", 0, 2, 2, 2))
    with pytest.raises(ModelError, match=r"the first output of net\.onnx is a tensor of torch\.int64; expected floats"):
        open_network(str(file))


def test_a_graph_whose_outputs_are_no_numbers(file, monkeypatch):
    fake = Fake(monkeypatch, nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), tensor("images", 0, 2, 2, 2))
    fake.answer = lambda images: np.array([["cat", "dog", "emu"]] * len(images))
    with pytest.raises(ModelError, match=r"the outputs of net\.onnx cannot be compared \(ValueError"):
        open_network(str(file))
