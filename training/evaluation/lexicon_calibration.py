"""The numbers by which taught signs are read, found on signers and glosses that the recognisers have not seen.

Lexicons are drawn as users would fill them: signs that the user taught by a few examples each, or that a few other
people did. Then the user signs taught signs, other signs, and signs of the bundle's own vocabulary. The numbers are
those with which most taught signs are reported rightly while the errors of the other two kinds hardly grow.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glosscast.lexicon.settings import LexiconSettings
from glosscast.lexicon.similarity import factors
from training.data import DataError
from training.evaluation.one_shot import Embedded, draw_lexicon, own_lexicon
from training.runtime.files import read_json

Floats = NDArray[np.float64]

SIZES = (5, 20, 50)  # signs of the drawn lexicons, as far as there are as many
SHOTS = (1, 3, 5)
DRAWS = 60  # of each size and number of examples
MARGINS = tuple(round(0.5 + 0.02 * i, 2) for i in range(23))
TEMPERATURES = (0.015, 0.02, 0.03, 0.05)
CAUTIONS = (1.0, 1.5, 2.0)
CROWD = 0.25  # lexicons may grow larger than those drawn here
MORE_ERRORS = 0.01  # that taught signs may add to false captions and to errors of the bundle's signs


class Asked(NamedTuple):
    """A person's clips, read with a lexicon of others.

    Attributes:
        probabilities: (N, V) of the bundle.
        similarity: (N, J) to the taught signs.
        targets: (N,) the column that is right: a class of the vocabulary, or V + the taught sign.
        kinds: (N,) 0 taught, 1 another sign, 2 a sign of the vocabulary.
        own: whether the person taught the lexicon.
    """

    probabilities: Floats
    similarity: NDArray[np.float32]
    targets: NDArray[np.intp]
    kinds: NDArray[np.intp]
    own: bool


class LexiconCalibration(BaseModel):
    """`lexicon.json`.

    Attributes:
        settings: for the manifest.
        taught_told: share of the taught signs' clips reported rightly, half of the lexicons taught by the user.
        taught_wrong: share reported as another sign.
        own_told: share reported rightly of what the user taught.
        others_told: share of other signs' clips reported as anything, without a lexicon and with it.
        known_right: share of the clips of the vocabulary reported rightly, likewise.
        known_wrong: share reported wrongly, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    settings: LexiconSettings
    taught_told: float
    taught_wrong: float
    own_told: float
    others_told: tuple[float, float]
    known_right: tuple[float, float]
    known_wrong: tuple[float, float]

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of a bundle's report."""
        return {"taught_told": self.taught_told, "taught_wrong": self.taught_wrong, "own_taught_told": self.own_told}

    @property
    def harm(self) -> float:
        """The largest growth of an error of other signs or of the vocabulary's."""
        right_before, right = self.known_right
        return max(right_before - right, *(after - before for before, after in (self.others_told, self.known_wrong)))

    def describe(self) -> str:
        """The figures in words."""

        def change(pair: tuple[float, float]) -> str:
            return f"{100 * pair[0]:.1f} % -> {100 * pair[1]:.1f} %"

        s = self.settings
        return (
            f"margin {s.margin:.2f}, temperature {s.temperature:.3f}, caution {s.caution:.1f}, "
            f"typical {s.typical:.2f}\n"
            f"taught signs: {100 * self.taught_told:.1f} % reported rightly, {100 * self.taught_wrong:.1f} % wrongly; "
            f"of those that the user taught {100 * self.own_told:.1f} % rightly\n"
            f"other signs reported: {change(self.others_told)}\n"
            f"signs of the vocabulary: rightly {change(self.known_right)}, wrongly {change(self.known_wrong)}"
        )


def load_lexicon_calibration(path: Path) -> LexiconCalibration:
    """Read `lexicon.json`.

    Raises:
        ValueError: not one; names the file.
        OSError: it cannot be read.
    """
    return read_json(LexiconCalibration, path)


