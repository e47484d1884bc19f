from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glosscast.clip import Clip, Window, window_starts
from glosscast.decoding import (
    Decoder,
    NoSignerError,
    Pipeline,
    SignEvent,
    decode_clip,
    pool,
)
from glosscast.keypoints import CHANNELS, POINTS, Pose, X
from glosscast.learned_segmentation import Tagging
from glosscast.probabilities import softmax
from tests.bundles import ASPECT, DECODER, FRAME_MS, GAIN, REST_LOGIT, SEGMENTER, SPEC, pose, signing
from tests.tagging import TAGGING, with_right_hand

EAST, WEST, REST = range(3)


def classify(windows: Sequence[Window]) -> np.ndarray:
    """The model of `tests.bundles`, in numpy."""
    x = np.array([(w.keypoints[:, Pose.RIGHT_WRIST, X] * w.mask).sum() / max(w.mask.sum(), 1) for w in windows])
    logits = np.stack([GAIN * x, -GAIN * x, np.full_like(x, REST_LOGIT)], axis=1)
    return softmax(logits).astype(np.float32)


PIPELINE = Pipeline(SPEC, SEGMENTER, DECODER, classify, no_sign=REST)


def decoder(interim: bool = True, tagging: Tagging | None = None) -> Decoder:
    return replace(PIPELINE, tagging=tagging).decoder(interim)


def clip_of(frames: list[tuple[float, np.ndarray]]) -> Clip:
    return Clip(np.array([t for t, _ in frames]), np.stack([k for _, k in frames]), ASPECT)


def plain(events: list[SignEvent]) -> list[tuple]:
    """Events as comparable values."""
    return [
        (*(e.kind, e.segment, e.start_ms, e.end_ms, e.revision, e.stable, e.suppressed), None)
        if e.probabilities is None
        else (*(e.kind, e.segment, e.start_ms, e.end_ms, e.revision, e.stable, e.suppressed), e.probabilities.tolist())
        for e in events
    ]


def assert_well_formed(events: list[SignEvent]) -> None:
    """Segments 0, 1, 2 … one after another, each: started, interims 1, 2, 3 …, one final."""
    finals = [e for e in events if e.kind == "final"]
    assert [e.segment for e in finals] == list(range(len(finals)))
    assert [e.segment for e in events] == sorted(e.segment for e in events)
    for segment in range(len(finals)):
        own = [e for e in events if e.segment == segment]
        kinds = [e.kind for e in own]
        assert kinds == ["started", *["interim"] * (len(own) - 2), "final"]
        assert [e.revision for e in own[1:-1]] == list(range(1, len(own) - 1))
        assert own[0].probabilities is None
        assert all(e.probabilities is not None and e.probabilities.sum() == pytest.approx(1) for e in own[1:])
    assert {e.segment for e in events} == set(range(len(finals)))


def test_signs_are_read_one_by_one() -> None:
    events = decode_clip(clip_of(signing("east", "west", "rest")), decoder())
    assert_well_formed(events)
    finals = [e.probabilities.argmax() for e in events if e.kind == "final" and e.probabilities is not None]
    assert finals == [EAST, WEST, REST]
    assert sum(e.kind == "interim" for e in events) >= 3


def test_without_interims_only_starts_and_finals_come() -> None:
    clip = clip_of(signing("east", "west"))
    with_interims = decode_clip(clip, decoder())
    without = decode_clip(clip, decoder(interim=False))
    assert [e.kind for e in without] == ["started", "final"] * 2
    assert plain(without) == plain([e for e in with_interims if e.kind != "interim"])


def test_a_whole_recording_gives_the_same_events_as_its_frames_pushed_one_by_one() -> None:
    frames = signing("east", "rest", "west")
    live = decoder()
    events = []
    for t_ms, keypoints in frames:
        events += live.push(t_ms, keypoints, ASPECT)
    events += live.finish()
    assert plain(events) == plain(decode_clip(clip_of(frames), decoder()))


@pytest.mark.parametrize("count", [14, 20, 33, 50])
def test_later_frames_change_no_event_that_was_given(count: int) -> None:
    frames = signing("east", "west")
    live = decoder()
    early = [e for t, k in frames[:count] for e in live.push(t, k, ASPECT)]
    whole = decode_clip(clip_of(frames), decoder())
    assert plain(early) == plain(whole)[: len(early)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.2, 0.9, 1.1, 2.0, None]), st.integers(1, 15), st.booleans()),
        min_size=1,
        max_size=10,
    ),
    st.integers(5, 200),
)
def test_every_sign_started_gets_exactly_one_final(parts: list[tuple[float | None, int, bool]], gap_ms: int) -> None:
    frames = []
    for height, count, moves in parts:
        for i in range(count):
            seen = height is not None
            frames.append(pose((0.3 * (moves and i % 2), height)) if seen else np.zeros((POINTS, CHANNELS), np.float32))
    events = decode_clip(clip_of([(i * float(gap_ms), k) for i, k in enumerate(frames)]), decoder())
    assert_well_formed(events)


