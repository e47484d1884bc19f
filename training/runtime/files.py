"""Files that appear under their name when they are complete, and not at all otherwise."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from glosscast.faults import first_fault

M = TypeVar("M", bound=BaseModel)


def read_json(model: type[M], path: Path) -> M:
    """Read a JSON file of a model.

    Raises:
        ValueError: it is not one; names the file.
        OSError: it cannot be read.
    """
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, renamed to `path` at the end of the block; after an exception nothing is left of it.

    Raises:
        OSError: it cannot be written, for one because the disk is full; names the file.
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file, in UTF-8.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write an .npz file that appears under its name when it is complete, and not at all otherwise.

    Raises:
        OSError: it cannot be written; the incomplete file is removed.
    """
    with whole_file(path) as file:
        np.savez(file, **arrays)
