from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from glosscast.clip import Clip
from glosscast.keypoints import CHANNELS, FACE, LEFT_HAND, POINTS, PRESENCE, RIGHT_HAND, Pose, X, Y, normalise
from tests.training.synthetic import ASPECT, FPS, FRAMES, examples
from training.config import SentenceConfig
from training.data import DataError, Example, split_by_signer
from training.data.sentences import Sentence, draw_sentences, join, transition

SIGNS = ("high", "low")
CONFIG = SentenceConfig(fps=FPS, signs=(2, 4), transition_ms=(200.0, 500.0))
STEP = 1000.0 / FPS


def ann(*glosses: str) -> list[Example]:
    clips = {e.gloss: e for e in examples() if e.signer == "ann"}
    return [clips[gloss] for gloss in glosses]


def frame(**placed: tuple[slice | int, float, float]) -> np.ndarray:
    """A frame in which only the given points are there, at (x, y)."""
    out = np.zeros((POINTS, CHANNELS), np.float32)
    for where, x, y in placed.values():
        out[where] = (x, y, 0.0, 1.0)
    return out


def same(a: Sentence, b: Sentence) -> bool:
    return (a.signs, a.signer) == (b.signs, b.signer) and np.array_equal(a.clip.keypoints, b.clip.keypoints)


def test_signs_keep_their_order_and_their_times() -> None:
    sentence = join(ann("low", "high", "high"), [300.0, 10.0], FPS)
    assert sentence.glosses == ("low", "high", "high")
    assert sentence.signer == "ann"
    starts = [0, FRAMES - 1 + round(0.3 * FPS), 2 * (FRAMES - 1) + round(0.3 * FPS) + 1]  # at least a frame apart
    assert [s.start_ms for s in sentence.signs] == pytest.approx([STEP * f for f in starts])
    assert [s.end_ms - s.start_ms for s in sentence.signs] == pytest.approx([STEP * (FRAMES - 1)] * 3)
    assert sentence.clip.t_ms[-1] == pytest.approx(sentence.signs[-1].end_ms)
    np.testing.assert_allclose(np.diff(sentence.clip.t_ms), STEP)


def test_within_a_sign_the_real_clip_is_seen() -> None:
    high, low = ann("high", "low")
    sentence = join([high, low], [300.0], FPS)
    t = sentence.clip.t_ms
    for sign, example in zip(sentence.signs, (high, low), strict=True):
        part = sentence.clip.keypoints[(t >= sign.start_ms - 1) & (t <= sign.end_ms + 1)]
        wanted = normalise(example.clip.keypoints, example.clip.aspect)
        np.testing.assert_allclose(normalise(part, sentence.clip.aspect), wanted, atol=1e-3)


def test_clips_of_any_frame_rate_shape_and_camera_fit_together() -> None:
    high, low = ann("high", "low")
    points = low.clip.keypoints.copy()
    seen = points[..., PRESENCE] > 0
    points[..., [X, Y]] = np.where(seen[..., None], points[..., [X, Y]] * [0.25, 0.5] + [0.1, 0.3], 0.0)
    far = replace(low, clip=Clip(low.clip.t_ms * 2, points, 2 * ASPECT))  # half as large, half as fast, twice as wide
    near, other = join([high, low], [300.0], FPS), join([high, far], [300.0], FPS)
    np.testing.assert_allclose(other.clip.keypoints[:FRAMES], near.clip.keypoints[:FRAMES], atol=1e-5)
    np.testing.assert_allclose(other.clip.keypoints[-1], near.clip.keypoints[-1], atol=0.02)
    assert other.signs[1].end_ms - other.signs[1].start_ms == pytest.approx(2 * STEP * (FRAMES - 1))


def test_points_that_both_frames_have_are_eased() -> None:
    before, after = frame(nose=(Pose.NOSE, 0.0, 0.0)), frame(nose=(Pose.NOSE, 1.0, 2.0))
    between = transition(before, after, 99)[:, Pose.NOSE]
    assert between[49, :2] == pytest.approx([0.5, 1.0])
    assert (np.diff(between[:, X]) > 0).all()
    speed = np.diff(between[:, X]) * 100
    assert speed.max() == pytest.approx(1.875, abs=0.01)  # the peak of a minimum-jerk movement
    assert max(speed[0], speed[-1]) < 0.01
    assert (between[:, PRESENCE] == 1).all()
    assert transition(before, after, 0).shape == (0, POINTS, CHANNELS)


