from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glosscast.clip import Clip, window_starts
from tests.training.synthetic import GLOSSES as CLASSES
from tests.training.synthetic import config, examples, write_rgb
from training.config import load_config
from training.data import DataError, load_sets
from training.evaluation.scores import TorchClassifier, score, select, tally
from training.models.recogniser import IsolatedRecogniser, Output


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
        score([], c.data.vocabulary, c.pipeline(lambda windows: np.zeros((len(windows), 3))))


class Watcher(IsolatedRecogniser):
    """Notes the frames it is shown, by their brightness."""

    def forward(self, keypoints: Tensor, mask: Tensor, frames: Tensor | None = None) -> Output:
        assert frames is not None
        self.seen = ((frames[:, :, -1, -1, 0].float() - 10) / 5).round().int().tolist()
        return Output(torch.zeros(len(keypoints), 3), torch.zeros(len(keypoints), 1))


def test_a_model_of_pixels_is_shown_the_instants_of_its_window_even_where_nobody_is_seen(tmp_path: Path) -> None:
    c = load_config(write_rgb(tmp_path))
    clips = load_sets(c.data, tmp_path, c.model)[:1]
    unseen = [replace(e, clip=Clip(e.clip.t_ms + 500.0, e.clip.keypoints * 0, 1.0)) for e in clips]
    model = Watcher(c.model, 3, c.clip.alpha)
    scores = score(unseen, c.data.vocabulary, c.pipeline(TorchClassifier(model, 3)))
    assert "(no signer)" not in {c.predicted for c in scores.confusions}
    # 16 instants of 62.5 ms from a recording of 18 frames of 66.7 ms: some are half a frame off.
    starts = window_starts(500.0, 500.0 + 17 * 1000 / 15, 500.0, 500.0 + 17 * 1000 / 15, c.clip, c.decoder.hop_ms)
    exact = (np.array(starts)[:, None] - 500.0 + c.clip.times_ms) * 15 / 1000
    np.testing.assert_allclose(model.seen, exact, atol=0.501)
    both = load_config(write_rgb(tmp_path, "keypoints"))
    classify = TorchClassifier(Watcher(both.model, 3, c.clip.alpha), 3)
    nobody = score(unseen, c.data.vocabulary, both.pipeline(classify))
    assert nobody.confusions[0].predicted == "(no signer)"


def test_pixels_are_not_made_up_where_a_clip_has_none(tmp_path: Path) -> None:
    c = load_config(write_rgb(tmp_path))
    classifier = TorchClassifier(IsolatedRecogniser(c.model, 3, c.clip.alpha), 3)
    with pytest.raises(DataError, match="clips without pictures"):
        score(examples(1), CLASSES, c.pipeline(classifier))
