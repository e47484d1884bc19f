"""Windows to probabilities with ONNX Runtime; the only module that imports it."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from glosscast.bundle import Array, Bundle, BundleError, Precision
from glosscast.clip import Window

# On logits. Other processors and providers sum in another order, and round coarse numbers to the other side.
GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "bf16": 0.2, "int8": 0.5}
OPENVINO = "OpenVINOExecutionProvider"
PREFERENCE = ("TensorrtExecutionProvider", "CUDAExecutionProvider", OPENVINO, "CPUExecutionProvider")  # best first
DEFAULT_PROVIDERS = ("CPUExecutionProvider",)

TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


class ProviderError(RuntimeError):
    """An execution provider was asked for and is not in use."""


def available_providers() -> list[str]:
    """The execution providers of this ONNX Runtime that compute here, best first."""
    return [name for name in PREFERENCE if name in ort.get_available_providers()]


def reason(error: Exception) -> str:
    """The first line of what ONNX Runtime says, without its tag, and what to do."""
    said = str(error).strip().split("\n", 1)[0].split(" : ", 3)[-1].rstrip(". ")
    if "opset" in said.lower():
        return f"{said}; install a newer ONNX Runtime, or export the bundle again with this version of Glosscast"
    return f"{said}; export the bundle again"


def provider_options(provider: str, precision: Precision) -> dict[str, str]:
    """What a provider is told. OpenVINO would choose bfloat16 by itself where the processor has it."""
    if provider != OPENVINO:
        return {}
    hint = "bf16" if precision == "bf16" else "f32"
    return {"device_type": "CPU", "load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": hint}})}


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
        precision = bundle.manifest.precision
        named = [(name, provider_options(name, precision)) for name in providers]
        if precision == "bf16" and providers[0] != OPENVINO:
            raise ProviderError(
                f"{bundle.path} is for bf16, which {providers[0]} cannot do: use {OPENVINO} or the fp32 bundle"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        try:
            self._session = ort.InferenceSession(str(bundle.model_path), options, providers=named)
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise BundleError(f"{bundle.model_path}: ONNX Runtime cannot load it: {reason(error)}") from error
        self.providers = tuple(self._session.get_providers())
        if self.providers[0] != providers[0]:
            raise ProviderError(f"asked for {providers[0]}, ONNX Runtime uses {self.providers[0]}")
        self._check_signature()
        self._check_golden()

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Probabilities (len(windows), classes)."""
        keypoints, mask = np.stack([w.keypoints for w in windows]), np.stack([w.mask for w in windows])
        logits = self.logits({"keypoints": keypoints, "mask": mask})
        exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), np.float32)

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
        logits = golden.pop("logits").astype(np.float32)
        difference = np.abs(self.logits(golden) - logits).max()
        allowed = GOLDEN_TOLERANCE[self.bundle.manifest.precision]
        if not difference <= allowed:
            raise BundleError(
                f"{self.bundle.model_path}: golden check failed: logits differ by {difference:.2g}, allowed is "
                f"{allowed:g}"
            )
