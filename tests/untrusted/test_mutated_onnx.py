"""ONNX graphs, changed at random: each is loaded, or refused with an error of ours."""

import importlib.util
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import NUMBERS, cases, damaged

from brittle.errors import BrittleError
from brittle.models import open_network

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("onnx2torch") is None, reason="the extra onnx is not installed"),
    pytest.mark.filterwarnings("ignore"),
]
NAMES = ["x", "c", "r", "f", "y", "w", "b", "m", "", "another", "../x"]
OPERATORS = ["Conv", "Relu", "Flatten", "MatMul", "Reshape", "Resize", "Loop", "If", "Add", "Identity", "Nothing"]


def graph():
    import onnx

    make, random = onnx.helper, np.random.default_rng(0)
    constants = {"w": random.normal(size=(2, 1, 3, 3)), "b": np.zeros(2), "m": random.normal(size=(32, 3))}
    nodes = [
        make.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[0, 0, 0, 0]),
        make.make_node("Relu", ["c"], ["r"]),
        make.make_node("Flatten", ["r"], ["f"], axis=1),
        make.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    ends = [make.make_tensor_value_info(*one) for one in (("x", 1, ["n", 1, 6, 6]), ("y", 1, ["n", 3]))]
    weights = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    made = make.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    return make.make_model(made, opset_imports=[make.make_opsetid("", 17)], ir_version=8)


def changed(draw, model) -> None:
    """Change one thing of a graph."""
    inner, number = model.graph, st.sampled_from([-1, *NUMBERS[:-1], 2, 3, 6])
    node = draw(st.sampled_from(list(inner.node)))
    tensor = draw(st.sampled_from(list(inner.initializer)))
    match draw(st.integers(0, 8)):
        case 0:
            node.op_type = draw(st.sampled_from(OPERATORS))
        case 1 if node.input:
            node.input[draw(st.integers(0, len(node.input) - 1))] = draw(st.sampled_from(NAMES))
        case 2:
            node.output[0] = draw(st.sampled_from(NAMES))
        case 3 if node.attribute:
            one = draw(st.sampled_from(list(node.attribute)))
            one.i = _signed(draw(number))
            for place in range(len(one.ints)):
                one.ints[place] = _signed(draw(number))
        case 4:
            tensor.dims[draw(st.integers(0, len(tensor.dims) - 1))] = _signed(draw(number))
        case 5:
            tensor.raw_data = draw(damaged(tensor.raw_data))
        case 6:
            tensor.data_type = draw(st.integers(0, 25))
        case 7:
            side = draw(st.sampled_from(list(inner.input[0].type.tensor_type.shape.dim)))
            side.dim_value = _signed(draw(number))
        case _:
            model.opset_import[0].version = draw(st.integers(0, 30))


def _signed(value: int) -> int:
    return value if value < 2**63 else value - 2**64


@st.composite
def mutants(draw) -> bytes:
    model = graph()
    if draw(st.booleans()):
        return draw(damaged(model.SerializeToString()))
    for _ in range(draw(st.integers(1, 2))):
        changed(draw, model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@cases
@given(mutants())
def test_graphs(folder: Path, mutant: bytes):
    path = folder / "net.onnx"
    path.write_bytes(mutant)
    with suppress(BrittleError):
        open_network(str(path))


def test_the_graph_is_loaded_as_it_is(folder: Path):
    path = folder / "whole.onnx"
    path.write_bytes(graph().SerializeToString())
    assert open_network(str(path)).input_shape == (1, 6, 6)
