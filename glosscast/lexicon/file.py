"""The file of a lexicon: an .npz with everything in it, without pixels and without pickled objects.

    lexicon.json      format, name, bundle, model; signs with their examples, and the sha256 of each array
    t_ms.npy          (F,) float32: the times of all examples' frames, one example after the other
    keypoints.npy     (F, 171, 4) float16: normalised
    probabilities.npy (N, V) float32: one row for each example
    embeddings.npy    (N, D) float32

NumPy opens it (`numpy.load`), apart from `lexicon.json`, which any program for .zip files opens.
"""

import glob
import hashlib
import math
import os
import re
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Annotated, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from glosscast.faults import first_fault
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon.signs import (
    FARTHEST,
    MAX_EXAMPLES,
    MAX_LANGUAGE,
    MAX_SIGNS,
    Lexicon,
    LexiconError,
    SignExample,
    TaughtSign,
    checked_gloss,
    folded,
)

JSON = "lexicon.json"
MAX_JSON = 32 * 2**20  # bytes; the largest lexicon has about 20 MB
MAX_BYTES = 8 * 2**30  # of an array
MAX_FRAMES = 2000  # of one example: the longest sign at the most frames a second that streams keep
MAX_MS = 60_000.0  # of one example
PARTIAL = ".partial"
MAX_COLUMNS = 65_536  # classes, or numbers in an embedding
MAX_RATIO = 200  # of an array's size to its packed size; keypoints of people have 3
MIN_SIZE = 2**20  # bytes from which that counts
PACKING = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # other libraries raise errors of their own over damaged data
MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '(?P<type>[<>|=]?\w+)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>\d{1,15}(, \d{1,15})*,?)\), \} *\n"
)

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Array = NDArray[np.float32] | NDArray[np.float16]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class _Example(_Part):
    frames: int = Field(gt=0, le=MAX_FRAMES)
    start_ms: float = Field(ge=0)
    end_ms: float = Field(ge=0)
    source: Sha256 | Literal[""] = ""


class _Sign(_Part):
    gloss: str
    language: str = Field(default="", max_length=MAX_LANGUAGE)
    examples: list[_Example] = Field(min_length=1, max_length=MAX_EXAMPLES)


class _File(_Part):
    format: Literal["glosscast-lexicon-1"]
    name: str
    bundle: str
    model: Sha256
    signs: list[_Sign] = Field(max_length=MAX_SIGNS)
    sha256: dict[str, Sha256]


def save_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Write a lexicon; until it is complete the file that was there stays as it is.

    Raises:
        OSError: it cannot be written, for one because the disk is full; names the file.
    """
    partial = ""
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
        with os.fdopen(handle, "wb") as file:
            write_lexicon(lexicon, file)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o600)
        Path(partial).replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)


def partials(path: Path) -> list[Path]:
    """Files that were not written to their end."""
    return list(path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"))


def write_lexicon(lexicon: Lexicon, file: BinaryIO) -> None:
    """Write a lexicon to an open binary file."""
    examples = [example for sign in lexicon for example in sign.examples]
    arrays = {
        "t_ms": _joined([e.t_ms for e in examples], (0,), np.float32),
        "keypoints": _joined([e.keypoints for e in examples], (0, POINTS, CHANNELS), np.float16),
        "probabilities": _stacked([e.probabilities for e in examples]),
        "embeddings": _stacked([e.embedding for e in examples]),
    }
    about = _File(
        format="glosscast-lexicon-1",
        name=lexicon.name,
        bundle=lexicon.bundle,
        model=lexicon.model,
        signs=[
            _Sign(
                gloss=sign.gloss,
                language=sign.language,
                examples=[
                    _Example(frames=len(e.t_ms), start_ms=float(e.start_ms), end_ms=float(e.end_ms), source=e.source)
                    for e in sign.examples
                ],
            )
            for sign in lexicon
        ],
        sha256={name: _sha256(array) for name, array in arrays.items()},
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(JSON, about.model_dump_json(indent=1))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)  # type: ignore[no-untyped-call]


def load_lexicon(path: Path) -> Lexicon:
    """Read a lexicon.

    Raises:
        LexiconError: `bad_file`: it is not one, damaged or too large; names the file.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return read_lexicon(file)
    except LexiconError as error:
        raise LexiconError(error.code, f"{path}: {error}") from error


