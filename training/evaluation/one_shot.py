"""How well signs are read that were taught by a few examples, where teacher and asker are always different people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glosscast.lexicon.similarity import unit
from glosscast.lexicon.teaching import Teacher, TeachingError
from training.data import DataError, Example
from training.data.sampling import thinned
from training.evaluation.calibration import MOST, Calibration
from training.evaluation.left_out import LeftOutFold
from training.evaluation.reading import RecogniserReader, window_clips
from training.evaluation.seeds import mean_and_std

TOP = 5


@dataclass(frozen=True, eq=False)
class Embedded:
    """Clips as embeddings.

    Attributes:
        embeddings: (N, D) of unit length.
        glosses: (N,).
        signers: (N,).
        unusable: clips in which no sign was seen, and which are not among these.
    """

    embeddings: NDArray[np.float32]
    glosses: NDArray[np.str_]
    signers: NDArray[np.str_]
    unusable: int = 0

    def rows(self, gloss: str, without: str) -> NDArray[np.intp]:
        """The clips of a gloss that are not by one signer."""
        return np.flatnonzero((self.glosses == gloss) & (self.signers != without))

    def outside(self, vocabulary: Sequence[str]) -> "Embedded":
        """The clips of glosses that are not in a vocabulary."""
        which = ~np.isin(self.glosses, vocabulary)
        return Embedded(self.embeddings[which], self.glosses[which], self.signers[which], self.unusable)


class OneShotScore(BaseModel):
    """Shares of the asked clips, averaged over glosses and then over draws.

    Attributes:
        accuracy: the nearest sign is the right one.
        top5: the right one is among the nearest five.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float
    top5: float


def embed(teacher: Teacher, examples: Sequence[Example]) -> Embedded:
    """Clips as examples of a lexicon would be; those without a hand or shoulders are left out.

    Raises:
        DataError: no clip is left.
    """
    found = []
    for example in examples:
        try:
            taught, _ = teacher.example(example.clip)
        except TeachingError:
            continue
        found.append((taught.embedding, example.gloss, example.signer))
    if not found:
        raise DataError("no clip shows a person and a hand")
    embeddings, glosses, signers = zip(*found, strict=True)
    return Embedded(np.stack(embeddings), np.array(glosses), np.array(signers), len(examples) - len(found))


def of_fold(fold: LeftOutFold, calibration: Calibration | None = None) -> tuple[Embedded, NDArray[np.float64]]:
    """The clips of a fold's signers with their embeddings, and probabilities (N, V), by the fold's recogniser.

    At most `MOST` clips of each signer's gloss; those of "no sign" and those in which nobody is seen are left out.
    """
    data = fold.recogniser.config.data
    clips = thinned([e for e in fold.test if e.gloss != data.no_sign], MOST)
    windowed = window_clips(clips, fold.recogniser.config)
    numbers = () if calibration is None else (calibration.temperature, calibration.background)
    found = RecogniserReader(fold.recogniser, *numbers)(windowed)
    seen = windowed.weights.any(axis=1)
    embedded = Embedded(
        found.embeddings[seen],
        np.array([e.gloss for e in clips])[seen],
        np.array([e.signer for e in clips])[seen],
        int((~seen).sum()),
    )
    return embedded, found.probabilities[seen].astype(np.float64)


