"""Cut outputs off a TensorFlow Lite model, with everything that only they need.

A `.tflite` file is a FlatBuffer. Nothing is moved in it: the lists of the graph's outputs and operators are shortened
where they lie, so that the result is the same byte for byte wherever it is made, and what is kept computes bit for bit
what it did. Layout: https://flatbuffers.dev/internals/, fields: `tensorflow/lite/schema/schema.fbs`.
"""

import struct
from collections.abc import Sequence

# Positions of fields in the schema's tables.
MODEL_SUBGRAPHS = 2
SUBGRAPH_OUTPUTS, SUBGRAPH_OPERATORS = 2, 3
OPERATOR_INPUTS, OPERATOR_OUTPUTS = 1, 2


def keep_outputs(model: bytes, keep: Sequence[int]) -> bytes:
    """A model with fewer outputs.

    Args:
        model: a `.tflite` file with one graph and no signatures.
        keep: which of its outputs stay, by position and in this order.

    Raises:
        ValueError: the file is no such model or lacks one of these outputs.
    """
    try:
        return _keep_outputs(bytearray(model), keep)
    except (struct.error, IndexError) as error:
        raise ValueError("not a TensorFlow Lite model with the outputs that are to be kept") from error


def _keep_outputs(data: bytearray, keep: Sequence[int]) -> bytes:
    graphs = _vector(data, _field(data, _u32(data, 0), MODEL_SUBGRAPHS))
    graph = _follow(data, graphs[0])
    outputs_at = _field(data, graph, SUBGRAPH_OUTPUTS)
    operators_at = _field(data, graph, SUBGRAPH_OPERATORS)
    outputs = [_i32(data, _vector(data, outputs_at)[i]) for i in keep]
    operators = _needed(data, [_follow(data, slot) for slot in _vector(data, operators_at)], outputs)
    _shorten(data, outputs_at, [output & 0xFFFFFFFF for output in outputs])
    first = _vector(data, operators_at)[0]
    _shorten(data, operators_at, [operator - (first + 4 * i) for i, operator in enumerate(operators)])
    return bytes(data)


def _needed(data: bytearray, operators: list[int], outputs: list[int]) -> list[int]:
    """The operators that lead to these tensors, in the order in which they run."""
    wanted = set(outputs)
    needed = []
    for operator in reversed(operators):
        made = {_i32(data, slot) for slot in _vector(data, _field(data, operator, OPERATOR_OUTPUTS))}
        if made & wanted:
            needed.append(operator)
            wanted |= {_i32(data, slot) for slot in _vector(data, _field(data, operator, OPERATOR_INPUTS))}
    return needed[::-1]


def _shorten(data: bytearray, at: int, words: list[int]) -> None:
    """Overwrite a vector with fewer 32-bit words; the words left over stay behind it, unread."""
    struct.pack_into(f"<I{len(words)}I", data, _follow(data, at), len(words), *words)


def _field(data: bytearray, table: int, number: int) -> int:
    """The offset of a field in a table."""
    vtable = table - _i32(data, table)
    (size,) = struct.unpack_from("<H", data, vtable)
    (offset,) = struct.unpack_from("<H", data, vtable + 4 + 2 * number) if 4 + 2 * number < size else (0,)
    if not offset:
        raise IndexError(f"field {number} is not set")
    return table + int(offset)


def _vector(data: bytearray, at: int) -> range:
    """The offset of a vector's 32-bit elements, given the place of the offset to it."""
    start = _follow(data, at)
    return range(start + 4, start + 4 + 4 * _u32(data, start), 4)


def _follow(data: bytearray, at: int) -> int:
    return at + _u32(data, at)


def _u32(data: bytearray, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _i32(data: bytearray, at: int) -> int:
    return int(struct.unpack_from("<i", data, at)[0])
