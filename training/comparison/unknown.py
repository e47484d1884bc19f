"""Signs that a model was never taught: how well they are told from known ones, and recognised from one example."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEXICONS = 40  # that each clip is looked up in


@dataclass(frozen=True, eq=False)
class UnknownSigns:
    """Clips of glosses outside the vocabulary, M of them, as a model read them.

    Attributes:
        glosses: (M,) the signed glosses.
        signers: (M,) who signs.
        probabilities: (M, V) of the vocabulary.
        embeddings: (M, D), of unit length.
    """

    glosses: NDArray[np.str_]
    signers: NDArray[np.str_]
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OpenOutcome:
    """One variant on the N known and M unknown signs of one fold, by all S seeds.

    Attributes:
        known: (S, N) probability of the likeliest gloss of the vocabulary.
        unknown: (S, M) the same.
        signers: (M,) index of who signs the unknown ones; indices are those of `FoldOutcome`.
        one_shot: (S, M) share of the lexicons in which a clip is recognised; NaN where nobody else signs its gloss.
    """

    known: Floats
    unknown: Floats
    signers: NDArray[np.int64]
    one_shot: Floats


def likeliest(probabilities: NDArray[np.float32], no_sign: int | None) -> Floats:
    """(N,) probability of the likeliest gloss, the class "no sign" left out; probabilities (N, V)."""
    glosses = probabilities if no_sign is None else np.delete(probabilities, no_sign, axis=1)
    return np.asarray(glosses.max(axis=1), float)


def one_shot(signs: UnknownSigns, seed: int) -> Floats:
    """(M,) share of `LEXICONS` lexicons in which each clip's gloss is the nearest; NaN where nobody else signs it.

    A lexicon has one example of every gloss that others sign, each by a random one of them. So whoever asks has taught
    nothing.
    """
    names, gloss_of = np.unique(signs.glosses, return_inverse=True)
    out = np.full(len(signs.glosses), np.nan)
    rng = np.random.default_rng(seed)
    for signer in np.unique(signs.signers):
        others = signs.signers != signer
        taught = [rows for g in range(len(names)) if len(rows := np.flatnonzero(others & (gloss_of == g)))]
        labels = np.array([gloss_of[rows[0]] for rows in taught], int)
        asked = np.flatnonzero(~others & np.isin(gloss_of, labels))
        if not len(asked):
            continue
        right = np.zeros(len(asked))
        for _ in range(LEXICONS):
            examples = signs.embeddings[[_anybody(rows, signs.signers, rng) for rows in taught]]
            nearest = labels[(signs.embeddings[asked] @ examples.T).argmax(axis=1)]
            right += nearest == gloss_of[asked]
        out[asked] = right / LEXICONS
    return out


def _anybody(rows: NDArray[np.intp], signers: NDArray[np.str_], rng: np.random.Generator) -> int:
    """One of the rows: a signer first, so that a prolific one does not teach everybody, then a clip."""
    who = rng.choice(np.unique(signers[rows]))
    return int(rng.choice(rows[signers[rows] == who]))


def auroc(known: Floats, unknown: Floats, known_weights: Floats, unknown_weights: Floats) -> Floats:
    """(B,) chance that a known clip scores above an unknown one, ties counted half.

    Args:
        known: (N,) scores.
        unknown: (M,) scores.
        known_weights: (B, N) how often each clip counts.
        unknown_weights: (B, M), likewise.
    """
    _, place = np.unique(np.concatenate([known, unknown]), return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    above = np.concatenate([known_weights, np.zeros_like(unknown_weights)], axis=1)[:, order]
    below = np.concatenate([np.zeros_like(known_weights), unknown_weights], axis=1)[:, order]
    above, below = (np.add.reduceat(weights, starts, axis=1) for weights in (above, below))
    won = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(won / (known_weights.sum(axis=1) * unknown_weights.sum(axis=1)))


def open_figures(outcome: OpenOutcome | None, weights: Floats, seeds: int) -> dict[str, Floats]:
    """`auroc` and `one_shot` (S, B) under weights (B, N + M) of known and unknown clips; NaN where there are none."""
    if outcome is None:
        nothing = np.full((seeds, len(weights)), np.nan)
        return {"auroc": nothing, "one_shot": nothing}
    known, unknown = np.split(weights, [outcome.known.shape[1]], axis=1)
    asked = ~np.isnan(outcome.one_shot[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        right = (outcome.one_shot[:, asked] @ unknown[:, asked].T) / unknown[:, asked].sum(axis=1)
    rows = [auroc(k, u, known, unknown) for k, u in zip(outcome.known, outcome.unknown, strict=True)]
    return {"auroc": np.stack(rows), "one_shot": right}
