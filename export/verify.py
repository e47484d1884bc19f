"""Proof that a bundle computes what its torch model computes, on every execution provider of the machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.graph import Graph, graph_of, sample_inputs
from export.windows import cut, joined, load_clips, run_windows
from glosscast.bundle import Array, Bundle, load_bundle
from glosscast.manifest import Precision
from glosscast.providers import ProviderError, available_providers
from glosscast.recogniser import Recogniser
from training.config import Config
from training.data import Example
from training.evaluation.reading import WindowedClips
from training.models.checkpoint import Checkpoint, load_checkpoint

# On logits and embedding. Rounding to 8 bits moves logits by more than says anything: there the winners are compared.
TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "bf16": 2e-3, "int8": np.inf}
AGREEMENT: dict[Precision, float] = {"fp32": 0.0, "bf16": 0.0, "int8": 0.99}
RANDOM_WINDOWS = 16
CLIP_WINDOWS = 256  # of the clips, spread evenly over the file


@dataclass(frozen=True)
class ProviderComparison:
    """Torch against one provider on one kind of input.

    Attributes:
        provider: of ONNX Runtime; "stored" for the golden pair as it lies in the bundle.
        inputs: which windows.
        windows: how many.
        differences: the largest by output.
        agreement: share of windows (of steps, for sentences) with the same winner.
        passed: within the tolerances of the bundle's precision; NaN is not.
    """

    provider: str
    inputs: str
    windows: int
    differences: Mapping[str, float]
    agreement: float
    passed: bool


def verify(
    bundle_path: Path, checkpoint_path: Path, provider: str | None = None, clips: Path | None = None
) -> tuple[list[ProviderComparison], list[str]]:
    """Compare torch with ONNX Runtime on the golden input, on random windows alone and as a batch, and on real ones.

    Args:
        bundle_path: the bundle.
        checkpoint_path: the checkpoint that it was made from.
        provider: an execution provider, "openvino" for one; None takes all that are available.
        clips: an .npz file of real clips.

    Returns:
        What was compared, and which providers were left out and why.

    Raises:
        BundleError: the bundle cannot be loaded.
        CheckpointError: the checkpoint cannot be loaded.
        ProviderError: the named provider cannot be used, or none can.
        ValueError: the checkpoint belongs to another bundle, the clips cannot be used, or there are none for an int8
            bundle.
    """
    bundle, checkpoint = load_bundle(bundle_path), load_checkpoint(checkpoint_path)
    if checkpoint.kind == "continuous":
        checkpoint = replace(checkpoint, config=checkpoint.config.model_copy(update={"clip": bundle.manifest.clip}))
    graph = graph_of(checkpoint, bundle.manifest.temperature, bundle.manifest.background)
    check_same_model(bundle, checkpoint, graph, checkpoint_path)
    if bundle.manifest.precision == "int8" and clips is None:
        raise ValueError("an int8 bundle is judged by its readings of real clips: name some with --clips")
    windowed = None if clips is None else spread(cut(of_known_signs(clips, checkpoint.config), checkpoint.config))
    comparisons = [stored(bundle, graph)]
    left_out = []
    for name in available_providers() if provider is None else [full_name(provider)]:
        try:
            recogniser = Recogniser(bundle, [name])
        except ProviderError as error:
            if provider is not None:
                raise
            left_out.append(f"{name}: {error}")
            continue
        comparisons += compare(recogniser, graph, windowed)
    if len(comparisons) == 1:
        raise ProviderError("; ".join(left_out))
    return comparisons, left_out


def check_same_model(bundle: Bundle, checkpoint: Checkpoint, graph: Graph, path: Path) -> None:
    """A checkpoint of another model would only show differences.

    Raises:
        ValueError: it is of another one; says in what.
    """
    manifest, config = bundle.manifest, checkpoint.config
    for what, ours, theirs in (
        ("task", "isolated" if manifest.ctc is None else "continuous", checkpoint.kind),
        ("name", manifest.name, config.name),
        ("vocabulary", manifest.vocabulary, config.data.vocabulary),
        ("window", manifest.clip, config.clip),
        ("inputs", set(manifest.inputs), set(graph.inputs)),
        ("outputs", set(manifest.outputs), set(graph.outputs)),
    ):
        if ours != theirs:
            raise ValueError(
                f"{path}: of another model than {bundle.path}: its {what} differs; name the checkpoint that the bundle "
                "was exported from"
            )


def stored(bundle: Bundle, graph: Graph) -> ProviderComparison:
    """Torch against the logits of the golden pair."""
    golden = bundle.golden()
    logits = golden.pop("logits")
    return judge("stored", "golden", bundle, graph.run(golden), {"logits": logits})


def compare(recogniser: Recogniser, graph: Graph, windowed: WindowedClips | None) -> Iterator[ProviderComparison]:
    """Torch against one provider."""
    bundle = recogniser.bundle
    name = recogniser.providers[0]
    manifest = bundle.manifest
    outputs = [t.name for t in manifest.outputs]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(recogniser.outputs(inputs, outputs))

    golden = {key: value for key, value in bundle.golden().items() if key != "logits"}
    random = sample_inputs(manifest.inputs, manifest.clip, RANDOM_WINDOWS, seed=0)
    wanted = graph.run(random)
    yield judge(name, "golden", bundle, graph.run(golden), run(golden))
    yield judge(name, "random, one by one", bundle, wanted, one_by_one(run, random))
    yield judge(name, "random, as a batch", bundle, wanted, run(random))
    if windowed is not None:
        wanted, got = (run_windows(side, windowed, manifest.inputs) for side in (graph.run, run))
        yield judge(name, "clips", bundle, wanted, got)


def judge(
    provider: str, inputs: str, bundle: Bundle, wanted: Mapping[str, Array], got: Mapping[str, Array]
) -> ProviderComparison:
    """Hold the outputs `got` against those of torch."""
    precision = bundle.manifest.precision
    differences = {
        name: float(np.abs(np.subtract(wanted[name], value, dtype=np.float64)).max()) for name, value in got.items()
    }
    agreement = float((wanted["logits"].argmax(-1) == got["logits"].argmax(-1)).mean())
    # Random windows lie where nothing was learned: only on real ones do winners mean anything.
    agreed = inputs != "clips" or agreement >= AGREEMENT[precision]
    passed = agreed and all(d <= TOLERANCE[precision] for d in differences.values())
    return ProviderComparison(provider, inputs, len(got["logits"]), differences, agreement, passed)


def one_by_one(run: Callable[[Mapping[str, Array]], dict[str, Array]], inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of each window alone."""
    count = len(next(iter(inputs.values())))
    return joined([run({name: value[i : i + 1] for name, value in inputs.items()}) for i in range(count)])


