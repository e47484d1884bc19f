"""What models of sentences read, kept run by run."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from glosscast.faults import first_fault
from training.comparison.plan import Key, Plan
from training.comparison.predictions import PredictionsError
from training.evaluation.wer import align
from training.tasks.sentence_scores import SentenceScores, tally

Figures = NDArray[np.float64]


class SentenceReadings(BaseModel):
    """What one run read: sentence by sentence the signer, the glosses signed and those read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: str
    seed: int
    held_out: tuple[str, ...]
    signers: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    hypotheses: tuple[tuple[str, ...], ...]

    @property
    def scores(self) -> SentenceScores:
        """Their figures."""
        return tally(self.references, self.hypotheses)

    @property
    def errors(self) -> Figures:
        """(sentences,) substitutions, deletions and insertions of each."""
        pairs = zip(self.references, self.hypotheses, strict=True)
        return np.array([sum(s.reference != s.hypothesis for s in align(*pair)) for pair in pairs], float)


def readings_path(plan: Plan, key: Key) -> Path:
    """Where a run's readings are."""
    return plan.out / "predictions" / f"{key.name}.json"


def load_readings(plan: Plan, key: Key) -> SentenceReadings:
    """What a run read.

    Raises:
        PredictionsError: the file is damaged, or of another run.
    """
    path = readings_path(plan, key)
    try:
        readings = SentenceReadings.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PredictionsError(f"{path}: not readable as JSON") from error
    except ValidationError as error:
        raise PredictionsError(f"{path}: {first_fault(error)}") from error
    if (readings.variant, readings.seed, readings.held_out) != (key.variant, key.seed, plan.folds[key.fold]):
        raise PredictionsError(f"{path}: of another run")
    return readings
