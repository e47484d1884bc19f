"""Windows to probabilities with ONNX Runtime; the only module that imports it."""

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from glosscast.bundle import Bundle, BundleError
from glosscast.clip import Window

GOLDEN_TOLERANCE = 1e-3  # on logits; other processors and providers sum in another order
DEFAULT_PROVIDERS = ("CPUExecutionProvider",)


class ProviderError(RuntimeError):
    """An execution provider was asked for and is not in use."""


class Recogniser:
    """A loaded model. Safe to call from several threads at once.

    Args:
        bundle: a checked bundle.
        providers: ONNX Runtime execution providers, best first. All must be available and the first must really be in
            use: ONNX Runtime falls back to the CPU without an error.
        threads: threads of one inference; 0 lets ONNX Runtime take one per core.

    Raises:
        ProviderError: a provider is not available, or the session does not use the first one.
        BundleError: the graph cannot be loaded, differs from the manifest, or fails the golden check.
    """

    def __init__(self, bundle: Bundle, providers: Sequence[str] = DEFAULT_PROVIDERS, threads: int = 0) -> None:
        self.bundle = bundle
        absent = set(providers) - set(ort.get_available_providers())
        if absent:
            raise ProviderError(
                f"{', '.join(sorted(absent))} not available; "
                f"this ONNX Runtime has {', '.join(ort.get_available_providers())}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        try:
            self._session = ort.InferenceSession(str(bundle.model_path), options, providers=list(providers))
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise BundleError(f"{bundle.model_path}: ONNX Runtime cannot load it") from error
        self.providers = tuple(self._session.get_providers())
        if self.providers[0] != providers[0]:
            raise ProviderError(f"asked for {providers[0]}, ONNX Runtime uses {self.providers[0]}")
        self._check_signature()
        self._check_golden()

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Probabilities (len(windows), classes)."""
        logits = self.logits(np.stack([w.keypoints for w in windows]), np.stack([w.mask for w in windows]))
        exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), np.float32)

    def logits(self, keypoints: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
        """The graph itself: (N, T, 171, 4) and (N, T) to (N, classes)."""
        return self.outputs(keypoints, mask, ("logits",))["logits"]

    def outputs(
        self, keypoints: NDArray[np.float32], mask: NDArray[np.float32], names: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Any of the manifest's outputs by name, for the same inputs as `logits`."""
        values = self._session.run(list(names), {"keypoints": keypoints, "mask": mask})
        return {name: np.asarray(value, np.float32) for name, value in zip(names, values, strict=True)}

    def _check_signature(self) -> None:
        manifest = self.bundle.manifest
        for field, specs, nodes in (
            ("inputs", manifest.inputs, self._session.get_inputs()),
            ("outputs", manifest.outputs, self._session.get_outputs()),
        ):
            graph = {node.name: tuple(node.shape) for node in nodes}
            for spec in specs:
                if graph.get(spec.name) != spec.shape:
                    raise BundleError(
                        f"{self.bundle.model_path}: {field}: {spec.name} is {graph.get(spec.name)} in the graph and "
                        f"{spec.shape} in the manifest"
                    )

    def _check_golden(self) -> None:
        """Also warms the session up."""
        golden = self.bundle.golden()
        difference = np.abs(self.logits(golden["keypoints"], golden["mask"]) - golden["logits"]).max()
        if not difference <= GOLDEN_TOLERANCE:
            raise BundleError(
                f"{self.bundle.model_path}: golden check failed: logits differ by {difference:.2g}, allowed is "
                f"{GOLDEN_TOLERANCE:g}"
            )
