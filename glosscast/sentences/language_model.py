"""A language model over glosses: an interpolated n-gram, as an .npz file without pickled objects.

The probability of a gloss w after the history h is

    p(w | h) = share(h, w) + rest(h) · p(w | h without its first gloss)

where a history that was not seen has share 0 and rest 1. `training/data/gloss_text.py` finds shares and rests by
modified Kneser-Ney smoothing.

Ids are the glosses' own, then one for all other glosses, the end of a sentence, and, in histories, its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

MAX_ORDER = 5
CACHED = 4096  # histories of one model whose successors are kept


@dataclass(frozen=True, eq=False)
class Successors:
    """What follows the histories of one length.

    Attributes:
        histories: (M, n - 1) ids.
        starts: (M + 1,) where the successors of each history lie in the next two.
        words: (K,) ids.
        shares: (K,) share(h, w).
        rests: (M,) rest(h).
    """

    histories: NDArray[np.int32]
    starts: NDArray[np.int64]
    words: NDArray[np.int32]
    shares: NDArray[np.float32]
    rests: NDArray[np.float32]

    def check(self, length: int, ids: int) -> None:
        """Check that arrays fit each other.

        Raises:
            ValueError: they do not.
        """
        histories, found = len(self.histories), len(self.words)
        if self.histories.shape != (histories, length) or self.rests.shape != (histories,):
            raise ValueError(f"the histories of {length} glosses have another shape")
        if self.starts.shape != (histories + 1,) or self.shares.shape != (found,) or self.words.shape != (found,):
            raise ValueError(f"the successors of {length} glosses have another shape")
        if self.starts[0] != 0 or self.starts[-1] != found or np.any(np.diff(self.starts) < 0):
            raise ValueError(f"the successors of {length} glosses are not in order")
        if not all(np.all((part >= 0) & (part <= ids)) for part in (self.histories, self.words)):
            raise ValueError(f"after {length} glosses there is an id that no gloss has")
        if not all(np.all((part >= 0) & (part <= 1)) for part in (self.shares, self.rests)):
            raise ValueError(f"after {length} glosses there is a number that is no probability")


class LanguageModel:
    """A checked model.

    Args:
        glosses: the vocabulary; a gloss's id is its place.
        single: (len(glosses) + 2,) probabilities without a history, of the glosses, all others, and the end.
        longer: for each further gloss of history, what follows.

    Raises:
        ValueError: arrays that do not fit each other.
    """

    def __init__(self, glosses: Sequence[str], single: NDArray[np.float32], longer: Sequence[Successors]) -> None:
        self.glosses = tuple(glosses)
        self.single = single
        self.longer = tuple(longer)
        if len(set(self.glosses)) != len(self.glosses) or single.shape != (len(self.glosses) + 2,):
            raise ValueError("the glosses and their probabilities do not fit each other")
        if not (np.all(single > 0) and abs(float(single.sum()) - 1.0) < 1e-3):
            raise ValueError("the probabilities of single glosses are none")
        if self.order > MAX_ORDER:
            raise ValueError(f"order {self.order} is above {MAX_ORDER}")
        for length, successors in enumerate(self.longer, 1):
            successors.check(length, self.begin)
        self._places = [{tuple(h): i for i, h in enumerate(s.histories.tolist())} for s in self.longer]
        self._cached = lru_cache(CACHED)(self._following)

    @property
    def order(self) -> int:
        """Glosses of an n-gram, the last one included."""
        return len(self.longer) + 1

    @property
    def other(self) -> int:
        """Id of all glosses outside the vocabulary."""
        return len(self.glosses)

    @property
    def end(self) -> int:
        """Id of the end of a sentence."""
        return len(self.glosses) + 1

    @property
    def begin(self) -> int:
        """Id of its beginning, in histories alone."""
        return len(self.glosses) + 2

    def following(self, labels: Sequence[int]) -> NDArray[np.float64]:
        """Natural log probabilities (len(glosses) + 2,) of what follows the first glosses of a sentence."""
        length = self.order - 1
        missing = max(0, length - len(labels))
        return self._cached((*[self.begin] * missing, *labels[len(labels) - length + missing :]))

    def _following(self, history: tuple[int, ...]) -> NDArray[np.float64]:
        probabilities = self.single.astype(np.float64)
        for length, (successors, places) in enumerate(zip(self.longer, self._places, strict=True), 1):
            place = places.get(history[len(history) - length :])
            if place is not None:
                part = slice(*successors.starts[place : place + 2])
                probabilities *= successors.rests[place]
                probabilities[successors.words[part]] += successors.shares[part]
        return np.log(probabilities)

    def for_glosses(self, glosses: Sequence[str]) -> "LanguageModel":
        """The same model with the ids of a bundle's glosses.

        Raises:
            ValueError: its vocabulary is another one; names a gloss.
        """
        if set(glosses) != set(self.glosses):
            said = [f"lacks {gloss!r}" for gloss in sorted(set(glosses) - set(self.glosses))[:1]]
            said += [f"has {gloss!r}, which the bundle lacks" for gloss in sorted(set(self.glosses) - set(glosses))[:1]]
            raise ValueError(f"a language model of another vocabulary: it {' and '.join(said)}")
        ids = {gloss: i for i, gloss in enumerate(glosses)}
        new = np.array([*(ids[gloss] for gloss in self.glosses), self.other, self.end, self.begin], np.int32)
        single = np.empty_like(self.single)
        single[new[: self.begin]] = self.single
        longer = [Successors(new[s.histories], s.starts, new[s.words], s.shares, s.rests) for s in self.longer]
        return LanguageModel(tuple(glosses), single, longer)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The content of its file."""
        arrays: dict[str, NDArray[np.generic]] = {"glosses": np.array(self.glosses), "single": self.single}
        for length, successors in enumerate(self.longer, 1):
            arrays |= {f"{name}_{length}": getattr(successors, name) for name in Successors.__dataclass_fields__}
        return arrays


def load_language_model(path: Path) -> LanguageModel:
    """Read a file that `python -m training language-model` wrote.

    Raises:
        ValueError: it is none; names the file.
        OSError: it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        longer = [
            Successors(*(arrays[f"{name}_{length}"] for name in Successors.__dataclass_fields__))
            for length in range(1, MAX_ORDER + 1)
            if f"histories_{length}" in arrays
        ]
        return LanguageModel([str(gloss) for gloss in arrays["glosses"]], arrays["single"], longer)
    except (ValueError, EOFError, TypeError, KeyError, IndexError, BadZipFile) as error:
        raise ValueError(f"{path}: not a language model of glosses: {error}") from error


class GlossBonus:
    """What the beam search adds for each gloss: the insertion bonus, and the language model by its weight.

    Args:
        glosses: number of glosses; the blank follows them.
        insertion: natural logarithm that each gloss gets.
        model: the language model, with the ids of the glosses; None for none.
        weight: factor of its log probabilities.
    """

    def __init__(self, glosses: int, insertion: float, model: LanguageModel | None, weight: float) -> None:
        self._plain = np.full(glosses + 1, insertion)
        self._model = model
        self._weight = weight

    def __call__(self, labels: tuple[int, ...]) -> NDArray[np.float64]:
        """(glosses + 1,) for each class that may follow these glosses."""
        if self._model is None:
            return self._plain
        bonus = self._plain.copy()
        bonus[:-1] += self._weight * self._model.following(labels)[: len(bonus) - 1]
        return bonus

    def end(self, labels: tuple[int, ...]) -> float:
        """For the end of a sentence after these glosses."""
        return 0.0 if self._model is None else self._weight * float(self._model.following(labels)[self._model.end])