def read_lexicon(file: BinaryIO, max_bytes: int = MAX_BYTES) -> Lexicon:
    """Read a lexicon from an open binary file that can be sought in.

    Nothing of it is trusted: sizes are checked before anything is unpacked.

    Args:
        file: the file.
        max_bytes: that each array may take in memory; the keypoints are nearly all of a lexicon.

    Raises:
        LexiconError: `bad_file`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _read(archive, max_bytes)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise LexiconError("bad_file", "not a lexicon") from error
    except ValidationError as error:
        raise LexiconError("bad_file", f"{JSON}: {first_fault(error)}") from error
    except (ValueError, KeyError, zlib.error, struct.error) as error:
        if isinstance(error, LexiconError):
            raise
        raise LexiconError("bad_file", "a damaged lexicon") from error


def _read(archive: zipfile.ZipFile, max_bytes: int) -> Lexicon:
    entries = {info.filename: info for info in archive.infolist()}
    if any(info.compress_type not in PACKING for info in entries.values()):
        raise LexiconError("bad_file", "packed in another way than a lexicon is")
    if JSON not in entries or entries[JSON].file_size > MAX_JSON:
        raise LexiconError("bad_file", f"not a lexicon: no {JSON} in it")
    with archive.open(JSON) as entry:
        about = _File.model_validate_json(entry.read(MAX_JSON))
    examples = [example for sign in about.signs for example in sign.examples]
    frames = sum(example.frames for example in examples)
    if frames * POINTS * CHANNELS * 2 > max_bytes:
        raise LexiconError("bad_file", f"{frames} frames are more than a lexicon may have")

    def array(name: str, dtype: type[np.generic], *shape: int | None) -> Array:
        return _array(archive, entries.get(f"{name}.npy"), about.sha256.get(name), np.dtype(dtype), shape, max_bytes)

    t_ms = array("t_ms", np.float32, frames)
    keypoints = array("keypoints", np.float16, frames, POINTS, CHANNELS)
    probabilities = array("probabilities", np.float32, len(examples), None)
    embeddings = array("embeddings", np.float32, len(examples), None)
    if keypoints.size and np.abs(keypoints).max() > FARTHEST:
        raise LexiconError("bad_file", "keypoints: coordinates out of range")
    signs: dict[str, TaughtSign] = {}
    names = set[str]()
    at = row = 0
    for sign in about.signs:
        if checked_gloss(sign.gloss) != sign.gloss or folded(sign.gloss) in names:
            raise LexiconError(
                "bad_file", f"{JSON}: {sign.gloss!r} comes twice, or is not written as a gloss is stored"
            )
        names.add(folded(sign.gloss))
        taught = []
        for example in sign.examples:
            part = slice(at, at + example.frames)
            taught.append(_example(example, t_ms[part], keypoints[part], probabilities[row], embeddings[row]))
            at += example.frames
            row += 1
        signs[sign.gloss] = TaughtSign(sign.gloss, sign.language, tuple(taught))
    return Lexicon(about.name, about.bundle, about.model, signs)


def _example(about: _Example, t_ms: Array, keypoints: Array, probabilities: Array, embedding: Array) -> SignExample:
    if t_ms[0] != 0 or np.any(np.diff(t_ms) <= 0) or not about.start_ms <= about.end_ms <= t_ms[-1] <= MAX_MS:
        raise LexiconError("bad_file", "an example's times do not grow, are too long, or its sign lies outside it")
    return SignExample(  # copies, so that one example does not keep all the others in memory
        t_ms.astype(np.float32),
        keypoints.astype(np.float16),
        about.start_ms,
        about.end_ms,
        probabilities.astype(np.float32),
        embedding.astype(np.float32),
        about.source,
    )


def _array(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo | None,
    sha256: str | None,
    dtype: np.dtype[np.generic],
    shape: tuple[int | None, ...],
    max_bytes: int,
) -> Array:
    """An array of a known type and shape (None: any), of which nothing is unpacked before its header is checked."""
    if entry is None or sha256 is None:
        raise LexiconError("bad_file", "an array is missing")
    name = entry.filename
    with archive.open(entry) as file:
        found = _header(file, dtype)
        fits = len(found) == len(shape) and all(
            f == w or (w is None and f <= MAX_COLUMNS) for w, f in zip(shape, found, strict=True)
        )
        if not fits:
            raise LexiconError("bad_file", f"{name}: not of the type and the shape that {JSON} asks for")
        size = math.prod(found) * dtype.itemsize
        if size > max_bytes:
            raise LexiconError("bad_file", f"{name}: too large")
        if size > MAX_RATIO * entry.compress_size + MIN_SIZE:
            raise LexiconError("bad_file", f"{name}: packed more densely than keypoints can be")
        data = file.read(size + 1)
    if len(data) != size:
        raise LexiconError("bad_file", f"{name}: damaged")
    array: Array = np.frombuffer(data, dtype).reshape(found)  # type: ignore[assignment]
    if _sha256(array) != sha256 or not np.isfinite(array).all():
        raise LexiconError("bad_file", f"{name}: damaged, or changed")
    return array


def _header(file: IO[bytes], dtype: np.dtype[np.generic]) -> tuple[int, ...]:
    """The shape of an array of a type, in rows; empty for any other array.

    NumPy's own reader raises many errors over damaged headers, and reads more than what NumPy writes.
    """
    magic = file.read(len(MAGIC) + 2)
    header = HEADER.fullmatch(file.read(int.from_bytes(magic[len(MAGIC) :], "little")))
    if not magic.startswith(MAGIC) or header is None or header["type"].decode() != dtype.str:
        return ()
    return tuple(map(int, header["shape"].replace(b" ", b"").strip(b",").split(b",")))


def _sha256(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _joined(parts: list[Array], empty: tuple[int, ...], dtype: type[np.generic]) -> Array:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(empty, dtype)  # type: ignore[return-value]


def _stacked(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), np.float32)