def test_a_hand_that_comes_or_goes_travels_with_its_wrist() -> None:
    hand = (RIGHT_HAND, 0.1, 0.0)
    wrist = Pose.RIGHT_WRIST
    before = frame(hand=hand, wrist=(wrist, 0.0, 0.0))
    after = frame(wrist=(wrist, 1.0, 0.0))
    for gone, there in (
        (transition(before, after, 9), slice(0, 4)),
        (transition(after, before, 9), slice(5, 9)),
    ):
        present = gone[:, RIGHT_HAND, PRESENCE].all(axis=1)
        assert present[there].all()
        assert present.sum() == (4 if there.start == 0 else 5)
        offset = gone[present][:, RIGHT_HAND, X] - gone[present][:, [wrist], X]
        np.testing.assert_allclose(offset, 0.1, atol=1e-6)
        assert (gone[~present][:, RIGHT_HAND] == 0).all()
        assert (gone[:, LEFT_HAND] == 0).all()


def test_a_hand_without_a_wrist_and_a_face_stay_where_they_are() -> None:
    before = frame(hand=(LEFT_HAND, 0.4, 0.5), face=(FACE, 0.1, 0.2))
    between = transition(before, frame(), 4)
    assert (between[:2] == before).all()
    assert (between[2:] == 0).all()


def test_drawing_is_repeatable_and_a_larger_count_only_adds() -> None:
    few, many = (
        draw_sentences(examples(), SIGNS, CONFIG, 5, seed=3),
        draw_sentences(examples(), SIGNS, CONFIG, 8, seed=3),
    )
    assert all(same(a, b) for a, b in zip(few, many, strict=False))
    assert not all(same(a, b) for a, b in zip(few, draw_sentences(examples(), SIGNS, CONFIG, 5, seed=4), strict=True))


def test_sentences_follow_the_config() -> None:
    sentences = draw_sentences(examples(), SIGNS, CONFIG, 40, seed=1)
    assert {len(s.signs) for s in sentences} == {2, 3, 4}
    assert {g for s in sentences for g in s.glosses} == set(SIGNS)
    pauses = [b.start_ms - a.end_ms for s in sentences for a, b in zip(s.signs, s.signs[1:], strict=False)]
    assert 200.0 - STEP <= min(pauses) < 250.0
    assert 450.0 < max(pauses) <= 500.0 + STEP


def test_no_signer_is_on_both_sides_of_a_split() -> None:
    seen, unseen = (draw_sentences(side, SIGNS, CONFIG, 20, seed=1) for side in split_by_signer(examples(), ["cem"]))
    assert {s.signer for s in seen} == {"ann", "bea"}
    assert {s.signer for s in unseen} == {"cem"}


def test_clips_that_cannot_form_a_sentence_are_refused() -> None:
    high = ann("high")
    with pytest.raises(ValueError, match="one signer, got ann, bea"):
        join([*high, replace(high[0], signer="bea")], [300.0], FPS)
    with pytest.raises(ValueError, match="got no clips"):
        join([], [], FPS)
    with pytest.raises(ValueError, match="1 clips have 0 transitions, got 1"):
        join(high, [300.0], FPS)
    with pytest.raises(DataError, match="no clip has a gloss"):
        draw_sentences(examples(), ("middle",), CONFIG, 1, seed=0)
    unseen = replace(high[0], clip=Clip(np.zeros(1), np.zeros((1, POINTS, CHANNELS), np.float32), ASPECT))
    with pytest.raises(DataError, match="high by ann never shows both shoulders"):
        join([unseen], [], FPS)
    with pytest.raises(DataError, match="no clip has a gloss"):
        draw_sentences([unseen], SIGNS, CONFIG, 1, seed=0)


@pytest.mark.parametrize("wrong", [{"signs": (0, 2)}, {"signs": (3, 2)}, {"transition_ms": (-1.0, 2.0)}, {"fps": 0.0}])
def test_an_empty_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SentenceConfig.model_validate({**CONFIG.model_dump(), **wrong})
