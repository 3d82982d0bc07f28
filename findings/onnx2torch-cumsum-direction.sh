#!/usr/bin/env bash
# Surprise: onnx2torch sums backwards where CumSum leaves `reverse` out, which by ONNX's specification means forwards.
# Who it hurts: who attacks or certifies the converted module instead of the graph; shapes and types agree, only the numbers do not.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@" 2>/dev/null; }
pip torch==2.13.0
pip onnx==1.23.2 numpy==2.4.6 pillow
pip --no-deps onnx2torch==1.5.15
"$folder/env/bin/python" - <<'PYTHON'
import sys
import types
from importlib.metadata import version

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

vision = types.ModuleType("torchvision")  # imported for one operator that is not used here
vision.ops = types.ModuleType("torchvision.ops")
vision.ops.roi_align = vision.ops.nms = None
vision._is_tracing = lambda: False
sys.modules |= {"torchvision": vision, "torchvision.ops": vision.ops}
from onnx2torch import convert

axis = numpy_helper.from_array(np.array(1, np.int64), "axis")
sides = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("CumSum", ["x", "axis"], ["y"])], "sum", sides[:1], sides[1:], [axis])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
x = np.array([[1, 2, 3, 4]], np.float32)
expected = ReferenceEvaluator(model).run(None, {"x": x})[0].tolist()
observed = convert(model)(torch.from_numpy(x)).tolist()
print(f"onnx2torch {version('onnx2torch')}, onnx {onnx.__version__}, torch {torch.__version__}")
print(f"expected: {expected} (ONNX's own reference)")
print(f"observed: {observed}")
sys.exit(observed != [[10.0, 9.0, 7.0, 4.0]] or expected != [[1.0, 3.0, 6.0, 10.0]])
PYTHON
