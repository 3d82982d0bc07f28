"""Compares a converted ONNX network with its graph, as an interpreter of ONNX computes it."""

import copy
import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from brittle.errors import ModelError, quoted
from brittle.models.network import telling
from brittle.words import with_article

Values = Mapping[str, NDArray[Any]]
"""What the tensors of a graph hold, by their names."""
TYPES = {1: torch.float32, 10: torch.float16, 11: torch.float64}
"""Numbers of ONNX's types of images that a network can be differentiated in."""
ALLOWED = {torch.bfloat16: 0.1, torch.float16: 0.05}
EXACTLY = 1e-3  # in float32
"""How far outputs may lie apart in half precision, as a part of their range: sums are taken in another order."""
COMPARED = 2
"""Images that the graph itself is asked about."""
SHOWN = 120  # characters of an operator's settings


@dataclass(frozen=True)
class Graph:
    """An ONNX graph with the module that it was converted to.

    Attributes:
        path: of the file.
        nodes: those that were converted, in their order.
        dtype: of the images that it takes.
    """

    path: Path
    nodes: tuple[Any, ...]
    dtype: torch.dtype

    def compare(self, module: nn.Module, images: Tensor, what: str) -> None:
        """Compare the first few outputs of both; images that the module fails on are not compared.

        Args:
            module: what the graph was converted to, on any device.
            images: in [0, 1].
            what: the images in words.

        Raises:
            ModelError: the largest difference and the first node whose output differs, or no interpreter can run it.
        """
        shown = images[:COMPARED].detach().to("cpu", self.dtype)
        module = module if _on_cpu(module) else copy.deepcopy(module).cpu()
        try:
            with torch.no_grad():
                ours = _logits(module(shown.clone()))
        except Exception:  # told by who asks it next, with the reason
            return
        if not isinstance(cast("object", ours), Tensor) or not ours.is_floating_point():
            seen = (
                f"a tensor of {ours.dtype}"
                if isinstance(cast("object", ours), Tensor)
                else with_article(type(ours).__name__)
            )
            raise ModelError(
                f"the first output of {self.path.name} is {seen}; expected floats, the logits (n, classes)"
            )
        found = self._run(shown)
        with telling(f"the outputs of {self.path.name} cannot be compared", "export it with one output, the logits"):
            theirs = next(iter(found.values()))
            (apart, relative), allowed = distance(ours.float().numpy(), theirs), self._allowed(module)
        if relative <= allowed:
            return
        first = self._first(module, shown, allowed)
        raise ModelError(
            f"{self.path.name} was converted to another network: on {len(shown)} images ({what}) their outputs lie up "
            f"to {apart:.4g} apart, {relative:.2%} of the range of the graph's, where rounding explains {allowed:.1%}"
            f"{first}; give the network as a .pt2 or FILE.py:FACTORY, or export it "
            "without this operator"
        )

    def _allowed(self, module: nn.Module) -> float:
        """How far outputs may lie apart, by the coarsest type inside."""
        inside = {tensor.dtype for tensor in (*module.parameters(), *module.buffers())} | {self.dtype}
        return max(ALLOWED.get(dtype, EXACTLY) for dtype in inside)

    def _run(self, images: Tensor) -> Values:
        """What the graph's outputs are, by ONNX Runtime where it is installed and can, else by ONNX's own reference."""
        failures: list[str] = []
        for run in (_by_runtime, _by_reference):
            try:
                return run(str(self.path), images)
            except Exception as error:  # each interpreter raises its own
                failures.append(f"{type(error).__name__}: {quoted(str(error).strip().partition(chr(10))[0])}")
        raise ModelError(
            f"{self.path.name} cannot be compared with what it was converted to: ONNX Runtime says {failures[0]!r}, "
            f"ONNX's reference {failures[1]!r}; pip install 'brittle[onnx]', or give the network as a .pt2"
        )

    def _first(self, module: nn.Module, images: Tensor, allowed: float) -> str:
        """The first node whose output differs, in words; nothing where it cannot be told."""
        if not isinstance(module, fx.GraphModule):
            return ""
        with suppress(Exception):  # it only adds to a refusal
            theirs = self._everything(images)
            recorder = _Recorder(module)
            recorder.run(images.clone())
            for node, made in zip(self.nodes, recorder.made, strict=True):
                outputs = made if isinstance(made, tuple | list) else (made,)
                for name, ours in zip(node.output, cast("tuple[Tensor, ...]", outputs), strict=False):
                    if name in theirs and distance(np.asarray(ours), theirs[name])[1] > allowed:
                        return f"; the first output that differs is that of {_described(node)}"
        return ""

    def _everything(self, images: Tensor) -> Values:
        """What every tensor of the graph holds."""
        onnx: Any = importlib.import_module("onnx")
        model = onnx.load(self.path)
        last = {output.name for output in model.graph.output}
        names = [name for node in model.graph.node for name in node.output if name and name not in last]
        model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in names])
        try:
            return _by_runtime(model.SerializeToString(), images)
        except Exception:  # it is missing, or cannot run this graph
            return _by_reference(model, images)


