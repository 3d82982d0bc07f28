"""Converted ONNX networks against their graphs, where the packages of the extra onnx are installed."""

import importlib
import importlib.util
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from brittle.classifiers.classifier import Classifier
from brittle.errors import ModelError
from brittle.models import open_network


def real(*packages):
    """The package onnx, or a skip where the extra is not installed."""
    for package in ("onnx2torch", *packages):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return pytest.importorskip("onnx", reason="the extra onnx is not installed")


WEIGHTS = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


def graph_of(onnx, nodes, values, *, constants=None, kind=1, version=17):
    """A graph of a few operators on 8 x 8 pixels and a matrix behind them."""
    make, last = onnx.helper, nodes[-1].output[0]
    constants = (constants or {}) | {"w": WEIGHTS[:values].astype({10: np.float16}.get(kind, np.float32))}
    nodes = [*nodes, make.make_node("Flatten", [last], ["flat"]), make.make_node("MatMul", ["flat", "w"], ["y"])]
    graph = make.make_graph(
        nodes,
        "net",
        [make.make_tensor_value_info("x", kind, ["n", 1, 8, 8])],
        [make.make_tensor_value_info("y", kind if kind != 2 else 1, ["n", 3])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return make.make_model(graph, opset_imports=[make.make_opsetid("", version)], ir_version=8)


RESIZE = {"scales": np.array([1, 1, 1.5, 1.5], np.float32)}
AXIS = {"axis": np.array(3, np.int64)}
OTHER = {
    "nearest upwards": ("Resize", ["x", "", "scales"], {"mode": "nearest", "nearest_mode": "ceil"}, 144, RESIZE),
    "asymmetric": (
        *("Resize", ["x", "", "scales"]),
        *({"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, 144, RESIZE),
    ),
    "cubic coefficient": ("Resize", ["x", "", "scales"], {"mode": "cubic", "cubic_coeff_a": -0.5}, 144, RESIZE),
    "dilated average": (
        "AveragePool",
        ["x"],
        {"kernel_shape": [2, 2], "dilations": [2, 2]},
        1,
        {},
    ),
}


@pytest.mark.parametrize("runtime", [True, False], ids=["ONNX Runtime", "reference"])
@pytest.mark.parametrize("name", OTHER)
@pytest.mark.filterwarnings("ignore")
def test_operators_that_onnx2torch_takes_for_others_are_refused_by_name(tmp_path, monkeypatch, name, runtime):
    onnx = real(*["onnxruntime"] * runtime)
    if not runtime:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    operator, inputs, attributes, values, constants = OTHER[name]
    nodes = [
        onnx.helper.make_node("Identity", ["x"], ["same"], name="first"),
        onnx.helper.make_node(operator, ["same", *inputs[1:]], ["made"], name="second", **attributes),
    ]
    if operator == "AveragePool":  # a wrong size would tell
        nodes.append(onnx.helper.make_node("GlobalAveragePool", ["made"], ["mean"]))
    model = graph_of(onnx, nodes, values, constants=constants, version=19 if operator == "AveragePool" else 17)
    onnx.save(model, tmp_path / "net.onnx")
    message = rf"another network.*first output that differs is that of the node 'second' \({operator}"
    with pytest.raises(ModelError, match=message):
        open_network(str(tmp_path / "net.onnx"))


SAME = {
    "cubic": ("Resize", ["x", "", "scales"], {"mode": "cubic"}, 144, RESIZE),
    "linear": ("Resize", ["x", "", "scales"], {"mode": "linear"}, 144, RESIZE),
    "sum": ("CumSum", ["x", "axis"], {}, 64, AXIS),
    "reversed sum": ("CumSum", ["x", "axis"], {"reverse": 1}, 64, AXIS),
    "dilated maximum": ("MaxPool", ["x"], {"kernel_shape": [2, 2], "dilations": [2, 2]}, 36, {}),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.filterwarnings("ignore")
def test_operators_that_are_converted_rightly_are_opened(tmp_path, name):
    onnx = real()
    operator, inputs, attributes, values, constants = SAME[name]
    nodes = [onnx.helper.make_node(operator, inputs, ["made"], **attributes)]
    onnx.save(graph_of(onnx, nodes, values, constants=constants), tmp_path / "net.onnx")
    network = open_network(str(tmp_path / "net.onnx"))
    images = torch.rand(3, 1, 8, 8)
    reference = importlib.import_module("onnx.reference")
    expected = reference.ReferenceEvaluator(str(tmp_path / "net.onnx")).run(None, {"x": images.numpy()})[0]
    torch.testing.assert_close(network.module(images), torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_graphs_of_bytes_and_of_halves(tmp_path):
    onnx = real()
    make = onnx.helper.make_node
    bytes_in = [make("Cast", ["x"], ["floats"], to=1), make("Div", ["floats", "white"], ["made"])]
    model = graph_of(onnx, bytes_in, 64, constants={"white": np.array(255, np.float32)}, kind=2)
    onnx.save(model, tmp_path / "bytes.onnx")
    with pytest.raises(ModelError, match="takes images of uint8"):
        open_network(str(tmp_path / "bytes.onnx"))
    onnx.save(graph_of(onnx, [make("Relu", ["x"], ["made"])], 64, kind=10), tmp_path / "halves.onnx")
    classifier = Classifier(open_network(str(tmp_path / "halves.onnx")).module)
    images = torch.rand(2, 1, 8, 8)
    expected = images.flatten(1) @ torch.from_numpy(WEIGHTS[:64])
    logits = classifier.logits(images.to(classifier.dtype)).float()
    torch.testing.assert_close(logits, expected, rtol=0.02, atol=0.02)


class Written(nn.Module):
    def __init__(self, operator):
        super().__init__()
        self.first, self.operator, self.last = nn.Conv2d(1, 2, 3, padding=1), operator, nn.LazyLinear(3)

    def forward(self, images):
        return self.last(self.operator(self.first(images)).flatten(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "operator",
    [lambda x: functional.pad(x, (1, 1, 1, 1)), nn.Mish(), lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)],
    ids=["pad", "mish", "chunk"],
)
@pytest.mark.filterwarnings("ignore")
def test_the_remedy_helps_where_torch_exports_newer_operators(tmp_path, operator):
    real("onnxscript")
    module, images, path = Written(operator), torch.rand(2, 1, 8, 8), tmp_path / "net.onnx"
    expected = module(images)
    torch.onnx.export(module.eval(), (images,), path, dynamic_shapes=({0: torch.export.Dim("n")},), verbose=False)
    with pytest.raises(ModelError, match=r"dynamo=False, opset_version=17"):
        open_network(str(path))
    axes = {"input": {0: "n"}, "output": {0: "n"}}
    names = {"input_names": ["input"], "output_names": ["output"], "dynamic_axes": axes}
    torch.onnx.export(module, (images,), path, dynamo=False, opset_version=17, **names)
    torch.testing.assert_close(open_network(str(path)).module(images), expected, rtol=1e-4, atol=1e-4)


def test_the_real_converter_keeps_outputs_and_gradients(tmp_path):
    onnx = real()
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
