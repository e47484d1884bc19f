"""The models in memory: one set serves any number of streams, one frame at a time.

LiteRT runs outside Python's global lock, so sets in several threads work at the same time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Semaphore

import numpy as np
from numpy.typing import NDArray

from glosscast.holistic import models
from glosscast.holistic.models import Model
from glosscast.video import RGB


class Network:
    """One model, on one thread of the CPU (XNNPACK).

    Args:
        model: which.
        folder: where the models lie.
        low: what a black pixel is to the model; a white one is 1.
    """

    def __init__(self, model: Model, folder: Path, low: float = 0.0) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=models.read(model, folder), num_threads=1)
        self._interpreter.allocate_tensors()
        (taken,) = self._interpreter.get_input_details()
        self._input: int = taken["index"]
        self._outputs: list[int] = [given["index"] for given in self._interpreter.get_output_details()]
        self._values = np.zeros(taken["shape"], np.float32)
        self._scale, self._low = np.float32((1 - low) / 255), np.float32(low)
        self.side = int(taken["shape"][1])

    def __call__(self, picture: RGB) -> list[NDArray[np.float32]]:
        """The model's outputs for a picture (side, side, 3)."""
        np.multiply(picture, self._scale, out=self._values[0])
        if self._low:
            self._values += self._low
        self._interpreter.set_tensor(self._input, self._values)
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index), np.float32) for index in self._outputs]


class Networks:
    """One of each model.

    Raises:
        ModelError: a model is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.pose_detection = Network(models.POSE_DETECTION, folder, low=-1)
        self.pose_landmark = Network(models.POSE_LANDMARK, folder)
        self.hand_recrop = Network(models.HAND_RECROP, folder)
        self.hand_landmark = Network(models.HAND_LANDMARK, folder)
        self.face_detection = Network(models.FACE_DETECTION, folder, low=-1)
        self.face_landmark = Network(models.FACE_LANDMARK, folder)


class NetworkPool:
    """Sets of models for as many threads as work at the same time, each made when first needed.

    Args:
        size: how many sets at most; a thread that finds none free waits for the end of another's frame.
        folder: where the models lie.
    """

    def __init__(self, size: int, folder: Path) -> None:
        self._permits = Semaphore(size)
        self._idle: list[Networks] = []
        self._folder = folder

    @contextmanager
    def lease(self) -> Iterator[Networks]:
        """A set of models for one frame.

        Raises:
            ModelError: a model is missing or damaged.
        """
        with self._permits:
            try:
                networks = self._idle.pop()
            except IndexError:
                networks = Networks(self._folder)
            try:
                yield networks
            finally:
                self._idle.append(networks)


@cache
def shared_networks() -> NetworkPool:
    """This process's sets of models, one for each core that it may use."""
    return NetworkPool(len(os.sched_getaffinity(0)), models.folder())
