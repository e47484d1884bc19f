"""ONNX graphs as TensorRT wants them: each tensor is computed in the type that the graph says, and in no other."""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from glosscast.bundle import Bundle

EnginePrecision = Literal["fp32", "fp16", "int8"]


def typed_graph(bundle: Bundle, precision: EnginePrecision) -> onnx.ModelProto:
    """A bundle's graph in this precision; its inputs and outputs stay float32 and uint8.

    Raises:
        ValueError: the bundle is one of another precision.
    """
    wanted = "int8" if precision == "int8" else "fp32"
    if bundle.manifest.precision != wanted:
        how = "make one with `python -m export quantize`" if wanted == "int8" else "take the one it was made from"
        raise ValueError(
            f"{bundle.path}: an engine in {precision} needs an {wanted} bundle, this one is "
            f"{bundle.manifest.precision}; {how}"
        )
    model = onnx.load(bundle.model_path)
    if precision == "fp16":
        return half(model)
    return float_biases(model) if precision == "int8" else model


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph computed in float16, from and to the types it had."""
    converted = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
    converted.topological_sort()  # the casts of the inputs come last otherwise
    typed: onnx.ModelProto = converted.model
    return typed


def float_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same quantised graph with biases as plain float32.

    ONNX Runtime's quantiser stores them as int32 with a DequantizeLinear; TensorRT dequantises int8 only.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in list(model.graph.node):
        stored = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if stored is None or stored.data_type != TensorProto.INT32:
            continue
        scale = numpy_helper.to_array(constants[node.input[1]])
        bias = np.asarray(numpy_helper.to_array(stored) * scale, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(bias, node.output[0]))
        model.graph.node.remove(node)
        model.graph.initializer.remove(stored)
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write the graph, checked, whole or not at all."""
    onnx.checker.check_model(model, full_check=True)
    partial = path.with_suffix(".partial")
    onnx.save(model, str(partial))
    partial.replace(path)
