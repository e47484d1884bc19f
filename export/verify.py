"""Proof that a bundle computes what its torch model computes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from export.to_onnx import graph_of, sample_input
from glosscast.bundle import load_bundle
from glosscast.recogniser import Recogniser
from training.checkpoint import load_checkpoint

TOLERANCE = 1e-4  # on logits, float32
RANDOM_WINDOWS = 16


@dataclass(frozen=True)
class Comparison:
    """Largest difference of logits on one kind of input."""

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
    keypoints, mask = sample_input(RANDOM_WINDOWS, bundle.manifest.clip.frames, seed=0)
    with torch.no_grad():
        wanted, _ = graph(keypoints, mask)
        wanted_golden, _ = graph(torch.from_numpy(golden["keypoints"]), torch.from_numpy(golden["mask"]))
    batch = recogniser.logits(keypoints.numpy(), mask.numpy())
    single = np.concatenate(
        [recogniser.logits(keypoints[i : i + 1].numpy(), mask[i : i + 1].numpy()) for i in range(RANDOM_WINDOWS)]
    )
    return [
        Comparison("golden, torch against stored", 1, _difference(wanted_golden.numpy(), golden["logits"])),
        Comparison(
            "golden, torch against ONNX Runtime",
            1,
            _difference(wanted_golden.numpy(), recogniser.logits(golden["keypoints"], golden["mask"])),
        ),
        Comparison("random, one by one", RANDOM_WINDOWS, _difference(wanted.numpy(), single)),
        Comparison("random, as a batch", RANDOM_WINDOWS, _difference(wanted.numpy(), batch)),
    ]


def _difference(a: np.ndarray, b: np.ndarray) -> float:  # type: ignore[type-arg]
    return float(np.abs(a - b).max())
