"""The losses once more, from their definitions: plain loops over every pair, triplet and path."""

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def embeddings_and_labels(seed: int, *, batch: int = 12, size: int = 6, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(batch, size, generator=generator)
    return torch.nn.functional.normalize(raw, dim=1), torch.randint(0, classes, (batch,), generator=generator)


def weights_and_margins(seed: int, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Symmetric; some pairs of classes are not confusable."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(classes, classes, generator=generator)
    weights = (weights * (torch.rand(classes, classes, generator=generator) > 0.3)).triu(1)
    margins = 0.6 + torch.rand(classes, classes, generator=generator)
    return weights + weights.T, (margins + margins.T) / 2


def distance(a: Tensor, b: Tensor) -> float:
    return 1.0 - sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def separation(embeddings: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> float:
    total = weight_sum = 0.0
    for i, j in itertools.combinations(range(len(labels)), 2):
        weight = float(weights[labels[i], labels[j]])
        total += weight * max(0.0, float(margins[labels[i], labels[j]]) - distance(embeddings[i], embeddings[j]))
        weight_sum += weight
    return total / (weight_sum + 1e-6)


def hard_triplet(embeddings: Tensor, labels: Tensor, margin: float) -> float:
    terms = []
    for a in range(len(labels)):
        others = [i for i in range(len(labels)) if i != a]
        same = [distance(embeddings[a], embeddings[i]) for i in others if labels[i] == labels[a]]
        different = [distance(embeddings[a], embeddings[i]) for i in others if labels[i] != labels[a]]
        if same and different:
            hinges = [max(0.0, margin + p - n) for p, n in itertools.product(same, different)]
            terms.append(max(hinges))
    return sum(terms) / len(terms) if terms else 0.0


def softmax(row: Sequence[float]) -> list[float]:
    powers = [math.exp(x - max(row)) for x in row]
    return [p / sum(powers) for p in powers]


def paths(logits: Tensor, target: Sequence[int]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every sequence of frame labels that reads as `target`, and its probability; logits (T, C + 1), blank last."""
    p = [softmax(row) for row in logits.tolist()]
    blank = logits.shape[1] - 1
    for path in itertools.product(range(blank + 1), repeat=len(logits)):
        read = [label for label, _ in itertools.groupby(path) if label != blank]
        if read == list(target):
            yield path, math.prod(row[label] for row, label in zip(p, path, strict=True))


def ctc(logits: Tensor, target: Sequence[int]) -> float:
    total = sum(p for _, p in paths(logits, target))
    return -math.log(total) if total else 0.0


def best_path(logits: Tensor, target: Sequence[int]) -> list[int]:
    """For each frame of the likeliest path the position in the target, −1 for blank."""
    path, _ = max(paths(logits, target), key=lambda item: item[1])
    blank = logits.shape[1] - 1
    positions = []
    position = -1
    before = blank
    for label in path:
        if label != blank and label != before:
            position += 1
        positions.append(-1 if label == blank else position)
        before = label
    return positions


def segments(features: Tensor, positions: Sequence[int], target: Sequence[int]) -> list[tuple[Tensor, int]]:
    """Mean feature of each sign's frames, of length 1, with the sign; a sign without frames is left out."""
    means = []
    for position, sign in enumerate(target):
        if position not in positions:
            continue
        mean = torch.stack([f for f, p in zip(features, positions, strict=True) if p == position]).mean(dim=0)
        means.append((mean / mean.norm(), sign))
    return means
