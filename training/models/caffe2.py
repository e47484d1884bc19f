"""Caffe2 checkpoints of the SlowFast authors: a pickle {"blobs": {name: array}}, written by Python 2.

A pickle is a program. This one may call nothing of Python's or numpy's: the few names that arrays need are answered by
the stand-ins below, every other name is refused. numpy's own classes would not do, since the state of a `numpy.dtype`
can declare bytes from the file to be object pointers.
"""

import codecs
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

PLACE = re.compile(r"res(\d)_(\d+)_branch(1|2a|2b|2c)(_bn_subsample)?")
BRANCHES = {"1": "shortcut", "2a": "temporal", "2b": "spatial", "2c": "expand"}
# Convolution and batch norm, as in `slowfast.conv_bn`. "riv" says inverse, but what it holds is the variance.
LEAVES = {
    "w": "0.weight",
    "bn_s": "1.weight",
    "bn_b": "1.bias",
    "bn_rm": "1.running_mean",
    "bn_riv": "1.running_var",
}
HEAD = {"pred_w": "head.1.weight", "pred_b": "head.1.bias"}


def translate(blob: str) -> str | None:
    """The name that a blob's weight has in `SlowFast`, or None where it has none (momentum, learning rate)."""
    if blob in HEAD:
        return HEAD[blob]
    parts = re.fullmatch(rf"(t_)?(.+?)_({'|'.join(LEAVES)})", blob)
    if parts is None:
        return None
    pathway = "fast" if parts[1] else "slow"
    leaf = LEAVES[parts[3]]
    if parts[2] in ("conv1", "res_conv1"):
        return f"{pathway}_stem.{leaf}"
    if parts[2] == "pool1_subsample":
        return f"laterals.0.{leaf}"
    place = PLACE.fullmatch(parts[2])
    if place is None:
        return None
    if place[4]:  # after the last block of a stage; stages count from res2, the first lateral is the stem's
        return f"laterals.{int(place[1]) - 1}.{leaf}"
    return f"{pathway}_stages.{int(place[1]) - 2}.{place[2]}.{BRANCHES[place[3]]}.{leaf}"


def read(path: Path) -> dict[str, object]:
    """The blobs of a file: arrays as float32 tensors, anything else as it is.

    Raises:
        Exception: of any kind, if the file is no such pickle; nothing in it has run.
    """
    with path.open("rb") as file:
        blobs = _Unpickler(file, encoding="latin1").load()["blobs"]
    return {
        name: torch.from_numpy(blob.value.astype(np.float32)) if isinstance(blob, _Array) else blob
        for name, blob in blobs.items()
    }


class _DType:
    """Stands in for `numpy.dtype`: plain numbers only."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def value(self) -> np.dtype[Any]:
        if re.fullmatch(r"[<>=|]?[biuf][1248]", self.order + self.code) is None:
            raise pickle.UnpicklingError(f"an array of {self.code!r}")
        return np.dtype(self.order + self.code)


class _Array:
    """Stands in for `numpy.ndarray` and for the function that makes an empty one to be given a state."""

    def __init__(self, *_: object) -> None:
        self.value = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.fill(data, dtype, shape, "F" if fortran else "C")

    def fill(self, data: str | bytes, dtype: _DType, shape: tuple[int, ...], order: Any) -> "_Array":
        raw = data.encode("latin1") if isinstance(data, str) else data  # Python 2's bytes arrive as text
        self.value = np.frombuffer(raw, dtype.value()).reshape(shape, order=order)
        return self


class _Unpickler(pickle.Unpickler):
    """Knows the names that plain containers and arrays need, in the spellings of numpy 1 and 2."""

    def find_class(self, module: str, name: str) -> Any:
        match re.sub(r"^numpy\._core\b", "numpy.core", module), name:
            case ("numpy", "ndarray") | ("numpy.core.multiarray", "_reconstruct"):
                return _Array
            case "numpy", "dtype":
                return _DType
            case "numpy.core.multiarray", "scalar":
                return lambda dtype, data: _Array().fill(data, dtype, (), "C")
            case "numpy.core.numeric", "_frombuffer":
                return lambda data, dtype, shape, order: _Array().fill(data, dtype, shape, order)
            case "_codecs", "encode":  # how Python 3 writes bytes in the old protocols
                return lambda text, _: codecs.latin_1_encode(text)[0]
            case "collections", "OrderedDict":
                return OrderedDict
        raise pickle.UnpicklingError(f"it names {module}.{name}")
