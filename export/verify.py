"""Proof that a bundle computes what its torch model computes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.to_onnx import ExportGraph, graph_of, sample_input
from glosscast.bundle import load_bundle
from glosscast.recogniser import Recogniser
from training.checkpoint import load_checkpoint

Floats = NDArray[np.float32]

TOLERANCE = 1e-4  # on logits and embedding, float32
OUTPUTS = ("logits", "embedding")
RANDOM_WINDOWS = 16


@dataclass(frozen=True)
class Comparison:
    """Largest difference of one output on one kind of input."""

    name: str
    windows: int
    difference: float

    @property
    def passed(self) -> bool:
        """Within tolerance; NaN is not."""
        return self.difference <= TOLERANCE


def verify(bundle_path: Path, checkpoint_path: Path) -> list[Comparison]:
    """Compare torch with ONNX Runtime on the golden input and on random windows, one by one and as a batch.

    Raises:
        BundleError: the bundle cannot be loaded.
        CheckpointError: the checkpoint cannot be loaded.
        ValueError: the checkpoint belongs to another bundle.
    """
    bundle = load_bundle(bundle_path)
    checkpoint = load_checkpoint(checkpoint_path)
    if checkpoint.config.data.vocabulary != bundle.manifest.vocabulary:
        raise ValueError(f"{checkpoint_path}: its vocabulary is not that of {bundle_path}")
    recogniser, graph = Recogniser(bundle), graph_of(checkpoint)
    golden = bundle.golden()
    windows, masks = (t.numpy() for t in sample_input(RANDOM_WINDOWS, bundle.manifest.clip.frames, seed=0))
    wanted, wanted_golden = run_torch(graph, windows, masks), run_torch(graph, golden["keypoints"], golden["mask"])
    stored = _difference(wanted_golden["logits"], golden["logits"])
    comparisons = [Comparison("golden, torch against stored logits", 1, stored)]
    for name in OUTPUTS:
        runs = {
            "golden": (wanted_golden, recogniser.outputs({n: golden[n] for n in ("keypoints", "mask")}, OUTPUTS)),
            "random, one by one": (wanted, one_by_one(recogniser, windows, masks)),
            "random, as a batch": (wanted, recogniser.outputs({"keypoints": windows, "mask": masks}, OUTPUTS)),
        }
        for title, (torch_side, onnx_side) in runs.items():
            difference = _difference(torch_side[name], onnx_side[name])
            comparisons.append(Comparison(f"{title}, {name}", len(onnx_side[name]), difference))
    return comparisons


def run_torch(graph: ExportGraph, keypoints: Floats, mask: Floats) -> dict[str, Floats]:
    """The torch side of a comparison."""
    with torch.no_grad():
        outputs = graph(torch.from_numpy(keypoints), torch.from_numpy(mask))
    return {name: value.numpy() for name, value in zip(OUTPUTS, outputs, strict=True)}


def one_by_one(recogniser: Recogniser, keypoints: Floats, mask: Floats) -> dict[str, Floats]:
    """ONNX Runtime on each window alone."""
    parts = [
        recogniser.outputs({"keypoints": keypoints[i : i + 1], "mask": mask[i : i + 1]}, OUTPUTS)
        for i in range(len(keypoints))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in OUTPUTS}


def _difference(a: Floats, b: Floats) -> float:
    return float(np.abs(a - b).max())
