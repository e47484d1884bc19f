from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glosscast.clip import Clip
from tests.training.continuous.tiny import SIGNS, config, recorded_config
from tests.training.synthetic import examples
from training.data import DataError, Example
from training.models.continuous import ContinuousOutput, continuous_recogniser
from training.tasks.sentence_scores import (
    decode,
    held_out_examples,
    read_sentences,
    score_sentences,
    sentences_of,
    tally_sentences,
)


class Fixed(nn.Module):
    """Reads the same steps from everything: a, a, blank, a, the distractor."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, keypoints: Tensor, frames: Tensor) -> ContinuousOutput:
        logits = torch.full((len(frames), 5, 4), -9.0)
        for step, winner in enumerate((0, 0, 3, 0, 2)):
            logits[:, step, winner] = 9.0
        logits[:, 4, 1] = 5.0  # second to the distractor
        return ContinuousOutput(logits, logits, torch.full((len(frames),), 5))


def clip() -> Clip:
    return examples()[0].clip


def sentence(*glosses: str) -> Example:
    return Example(clip(), " ".join(glosses), "ann", sentence=glosses)


def test_a_distractor_is_never_read_and_the_blank_is_last() -> None:
    assert read_sentences(Fixed(), [clip()], ("a", "b"), 16.0) == [("a", "a", "b")]
    assert read_sentences(Fixed(), [clip()], ("a", "b", "c"), 16.0) == [("a", "a", "c")]
    assert read_sentences(Fixed(), [clip()] * 20, ("a", "b"), 16.0, beam=4) == [("a", "a", "b")] * 20
    assert read_sentences(Fixed(), [clip()], ("a", "b"), 16.0, unread=("a",)) == [("b",)]


def test_steps_beyond_a_sentence_are_not_read() -> None:
    logits = Fixed()(torch.zeros(2, 1), torch.zeros(2)).logits
    assert decode(logits, torch.tensor([5, 3]), 3) == [(0, 0, 2), (0,)]


def test_the_figures_follow_from_the_alignment() -> None:
    scores = score_sentences(Fixed(), [sentence("a", "b"), sentence("a", "b", "b")], ("a", "b"), 16.0)
    # a a b: an insertion in the first sentence, a substitution in the second.
    assert (scores.rate.hits, scores.rate.insertions, scores.rate.substitutions) == (4, 1, 1)
    assert scores.rate.wer == pytest.approx(2 / 5)
    assert scores.accuracy == pytest.approx(4 / 5)
    assert scores.macro_f1 == pytest.approx((2 * 2 / (2 + 4) + 2 * 2 / (3 + 2)) / 2)
    assert scores.hypotheses == (("a", "a", "b"), ("a", "a", "b"))


def test_nothing_read_is_no_accuracy() -> None:
    scores = tally_sentences([("a",)], [()])
    assert (scores.rate.deletions, scores.accuracy, scores.macro_f1) == (1, 0.0, 0.0)


def test_recorded_sentences_are_scored_as_they_are_and_clips_are_joined(tmp_path: Path) -> None:
    joined = sentences_of(config(tmp_path), [*examples(), sentence("low", "high")], 5, seed=1)
    assert joined[0].glosses == ("low", "high")
    assert len(joined) == 6
    again = sentences_of(config(tmp_path), examples(), 5, seed=1)
    assert all(np.array_equal(a.clip.keypoints, b.clip.keypoints) for a, b in zip(joined[1:], again, strict=True))
    with pytest.raises(DataError, match=r"no \[continuous.sentences\]"):
        sentences_of(recorded_config(tmp_path / "r"), examples(), 5, seed=1)


def test_held_out_signers_are_scored_unless_others_are_named(tmp_path: Path) -> None:
    made = config(tmp_path)
    assert {e.signer for e in held_out_examples(made, tmp_path, ())} == {"cem"}
    assert {e.signer for e in held_out_examples(made, tmp_path, ("ann", "bea"))} == {"ann", "bea"}
    with pytest.raises(DataError, match="not in the data: dan"):
        held_out_examples(made, tmp_path, ("dan",))
    everybody = made.model_copy(update={"data": made.data.model_copy(update={"held_out": ()})})
    with pytest.raises(DataError, match="name signers to score"):
        held_out_examples(everybody, tmp_path, ())


def test_a_long_recording_is_read_in_one_go(tmp_path: Path) -> None:
    points = np.concatenate([examples()[0].clip.keypoints] * 40)
    long = Clip(np.arange(len(points)) * 1000 / 15, points, 4 / 3)
    model = continuous_recogniser(config(tmp_path), classes=2)
    assert len(read_sentences(model, [long, clip()], SIGNS, 16.0)) == 2
