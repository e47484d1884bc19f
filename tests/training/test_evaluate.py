from pathlib import Path

import numpy as np
import pytest

from tests.training.synthetic import config, examples
from training.evaluate import score, select, tally


def test_figures_against_a_count_by_hand() -> None:
    scores = tally(
        ["yes", "yes", "yes", "no"],
        ["ann", "ann", "bea", "bea"],
        [["yes", "no"], ["no", "yes"], ["yes", "no"], ["yes", "hello"]],
    )
    assert (scores.n, scores.accuracy, scores.top5) == (4, 0.5, 0.75)
    assert scores.per_gloss["yes"].accuracy == pytest.approx(2 / 3)
    assert scores.per_gloss["yes"].f1 == pytest.approx(2 * 2 / (3 + 3))
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.0) / 2)
    assert {s: r.accuracy for s, r in scores.per_signer.items()} == {"ann": 0.5, "bea": 0.5}
    assert {(c.gloss, c.predicted, c.count) for c in scores.confusions} == {("yes", "no", 1), ("no", "yes", 1)}


def test_only_glosses_of_the_vocabulary_are_scored_after_renaming() -> None:
    chosen = select(examples(1), ("up", "no sign"), {"high": "up"})
    assert {e.gloss for e in chosen} == {"up", "no sign"}


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    c = config(tmp_path)
    with pytest.raises(ValueError, match="no clip"):
        score([], c.data.vocabulary, c.clip, c.segmenter, c.decoder, lambda windows: np.zeros((len(windows), 3)))
