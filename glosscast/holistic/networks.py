"""The models in memory: one set serves any number of streams, one frame at a time.

LiteRT runs outside Python's global lock, so sets in several threads work at the same time.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock, Semaphore
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glosscast.holistic import models
from glosscast.holistic.int8 import in_int8
from glosscast.holistic.models import Model
from glosscast.video import RGB


class Network:
    """One model on the CPU (XNNPACK).

    Args:
        model: which.
        folder: where the models lie.
        low: the model's value of a black pixel; that of a white one is 1.
        threads: that compute it together; the same bits whatever their number.
        exact: compute it in fp32, and not its `int8` operators in int8.

    Attributes:
        side: of the pictures that it takes, pixels.

    Raises:
        ModelError: the model is missing or damaged.
    """

    def __init__(self, model: Model, folder: Path, low: float = 0.0, threads: int = 1, exact: bool = True) -> None:
        self._content = models.read(model, folder)
        if model.int8 is not None and not exact:
            self._content = in_int8(self._content, model.int8)
        self._scale = np.float32((1 - low) / 255)
        self._low = np.float32(low)
        self._threads = threads
        self._runs: dict[int, _Run] = {}  # by how many pictures they take at once
        self.side = int(self._run(1).shape[1])

    def __call__(self, *pictures: RGB) -> list[NDArray[np.float32]]:
        """The model's outputs, each with one row for each picture (side, side, 3)."""
        run = self._run(len(pictures))
        values = run.interpreter.tensor(run.input)()
        for row, picture in zip(values, pictures, strict=True):
            np.multiply(picture, self._scale, out=row)
        if self._low:
            values += self._low
        del row, values  # LiteRT does not run while anyone holds its memory
        run.interpreter.invoke()
        return [np.asarray(run.interpreter.get_tensor(index), np.float32) for index in run.outputs]

    def _run(self, pictures: int) -> "_Run":
        if pictures not in self._runs:
            self._runs[pictures] = _Run(self._content, pictures, self._threads)
        return self._runs[pictures]


class _Run:
    """A model set up for a number of pictures at once."""

    def __init__(self, content: bytes, pictures: int, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_content=content, num_threads=threads)
        (taken,) = self.interpreter.get_input_details()
        self.shape = (pictures, *taken["shape"][1:])
        self.input: int = taken["index"]
        self.interpreter.resize_tensor_input(self.input, self.shape)
        self.interpreter.allocate_tensors()
        self.outputs: list[int] = [given["index"] for given in self.interpreter.get_output_details()]


class Networks:
    """One of each model; see `Network`.

    Raises:
        ModelError: a model is missing or damaged.
    """

    def __init__(self, folder: Path, threads: int = 1, exact: bool = True) -> None:
        self.pose_detection = Network(models.POSE_DETECTION, folder, -1, threads)
        self.pose_landmark = Network(models.POSE_LANDMARK, folder, 0, threads)
        self.hand_recrop = Network(models.HAND_RECROP, folder, 0, threads)
        # Takes both hands at once, in 0.92 of the time of one after the other, and gives the same, bit for bit. The
        # re-crop model does not: its second picture would come out wrong.
        self.hand_landmark = Network(models.HAND_LANDMARK, folder, 0, threads, exact)
        self.face_detection = Network(models.FACE_DETECTION, folder, -1, threads)
        self.face_landmark = Network(models.FACE_LANDMARK, folder, 0, threads)


class View(NamedTuple):
    """A frame and the models that look at it."""

    rgb: RGB
    networks: Networks


class NetworkPool:
    """Sets of models for as many threads as work at the same time.

    To make one takes as long as several frames, so a tracker has one made before its first frame (`prepare`).

    Args:
        size: how many sets at most are at work; a thread that finds none free waits for the end of another's frame.
        folder: where the models lie.
        threads: that compute a frame while no other frame is worked on. Otherwise one does: with more, they would only
            wait for each other's cores.
    """

    def __init__(self, size: int, folder: Path, threads: int = 1) -> None:
        self._permits = Semaphore(size)
        self._size = size
        self._folder = folder
        self._threads = threads
        self._lock = Lock()
        self._making = Lock()
        self._working = 0
        # By whether they are exact, and by their threads.
        self._idle = defaultdict[tuple[bool, int], list[Networks]](list)
        self._made = Counter[tuple[bool, int]]()

    def prepare(self, exact: bool = True) -> None:
        """Make a set for one more tracker, unless there is one for each thread.

        Args:
            exact: see `Network`.

        Raises:
            ModelError: a model is missing or damaged.
        """
        with self._making:  # one after the other: more at once would be no faster
            alone, shared = (exact, self._threads), (exact, 1)
            if not self._made[alone]:
                self._idle[alone].append(self._new(alone))
            elif self._made[shared] < self._size:
                self._idle[shared].append(self._new(shared))

    @contextmanager
    def lease(self, exact: bool = True) -> Iterator[Networks]:
        """A set of models for one frame.

        Args:
            exact: see `Network`.

        Raises:
            ModelError: a model is missing or damaged.
        """
        with self._permits:
            with self._lock:
                kind = (exact, 1 if self._working else self._threads)
                self._working += 1
            try:
                networks = self._take(kind)
                try:
                    yield networks
                finally:
                    self._idle[kind].append(networks)
            finally:
                with self._lock:
                    self._working -= 1

    def _take(self, kind: tuple[bool, int]) -> Networks:
        try:
            return self._idle[kind].pop()
        except IndexError:
            with self._making:
                return self._new(kind)

    def _new(self, kind: tuple[bool, int]) -> Networks:
        exact, threads = kind
        networks = Networks(self._folder, threads, exact)
        self._made[kind] += 1
        return networks


@cache
def shared_networks(threads: int = 1) -> NetworkPool:
    """This process's sets of models, as many as the cores that it may use, for frames of so many threads each."""
    cores = len(os.sched_getaffinity(0))
    return NetworkPool(cores, models.folder(), min(threads, cores))
