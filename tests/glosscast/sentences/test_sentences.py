"""Sentences of both readers: what comes out, when, and what the times are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glosscast.bundle import Bundle, load_bundle
from glosscast.clip import Clip
from glosscast.decoding import NoSignerError, Reading, SignEvent
from glosscast.recogniser import Recogniser
from tests.bundles import ASPECT, FRAME_MS, pose
from tests.sentence_bundles import connected, make_sentence_bundle, make_window_bundle

Frames = list[tuple[float, np.ndarray]]
MAKERS = {"chunks": make_sentence_bundle, "windows": make_window_bundle}


@pytest.fixture(scope="module", params=["chunks", "windows"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Recogniser]:
    bundle = load_bundle(MAKERS[request.param](tmp_path_factory.mktemp(request.param)))
    return bundle, Recogniser(bundle)


@pytest.fixture
def pipeline(made: tuple[Bundle, Recogniser]) -> Reading:
    return made[0].pipeline(made[1].readout)


def read(pipeline: Reading, frames: Frames, **options: bool) -> list[SignEvent]:
    decoder = pipeline.decoder(**options)
    return [e for t_ms, keypoints in frames for e in decoder.push(t_ms, keypoints, ASPECT)] + decoder.finish()


def clip_of(frames: Frames) -> Clip:
    return Clip(np.array([t for t, _ in frames]), np.stack([k for _, k in frames]), ASPECT)


def finals(events: list[SignEvent]) -> list[tuple[int | None, int | None]]:
    return [(e.utterance, e.label) for e in events if e.kind == "final"]


def test_each_gloss_is_read_once_in_its_utterance(pipeline: Reading) -> None:
    events = read(pipeline, connected("east west west", "west east"))
    assert finals(events) == [(0, 0), (0, 1), (0, 1), (1, 1), (1, 0)]


def test_a_sign_is_started_once_then_guessed_and_ends_in_one_final(pipeline: Reading) -> None:
    events = read(pipeline, connected("east west", "east"))
    for segment in range(3):
        kinds = [e.kind for e in events if e.segment == segment]
        assert kinds[0] == "started"
        assert kinds[-1] == "final"
        assert set(kinds[1:-1]) == {"interim"}
        revisions = [e.revision for e in events if e.segment == segment and e.kind == "interim"]
        assert revisions == list(range(1, len(revisions) + 1))
    assert sorted({e.segment for e in events}) == [0, 1, 2]
    assert [e.segment for e in events] == sorted(e.segment for e in events)


def test_an_interim_is_stable_from_the_second_time_on(pipeline: Reading) -> None:
    interims = [e for e in read(pipeline, connected("east")) if e.kind == "interim"]
    assert [e.stable for e in interims[:2]] == [False, True]


def test_no_interims_unless_wanted(pipeline: Reading) -> None:
    assert {e.kind for e in read(pipeline, connected("east west"), interim=False)} == {"started", "final"}


def test_times_are_those_at_which_the_gloss_is_signed(pipeline: Reading) -> None:
    frames = connected("east west")
    events = [e for e in read(pipeline, frames) if e.kind == "final"]
    x = np.array([k[16, 0] for _, k in frames])  # of the right wrist
    for event, signed in zip(events, (x > 0.6, x < 0.3), strict=True):
        first, last = np.flatnonzero(signed)[[0, -1]] * FRAME_MS
        assert event.start_ms == pytest.approx(first, abs=3 * FRAME_MS)
        assert event.end_ms == pytest.approx(last, abs=3 * FRAME_MS)


def test_a_clip_is_read_as_its_stream_is(pipeline: Reading) -> None:
    frames = connected("east west", "west")
    reading = pipeline.read(clip_of(frames))
    live = [e for e in read(pipeline, frames) if e.kind == "final"]
    assert [(e.label, e.start_ms, e.end_ms) for e in reading.signs] == [(e.label, e.start_ms, e.end_ms) for e in live]
    assert reading.probabilities.shape == (0,)


def test_frames_at_any_times_give_the_same_glosses(pipeline: Reading) -> None:
    """Cameras deliver 10 to 60 frames a second, and unevenly."""
    frames = connected("east west", "west east")
    times, keypoints = np.array([t for t, _ in frames]), np.stack([k for _, k in frames])
    rng = np.random.default_rng(0)
    for fps in (12, 30, 60):
        at_ms = np.sort(rng.uniform(0, times[-1], int(times[-1] * fps / 1000)))
        jittered = [(float(t), keypoints[np.abs(times - t).argmin()]) for t in at_ms]
        assert finals(read(pipeline, jittered)) == [(0, 0), (0, 1), (1, 1), (1, 0)], fps


def test_idle_hands_cost_no_inference(made: tuple[Bundle, Recogniser]) -> None:
    def never(windows: object) -> np.ndarray:
        raise AssertionError("nobody signed")

    assert read(made[0].pipeline(never), [(i * FRAME_MS, pose(None)) for i in range(200)]) == []


def test_a_camera_that_pauses_ends_the_utterance(pipeline: Reading) -> None:
    frames = connected("east west")
    cut = next(i for i, (_, k) in enumerate(frames) if k[16, 0] < 0.3) - 3
    stalled = frames[:cut] + [(t + 20_000.0, k) for t, k in frames[cut:]]
    events = read(pipeline, stalled)
    assert finals(events) == [(0, 0), (1, 1)]
    assert [e.end_ms < 20_000 for e in events if e.kind == "final"] == [True, False]


def test_a_short_stall_in_mid_sentence_changes_nothing(pipeline: Reading) -> None:
    frames = connected("east west")
    stalled = [frame for i, frame in enumerate(frames) if i not in range(34, 39)]
    assert finals(read(pipeline, stalled)) == [(0, 0), (0, 1)]


def test_a_client_may_end_an_utterance_and_go_on(pipeline: Reading) -> None:
    frames = connected("east west")
    decoder = pipeline.decoder()
    middle = next(i for i, (_, k) in enumerate(frames) if k[16, 0] < 0.3)
    first = [e for t, k in frames[:middle] for e in decoder.push(t, k, ASPECT)] + decoder.finish()
    second = [e for t, k in frames[middle:] for e in decoder.push(t, k, ASPECT)] + decoder.finish()
    assert finals(first) == [(0, 0)]
    assert finals(second) == [(1, 1)]
    assert [e.segment for e in second if e.kind == "started"] == [1]
    assert min(e.start_ms for e in second) >= frames[middle][0]
    assert decoder.finish() == []


def test_an_endless_sentence_is_committed_as_it_goes_and_keeps_no_more_frames(made: tuple[Bundle, Recogniser]) -> None:
    decoder = made[0].pipeline(made[1].readout).decoder()
    frames = connected(" ".join(["east", "west"] * 60))
    late: list[float] = []
    for t_ms, keypoints in frames[:-24]:
        late += [t_ms - e.end_ms for e in decoder.push(t_ms, keypoints, ASPECT) if e.kind == "final"]
    assert len(late) >= 118
    assert max(late) < 2000.0
    kept = decoder.excerpt(-np.inf, np.inf)
    assert kept is not None
    assert kept.duration_ms < 4000.0


def test_a_hand_that_is_held_for_ever_is_one_sign(pipeline: Reading) -> None:
    frames = connected("east", sign_frames=400)
    decoder = pipeline.decoder(interim=False)
    live = [e for t, k in frames[:200] for e in decoder.push(t, k, ASPECT)]
    assert finals(live) == [(0, 0)]
    assert finals([e for t, k in frames[200:] for e in decoder.push(t, k, ASPECT)]) == []


def test_time_going_backwards_is_refused(pipeline: Reading) -> None:
    decoder = pipeline.decoder()
    decoder.push(10.0, pose(None), ASPECT)
    with pytest.raises(ValueError, match=r"t_ms 10\.0 is not after 10\.0"):
        decoder.push(10.0, pose(None), ASPECT)


def test_a_clip_of_nobody_is_refused(pipeline: Reading) -> None:
    with pytest.raises(NoSignerError):
        pipeline.read(Clip(np.arange(9) * FRAME_MS, np.zeros((9, 171, 4), np.float32), ASPECT))


def test_an_unsure_sign_is_not_reported(tmp_path: Path) -> None:
    bundle = load_bundle(make_window_bundle(tmp_path))
    model = Recogniser(bundle)
    settings = bundle.manifest.decoder.model_copy(update={"reject": 0.99})
    pipeline = replace(bundle.pipeline(model.readout), settings=settings)  # type: ignore[type-var]
    events = read(pipeline, connected("east"))
    assert [e.suppressed for e in events if e.kind == "final"] == [True]
    assert pipeline.read(clip_of(connected("east"))).signs == []


@pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))
def test_a_rule_takes_the_place_of_another_with_the_next_utterance(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    bundle = load_bundle(make(tmp_path))
    decoder = bundle.pipeline(Recogniser(bundle).readout).decoder(interim=False)
    decoder.use(lambda readout: readout / 2)
    events = [e for t, k in connected("east") for e in decoder.push(t, k, ASPECT)]
    (final,) = (e for e in events if e.kind == "final")
    assert final.probabilities is not None
    assert final.probabilities.max() <= 0.5
