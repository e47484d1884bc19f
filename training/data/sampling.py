"""The sampling of training clips, and the choice of those kept back to count confusions on."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.data.example import DataError, Example

MINING_SHARE = 10  # every tenth clip of a signer's gloss is kept back to count confusions on
ROUNDS = 5  # where confusions are counted on signers, each fifth of them has its turn


def draw_weights(
    examples: Sequence[Example],
    vocabulary: Sequence[str],
    share: float | None = None,
    no_sign: str | None = None,
) -> NDArray[np.float64]:
    """Drawing probability of each clip: signers of a gloss count alike, however many clips each gave.

    A gloss counts by the square root of its number of signers, so that common ones are seen more without drowning the
    rest.

    Args:
        examples: the clips.
        vocabulary: glosses; others are distractors.
        share: of the vocabulary's clips among those drawn, those of "no sign" left out; None lets a distractor count
            half of what a gloss does.
        no_sign: the vocabulary's class for hands that say nothing, if any.
    """
    clips = Counter((e.gloss, e.signer) for e in examples)
    signers = Counter(gloss for gloss, _ in clips)
    weight = np.array(
        [
            e.share * (1.0 if e.gloss in vocabulary else 0.5) / (np.sqrt(signers[e.gloss]) * clips[e.gloss, e.signer])
            for e in examples
        ]
    )
    known = np.array([e.gloss in vocabulary and e.gloss != no_sign for e in examples])
    if share is not None and known.any() and not known.all():
        for of_kind, wanted in ((known, share), (~known, 1.0 - share)):
            weight[of_kind] *= wanted / weight[of_kind].sum()
    return np.asarray(weight / weight.sum())


def gloss_weights(
    examples: Sequence[Example], vocabulary: Sequence[str], share: float | None = None, no_sign: str | None = None
) -> dict[str, float]:
    """How often a signer's sign is drawn for a stream, by its gloss, as `draw_weights` has it for clips.

    Returns:
        A weight for each gloss but `no_sign`.
    """
    pairs = {(e.gloss, e.signer): replace(e, share=1.0) for e in examples if e.gloss != no_sign}
    weights = draw_weights(list(pairs.values()), vocabulary, share)
    return {gloss: float(weight) for (gloss, _), weight in zip(pairs, weights, strict=True)}


def thinned(examples: Sequence[Example], most: int) -> list[Example]:
    """At most so many clips of each signer's gloss, spread over them, so that a prolific signer does not decide."""
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        places[example.gloss, example.signer].append(place)
    kept = [p[i] for p in places.values() for i in np.linspace(0, len(p) - 1, min(len(p), most)).round().astype(int)]
    return [examples[place] for place in sorted(kept)]


def batches(
    weights: NDArray[np.float64], clips: int, batch: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Indices of an epoch's batches.

    Drawing is systematic: a clip comes up as often as its weight says, plus or minus one, not by luck alone.
    """
    positions = (rng.random() + np.arange(clips)) / clips
    order = rng.permutation(len(weights))
    drawn = order[np.minimum(np.searchsorted(np.cumsum(weights[order]), positions), len(weights) - 1)]
    drawn = rng.permutation(drawn)
    for start in range(0, clips - batch + 1, batch):
        yield drawn[start : start + batch]


def split_mining(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Clips to learn from, and every tenth clip of each signer's gloss, or sentences, for counting confusions."""
    seen: dict[tuple[str, str], int] = {}
    training: list[Example] = []
    mining: list[Example] = []
    for example in examples:
        key = ("" if example.sentence else example.gloss, example.signer)
        seen[key] = seen.get(key, 0) + 1
        (mining if seen[key] % MINING_SHARE == 0 else training).append(example)
    return training, mining or training


def mining_rounds(examples: Sequence[Example], vocabulary: Sequence[str]) -> NDArray[np.intp]:
    """(N,) the round, below `ROUNDS`, in which each clip is counted on and not learned from: that of its signer.

    Signers of many glosses of the vocabulary are dealt out first, so that every round has clips of as many as possible.

    Raises:
        DataError: there are fewer signers than rounds.
    """
    glosses: defaultdict[str, set[str]] = defaultdict(set)
    for example in examples:
        glosses[example.signer].update({example.gloss} & set(vocabulary))
    if len(glosses) < ROUNDS:
        raise DataError(f"{len(glosses)} signers: counting confusions on signers takes {ROUNDS}")
    dealt = sorted(glosses, key=lambda signer: (-len(glosses[signer]), signer))
    turn = {signer: place % ROUNDS for place, signer in enumerate(dealt)}
    return np.array([turn[example.signer] for example in examples])
