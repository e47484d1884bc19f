"""A bundle in a lower precision, refused where it reads people it never saw worse than the one it is made from.

int8 is static: each channel of a weight has a scale of its own, each activation one that is measured on training clips.
Both are in the graph as pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime, OpenVINO and TensorRT turn
into integer arithmetic. Scales are symmetric: TensorRT knows no others. Only operators with weights are quantised. bf16
leaves the graph as it is and has the provider compute in it.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static

from export.to_onnx import CHECKPOINT, whole_bundle, write_manifest
from export.verify import full_name
from export.windows import cut, in_batches, inputs_of, learned_from, never_seen, run_windows
from glosscast.bundle import Array, Bundle, load_bundle, sha256
from glosscast.manifest import GOLDEN, MODEL, MODEL_CARD, REPORT
from glosscast.probabilities import softmax
from glosscast.recogniser import Recogniser
from glosscast.report import PrecisionReport
from training.evaluation.reading import WindowedClips
from training.models.checkpoint import load_checkpoint

MAX_LOSS = 0.005  # of accuracy
MIN_AGREEMENT = 0.99
CALIBRATION_WINDOWS = 512
WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")
CARD = """
## Precision

This bundle computes in {precision}. Its model was measured against the float32 one on {clips} clips of people that the
model had not learned from: accuracy {accuracy:.1%} against {accuracy_fp32:.1%}, the same answer for {agreement:.1%} of
the clips.
"""


class GateError(ValueError):
    """The lower precision reads too much otherwise; nothing was written."""


def quantize(
    bundle_path: Path,
    out: Path,
    precision: Literal["bf16", "int8"],
    calibrate: Path | None,
    evaluate: Path,
    provider: str,
) -> PrecisionReport:
    """Write a bundle of lower precision, with the measurements in its report and card.

    Args:
        bundle_path: an fp32 bundle of isolated signs, its checkpoint in it.
        out: the new bundle's folder.
        precision: which.
        calibrate: an .npz file of training clips; for int8.
        evaluate: an .npz file of clips by signers that the model was not trained on, or with its held-out signers.
        provider: the execution provider to measure on.

    Raises:
        GateError: accuracy falls by more than `MAX_LOSS`, or fewer clips than `MIN_AGREEMENT` are read alike.
        ProviderError: the provider is not available or cannot compute in this precision.
        ValueError: the bundle or the clips are no such; bundle and checkpoint included.
    """
    bundle = load_bundle(bundle_path)
    checkpoint = load_checkpoint(bundle_path / CHECKPOINT)
    config = checkpoint.config
    if bundle.manifest.precision != "fp32" or bundle.manifest.task != "isolated":
        raise ValueError(f"{bundle_path}: only fp32 bundles of isolated signs are quantised")
    name = full_name(provider)
    with whole_bundle(out) as partial:
        for file in bundle.manifest.files:
            shutil.copyfile(bundle_path / file, partial / file)
        calibrated = 0
        if precision == "int8":
            if calibrate is None:
                raise ValueError("int8 takes its scales from training clips: name some with --calibrate")
            windowed = cut(learned_from(calibrate, config), config)
            calibrated = write_int8(bundle, windowed, partial)
        write_new_manifest(bundle, partial, precision)
        windowed = cut(never_seen(evaluate, config), config)
        report = measure(Recogniser(bundle, [name]), Recogniser(load_bundle(partial), [name]), windowed, calibrated)
        if report.accuracy < report.accuracy_fp32 - MAX_LOSS or report.agreement < MIN_AGREEMENT:
            raise GateError(
                f"{precision} refused: {describe(report)}; allowed are {100 * MAX_LOSS:g} points less and "
                f"{MIN_AGREEMENT:.0%} alike"
            )
        full = bundle.report.model_copy(update={"precision": report})
        (partial / REPORT).write_text(full.model_dump_json(indent=2) + "\n", encoding="utf-8")
        with (partial / MODEL_CARD).open("a", encoding="utf-8") as card:
            card.write(CARD.format(precision=precision, **report.model_dump()))
        write_new_manifest(bundle, partial, precision)
        load_bundle(partial)
    return report


def write_int8(bundle: Bundle, windowed: WindowedClips, folder: Path) -> int:
    """Write the int8 graph and its golden pair; returns how many windows its scales were measured on.

    Raises:
        ValueError: nobody is in view in the clips.
    """
    manifest = bundle.manifest
    count = len(windowed.windows)
    if count == 0:
        raise ValueError("nobody is in view in any of the clips for --calibrate")
    every = -(-count // CALIBRATION_WINDOWS)
    batches = in_batches(count)[::every]
    write_int8_graph(bundle.model_path, folder / MODEL, (inputs_of(windowed, b, manifest.inputs) for b in batches))
    golden = bundle.golden()
    session = InferenceSession(folder / MODEL, providers=["CPUExecutionProvider"])
    (golden["logits"],) = session.run(["logits"], {t.name: golden[t.name] for t in manifest.inputs})
    np.savez(folder / GOLDEN, **golden)
    return sum(len(windowed.windows[which]) for which in batches)


def write_int8_graph(graph: Path, out: Path, batches: Iterable[Mapping[str, Array]]) -> None:
    """Quantise a graph; the scales of its activations are measured on `batches` of its inputs."""
    with TemporaryDirectory() as scratch:
        prepared = Path(scratch) / MODEL
        quant_pre_process(graph, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            out,
            CalibrationBatches(batches),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes_with_weights(onnx.load(prepared)),
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
        )


def nodes_with_weights(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions and matrix products with learned weights; heatmaps, for one, are products of none."""
    learned = {tensor.name for tensor in model.graph.initializer}
    return [n.name for n in model.graph.node if n.op_type in WITH_WEIGHTS and n.input[1] in learned]


