import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from glosscast.keypoints import CHANNELS, LEFT_HAND, POINTS, RIGHT_HAND, WRISTS, X
from glosscast.learned_segmentation import LearnedSegmenter, TaggerSettings, Tagging
from glosscast.segmentation import Segment
from glosscast.tagger import LOOKAHEAD, TICK_MS
from tests.bundles import ASPECT, SEGMENTER, pose
from tests.tagging import SETTINGS, TAGGING

DELAY_MS = LOOKAHEAD * TICK_MS


def frame(what: str) -> np.ndarray:
    """`-` raised, in no sign; `=` sunk a little; `_` lowered; `s` in a sign; `b` where one begins."""
    keypoints = pose((0.2, {"=": 1.1, "_": 2.0}.get(what, 0.5)))
    keypoints[LEFT_HAND] = keypoints[RIGHT_HAND] = 0.0
    if what in "sb":
        keypoints[RIGHT_HAND] = keypoints[WRISTS[1]]
        keypoints[RIGHT_HAND, 3] = 1.0
    if what == "b":
        keypoints[LEFT_HAND] = keypoints[WRISTS[0]]
        keypoints[LEFT_HAND, 3] = 1.0
    keypoints[:, X] *= ASPECT
    return keypoints


def segmenter(**changes: float) -> LearnedSegmenter:
    return LearnedSegmenter(SEGMENTER, Tagging(SETTINGS.model_copy(update=changes), TAGGING.weights))


def said(frames: str, step_ms: float = TICK_MS, **changes: float) -> list[Segment]:
    """Closed segments of a stream, one letter a frame."""
    live = segmenter(**changes)
    found = [live.push(i * step_ms, frame(what)) for i, what in enumerate(frames)]
    return [s for s in [*found, live.finish()] if s is not None and s.closed]


def ticks(segments: list[Segment]) -> list[tuple[float, float]]:
    """Start and end in frames, with the delay of the network, which here knows a frame at once, taken away."""
    return [(round((s.start_ms + DELAY_MS) / TICK_MS, 6), round((s.end_ms + DELAY_MS) / TICK_MS, 6)) for s in segments]


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        pytest.param("-" * 20, [], id="rest"),
        pytest.param("---ssssssss---", [(3, 10)], id="one sign"),
        pytest.param("--ssssssss-ssss--", [(2, 9), (11, 14)], id="a gap"),
        pytest.param("--sssssssbsssssss--", [(2, 8), (9, 16)], id="two without a rest"),
        pytest.param("--bbssssss---", [(2, 9)], id="a start does not split itself"),
        pytest.param("--s-ssssssss---", [(2, 11)], id="too short to end"),
        pytest.param("---ssssss", [(3, 8)], id="the stream ends"),
    ],
)
def test_signs_follow_the_networks_tags(frames: str, wanted: list[tuple[float, float]]) -> None:
    assert ticks(said(frames)) == wanted


def test_segments_are_numbered_and_reported_as_they_grow() -> None:
    live = segmenter()
    received = [live.push(i * TICK_MS, frame(what)) for i, what in enumerate("--ssssss---ssssss---")]
    segments = [s for s in received if s is not None]
    assert [s.index for s in segments if s.closed] == [0, 1]
    assert all(a.end_ms <= b.end_ms for a, b in itertools.pairwise(segments) if a.index == b.index)
    assert not segments[0].closed


def test_a_sign_has_a_longest_length() -> None:
    frames = "s" * 250
    lengths = [s.end_ms - s.start_ms for s in said(frames)]
    assert len(lengths) == 3
    assert max(lengths) <= SEGMENTER.max_ms


def test_a_pause_of_the_camera_ends_a_sign() -> None:
    live = segmenter()
    for i in range(10):
        live.push(i * TICK_MS, frame("s"))
    closed = live.push(5000.0, frame("s"))
    assert closed is not None
    assert closed.closed
    assert closed.end_ms <= 9 * TICK_MS
    later = live.push(5000.0 + 3 * TICK_MS, frame("s"))
    assert later is not None
    assert later.start_ms >= 5000.0


@pytest.mark.parametrize("fps", [8.0, 15.0, 30.0, 60.0])
def test_the_frame_rate_moves_nothing_far(fps: float) -> None:
    count = int(4 * fps)
    frames = "".join("s" if 1.0 <= i / fps < 2.5 else "-" for i in range(count))
    (found,) = said(frames, 1000.0 / fps)
    assert found.start_ms + DELAY_MS == pytest.approx(1000.0, abs=130)
    assert found.end_ms + DELAY_MS == pytest.approx(2500.0, abs=130)


def test_nobody_in_view_is_no_sign() -> None:
    live = segmenter()
    empty = np.zeros((POINTS, CHANNELS), np.float32)
    assert [live.push(i * TICK_MS, empty) for i in range(30)] == [None] * 30


def test_lowered_hands_end_a_sign_even_against_the_network() -> None:
    live = segmenter()
    for i in range(10):
        live.push(i * TICK_MS, frame("s"))
    lowered = frame("s")
    lowered[[*WRISTS, *range(RIGHT_HAND.start, RIGHT_HAND.stop)], 1] += 0.4
    segments = [live.push(i * TICK_MS, lowered) for i in range(10, 30)]
    closed = [s for s in segments if s is not None and s.closed]
    assert len(closed) == 1
    assert closed[0].end_ms <= 9 * TICK_MS
    assert segments[-1] is None


@pytest.mark.parametrize(
    ("frames", "rested"),
    [
        pytest.param("ssssssssbsssssss", [True, False], id="a beginning"),
        pytest.param("ssssssss------ssssssss", [True, False], id="raised, in no sign for a moment"),
        pytest.param("ssssssss" + "-" * 50 + "ssssssss", [True, True], id="raised, in no sign for long"),
        pytest.param("ssssssss__ssssssss", [True, False], id="lowered for a moment"),
        pytest.param("ssssssss______ssssssss", [True, True], id="lowered"),
        pytest.param("ssssssss--______--ssssssss", [True, True], id="lowered later"),
        pytest.param("ssssssss--======--ssssssss", [True, True], id="below where a sign begins"),
        pytest.param("s" * 200, [True, False, False], id="longer than the longest sign"),
    ],
)
def test_a_segment_knows_whether_the_hands_rested_before(frames: str, rested: list[bool]) -> None:
    assert [s.rested for s in said(frames)] == rested


def test_a_stream_that_begins_with_the_hands_up_begins_with_a_sign() -> None:
    (found,) = said("s" * 20)
    assert (found.start_ms, found.rested) == (0.0, True)


def test_finish_closes_the_open_segment_once() -> None:
    live = segmenter()
    for i in range(12):
        live.push(i * TICK_MS, frame("s"))
    closed = live.finish()
    assert closed is not None
    assert closed.closed
    assert live.finish() is None


def test_leave_must_not_be_above_enter() -> None:
    with pytest.raises(ValidationError, match="leave"):
        TaggerSettings(enter=0.3, leave=0.5, begin=0.5, min_ms=0, repeat_ms=0)