def score(asked: Embedded, taught: Embedded | None, ways: int, shots: int, draws: int, seed: int) -> OneShotScore:
    """Accuracy over random lexicons.

    Those who can ask anything take turns. For each a lexicon of `ways` glosses is taught by others: glosses of the
    signer first, drawn at random, then any; `shots` examples of each, by as many people as possible. The signer then
    asks with all own clips of these glosses. A gloss that others have fewer clips of is taught with those. Lexicons of
    more examples are of the same signers and glosses.

    Args:
        asked: the clips to ask with.
        taught: the clips to teach with; None has everybody teach with own clips, which are not asked with then. Signs
            that the person has no two clips of are taught by others.
        ways: signs of a lexicon.
        shots: examples of a sign.
        draws: how many lexicons.
        seed: of the drawing.

    Raises:
        DataError: there are fewer than `ways` glosses, or no gloss that one person can teach and another ask.
    """
    own_clips = taught is None
    taught = asked if taught is None else taught
    teachable = sorted(set(taught.glosses))
    if len(teachable) < ways:
        raise DataError(f"{ways} ways: the clips to teach with have {len(teachable)} glosses")
    of_signer = {
        signer: own
        for signer in sorted(set(asked.signers))
        if (
            own := [
                g for g in _glosses(asked, signer, 2 if own_clips else 1) if own_clips or len(taught.rows(g, signer))
            ]
        )
    }
    if not of_signer:
        raise DataError("there is no gloss that two different people have signed")
    results = []
    turns = np.random.default_rng(seed).permutation(sorted(of_signer))
    for draw in range(draws):
        rng = np.random.default_rng([seed, ways, draw])
        signer = str(turns[draw % len(turns)])
        own = [str(g) for g in rng.permutation(of_signer[signer])][:ways]
        others = [g for g in teachable if g not in own and len(taught.rows(g, signer))]
        lexicon = own + [str(g) for g in rng.permutation(others)][: ways - len(own)]
        used = np.zeros(0, np.intp)
        if own_clips:
            prototypes, used = own_lexicon(asked, lexicon, signer, shots, rng)
        else:
            prototypes = draw_lexicon(taught, lexicon, signer, shots, rng)
        ranks = []
        for place, gloss in enumerate(own):
            clips = np.setdiff1d(np.flatnonzero((asked.glosses == gloss) & (asked.signers == signer)), used)
            similarity = asked.embeddings[clips] @ prototypes.T
            ranks.append((similarity > similarity[:, place, None]).sum(axis=1))
        results.append([np.mean([(rank < top).mean() for rank in ranks]) for top in (1, TOP)])
    accuracy, top5 = np.mean(results, axis=0)
    return OneShotScore(accuracy=float(accuracy), top5=float(top5))


def _glosses(clips: Embedded, signer: str, least: int) -> list[str]:
    """The glosses that a signer has so many clips of."""
    glosses, counts = np.unique(clips.glosses[clips.signers == signer], return_counts=True)
    return [str(gloss) for gloss, number in zip(glosses, counts, strict=True) if number >= least]


def draw_lexicon(
    taught: Embedded, lexicon: Sequence[str], without: str, shots: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Prototypes (J, D) of glosses, each of `shots` examples that others than one signer taught."""
    return np.stack([_prototype(taught, gloss, without, shots, rng) for gloss in lexicon])


def own_lexicon(
    clips: Embedded, lexicon: Sequence[str], signer: str, shots: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Prototypes (J, D) that a signer taught, and the clips that this took, one of each gloss at least being left.

    Glosses of which the signer has no two clips are taught by others.
    """
    prototypes, taken = [], []
    for gloss in lexicon:
        rows = rng.permutation(np.flatnonzero((clips.glosses == gloss) & (clips.signers == signer)))
        if len(rows) > 1:
            rows = rows[: min(shots, len(rows) - 1)]
            taken.append(rows)
            prototypes.append(unit(clips.embeddings[rows].mean(axis=0)))
        else:
            prototypes.append(_prototype(clips, gloss, signer, shots, rng))
    return np.stack(prototypes), np.concatenate(taken) if taken else np.zeros(0, np.intp)


def _prototype(taught: Embedded, gloss: str, without: str, shots: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The mean (D,) of `shots` examples of a gloss, by different people before the same one comes again."""
    by_signer = defaultdict[str, list[int]](list)
    for row in rng.permutation(taught.rows(gloss, without)):
        by_signer[str(taught.signers[row])].append(int(row))
    clips = list(by_signer.values())
    order = [rows[turn] for turn in range(max(map(len, clips))) for rows in clips if turn < len(rows)]
    return unit(taught.embeddings[order[:shots]].mean(axis=0))


def table(scores: Mapping[int, Mapping[int, Sequence[OneShotScore]]]) -> str:
    """Markdown: mean and standard deviation over seeds, by ways and shots."""
    lines = ["| ways | examples | right, % | among five, % |", "|---|---|---|---|"]
    for ways, of_shots in scores.items():
        for shots, of_seeds in of_shots.items():
            right, among = (
                mean_and_std([100 * getattr(s, name) for s in of_seeds], 1) for name in ("accuracy", "top5")
            )
            lines.append(f"| {ways} | {shots} | {right} | {among} |")
    return "\n".join(lines)