def hands(text: str) -> list[tuple[float, np.ndarray]]:
    """Half a second a letter: `E`, `W` signs, moving; `e` east held still; `.` nothing, raised; `-` arms down."""
    side = {"E": 1.2, "e": 1.2, "W": -1.2, ".": 0.0}
    frames = []
    for i in range(8 * len(text)):
        letter = text[i // 8]
        wrist = None if letter == "-" else (side[letter], 0.2 + 0.2 * (letter != "e" and i % 2))
        frames.append(pose(wrist))
    return [(i * FRAME_MS, with_right_hand(k) if text[i // 8] in "EeW" else k) for i, k in enumerate(frames)]


ONCE_OR_TWICE = [
    pytest.param("--EEEE--", [EAST], id="one sign"),
    pytest.param("--" + "E" * 30 + "--", [EAST], id="longer than the longest sign"),
    pytest.param("--EEE" + "e" * 20 + "EEE--", [EAST], id="held still, then moved"),
    pytest.param("--EEEE--EEEE--", [EAST, EAST], id="again after a rest"),
    pytest.param("--EEEE-EEEE--", [EAST], id="the hands are lowered for a moment"),
    pytest.param("--EEEE-WWWW--", [EAST, WEST], id="another sign after a short rest"),
    pytest.param("--EEEE----WWWW----EEEE--", [EAST, WEST, EAST], id="again after another sign"),
    pytest.param("EEEE--", [EAST], id="the hands are up at first"),
    pytest.param("EEEE", [EAST], id="the hands are up all the time"),
    pytest.param("E" * 30 + "--EEEE--", [EAST, EAST], id="long at first, and again"),
]


@pytest.mark.parametrize("tagging", [None, TAGGING], ids=["rule", "learned"])
@pytest.mark.parametrize(("text", "expected"), ONCE_OR_TWICE)
def test_a_sign_is_reported_once_and_a_repetition_again(
    text: str, expected: list[int], tagging: Tagging | None
) -> None:
    clip = clip_of(hands(text))
    events = decode_clip(clip, decoder(tagging=tagging))
    assert_well_formed(events)
    assert [e.probabilities.argmax() for e in events if e.kind == "final" and not e.suppressed] == expected
    signs = replace(PIPELINE, tagging=tagging).read(clip).signs
    assert [e.probabilities.argmax() for e in signs] == expected


def test_a_repetition_with_the_hands_up_is_reported_once() -> None:
    """As in a sign whose movement is made several times: the network ends it and begins it anew."""
    events = decode_clip(clip_of(hands("--EEE.EEE.EEE--")), decoder(tagging=TAGGING))
    assert [e.suppressed for e in events if e.kind == "final"] == [False, True, True]


@pytest.mark.parametrize("tagging", [None, TAGGING], ids=["rule", "learned"])
def test_an_interim_is_stable_from_the_second_on_and_never_of_a_sign_that_was_reported(tagging: Tagging | None) -> None:
    events = decode_clip(clip_of(hands("--" + "E" * 20 + "--")), decoder(tagging=tagging))
    stable = [[e.stable for e in events if e.kind == "interim" and e.segment == segment] for segment in (0, 1)]
    assert stable[0][0] is False
    assert any(stable[0])
    assert len(stable[1]) > 3
    assert not any(stable[1])


def test_no_sign_is_never_stable() -> None:
    events = decode_clip(clip_of(signing("rest")), decoder())
    interims = [e for e in events if e.kind == "interim"]
    assert interims[-1].probabilities.max() > DECODER.stable
    assert not any(e.stable for e in interims)


@pytest.mark.parametrize("t_ms", [100.0, 99.0, -5.0])
def test_time_that_does_not_increase_is_refused(t_ms: float) -> None:
    live = decoder()
    live.push(100.0, pose(None), ASPECT)
    with pytest.raises(ValueError, match="not after"):
        live.push(t_ms, pose(None), ASPECT)


def test_a_frame_shape_that_changes_in_mid_stream_changes_no_event() -> None:
    frames = signing("east", "west")
    other = 0.75
    live = decoder()
    events = []
    for i, (t_ms, keypoints) in enumerate(frames):
        if i < 22:
            events += live.push(t_ms, keypoints, ASPECT)
        else:
            narrow = keypoints.copy()
            narrow[:, X] *= ASPECT / other
            events += live.push(t_ms, narrow, other)
    events += live.finish()
    wanted = decode_clip(clip_of(frames), decoder())
    assert [(e.kind, e.segment, e.start_ms, e.end_ms) for e in events] == [
        (e.kind, e.segment, e.start_ms, e.end_ms) for e in wanted
    ]
    for got, want in zip(events, wanted, strict=True):
        if want.probabilities is not None:
            assert np.allclose(got.probabilities, want.probabilities, atol=1e-4)


def test_push_does_not_change_the_callers_keypoints() -> None:
    keypoints = pose((0.5, 0.2))
    before = keypoints.copy()
    decoder().push(0.0, keypoints, ASPECT)
    assert np.array_equal(keypoints, before)


@given(
    first=st.floats(0, 1000),
    lead=st.floats(0, 3000),
    length=st.floats(0, 10000),
    after=st.floats(0, 3000),
    hop=st.floats(50, 2000),
)
def test_windows_cover_their_segment(first: float, lead: float, length: float, after: float, hop: float) -> None:
    start = first + lead
    end = first + lead + length
    now = first + lead + length + after
    starts = window_starts(start, end, first, now, SPEC, hop)
    size = SPEC.window_ms
    slack = 1e-6
    assert starts[0] <= start + slack
    assert starts[-1] + size >= end - slack
    assert min(starts) >= first - slack
    if now - first >= size:
        assert max(starts) + size <= now + slack
    gaps = np.diff(starts)
    assert (gaps >= -slack).all()
    assert (gaps <= hop + slack).all()
    assert len(starts) == 1 or end - start > size


def test_a_short_segment_is_centred_where_the_recording_allows_it() -> None:
    assert window_starts(5000, 6000, 0, 10000, SPEC, 500) == [4500]
    assert window_starts(5000, 6000, 0, 6100, SPEC, 500) == [4100]
    assert window_starts(200, 1000, 0, 10000, SPEC, 500) == [0]


def test_a_recording_is_read_as_the_signs_in_it() -> None:
    probabilities = PIPELINE.read(clip_of(signing("west"))).probabilities
    assert probabilities.argmax() == WEST
    assert probabilities.sum() == pytest.approx(1)


def test_a_recording_in_which_no_sign_is_found_is_read_whole() -> None:
    clip = clip_of([(i * FRAME_MS, pose((1.2, 1.5))) for i in range(32)])  # the hand is never raised
    assert decode_clip(clip, decoder()) == []
    probabilities = PIPELINE.read(clip).probabilities
    assert probabilities.argmax() == EAST


def test_a_recording_of_one_frame_can_be_read() -> None:
    probabilities = PIPELINE.read(clip_of([(0.0, pose((1.2, 0.2)))])).probabilities
    assert probabilities.argmax() == EAST


def test_a_recording_of_nobody_is_refused() -> None:
    clip = clip_of([(i * FRAME_MS, np.zeros((POINTS, CHANNELS), np.float32)) for i in range(10)])
    with pytest.raises(NoSignerError):
        PIPELINE.read(clip)


def test_signs_are_pooled_by_their_length() -> None:
    a, b = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    pooled = pool([SignEvent("final", 0, 0.0, 2999.0, 0, a), SignEvent("final", 1, 5000.0, 5999.0, 0, b)])
    assert pooled == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("before", [1, 10], ids=["just raised", "signing"])
def test_a_leap_in_time_costs_no_more_windows_than_the_longest_sign(before: int) -> None:
    counts = []

    def counting(windows: Sequence[Window]) -> np.ndarray:
        counts.append(len(windows))
        return classify(windows)

    live = replace(PIPELINE, classify=counting).decoder()
    for i in range(before):
        live.push(i * FRAME_MS, pose((0.3 * (i % 2), 0.2)), ASPECT)
    for i in range(10):
        live.push(400_000.0 + i * FRAME_MS, pose((0.3 * (i % 2), 0.2)), ASPECT)
    live.finish()
    longest_ms = SEGMENTER.max_ms + SEGMENTER.leave_ms + SPEC.window_ms
    assert max(counts) <= longest_ms / DECODER.hop_ms + 1


def test_a_clock_that_crawls_does_not_fill_the_memory() -> None:
    live = decoder()
    sizes = []
    for i in range(5000):
        live.push(i * 0.001, pose(None), ASPECT)
        sizes.append(len(live._frames))
    assert sizes[-1] == max(sizes) < 1500
