#!/usr/bin/env bash
# onnxruntime 1.30.0 (Python), onnx 1.23.1: quant_pre_process and the attributes `start` and `end` of Shape (opset 15).
#
# Guess: a model that onnx.checker accepts (with full shape checks) and that onnxruntime runs passes quant_pre_process,
#   which exists to prepare any model for quantisation.
# Found: its symbolic shape inference ignores `start` and `end`. Shape(x, start=0, end=1) counts as the whole shape of x; what
#   is built on it (here a vision transformer's class token, expanded over the batch) gets a shape of too many axes,
#   and the inference ends in "IndexError: list index out of range". Shape and Gather, which mean the same, pass.
# Output seen:
#   Shape(start=0, end=1): runs, (2, 2, 192); quant_pre_process: IndexError: list index out of range
#   Shape, Gather:         runs, (2, 2, 192); quant_pre_process: passes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnx==1.23.1 onnxruntime==1.30.0 numpy==2.4.6 sympy==1.14.0
cat >check.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.quantization.shape_inference import quant_pre_process


def class_token_model(batch_nodes, extra=()):
    """Patches [batch, 3, 8, 8] -> tokens [batch, 2, 192]: one class token, expanded over the batch, before one patch."""
    nodes = [
        *batch_nodes,
        helper.make_node("Concat", ["batch", "token_shape"], ["shape"], axis=0),
        helper.make_node("Expand", ["token", "shape"], ["tokens"]),
        helper.make_node("Reshape", ["x", "patch_shape"], ["patches"]),
        helper.make_node("Concat", ["tokens", "patches"], ["y"], axis=1),
    ]
    constants = [
        helper.make_tensor("token_shape", TensorProto.INT64, [2], [1, 192]),
        helper.make_tensor("patch_shape", TensorProto.INT64, [3], [0, 1, 192]),
        helper.make_tensor("token", TensorProto.FLOAT, [1, 1, 192], [0.0] * 192),
        *extra,
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, 192])
    graph = helper.make_graph(nodes, "class_token", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def tried(title, model):
    onnx.save(model, "model.onnx")
    session = onnxruntime.InferenceSession("model.onnx")
    shape = session.run(None, {"x": np.zeros((2, 3, 8, 8), np.float32)})[0].shape
    try:
        quant_pre_process("model.onnx", "prepared.onnx")
        verdict = "passes"
    except Exception as error:
        verdict = f"{type(error).__name__}: {error}"
    print(f"{title} runs, {shape}; quant_pre_process: {verdict}")
    return verdict


attributes = [helper.make_node("Shape", ["x"], ["batch"], start=0, end=1)]
gathered = [
    helper.make_node("Shape", ["x"], ["dims"]),
    helper.make_node("Gather", ["dims", "first"], ["batch"], axis=0),
]
first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
with_attributes = tried("Shape(start=0, end=1):", class_token_model(attributes))
with_gather = tried("Shape, Gather:        ", class_token_model(gathered, [first]))
assert with_attributes.startswith("IndexError"), "the behaviour has changed"
assert with_gather == "passes", "the behaviour has changed"
PYTHON
venv/bin/python check.py
