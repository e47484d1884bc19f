"""Gloss text, a sentence a line, and the n-gram that is counted in it; see `glosscast.sentences.language_model`.

Smoothing is the modified Kneser-Ney of Chen and Goodman, "An empirical study of smoothing techniques for language
modeling", 1999: of each count a discount is taken, and what is taken goes to what follows the shorter history. For
shorter histories, what is counted is before how many different glosses they and their successor were seen.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glosscast.sentences.language_model import LanguageModel, Successors
from training.data.example import DataError

Glosses = tuple[str, ...]
History = tuple[int, ...]
Counts = dict[History, Counter[int]]
FALLBACK = (0.5, 1.0, 1.5)  # discounts of texts so small that the counts do not give them


class Perplexity(NamedTuple):
    """How well a model expects a text.

    Attributes:
        value: e to the mean of −log p over its glosses and the ends of its sentences.
        glosses: how many glosses it has.
        unknown: how many of them are not in the model's vocabulary; these are not in the mean.
    """

    value: float
    glosses: int
    unknown: int


def read_gloss_text(paths: Iterable[Path]) -> list[Glosses]:
    """The sentences of text files: a line each, glosses with spaces between them; empty lines are left out.

    Raises:
        DataError: a file that is no text, or has no sentence.
        OSError: a file cannot be read.
    """
    sentences = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not a text in UTF-8") from error
        found = [tuple(line.split()) for line in lines if line.strip()]
        if not found:
            raise DataError(f"{path}: no sentence in it")
        sentences += found
    return sentences


def fit(sentences: Sequence[Glosses], glosses: Sequence[str], order: int) -> LanguageModel:
    """The n-gram of sentences.

    Args:
        sentences: at least one.
        glosses: the vocabulary; all other glosses are one.
        order: glosses of an n-gram, the last one included.
    """
    ids = {gloss: i for i, gloss in enumerate(glosses)}
    other, end, begin = len(ids), len(ids) + 1, len(ids) + 2
    counts: list[Counts] = [defaultdict(Counter) for _ in range(order)]
    for sentence in sentences:
        padded = [begin] * (order - 1) + [ids.get(gloss, other) for gloss in sentence] + [end]
        for place in range(order - 1, len(padded)):
            for length in range(order):
                counts[length][tuple(padded[place - length : place])][padded[place]] += 1
    for length in range(order - 1):
        counts[length] = _continuations(counts[length], counts[length + 1], begin)
    alone = _successors(counts[0])
    single = np.full(begin, alone.rests[0] / begin, np.float32)
    single[alone.words] += alone.shares
    return LanguageModel(tuple(glosses), single, [_successors(found) for found in counts[1:]])


def _continuations(counts: Counts, longer: Counts, begin: int) -> Counts:
    """In place of how often a gloss followed a history, before how many different glosses it did.

    Nothing comes before the beginning of a sentence, so histories that have it keep their counts.
    """
    found: Counts = defaultdict(Counter)
    for history, followed in longer.items():
        if history[1:2] != (begin,):
            found[history[1:]].update(dict.fromkeys(followed, 1))
    return found | {history: followed for history, followed in counts.items() if history[:1] == (begin,)}


def _successors(counts: Counts) -> Successors:
    """The shares and rests of histories of one length."""
    discounts = _discounts([n for followed in counts.values() for n in followed.values()])
    histories = sorted(counts)
    followed = [sorted(counts[history].items()) for history in histories]
    totals = [counts[history].total() for history in histories]
    taken = [[discounts[min(n, 3) - 1] for _, n in found] for found in followed]
    shares = [
        (n - d) / total
        for found, less, total in zip(followed, taken, totals, strict=True)
        for (_, n), d in zip(found, less, strict=True)
    ]
    return Successors(
        np.array(histories, np.int32),
        np.cumsum([0, *map(len, followed)]),
        np.array([word for found in followed for word, _ in found], np.int32),
        np.array(shares, np.float32),
        np.array([sum(less) / total for less, total in zip(taken, totals, strict=True)], np.float32),
    )


def _discounts(counts: Sequence[int]) -> tuple[float, float, float]:
    """What is taken of a count of 1, of 2, and of 3 or more."""
    once, twice, thrice, four = (counts.count(n) for n in (1, 2, 3, 4))
    if not (once and twice and thrice and four):
        return FALLBACK
    share = once / (once + 2 * twice)
    found = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice)
    return found if all(0 < d < n for n, d in enumerate(found, 1)) else FALLBACK


def perplexity(model: LanguageModel, sentences: Sequence[Glosses]) -> Perplexity:
    """How well a model expects sentences that it was not made of."""
    ids = {gloss: i for i, gloss in enumerate(model.glosses)}
    logarithms = []
    unknown = 0
    for sentence in sentences:
        labels = [ids.get(gloss, model.other) for gloss in sentence]
        unknown += labels.count(model.other)
        for place, label in enumerate([*labels, model.end]):
            if label != model.other:
                logarithms.append(model.following(labels[:place])[label])
    return Perplexity(float(np.exp(-np.mean(logarithms))), sum(map(len, sentences)), unknown)
