"""The predictions of a run's model for its test clips, in a file: figures can be made anew without the model."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.comparison.plan import Clips, Plan, RunKey
from training.comparison.unknown import UnknownSigns
from training.evaluation.scores import TOP, Scores, tally
from training.runtime.files import write_arrays

NOBODY = "(no signer)"
UNKNOWN = "unknown_"  # before the names of the arrays of unknown signs
UNKNOWN_ARRAYS = tuple(field.name for field in fields(UnknownSigns))


class PredictionsError(ValueError):
    """A predictions file is malformed; the message names the file."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The test clips of a run, N of them.

    Attributes:
        key: the run.
        held_out: the signers of its fold.
        vocabulary: V glosses.
        clips: (N,) number of each clip among all clips of the config's data sets.
        glosses: (N,) the signed glosses.
        signers: (N,) who signs.
        probabilities: (N, V); all zero where nobody was in view.
        embeddings: (N, D), of unit length.
        perturbed: condition -> (N,) index of the gloss that the perturbed clip is read as, or -1.
        wer: word error rate, of a model that reads sentences.
        unknown: the clips of the fold's glosses outside the vocabulary, if it leaves any out.
    """

    key: RunKey
    held_out: tuple[str, ...]
    vocabulary: tuple[str, ...]
    clips: NDArray[np.int64]
    glosses: NDArray[np.str_]
    signers: NDArray[np.str_]
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    perturbed: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    wer: float | None = None
    unknown: UnknownSigns | None = None

    @property
    def truth(self) -> NDArray[np.int64]:
        """(N,) index of each clip's gloss."""
        return np.array([self.vocabulary.index(str(gloss)) for gloss in self.glosses])

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) index of the gloss that each clip is read as, -1 where nobody was in view."""
        return winners(self.probabilities)

    @property
    def scores(self) -> Scores:
        """The figures of an evaluation."""
        ranked = [
            [self.vocabulary[i] for i in np.argsort(-row)[:TOP]] if row.any() else [NOBODY]
            for row in self.probabilities
        ]
        return tally(list(map(str, self.glosses)), list(map(str, self.signers)), ranked)

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        about = {"key": self.key, "held_out": self.held_out, "vocabulary": self.vocabulary, "wer": self.wer}
        write_arrays(
            path,
            {
                "about": np.array(json.dumps(about)),
                "clips": self.clips,
                "glosses": self.glosses,
                "signers": self.signers,
                "probabilities": self.probabilities,
                "embeddings": self.embeddings,
                "conditions": np.array(list(self.perturbed), np.str_),
                "perturbed": np.array(list(self.perturbed.values()), np.int64).reshape(-1, len(self.clips)),
                **({} if self.unknown is None else {f"{UNKNOWN}{f}": getattr(self.unknown, f) for f in UNKNOWN_ARRAYS}),
            },
        )


def winners(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) index of the likeliest gloss, -1 for rows of zeros."""
    return np.where(probabilities.any(axis=1), probabilities.argmax(axis=1), -1)


def load_predictions(path: Path) -> Predictions:
    """Read a file of predictions.

    Raises:
        PredictionsError: it is damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        found = Predictions(
            key=RunKey(*about["key"]),
            held_out=tuple(about["held_out"]),
            vocabulary=tuple(about["vocabulary"]),
            **{name: arrays[name] for name in ("clips", "glosses", "signers", "probabilities", "embeddings")},
            perturbed=dict(zip(map(str, arrays["conditions"]), arrays["perturbed"], strict=True)),
            wer=about["wer"],
            unknown=UnknownSigns(**{f: arrays[UNKNOWN + f] for f in UNKNOWN_ARRAYS})
            if any(name.startswith(UNKNOWN) for name in arrays)
            else None,
        )
    except (ValueError, OSError, EOFError, KeyError, TypeError, BadZipFile) as error:
        raise PredictionsError(f"{path}: damaged; delete it to have it made again") from error
    count = len(found.clips)
    columns = (found.glosses, found.signers, found.probabilities, found.embeddings, *found.perturbed.values())
    if any(len(column) != count for column in columns) or found.probabilities.shape[1:] != (len(found.vocabulary),):
        raise PredictionsError(f"{path}: its arrays do not fit together; delete it to have it made again")
    if found.unknown is not None and len({len(getattr(found.unknown, f)) for f in UNKNOWN_ARRAYS}) > 1:
        raise PredictionsError(f"{path}: its unknown signs do not fit together; delete it to have it made again")
    return found


def load_run(plan: Plan, key: RunKey, clips: Clips) -> Predictions:
    """The predictions of one run of a plan.

    Raises:
        PredictionsError: they are damaged, or were made for another run or other clips.
    """
    path = plan.predictions(key)
    found = load_predictions(path)
    made_for = (found.key, found.held_out, found.vocabulary)
    expected = np.array(list(clips.test(key.fold)))
    if made_for != (key, plan.folds[key.fold], plan.config.data.vocabulary) or not np.array_equal(
        found.clips, expected
    ):
        raise PredictionsError(f"{path}: made for another run, other folds or other data")
    return found