class CalibrationBatches(CalibrationDataReader):  # type: ignore[misc]
    """Hands batches to the quantiser, one after the other."""

    def __init__(self, batches: Iterable[Mapping[str, Array]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> Mapping[str, Array] | None:
        """The next batch, or None after the last one."""
        return next(self._batches, None)


def measure(reference: Recogniser, recogniser: Recogniser, windowed: WindowedClips, calibrated: int) -> PrecisionReport:
    """Read clips with both; one in which nobody is in view counts as wrong."""
    vocabulary = reference.bundle.manifest.vocabulary
    labels = np.array([vocabulary.index(e.gloss) for e in windowed.examples])
    wanted, got = (winners(model, windowed) for model in (reference, recogniser))
    return PrecisionReport(
        provider=recogniser.providers[0],
        calibrated=calibrated,
        clips=len(labels),
        signers=tuple(sorted({e.signer for e in windowed.examples})),
        accuracy_fp32=float((wanted == labels).mean()),
        accuracy=float((got == labels).mean()),
        agreement=float((wanted == got).mean()),
    )


def winners(recogniser: Recogniser, windowed: WindowedClips) -> Array:
    """The likeliest class of each clip, (N,), its windows pooled as the decoder does; −1 where nobody is in view."""

    def run(inputs: Mapping[str, Array]) -> dict[str, Any]:
        return {"logits": recogniser.logits(inputs)}

    logits = run_windows(run, windowed, recogniser.bundle.manifest.inputs)["logits"].astype(np.float64)
    pooled = windowed.weights @ softmax(logits)
    return np.where(windowed.weights.any(axis=1), pooled.argmax(axis=1), -1)


def write_new_manifest(bundle: Bundle, folder: Path, precision: Literal["bf16", "int8"]) -> None:
    """The manifest of the bundle made from `bundle`, whose version tells them apart."""
    files = {name: sha256(folder / name) for name in bundle.manifest.files}
    changes = {"version": f"{bundle.manifest.version}-{precision}", "precision": precision, "files": files}
    write_manifest(bundle.manifest.model_copy(update=changes), folder)


def describe(report: PrecisionReport) -> str:
    """The figures in words."""
    return (
        f"accuracy {report.accuracy:.2%} against {report.accuracy_fp32:.2%} in fp32 on {report.clips} clips of "
        f"{', '.join(report.signers)}, {report.agreement:.2%} of them read alike ({report.provider})"
    )
