import numpy as np
import pytest

from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, Y
from tests.training.synthetic import examples
from training.config import StreamConfig
from training.data import DataError
from training.data.sentences import SHOULDER_WIDTH, SHOULDERS_AT, Sentence
from training.data.streams import FPS, TREMBLE, StreamMaker, draw_streams, signed

SIGNS = ("high", "low")


def draw(count: int = 6, seed: int = 1, **config: object) -> list[Sentence]:
    return draw_streams(examples(), SIGNS, (), StreamConfig(signs=(3, 5), **config), count, seed)  # type: ignore[arg-type]


def hands(stream: Sentence) -> np.ndarray:
    return (stream.clip.keypoints[:, [LEFT_HAND.start, RIGHT_HAND.start], PRESENCE] > 0).any(axis=1)


def test_the_same_arguments_give_the_same_streams_and_more_only_add() -> None:
    few, many = draw(3), draw(6)
    for a, b in zip(few, many, strict=False):
        assert (a.signs, a.signer) == (b.signs, b.signer)
        np.testing.assert_array_equal(a.clip.keypoints, b.clip.keypoints)
    assert [s.signs for s in draw(3, seed=2)] != [s.signs for s in few]


def test_streams_begin_and_end_at_rest() -> None:
    seen_at_rest = 0
    for stream in draw(12):
        for frame in (stream.clip.keypoints[0], stream.clip.keypoints[-1]):
            hands_seen = frame[[LEFT_HAND.start, RIGHT_HAND.start]]
            hands_seen = hands_seen[hands_seen[:, PRESENCE] > 0]
            assert (hands_seen[:, Y] > SHOULDERS_AT[1] + 1.2 * SHOULDER_WIDTH).all()  # down, where they are seen at all
            seen_at_rest += len(hands_seen)
        assert stream.signs[0].start_ms > 300
        assert stream.clip.t_ms[-1] > stream.signs[-1].end_ms + 300
    assert seen_at_rest > 0


def test_a_hand_is_seen_at_both_ends_of_a_sign() -> None:
    for stream in draw():
        seen = hands(stream)
        for sign in stream.signs:
            assert seen[round(sign.start_ms * FPS / 1000)]
            assert seen[round(sign.end_ms * FPS / 1000)]


def test_a_held_sign_is_longer_by_frames_that_stand_still() -> None:
    plain = draw(direct=0.0)
    held = draw(direct=0.0, held=1.0)
    assert np.mean([s.end_ms - s.start_ms for t in held for s in t.signs]) > 300 + np.mean(
        [s.end_ms - s.start_ms for t in plain for s in t.signs]
    )
    for stream in held:
        wrist = stream.clip.keypoints[:, RIGHT_HAND.start, :2]
        for sign in stream.signs:
            first, last = (round(ms * FPS / 1000) for ms in (sign.start_ms, sign.end_ms))
            still = np.linalg.norm(np.diff(wrist[first:last], axis=0), axis=1) < 5 * TREMBLE * SHOULDER_WIDTH
            assert still.sum() >= 3


@pytest.mark.parametrize(("direct", "longest_ms"), [(1.0, 700.0), (0.0, None)])
def test_between_signs_are_rests_or_none(direct: float, longest_ms: float | None) -> None:
    for stream in draw(direct=direct):
        for before, after in zip(stream.signs, stream.signs[1:], strict=False):
            gap = after.start_ms - before.end_ms
            if longest_ms is None:
                assert gap > 800
            else:
                assert gap <= longest_ms
                assert before.gloss != after.gloss  # nobody could tell where it was repeated


def test_speed_makes_signs_shorter() -> None:
    slow, fast = draw(speed=(1.0, 1.0)), draw(speed=(2.0, 2.0))
    length = [np.mean([s.end_ms - s.start_ms for stream in some for s in stream.signs]) for some in (slow, fast)]
    assert length[1] == pytest.approx(length[0] / 2, rel=0.15)


def test_a_cut_leaves_no_frame_between_two_signs() -> None:
    for stream in draw(direct=1.0, cut=1.0):
        for before, after in zip(stream.signs, stream.signs[1:], strict=False):
            assert after.start_ms - before.end_ms == pytest.approx(1000 / FPS)


def test_trimming_takes_up_to_a_share_from_each_end_of_a_sign() -> None:
    whole, trimmed = draw(20), draw(20, trim=0.25)
    lengths = [np.array([s.end_ms - s.start_ms for stream in some for s in stream.signs]) for some in (whole, trimmed)]
    assert lengths[1].min() >= 0.45 * lengths[0].min()
    assert lengths[1].mean() == pytest.approx(0.75 * lengths[0].mean(), rel=0.08)


def test_signs_are_drawn_by_the_weights_of_their_glosses() -> None:
    maker = StreamMaker(examples(), SIGNS, (), {"high": 3.0, "low": 1.0})
    rng = np.random.default_rng(0)
    signs = [g for _ in range(60) for g in maker.draw(StreamConfig(signs=(3, 3), direct=0.0), rng).glosses]
    assert signs.count("high") / len(signs) == pytest.approx(0.75, abs=0.08)
    clips = [e for e in examples() if e.signer != "ann" or e.gloss == "low"]
    maker = StreamMaker(clips, SIGNS, (), {"high": 1.0, "low": 0.0})
    assert {maker.draw(StreamConfig(direct=0.0), rng).signer for _ in range(20)} == {"bea", "cem"}


def test_a_clip_without_hands_is_no_sign() -> None:
    points = examples()[0].clip.keypoints.copy()
    points[:, LEFT_HAND] = points[:, RIGHT_HAND] = 0.0
    assert signed(points) is None
    with pytest.raises(DataError, match="no clip has a gloss"):
        draw_streams(examples(), ("nowhere",), (), StreamConfig(), 1, 0)


def test_clips_in_which_nothing_is_signed_take_the_place_of_a_rest() -> None:
    streams = draw_streams(examples(), ("high",), ("low",), StreamConfig(signs=(4, 4), direct=0.0), 4, 0)
    idle_hands = 0
    for stream in streams:
        inside = np.zeros(len(stream.clip.t_ms), bool)
        for sign in stream.signs:
            inside |= (stream.clip.t_ms >= sign.start_ms - 700) & (stream.clip.t_ms <= sign.end_ms + 700)
        idle_hands += int(hands(stream)[~inside].sum())
    assert idle_hands > 0