class _Recorder(fx.Interpreter):
    """Runs a converted network and keeps what each node of the graph made."""

    def __init__(self, module: fx.GraphModule):
        super().__init__(module)
        self.made: list[Any] = []

    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        if n.op == "call_module":
            self.made.append(copy.deepcopy(made))  # a later node may write into it
        return made


def _by_runtime(model: str | bytes, images: Tensor) -> Values:
    """Outputs by ONNX Runtime, operator by operator."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # failures are told by an exception
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    made = session.run(names, {session.get_inputs()[0].name: images.numpy()})
    return dict(zip(names, made, strict=True))


def _by_reference(model: Any, images: Tensor) -> Values:
    """Outputs by the reference implementation in the package onnx, slowly."""
    reference: Any = importlib.import_module("onnx.reference")
    evaluator = reference.ReferenceEvaluator(model)
    made = evaluator.run(None, {evaluator.input_names[0]: images.numpy()})
    return dict(zip(evaluator.output_names, made, strict=True))


def distance(ours: NDArray[Any], theirs: NDArray[Any]) -> tuple[float, float]:
    """Return the largest difference, and that as a part of the range of what was wanted.

    The range counts as at least a hundredth of the largest value, whose last digits are rounded. Both are infinite
    where the shapes differ, or where one value is finite and the other is not.

    >>> distance(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    (3.0, 0.75)
    """
    infinite = (float("inf"), float("inf"))
    if ours.shape != theirs.shape:
        return infinite
    mine, wanted = ours.astype(np.float64), theirs.astype(np.float64)
    other = ~((mine == wanted) | (np.isnan(mine) & np.isnan(wanted)))
    if not other.any():
        return 0.0, 0.0
    if not (np.isfinite(mine) & np.isfinite(wanted))[other].all():
        return infinite
    finite = wanted[np.isfinite(wanted)]
    scale = max(float(np.ptp(finite)), float(np.abs(finite).max()) / 100, float(np.finfo(np.float64).tiny))
    apart = float(np.abs(mine - wanted)[other].max())
    return apart, apart / scale


def _logits(output: Any) -> Tensor:
    """The first output of a network."""
    return cast("Tensor", output[0] if isinstance(output, tuple | list) else output)


def _on_cpu(module: nn.Module) -> bool:
    return all(tensor.device.type == "cpu" for tensor in (*module.parameters(), *module.buffers()))


def _described(node: Any) -> str:
    """A node with its operator and its settings."""
    onnx: Any = importlib.import_module("onnx")
    told = [(one.name, onnx.helper.get_attribute_value(one)) for one in node.attribute]
    settings = ", ".join(f"{name}={value.decode() if isinstance(value, bytes) else value}" for name, value in told)
    return f"the node {node.name or node.output[0]!r} ({node.op_type}{': ' * bool(settings)}{settings[:SHOWN]})"
