from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glosscast.clip import Clip, sample_recording
from tests.training.continuous.tiny import SENTENCES, SIGNS, config, recorded_config
from tests.training.synthetic import examples
from training.config import AugmentationConfig, Config
from training.data import DataError, Example, load_sets
from training.tasks.sentence_feed import SentenceFeed, collate

STILL = AugmentationConfig.model_validate(dict.fromkeys(AugmentationConfig.model_fields, 0.0))


def signed() -> list[Example]:
    return [e for e in examples() if e.gloss in SIGNS]


def feed(made: Config) -> SentenceFeed:
    return SentenceFeed(made, SIGNS, signed())


def test_an_epoch_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    made = config(tmp_path)
    first, again = list(feed(made).epoch(0, 24)), list(feed(made).epoch(0, 24))
    assert len(first) == 2
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))
    assert not torch.equal(first[0].targets, first[1].targets)
    for another in (feed(made).epoch(1, 12), feed(made.model_copy(update={"seed": 2})).epoch(0, 12)):
        assert not torch.equal(first[0].frames, next(another).frames)


def test_sentences_are_as_long_as_their_signs_and_speeds_say(tmp_path: Path) -> None:
    batch = next(feed(config(tmp_path)).epoch(0, 12))
    assert {len(ids) for ids in batch.signed()} == {1, 2, 3}
    assert {i for ids in batch.signed() for i in ids} == {0, 1}
    assert batch.keypoints.shape == (12, batch.frames.max(), 171, 4)
    signs = batch.lengths.double()
    # transitions become whole frames
    sign_ms = 17 * 1000 / 15
    transition_ms = (200.0 - 67, 400.0 + 67)
    slow = (signs * sign_ms + (signs - 1) * transition_ms[1]) * np.exp(0.1)
    fast = (signs * sign_ms + (signs - 1) * transition_ms[0]) * np.exp(-0.1)
    frame_ms = 1000 / 16
    assert (batch.frames * frame_ms <= slow + frame_ms).all()
    assert (batch.frames * frame_ms >= fast).all()
    for points, frames in zip(batch.keypoints, batch.frames, strict=True):
        assert points[: int(frames)].abs().sum(dim=(1, 2)).min() > 0
        assert (points[int(frames) :] == 0).all()


def test_every_sign_has_a_speed_of_its_own(tmp_path: Path) -> None:
    made = config(tmp_path)
    still = made.model_copy(update={"augmentation": STILL.model_copy(update={"speed": 0.3})})
    source = feed(still)
    joined = next(s for s in source._join(20, 3) if len(s.glosses) == 3)
    lengths = {len(source._timed(joined, np.random.default_rng(seed))) for seed in range(20)}
    assert len(lengths) > 5


def test_without_augmentation_the_model_sees_what_a_reader_sees(tmp_path: Path) -> None:
    made = recorded_config(tmp_path).model_copy(update={"augmentation": STILL})
    sentences = load_sets(made.data, tmp_path)
    batch = next(SentenceFeed(made, SIGNS, sentences).epoch(0, 12))
    wanted = [sample_recording(e.clip, made.clip.fps) for e in sentences]
    for points, frames in zip(batch.keypoints, batch.frames, strict=True):
        assert any(np.allclose(points[: int(frames)], one, atol=1e-5) for one in wanted if len(one) == frames)


def test_recorded_sentences_keep_their_glosses_and_are_drawn_alike(tmp_path: Path) -> None:
    made = recorded_config(tmp_path)
    sentences = load_sets(made.data, tmp_path)
    assert {e.sentence for e in sentences} == set(SENTENCES)
    drawn = [
        tuple(SIGNS[i] for i in ids) for b in SentenceFeed(made, SIGNS, sentences).epoch(0, 36) for ids in b.signed()
    ]
    assert sorted(drawn) == sorted(e.sentence for e in sentences)


def test_training_may_use_shorter_sentences_than_the_score(tmp_path: Path) -> None:
    made = config(tmp_path)
    assert made.continuous is not None
    short = made.continuous.model_copy(update={"taught_signs": (1, 1)})
    batch = next(feed(made.model_copy(update={"continuous": short})).epoch(0, 12))
    assert batch.lengths.tolist() == [1] * 12


def test_sentences_too_short_for_their_signs_are_named(tmp_path: Path) -> None:
    made = config(tmp_path)
    clip = signed()[0].clip
    blink = replace(signed()[0], clip=Clip(clip.t_ms[:1], clip.keypoints[:1], clip.aspect))
    with pytest.raises(
        DataError, match=r"2 signs such as ann's 'high', joined, may have 2 steps of 2 frames, .* needs 3"
    ):
        SentenceFeed(made, SIGNS, [*signed(), blink])
    short = replace(blink, gloss="high high", sentence=("high", "high"))
    with pytest.raises(DataError, match=r"a sentence of ann, 'high high', may have 1 steps of 2 frames, .* needs 3"):
        SentenceFeed(recorded_config(tmp_path / "r"), SIGNS, [short])


def test_clips_without_shoulders_are_left_out(tmp_path: Path) -> None:
    gone = [replace(e, clip=Clip(e.clip.t_ms, np.zeros_like(e.clip.keypoints), e.clip.aspect)) for e in signed()]
    assert len(SentenceFeed(config(tmp_path), SIGNS, [*signed(), *gone]).examples) == len(signed())
    with pytest.raises(DataError, match="shows both shoulders"):
        SentenceFeed(config(tmp_path), SIGNS, gone)


def test_sentences_are_padded_at_their_ends() -> None:
    points = [np.ones((n, 171, 4), np.float32) for n in (2, 3)]
    batch = collate(points, [[1, 0, 1], [1]])
    assert batch.keypoints.sum(dim=(2, 3)).gt(0).tolist() == [[True, True, False], [True, True, True]]
    assert batch.targets.tolist() == [[1, 0, 1], [1, 0, 0]]
    assert batch.frames.tolist() == [2, 3]
    assert batch.signed() == [[1, 0, 1], [1]]