def ask(clips: Embedded, probabilities: Floats, vocabulary: Sequence[str], no_sign: str, seed: int) -> list[Asked]:
    """Draw lexicons from clips of left-out signers and glosses, and have their clips read with them.

    Args:
        clips: of the vocabulary and of other glosses.
        probabilities: (N, V) what the bundle reads in them.
        vocabulary: the bundle's glosses.
        no_sign: the one that stands for no sign.
        seed: of the drawing.

    Raises:
        DataError: no gloss outside the vocabulary was signed by two people.
    """
    rng = np.random.default_rng(seed)
    others = clips.outside(vocabulary)
    askers = [s for s in sorted(set(others.signers)) if any(len(others.rows(g, s)) for g in _glosses(others, s))]
    if not askers:
        raise DataError("no gloss outside the vocabulary was signed by two people")
    found = []
    for size, shots, own, _ in product(SIZES, SHOTS, (False, True), range(DRAWS)):
        signer = askers[rng.integers(len(askers))]
        rows = np.flatnonzero(clips.signers == signer)
        mine = _glosses(others, signer)
        teachable = mine if own else [g for g in mine if len(others.rows(g, signer))]
        # Half of the person's signs are taught, so that the other half are other signs.
        lexicon = [str(g) for g in rng.permutation(teachable)][: (len(teachable) + 1) // 2]
        rest = [g for g in sorted(set(others.glosses)) if g not in mine]
        lexicon = (lexicon + [str(g) for g in rng.permutation(rest)])[:size]
        if own:
            prototypes, taught = own_lexicon(clips, lexicon, signer, shots, rng)
            rows = np.setdiff1d(rows, taught)
        else:
            prototypes = draw_lexicon(others, lexicon, signer, shots, rng)
        targets, kinds = [], []
        for gloss in clips.glosses[rows]:
            if gloss in lexicon:
                targets.append(len(vocabulary) + lexicon.index(str(gloss)))
                kinds.append(0)
            else:
                known = gloss in vocabulary and gloss != no_sign
                targets.append(vocabulary.index(str(gloss) if known else no_sign))
                kinds.append(2 if known else 1)
        similarity = clips.embeddings[rows] @ prototypes.T
        found.append(Asked(probabilities[rows], similarity, np.array(targets), np.array(kinds), own))
    return found


def _glosses(clips: Embedded, signer: str) -> list[str]:
    return [str(gloss) for gloss in sorted(set(clips.glosses[clips.signers == signer]))]


def typical(clips: Embedded, vocabulary: Sequence[str]) -> float:
    """Median similarity of two clips of one gloss outside the vocabulary by one signer.

    Most lexicons are taught by the person who uses them, and an example that is alone has no other to judge it by.

    Raises:
        DataError: nobody signed such a gloss twice.
    """
    found = []
    for gloss in sorted(set(clips.glosses) - set(vocabulary)):
        rows = np.flatnonzero(clips.glosses == gloss)
        similarity = clips.embeddings[rows] @ clips.embeddings[rows].T
        first, second = np.triu_indices(len(rows), 1)
        same = clips.signers[rows][first] == clips.signers[rows][second]
        found.append(similarity[first[same], second[same]])
    if not found or not len(every := np.concatenate(found)):
        raise DataError("nobody signed a gloss outside the vocabulary twice")
    return float(np.median(every))


def calibrate_lexicon(asked: Sequence[Asked], no_sign: int, reject: float, typical: float) -> LexiconCalibration:
    """Find the numbers with which most taught signs are reported rightly while errors hardly grow (`MORE_ERRORS`).

    A taught sign that is reported as another one counts against one that is reported rightly.

    Args:
        asked: of several recognisers.
        no_sign: the class of it.
        reject: confidence below which nothing is reported.
        typical: see `LexiconSettings`.

    Raises:
        DataError: no numbers keep the errors low.
    """
    found = [
        measure(
            asked,
            no_sign,
            reject,
            LexiconSettings(margin=m, temperature=t, caution=c, typical=typical, crowd=CROWD),
        )
        for m, t, c in product(MARGINS, TEMPERATURES, CAUTIONS)
    ]
    harmless = [each for each in found if each.harm <= MORE_ERRORS]
    if not harmless:
        raise DataError("no numbers keep the errors of other signs low")
    return max(harmless, key=lambda each: each.taught_told - each.taught_wrong)


def measure(asked: Sequence[Asked], no_sign: int, reject: float, settings: LexiconSettings) -> LexiconCalibration:
    """What is reported with these numbers, each kind of clip averaged over the drawn lexicons."""
    shares: list[list[tuple[float, ...]]] = [[], [], []]
    own = []
    for part in asked:
        read = rule(part.probabilities, part.similarity, no_sign, settings)
        plain = np.pad(part.probabilities, ((0, 0), (0, part.similarity.shape[1])))
        told, told_before = (_reported(p, no_sign, reject) for p in (read, plain))
        for kind in range(3):
            which = part.kinds == kind
            if which.any():
                right, right_before = (t[which] == part.targets[which] for t in (told, told_before))
                any_, any_before = (t[which] >= 0 for t in (told, told_before))
                shares[kind].append(
                    (right_before.mean(), right.mean(), (any_before & ~right_before).mean(), (any_ & ~right).mean())
                )
        if part.own and (part.kinds == 0).any():
            own.append(float((told == part.targets)[part.kinds == 0].mean()))
    taught, others, known = (np.mean(s, axis=0) if s else np.zeros(4) for s in shares)
    return LexiconCalibration(
        settings=settings,
        taught_told=float(taught[1]),
        taught_wrong=float(taught[3]),
        own_told=float(np.mean(own)) if own else 0.0,
        others_told=(float(others[2]), float(others[3])),
        known_right=(float(known[0]), float(known[1])),
        known_wrong=(float(known[2]), float(known[3])),
    )


def rule(probabilities: Floats, similarity: NDArray[np.float32], no_sign: int, settings: LexiconSettings) -> Floats:
    """`glosscast.lexicon.reading.LexiconRule` for many clips at once: (N, V) and (N, J) to (N, V + J)."""
    odds = probabilities[:, no_sign, None] ** settings.caution * factors(similarity, settings)
    every = np.concatenate([probabilities, odds], axis=1)
    scaled: Floats = every / every.sum(axis=1, keepdims=True)
    return scaled


def _reported(probabilities: Floats, no_sign: int, reject: float) -> NDArray[np.intp]:
    """(N,) the class that is reported, -1 for none."""
    best = probabilities.argmax(axis=1)
    return np.where((best != no_sign) & (probabilities.max(axis=1) >= reject), best, -1)
