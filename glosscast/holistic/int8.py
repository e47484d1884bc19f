"""Have the middle operators of a TensorFlow Lite model computed in int8, in half of the time where the CPU can do that.

Weights get one scale for each output channel, and the values between operators one scale for each tensor (`Span`). The
first operators of a picture model take as long in int8 as in fp32, and the last ones lose the most, so both stay as
they are. How the numbers were found and what they cost in accuracy: docs/explanation/extraction.md.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

RELU6 = (0.0, 6.0)  # the range of what an operator gives that ends with it


@dataclass(frozen=True)
class Span:
    """The operators of a model that are computed in int8.

    Attributes:
        first: of them, counted without those that only unpack half-precision weights.
        last: of them.
        ranges: the least and the largest value that an operator gives, by its number; of those that int8 operators
            read or give and that do not end with RELU6.
    """

    first: int
    last: int
    ranges: Mapping[int, tuple[float, float]]


def in_int8(content: bytes, span: Span) -> bytes:
    """A `.tflite` model of which a span of operators is computed in int8.

    It takes and gives fp32, as before. The same bytes give the same bytes.

    Args:
        content: the model, with one graph; its weights are fp32, or fp16 that is unpacked.
        span: which operators.

    Raises:
        ValueError: the span has an operator that cannot be computed so, or lacks a range.
    """
    return _Conversion(content).converted(span)


def without_range(content: bytes, span: Span) -> dict[int, int]:
    """The operators that need one of the span's `ranges`, and the tensor that each gives.

    Args:
        content: as `in_int8` takes it.
        span: `first` and `last` of it.
    """
    return _Conversion(content).without_range(span)


class _Conversion:
    """The conversion of one model, in the objects of its schema. They come without types, hence `Any`.

    Args:
        content: the model.
    """

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema: Any = schema
        self._model: Any = schema.ModelT.InitFromPackedBuf(content)
        self._graph = self._model.subgraphs[0]
        kinds = schema.BuiltinOperator
        self._unpack, self._pack = kinds.DEQUANTIZE, kinds.QUANTIZE
        self._weighted = {kinds.CONV_2D: 0, kinds.DEPTHWISE_CONV_2D: 3}  # the dimension of the output channels
        # The least versions of the operators that take int8.
        self._versions = {kinds.CONV_2D: 3, kinds.DEPTHWISE_CONV_2D: 3, kinds.ADD: 2, kinds.DEQUANTIZE: 2}
        self._add = kinds.ADD
        self._weights = {
            int(operator.outputs[0]): operator
            for operator in self._graph.operators
            if self._kind(operator) == self._unpack
        }
        self._computing = [o for o in self._graph.operators if self._kind(o) != self._unpack]
        self._scales: dict[int, tuple[float, int]] = {}  # scale and zero of a tensor's int8 twin
        self._twins: dict[int, int] = {}  # the int8 twins of fp32 tensors
        self._given: set[int] = set()  # tensors that the operators so far give

    def converted(self, span: Span) -> bytes:
        """The model in int8; this object is of no use afterwards."""
        import flatbuffers

        self._rewrite(span)
        builder = flatbuffers.Builder()
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def without_range(self, span: Span) -> dict[int, int]:
        """See `without_range`."""
        inside = self._computing[span.first : span.last + 1]
        values = {int(tensor) for operator in inside for tensor in (*operator.inputs, operator.outputs[0])}
        self._find_scales(replace(span, ranges={}))
        return {
            number: int(operator.outputs[0])
            for number, operator in enumerate(self._computing)
            if int(operator.outputs[0]) in values - self._scales.keys()
        }

    def _rewrite(self, span: Span) -> None:
        """Change the graph's operators."""
        self._find_scales(span)
        operators: list[Any] = []
        for number, operator in enumerate(self._computing):
            inside = span.first <= number <= span.last
            operators += self._inside(operator) if inside else self._outside(operator)
        for output in map(int, self._graph.outputs):
            operators += self._unpacked(output)
        read = {int(tensor) for operator in operators for tensor in operator.inputs}
        for tensor, unpacking in self._weights.items():
            if tensor not in read:  # the half-precision weights that have become int8
                self._model.buffers[self._graph.tensors[unpacking.inputs[0]].buffer].data = None
        self._graph.operators = [self._weights[t] for t in self._weights if t in read] + operators
        for code in self._model.operatorCodes:
            code.version = max(code.version, self._versions.get(_kind_of(code), 1))

    def _kind(self, operator: Any) -> int:
        return _kind_of(self._model.operatorCodes[operator.opcodeIndex])

    def _find_scales(self, span: Span) -> None:
        """Set the scales of all tensors that may be read or given in int8."""
        for number, operator in enumerate(self._computing[: span.last + 1]):
            given = int(operator.outputs[0])
            activation = getattr(operator.builtinOptions, "fusedActivationFunction", None)
            if number in span.ranges:
                self._scales[given] = _scale(*span.ranges[number])
            elif activation == self._schema.ActivationFunctionType.RELU6:
                self._scales[given] = _scale(*RELU6)

    def _outside(self, operator: Any) -> Iterator[Any]:
        for tensor in map(int, operator.inputs):
            yield from self._unpacked(tensor)
        self._given.update(map(int, operator.outputs))
        yield operator

    def _inside(self, operator: Any) -> Iterator[Any]:
        kind = self._kind(operator)
        values, constants = list(map(int, operator.inputs)), []
        if kind in self._weighted:
            values, (weights, bias) = values[:1], values[1:]
            constants = self._int8_weights(values[0], weights, bias, self._weighted[kind])
        elif kind != self._add:
            raise ValueError(f"operator of kind {kind} cannot be computed in int8")
        for tensor in values:
            yield from self._packed(tensor)
        changed = copy.copy(operator)
        changed.inputs = np.array([*(self._twin(tensor) for tensor in values), *constants], np.int32)
        changed.outputs = np.array([self._twin(int(operator.outputs[0]))], np.int32)
        self._given.update(map(int, changed.outputs))
        yield changed

    def _packed(self, tensor: int) -> Iterator[Any]:
        """The operator that makes a tensor's int8 twin, where it is not there."""
        if (twin := self._twin(tensor)) not in self._given:
            self._given.add(twin)
            yield self._operator(self._pack, tensor, twin)

    def _unpacked(self, tensor: int) -> Iterator[Any]:
        """The operator that makes a tensor from its int8 twin, where only that is there."""
        twin = self._twins.get(tensor)
        if twin in self._given and tensor not in self._given:
            self._given.add(tensor)
            yield self._operator(self._unpack, twin, tensor)

    def _twin(self, tensor: int) -> int:
        if tensor not in self._twins:
            scale, zero = self._scale_of(tensor)
            self._twins[tensor] = self._like(tensor, "INT8", np.array([scale]), np.array([zero]))
        return self._twins[tensor]

    def _scale_of(self, tensor: int) -> tuple[float, int]:
        if tensor not in self._scales:
            raise ValueError(f"tensor {tensor} is to be int8 and has no range")
        return self._scales[tensor]

    def _int8_weights(self, values: int, weights: int, bias: int, channels: int) -> list[int]:
        """The tensors of an operator's weights and bias in int8 and int32."""
        full = self._constant(weights)
        others = tuple(axis for axis in range(full.ndim) if axis != channels)
        step, bias_values = self._scale_of(values)[0], self._constant(bias)
        # The second bound is for channels of (nearly) no weights: in their scale the bias, too, must fit into int32.
        scales = np.maximum(np.abs(full).max(others) / 127, np.maximum(np.abs(bias_values), 1e-6) / step / 2**30)
        shape = [-1 if axis == channels else 1 for axis in range(full.ndim)]
        rounded = np.clip(np.round(full / scales.reshape(shape)), -127, 127).astype(np.int8)
        of_sums = step * scales
        sums = np.round(bias_values / of_sums).astype(np.int32)
        return [
            self._like(weights, "INT8", scales, np.zeros(len(scales)), channels, rounded),
            self._like(bias, "INT32", of_sums, np.zeros(len(scales)), 0, sums),
        ]

    def _constant(self, tensor: int) -> NDArray[np.float32]:
        """The values of a constant tensor."""
        packed = tensor in self._weights
        if packed:
            tensor = int(self._weights[tensor].inputs[0])
        described = self._graph.tensors[tensor]
        values = np.frombuffer(bytes(self._model.buffers[described.buffer].data), np.float16 if packed else np.float32)
        return values.astype(np.float32).reshape(described.shape)

    def _like(
        self,
        tensor: int,
        kind: str,
        scales: NDArray[Any],
        zeros: NDArray[Any],
        dimension: int = 0,
        values: NDArray[Any] | None = None,
    ) -> int:
        """A new tensor of the same shape."""
        new = copy.copy(self._graph.tensors[tensor])
        new.type = getattr(self._schema.TensorType, kind)
        new.quantization = self._schema.QuantizationParametersT()
        new.quantization.scale = scales.astype(np.float32)
        new.quantization.zeroPoint = zeros.astype(np.int64)
        new.quantization.quantizedDimension = dimension
        new.buffer = 0
        if values is not None:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            new.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(new)
        return len(self._graph.tensors) - 1

    def _operator(self, kind: int, given: int, made: int) -> Any:
        """A new operator from one tensor to another."""
        codes = self._model.operatorCodes
        index = next((index for index, code in enumerate(codes) if _kind_of(code) == kind), len(codes))
        if index == len(codes):
            code = self._schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = kind  # both below 127
            code.version = 1
            codes.append(code)
        new = self._schema.OperatorT()
        new.opcodeIndex = index
        new.inputs, new.outputs = np.array([given], np.int32), np.array([made], np.int32)
        return new


def _kind_of(code: Any) -> int:
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _scale(low: float, high: float) -> tuple[float, int]:
    """The step of int8 that covers a range, and the number that stands for zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 255
    return step, int(np.clip(round(-128 - low / step), -128, 127))
