"""How far apart the glosses are that an adaptive loss separates: on the clips that were learned, and on left-out ones.

    python -m benchmarks.pair_distances runs/report/checkpoints/keypoints+adaptive*.fold0.pt --data DIR
    python -m benchmarks.pair_distances ADAPTIVE.pt --beside CROSS_ENTROPY.pt --data DIR

For each checkpoint of an adaptive loss, its pairs, weights and margins are those at the end of its training. Printed
are, as JSON, the share of the weights that is on pairs of the vocabulary, and the share of pairs of clips, one of each
gloss, whose embeddings are nearer than the margin, weighted as in the loss: a pair that is farther apart adds nothing
to it. `--beside` measures other checkpoints, one for each and of the same fold, on the same pairs. Clips are as they
are, without augmentation, at most `MOST` of each signer's gloss.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import AdaptiveConfig
from training.data import DataError, load_sets, split_by_signer
from training.data.sampling import thinned
from training.evaluation.reading import RecogniserReader, WindowedClips, window_clips
from training.losses.adaptive import weights_and_margins
from training.losses.confusion import ConfusionState
from training.models.checkpoint import Checkpoint, load_checkpoint
from training.runtime.checkpoint_file import CheckpointError

MOST = 4  # clips of a signer's gloss

Floats = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pair_distances", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoints", type=Path, nargs="+", help="of trainings with an adaptive loss")
    parser.add_argument("--beside", type=Path, nargs="+", default=[], help="one for each, of another loss")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    args = parser.parse_args(argv)
    if args.beside and len(args.beside) != len(args.checkpoints):
        parser.error("--beside takes as many checkpoints as there are before it")
    try:
        for place, path in enumerate(args.checkpoints):
            checkpoint = load_checkpoint(path)
            weights, margins = separated(checkpoint)
            clips = clips_of(checkpoint, args.data)
            row: dict[str, object] = {
                "checkpoint": path.name,
                "in_vocabulary": in_vocabulary(weights, len(checkpoint.config.data.vocabulary)),
                **shares(checkpoint, weights, margins, clips),
            }
            if args.beside:
                beside = load_checkpoint(args.beside[place])
                if beside.classes != checkpoint.classes or beside.config.data != checkpoint.config.data:
                    raise ValueError(f"{args.beside[place]}: of other clips than {path}")
                row |= {"beside": shares(beside, weights, margins, clips)}
            print(json.dumps(row))
    except (CheckpointError, DataError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def separated(checkpoint: Checkpoint) -> tuple[Floats, Floats]:
    """Weights and margins (C, C) of the pairs that the loss separates at the end of the training.

    Raises:
        ValueError: the checkpoint is of another loss.
    """
    config = checkpoint.config.loss.adaptive if checkpoint.kind == "isolated" else None
    if checkpoint.confusion is None or not isinstance(config, AdaptiveConfig):
        raise ValueError("not a checkpoint of isolated signs with the adaptive loss")
    state = ConfusionState(config, checkpoint.classes)
    state.similarity.copy_(checkpoint.confusion)
    weights, margins = weights_and_margins(config, state)
    return weights.double().numpy(), margins.double().numpy()


def in_vocabulary(weights: Floats, vocabulary: int) -> float:
    """Share of the weights (C, C) that is on pairs of the first `vocabulary` classes; NaN where there are no pairs."""
    total = weights.sum()
    return float(weights[:vocabulary, :vocabulary].sum() / total) if total else float("nan")


def clips_of(checkpoint: Checkpoint, data: Path) -> dict[str, WindowedClips]:
    """Clips of the classes, some of each signer's gloss: those `learned`, and those of signers who were `left_out`."""
    config = checkpoint.config
    known = [e for e in load_sets(config.data, data, config.model) if e.gloss in checkpoint.classes]
    parts = zip(("learned", "left_out"), split_by_signer(known, config.data.held_out), strict=True)
    return {name: window_clips(thinned(clips, MOST), config) for name, clips in parts}


def shares(
    checkpoint: Checkpoint, weights: Floats, margins: Floats, parts: Mapping[str, WindowedClips]
) -> dict[str, float]:
    """Share of pairs of clips nearer than the margin, weighted, in each part of `clips_of`."""
    return {name: nearer(*embedded(checkpoint, clips), weights, margins) for name, clips in parts.items()}


def embedded(checkpoint: Checkpoint, clips: WindowedClips) -> tuple[Floats, NDArray[np.intp]]:
    """Embeddings (N, D) of the clips in which somebody is seen, and their class ids (N,)."""
    embeddings = RecogniserReader(checkpoint)(clips).embeddings.astype(float)
    labels = np.array([checkpoint.classes.index(e.gloss) for e in clips.examples])
    seen = embeddings.any(axis=1)
    return embeddings[seen], labels[seen]


def nearer(embeddings: Floats, labels: NDArray[np.intp], weights: Floats, margins: Floats) -> float:
    """Weighted share of pairs of clips of two separated classes whose cosine distance is below their margin.

    Args:
        embeddings: (N, D) of unit length.
        labels: (N,) class ids.
        weights: (C, C), 0 for pairs that are not separated.
        margins: (C, C) cosine distances.

    Returns:
        NaN where no two clips are of such a pair.
    """
    distance = 1.0 - embeddings @ embeddings.T
    weight = np.triu(weights[np.ix_(labels, labels)], 1)
    near = distance < margins[np.ix_(labels, labels)]
    total = weight.sum()
    return float((weight * near).sum() / total) if total else float("nan")


if __name__ == "__main__":
    sys.exit(main())
