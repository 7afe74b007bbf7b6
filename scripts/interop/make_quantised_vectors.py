"""Small vectors of onnxruntime's quantisation for the unit tests: what its tools store and what its operators compute.

    python scripts/interop/make_quantised_vectors.py testdata/onnx/quantised.json

For each matrix: `weight` [outputs, inputs]; of quantize_dynamic (QUInt8, per channel) the stored values [inputs, outputs],
scales and zero points; of MatMulNBitsQuantizer (4 bits, block 32, not symmetric) the same, packed; and what the two
models compute of `x` [rows, inputs]. Needs onnxruntime, onnx, onnx_ir.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

logging.disable(logging.INFO)


def product(weight):
    """x times the weight, [inputs, outputs]."""
    inputs, outputs = weight.shape
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
            "product",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", inputs])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs])],
            [numpy_helper.from_array(weight, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def stored(model):
    return {tensor.name: numpy_helper.to_array(tensor).flatten().tolist() for tensor in model.graph.initializer}


def run(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].flatten().tolist()


def main(out):
    generator = np.random.default_rng(12)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for inputs, outputs in ((32, 3), (40, 4), (64, 2)):
            weight = generator.standard_normal((inputs, outputs)).astype(np.float32) / np.float32(inputs**0.5)
            weight[:, 0] = np.abs(weight[:, 0])  # an output without negative weights
            if inputs == 64:
                weight[32:, 1] = 0  # a block of zeros
            x = generator.standard_normal((2, inputs)).astype(np.float32) * 2
            plain, small = f"{folder}/plain.onnx", f"{folder}/small.onnx"
            onnx.save(product(weight), plain)
            quantize_dynamic(plain, small, weight_type=QuantType.QUInt8, per_channel=True)
            integers = onnx.load(small)
            bits = MatMulNBitsQuantizer(onnx.load(plain), bits=4, block_size=32, is_symmetric=False)
            bits.process()
            eight, four = stored(integers), stored(bits.model.model)
            cases.append(
                {
                    "inputs": inputs,
                    "outputs": outputs,
                    "weight": weight.T.flatten().tolist(),
                    "x": x.flatten().tolist(),
                    "uint8": {
                        "values": eight["w_quantized"],
                        "scales": eight["w_scale"],
                        "zeros": eight["w_zero_point"],
                        "y": run(integers, x),
                    },
                    "int4": {
                        "values": four["w_Q4"],
                        "scales": four["w_scales"],
                        "zeros": four["w_zero_points"],
                        "y": run(bits.model.model, x),
                    },
                }
            )
    Path(out).write_text(json.dumps({"onnxruntime": onnxruntime.__version__, "cases": cases}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
