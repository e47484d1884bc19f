"""Hypotheses of models of sentences: the glosses that each run recognised, kept in a file for each run."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from glosscast.faults import first_fault
from training.comparison.plan import Plan, RunKey
from training.comparison.predictions import PredictionsError
from training.evaluation.wer import align
from training.tasks.sentence_scores import SentenceScores, tally_sentences

Figures = NDArray[np.float64]


class SentenceHypotheses(BaseModel):
    """The hypotheses of one run: for each sentence its signer, its reference and its hypothesis."""

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
        return tally_sentences(self.references, self.hypotheses)

    @property
    def errors(self) -> Figures:
        """(sentences,) substitutions, deletions and insertions of each."""
        pairs = zip(self.references, self.hypotheses, strict=True)
        return np.array([sum(s.reference != s.hypothesis for s in align(*pair)) for pair in pairs], float)


def hypotheses_path(plan: Plan, key: RunKey) -> Path:
    """The file of a run's hypotheses."""
    return plan.out / "predictions" / f"{key.name}.json"


def load_hypotheses(plan: Plan, key: RunKey) -> SentenceHypotheses:
    """The hypotheses of a run.

    Raises:
        PredictionsError: the file is damaged, or of another run.
    """
    path = hypotheses_path(plan, key)
    try:
        found = SentenceHypotheses.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PredictionsError(f"{path}: not readable as JSON") from error
    except ValidationError as error:
        raise PredictionsError(f"{path}: {first_fault(error)}") from error
    if (found.variant, found.seed, found.held_out) != (key.variant, key.seed, plan.folds[key.fold]):
        raise PredictionsError(f"{path}: of another run")
    return found