def of_known_signs(clips: Path, config: Config) -> list[Example]:
    """The clips of signs that the model knows, or where a file has none of them all clips.

    What is read from a sign that a model does not know hangs by a hair.
    """
    examples = load_clips(clips, config)
    return [e for e in examples if not set(config.data.vocabulary).isdisjoint(e.glosses)] or examples


def spread(windowed: WindowedClips) -> WindowedClips:
    """At most `CLIP_WINDOWS` of the windows, from all over the file.

    Raises:
        ValueError: there is none, since nobody is in view.
    """
    count = len(windowed.windows)
    if count == 0:
        raise ValueError("nobody is in view in any of the clips")
    kept = np.unique(np.linspace(0, count - 1, min(count, CLIP_WINDOWS)).round().astype(int))
    return replace(
        windowed,
        windows=[windowed.windows[i] for i in kept],
        owners=[windowed.owners[i] for i in kept],
        weights=windowed.weights[:, kept],
    )


def full_name(provider: str) -> str:
    """An execution provider's name in ONNX Runtime; "openvino" is enough to say.

    Raises:
        ProviderError: it is not available.
    """
    available = available_providers()
    short = {name.removesuffix("ExecutionProvider").lower(): name for name in available}
    if provider in available:
        return provider
    if provider.lower() not in short:
        raise ProviderError(f"{provider} not available; this ONNX Runtime has {', '.join(short)}")
    return short[provider.lower()]


def table(comparisons: Sequence[ProviderComparison]) -> str:
    """Lines for people."""
    outputs = list(comparisons[-1].differences)
    heads = ["provider", "windows", "count", *(f"largest difference: {o}" for o in outputs), "same winner", ""]
    cells = [heads] + [
        [
            c.provider,
            c.inputs,
            str(c.windows),
            *(f"{c.differences[o]:.1e}" if o in c.differences else "" for o in outputs),
            f"{c.agreement:.1%}",
            "" if c.passed else "FAILED",
        ]
        for c in comparisons
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
