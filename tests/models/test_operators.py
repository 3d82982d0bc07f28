"""Which operators an exported graph may call: torch's whole table is walked, and nothing new gets in unseen."""

from pathlib import Path

import pytest
import torch

from brittle.models.operators import allowed, shares_memory, writes

KNOWN = Path(__file__).with_name("operators.txt")
"""What was let through when somebody last looked, one operator a line."""


def target(name: str) -> str:
    space, _, rest = name.partition("::")
    operator, _, overload = rest.partition(".")
    return f"torch.ops.{space}.{operator}.{overload or 'default'}"


def let_through() -> list[str]:
    return sorted(name for name in torch._C._dispatch_get_all_op_names() if allowed(target(name)))


def test_no_operator_gets_in_that_nobody_has_looked_at():
    known = set(KNOWN.read_text().split())
    new = [name for name in let_through() if name not in known]
    assert new == [], "look at each, and add it to operators.txt or to what is refused"
    assert len(known) > 1000


@pytest.mark.parametrize(
    "name",
    [
        "aten::from_file", "aten::save", "aten::warn", "aten::set_.source_Tensor", "aten::resize_",
        "aten::record_stream",
        "aten::add.out", "aten::fbgemm_linear_int8_weight", "aten::_foobar", "c10d::allreduce_", "quantized::linear",
        "aten::no_such_operator", "inductor::resize_storage_bytes_", "prims::as_strided", "aten::format",
    ],
)  # fmt: skip
def test_what_is_no_function_of_tensors_is_refused(name: str):
    assert not allowed(target(name))


def test_texts_that_name_no_operator_are_refused():
    for text in ("torch.os.system", "os.system", "torch.ops.load_library", "torch.ops.aten.relu", "", "math.factorial"):
        assert not allowed(text)
    assert allowed("torch.sym_max")
    assert allowed("_operator.add")


def test_operators_say_whose_memory_they_touch():
    assert writes("torch.ops.aten.relu_.default")
    assert not writes("torch.ops.aten.relu.default")
    assert shares_memory("torch.ops.aten.view.default")
    assert shares_memory("torch.ops.aten.flatten.using_ints")
    assert not shares_memory("torch.ops.aten.add.Tensor")


@pytest.mark.parametrize(
    "name", ["conv2d", "linear", "relu", "batch_norm", "layer_norm", "gelu", "softmax.int", "max_pool2d"]
)
def test_what_networks_are_made_of_passes(name: str):
    assert allowed(target(f"aten::{name}"))
