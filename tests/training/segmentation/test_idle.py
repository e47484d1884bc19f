from dataclasses import replace

import numpy as np
import pytest

from glosscast.keypoints import PRESENCE, RIGHT_HAND, Pose, X, Y
from tests.training.synthetic import config, examples
from training.data import DataError, idle
from training.data.idle import KINDS, MADE_UP, STREAM_S, draw_idle, idle_examples

MINUTE = 1 / 60


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_minute_of_one_signer_without_a_sign(kind: str) -> None:
    streams = list(draw_idle(examples(2), ["no sign"], kind, 2 * MINUTE, seed=1))
    assert len(streams) == 2
    for stream in streams:
        assert stream.signs == ()
        assert stream.signer in {"ann", "bea", "cem"}
        assert stream.clip.duration_ms == pytest.approx(STREAM_S * 1000, rel=0.01)
        assert np.isfinite(stream.clip.keypoints).all()
    again = list(draw_idle(examples(2), ["no sign"], kind, 2 * MINUTE, seed=1))
    np.testing.assert_array_equal(again[1].clip.keypoints, streams[1].clip.keypoints)


def highest_wrist(kind: str) -> float:
    """Shoulder widths of the highest wrist above the shoulders, in a minute."""
    (stream,) = draw_idle(examples(2), ["no sign"], kind, MINUTE, seed=3)
    points = stream.clip.keypoints
    wrists = points[:, [Pose.LEFT_WRIST, Pose.RIGHT_WRIST]]
    shoulders = points[:, [Pose.LEFT_SHOULDER, Pose.RIGHT_SHOULDER]]
    width = np.abs(shoulders[:, 0, X] - shoulders[:, 1, X])[:, None] * stream.clip.aspect
    up = (shoulders[..., Y].mean(axis=1)[:, None] - wrists[..., Y]) / width
    return float(up[wrists[..., PRESENCE] > 0.5].max(initial=-9.0))


def test_resting_hands_stay_down_and_fidgeting_ones_reach_the_head() -> None:
    assert highest_wrist("resting") < -0.9
    assert highest_wrist("fidgeting") > 0.0


def test_touching_hands_that_rub_move_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(share: float) -> float:
        monkeypatch.setattr(idle, "RUBBED", share)
        (stream,) = draw_idle(examples(2), ["no sign"], "fidgeting", MINUTE, seed=3)
        hands = stream.clip.keypoints[:, RIGHT_HAND]
        seen = (hands[..., PRESENCE] > 0).all(axis=1)
        return float(np.abs(np.diff(hands[:, 0, :2], axis=0)).sum(axis=1)[seen[1:] & seen[:-1]].mean())

    assert moved(1.0) > 1.1 * moved(0.0)


def test_recorded_hands_need_recordings() -> None:
    signs = [e for e in examples(1) if e.gloss != "no sign"]
    with pytest.raises(DataError, match="streams of recorded hands"):
        next(draw_idle(signs, ["no sign"], "recorded", MINUTE, seed=1))


def test_idle_clips_are_learned_as_no_sign(tmp_path: object) -> None:
    data = config(tmp_path).data  # type: ignore[arg-type]
    assert idle_examples(examples(1), data, 1) == []
    wanted = data.model_copy(update={"idle_clips": 25})
    made = idle_examples(examples(1), wanted, 1)
    assert len(made) == 25
    assert {e.gloss for e in made} == {data.no_sign}
    often = wanted.model_copy(update={"idle_share": 6.0})
    assert {e.share for e in made} == {1.0}
    assert {e.share for e in idle_examples(examples(1), often, 1)} == {6.0}
    assert {round(e.clip.duration_ms / 1000) for e in made} == {3}
    assert len(MADE_UP) * 20 > 25 > 20  # of more than one kind
    nobody = [replace(e, clip=replace(e.clip, keypoints=e.clip.keypoints * 0)) for e in examples(1)]
    with pytest.raises(DataError, match="no clip can be used"):
        idle_examples(nobody, wanted, 1)
