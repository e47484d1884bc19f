"""Measures of the overlap of glosses in a model's embeddings."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Overlap(NamedTuple):
    """The measures of one run's test clips, by cosine distance; NaN where no clip has them.

    Attributes:
        neighbour: share of clips whose nearest other clip has another gloss.
        stranger: share of clips whose nearest clip of another signer has another gloss; of the clips whose gloss
            another signer has signed too.
        silhouette: mean silhouette coefficient (Rousseeuw 1987) of the glosses, -1 to 1.
    """

    neighbour: float
    stranger: float
    silhouette: float


def overlap(embeddings: NDArray[np.float32], glosses: NDArray[np.str_], signers: NDArray[np.str_]) -> Overlap:
    """Overlap of N clips: embeddings (N, D) of unit length, glosses (N,) and signers (N,)."""
    distance = np.clip(1.0 - embeddings.astype(np.float64) @ embeddings.T, 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    same = glosses[:, None] == glosses
    foreign = signers[:, None] != signers
    return Overlap(
        _wrong_neighbours(distance, same, ~np.eye(len(glosses), dtype=bool)),
        _wrong_neighbours(distance, same, foreign),
        silhouette(distance, glosses),
    )


def _wrong_neighbours(distance: NDArray[np.float64], same: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> float:
    """Share of clips whose nearest allowed clip is not of the same gloss, of those that have an allowed one that is."""
    possible = (same & allowed).any(axis=1)
    if not possible.any():
        return float("nan")
    nearest = np.where(allowed, distance, np.inf).argmin(axis=1)
    return float(1.0 - same[np.arange(len(same)), nearest][possible].mean())


def silhouette(distance: NDArray[np.float64], labels: NDArray[np.str_]) -> float:
    """Mean silhouette coefficient from distances (N, N); a clip alone with its label counts 0. NaN with one label."""
    names, index = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return float("nan")
    member = np.eye(len(names))[index]
    size = member.sum(axis=0)
    sums = distance @ member  # (N, labels)
    rows = np.arange(len(labels))
    own = size[index]
    inside = sums[rows, index] / np.maximum(own - 1, 1)
    means = sums / size
    means[rows, index] = np.inf
    outside = means.min(axis=1)
    widths = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(own > 1, widths, 0.0).mean())
