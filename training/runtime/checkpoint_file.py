"""The common part of checkpoint files: the error of one that cannot be used, and writing."""

from io import BytesIO
from pathlib import Path

import torch

from training.runtime.files import whole_file


class CheckpointError(ValueError):
    """A checkpoint file is not one of ours; the message names the file."""


def write_checkpoint(content: object, path: Path) -> None:
    """`torch.save` to `path`, whole or not at all: a file of that name that was there stays until the new one is safe.

    Raises:
        OSError: it cannot be written, for one because the disk is full; names the file.
    """
    buffer = BytesIO()  # torch's own writer tells of a full disk by a RuntimeError without a reason
    torch.save(content, buffer)
    with whole_file(path) as file:
        file.write(buffer.getbuffer())
