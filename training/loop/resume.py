"""The file that an interrupted training goes on from, with everything that its rest depends on."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.plugins import CheckpointIO

from training.runtime.checkpoint_file import CheckpointError, write_checkpoint


class ResumeFile(CheckpointIO):
    """Writes the trainer's state whole or not at all, and reads it only for the run that it was made by.

    Attributes:
        identity: what must be alike for a run to go on as if it had never stopped, by name; plain values.
    """

    def __init__(self, identity: Mapping[str, Any]) -> None:
        self.identity = dict(identity)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write to `path`.

        Raises:
            OSError: it cannot be written; names the file.
        """
        write_checkpoint({**checkpoint, "identity": self.identity}, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read `path`, which holds tensors and plain values only, so that nothing in the file is executed.

        Raises:
            CheckpointError: missing, unreadable, or of another run; names the file and what differs.
        """
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: no such file: there is nothing to resume")
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            identity = dict(content["identity"])
        except Exception as error:
            raise CheckpointError(f"{path}: not a readable file of an interrupted training") from error
        differ = [name for name in self.identity if identity.get(name) != self.identity[name]]
        if differ:
            raise CheckpointError(f"{path}: made with another {', another '.join(differ)}: cannot be resumed")
        return content

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete `path`."""
        Path(path).unlink()


def random_states() -> dict[str, Any]:
    """States of the generators that dropout and libraries draw from in this process, as plain values and tensors."""
    numpy: Any = np.random.get_state(legacy=False)
    numpy["state"]["key"] = numpy["state"]["key"].tolist()
    states = {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Any]) -> None:
    """Put back what `random_states` gave."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
