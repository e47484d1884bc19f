"""Windows to readouts with ONNX Runtime: probabilities and embeddings, or the probabilities of steps."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Array, Bundle, BundleError
from glosscast.clip import Window
from glosscast.manifest import Precision
from glosscast.probabilities import softmax
from glosscast.providers import GraphError, open_session

# On logits. Other processors and providers sum in another order, and round coarse numbers to the other side.
GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "bf16": 0.2, "int8": 0.5}
TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
MAX_RUN = 64  # windows in one run of the graph; more are read in several
MAX_PICTURES_RUN = 8  # windows of pictures: at 224 px each has 5 MB as it comes, and hundreds within the graph


class Recogniser:
    """A loaded model. Safe to call from several threads at once.

    Args:
        bundle: a checked bundle.
        providers: ONNX Runtime execution providers, best first; none takes the best that works. See
            `glosscast.providers`, also for `threads`.
        threads: threads of one inference; 0 takes all cores but one.
        precision: the precision in which the provider computes; None takes the bundle's.

    Attributes:
        providers: in use, best first.
        precision: the precision in which they compute.

    Raises:
        ProviderError: a named provider is not available, not in use, or cannot compute in the precision.
        BundleError: the graph cannot be loaded, differs from the manifest, or fails the golden check.
    """

    def __init__(
        self, bundle: Bundle, providers: Sequence[str] = (), threads: int = 0, precision: Precision | None = None
    ) -> None:
        self.bundle = bundle
        self.precision: Precision = precision or bundle.manifest.precision
        try:
            self._session = open_session(bundle.model_path, providers, self.precision, threads)
        except GraphError as error:
            raise BundleError(f"{bundle.model_path}: {error}; export the bundle again") from error
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        self._check_signature()
        self._buffers = _Buffers(self._session, bundle)
        self._check_golden()

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Probabilities (len(windows), classes), of a bundle of single signs.

        Raises:
            ValueError: the model looks at pictures, and a window has none.
        """
        return self.readout(windows)[:, : len(self.bundle.vocabulary)]

    def readout(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Probabilities and, where the graph gives one, the embedding: (len(windows), classes + D).

        A model with CTC gives the probabilities of its steps, the blank last in each: (len(windows), steps · (glosses +
        1)).

        Raises:
            ValueError: the model looks at pictures, and a window has none.
        """
        most = self._buffers.most
        parts = [self._buffers.readout(windows[i : i + most]) for i in range(0, len(windows), most)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def logits(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """The graph itself: the manifest's inputs by name, N windows each, to logits (N, …)."""
        return self.outputs(inputs, ("logits",))["logits"]

    def outputs(self, inputs: Mapping[str, Array], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Any of the manifest's outputs by name, for the same inputs as `logits`."""
        values = self._session.run(list(names), dict(inputs))
        return {name: np.asarray(value, np.float32) for name, value in zip(names, values, strict=True)}

    def _check_signature(self) -> None:
        manifest = self.bundle.manifest
        for field, specs, nodes in (
            ("inputs", manifest.inputs, self._session.get_inputs()),
            ("outputs", manifest.outputs, self._session.get_outputs()),
        ):
            graph = {node.name: (*node.shape, TYPES.get(node.type, node.type)) for node in nodes}
            said = {spec.name: (*spec.shape, spec.dtype) for spec in specs}
            for name in [*said, *(set(graph) - set(said) if field == "inputs" else ())]:
                if graph.get(name) != said.get(name):
                    raise BundleError(
                        f"{self.bundle.model_path}: {field}: {name} is {graph.get(name)} in the graph and "
                        f"{said.get(name)} in the manifest; export the bundle again"
                    )

    def _check_golden(self) -> None:
        """Also warms the session up."""
        golden = self.bundle.golden()
        wanted = golden.pop("logits").astype(np.float32)
        difference = np.abs(self.logits(golden) - wanted).max()
        allowed = GOLDEN_TOLERANCE[self.precision]
        if not difference <= allowed:
            raise BundleError(
                f"{self.bundle.model_path}: golden check failed on {self.providers[0]} in {self.precision}: logits "
                f"differ by {difference:.2g}, allowed is {allowed:g}; export the bundle again or take another provider"
            )


class _Buffers(threading.local):
    """A thread's own arrays for windows and outputs, bound to the session once for each number of windows.

    Windows are copied once, into a batch of the graph's inputs; ONNX Runtime reads that and writes the outputs in
    place.

    Attributes:
        most: windows in one run.
    """

    def __init__(self, session: Any, bundle: Bundle) -> None:
        self._session = session
        self.most = MAX_RUN if bundle.crop is None else MAX_PICTURES_RUN
        self._inputs = {
            spec.name: np.empty((self.most, *map(int, spec.shape[1:])), spec.dtype) for spec in bundle.manifest.inputs
        }
        self._outputs = {
            spec.name: np.empty((self.most, *map(int, spec.shape[1:])), np.float32)
            for name in ("logits", "embedding")
            for spec in bundle.manifest.outputs
            if spec.name == name
        }
        self._bindings: dict[int, Any] = {}

    def readout(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """See `Recogniser.readout`; of at most `most` windows."""
        count = len(windows)
        for name, batch in self._inputs.items():
            if name == "frames":
                _stack_pictures(windows, batch)
            else:
                for window, row in zip(windows, batch, strict=False):  # np.stack takes a third longer
                    row[:] = window.keypoints if name == "keypoints" else window.mask
        if count not in self._bindings:
            self._bindings[count] = self._bind(count)
        self._session.run_with_iobinding(self._bindings[count])
        logits, *embedding = (output[:count] for output in self._outputs.values())
        return np.concatenate([softmax(logits).reshape(count, -1), *embedding], axis=1)

    def _bind(self, count: int) -> Any:
        binding = self._session.io_binding()
        for name, batch in self._inputs.items():
            binding.bind_cpu_input(name, batch[:count])
        for name, output in self._outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, output[:count].shape, output.ctypes.data)
        return binding


def _stack_pictures(windows: Sequence[Window], batch: NDArray[Any]) -> None:
    """Copy the pictures of windows into the first rows of a batch (N, T, S, S, 3)."""
    for window, row in zip(windows, batch, strict=False):
        if window.frames is None:
            raise ValueError("the model looks at pictures, and a window has none")
        np.stack(window.frames, out=row)
