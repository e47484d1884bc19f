from dataclasses import replace

import numpy as np
import pytest

from glosscast.clip import Clip
from glosscast.decoding import decode_clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, Pose, X, Y
from glosscast.ranking import ranked
from glosscast.vocabulary import Vocabulary
from service.live.reader import FrameLimiter, LandmarksFeed, SignReader, effective_config
from service.protocol.messages import Start
from service.protocol.wire import FrameFault
from tests.bundles import ASPECT, FRAME_MS, pose, signing
from tests.tagging import TAGGING, with_right_hand


def session(bundle, model, **start):
    config = effective_config(Start(type="start", input="keypoints", **start), bundle)
    return SignReader(bundle, model, config, clock=lambda: 10.0)


def feed(session, frames, arrived_s=9.0):
    return [m for t_ms, keypoints in frames for m in session.push(t_ms, keypoints, ASPECT, arrived_s)]


def of(messages, kind):
    return [m for m in messages if m.type == kind]


def test_each_sign_is_started_and_ended_once_and_read_right(bundle, model):
    messages = feed(session(bundle, model), signing("east", "west", "rest"))

    assert [m.segment for m in of(messages, "sign_started")] == [0, 1, 2]
    assert [(m.segment, m.gloss) for m in of(messages, "final")] == [(0, "east"), (1, "west"), (2, "rest")]


def test_messages_of_a_sign_come_in_order(bundle, model):
    messages = feed(session(bundle, model), signing("east"))

    assert messages[0].type == "sign_started"
    assert messages[-1].type == "final"
    interims = messages[1:-1]
    assert [m.revision for m in interims] == list(range(1, len(interims) + 1))
    assert len(interims) >= 3
    assert {m.start_ms for m in messages[1:]} == {messages[0].t_ms} == {12 * FRAME_MS}


def test_an_interim_states_whether_it_is_stable(bundle, model):
    interims = of(feed(session(bundle, model), signing("east", sign_frames=40)), "interim")

    assert [m.stable for m in interims[:2]] == [False, False]  # the first, and one that is too unsure
    assert interims[-1].stable


def test_a_bundle_without_no_sign_reports_a_repetition_as_its_gloss(bundle, model):
    silent = replace(
        bundle,
        vocabulary=Vocabulary(tuple(bundle.vocabulary)),
        manifest=bundle.manifest.model_copy(update={"no_sign": None}),
    )
    finals = of(feed(session(silent, model), signing("east", sign_frames=200)), "final")

    assert [f.gloss for f in finals] == ["east"] * len(finals)
    assert len(finals) > 1


def test_a_final_has_all_that_is_known(bundle, model):
    (final,) = of(feed(session(bundle, model), signing("east")), "final")

    assert [a.gloss for a in final.alternatives] == ["rest", "west"]
    assert final.confidence > final.alternatives[0].confidence > final.alternatives[1].confidence
    assert final.confidence + sum(a.confidence for a in final.alternatives) == pytest.approx(1, abs=1e-3)
    assert final.confusable_with == ["west"]
    assert final.latency_ms == 1000.0  # the clock says 10 s, the frames came at 9 s
    assert final.end_ms == 31 * FRAME_MS


def test_no_interims_unless_wanted(bundle, model):
    messages = feed(session(bundle, model, interim=False), signing("east", "west"))

    assert [m.type for m in messages] == ["sign_started", "final"] * 2


def test_interims_are_put_off_while_there_is_no_time_and_finals_are_not(bundle, model):
    busy = [True]
    config = effective_config(Start(type="start", input="keypoints"), bundle)
    live = SignReader(bundle, model, config, has_capacity=lambda: not busy[0])
    frames = signing("east", "west")
    first = feed(live, frames[:40])
    busy[0] = False
    second = feed(live, frames[40:])

    assert [m.type for m in first] == ["sign_started", "final"]
    assert [m.gloss for m in of([*first, *second], "final")] == ["east", "west"]
    assert len(of(second, "interim")) >= 3


@pytest.mark.parametrize(("top_k", "alternatives"), [(1, 0), (2, 1), (50, 2)])
def test_top_k_counts_the_best(bundle, model, top_k, alternatives):
    (final,) = of(feed(session(bundle, model, top_k=top_k), signing("west")), "final")

    assert len(final.alternatives) == alternatives


def test_streaming_equals_offline(bundle, model):
    frames = signing("east", "rest", "west", "west")
    clip = Clip(np.array([t for t, _ in frames]), np.stack([k for _, k in frames]), ASPECT)
    offline = decode_clip(clip, bundle.pipeline(model).decoder())

    live = session(bundle, model)
    messages = feed(live, frames) + live.finish(9.0)

    kinds = {"sign_started": "started", "interim": "interim", "final": "final"}
    assert [kinds[m.type] for m in messages] == [e.kind for e in offline]
    for message, event in zip(messages, offline, strict=True):
        assert message.segment == event.segment
        if event.probabilities is not None:
            (best,) = ranked(bundle.vocabulary, event.probabilities, 1)
            assert (message.gloss, message.confidence) == (best.gloss, best.confidence)
            assert (message.start_ms, message.end_ms) == (event.start_ms, event.end_ms)


@pytest.mark.parametrize("seed", range(3))
def test_arrival_in_bursts_changes_nothing(bundle, model, seed):
    """Pauses and bursts are the network's; what counts is the client's own time."""
    frames = signing("west", "east")
    smooth = feed(session(bundle, model), frames)

    rng = np.random.default_rng(seed)
    live = session(bundle, model)
    bursts = []
    at = 0
    while at < len(frames):
        size = int(rng.integers(1, 12))
        bursts += feed(live, frames[at : at + size])
        at += size

    assert bursts == smooth


def test_finalize_closes_the_open_sign_and_the_stream_goes_on(bundle, model):
    live = session(bundle, model, interim=False)
    frames = signing("east", sign_frames=60)
    before = feed(live, frames[:40])
    closed = live.finish(9.5)
    after = feed(live, frames[40:])

    assert [m.type for m in before] == ["sign_started"]
    assert [(m.type, m.gloss, m.latency_ms) for m in closed] == [("final", "east", 500.0)]
    assert [(m.type, m.segment) for m in after] == [("sign_started", 1), ("final", 1)]
    assert live.signs == 2


def test_finalize_without_a_sign_sends_nothing(bundle, model):
    live = session(bundle, model)

    assert live.finish(0.0) == []
    assert feed(live, signing()) == []
    assert live.finish(0.0) == []


def test_idle_costs_no_inference(bundle):
    def never(windows):
        raise AssertionError("nobody signed")

    assert feed(session(bundle, never), [(i * FRAME_MS, pose(None)) for i in range(200)]) == []


def test_time_going_backwards_is_refused(bundle, model):
    live = session(bundle, model)
    feed(live, [(100.0, pose(None))])

    with pytest.raises(ValueError, match="t_ms"):
        feed(live, [(100.0, pose(None))])


def test_the_client_gets_the_effective_config(bundle):
    keypoints = effective_config(Start(type="start", input="keypoints", top_k=50), bundle)
    frames = effective_config(Start(type="start", input="frames", landmarks=True, interim=False), bundle)

    assert keypoints.model_dump() == {
        "input": "keypoints", "interim": True, "top_k": 3, "landmarks": False, "aspect": 4 / 3, "lexicon": None
    }  # fmt: skip
    assert frames.model_dump() == {
        "input": "frames", "interim": False, "top_k": 3, "landmarks": True, "aspect": None, "lexicon": None
    }  # fmt: skip


# --- the gate


@pytest.mark.parametrize(
    ("times_ms", "faults"),
    [
        pytest.param([0, 1, 2], [], id="growing"),
        pytest.param([5, 5], [1], id="standing still"),
        pytest.param([5, 4], [1], id="backwards"),
        pytest.param([10, 4, 11], [1], id="one stray frame does not spoil the next"),
        pytest.param([-5, -4], [], id="negative times are the client's own business"),
    ],
)
def test_time_must_grow(times_ms, faults):
    gate = FrameLimiter(1000.0)
    for index, t_ms in enumerate(times_ms):
        if index in faults:
            with pytest.raises(FrameFault) as fault:
                gate.accept(t_ms, index * 0.1)
            assert fault.value.code == "bad_time"
        else:
            assert gate.accept(t_ms, index * 0.1)


def test_the_rate_is_limited_by_the_servers_clock():
    gate = FrameLimiter(10.0)
    twice_too_fast = [gate.accept(i, 100 + i / 20) for i in range(200)]

    assert all(twice_too_fast[:10])  # a second's worth may come at once
    assert sum(twice_too_fast[40:]) == pytest.approx(80, abs=1)


def test_the_allowed_rate_passes_for_ever():
    gate = FrameLimiter(10.0)

    assert all(gate.accept(i, 100 + i / 10 + 1e-6) for i in range(500))


def test_a_frame_that_is_dropped_does_not_count_as_the_last():
    gate = FrameLimiter(1.0)
    assert gate.accept(1.0, 0.0)
    assert not gate.accept(99.0, 0.0)
    assert gate.accept(50.0, 5.0)


# --- landmarks


def test_landmarks_are_where_the_points_are():
    keypoints = pose((1.0, 0.5))
    keypoints[LEFT_HAND, X], keypoints[LEFT_HAND, Y], keypoints[LEFT_HAND, PRESENCE] = 0.25, 0.75, 1
    keypoints[Pose.LEFT_ELBOW, PRESENCE] = 0.1  # MediaPipe's guess for a point that is hidden

    (message,) = LandmarksFeed().push(7.0, keypoints, 2)

    assert message.t_ms == 7.0
    assert len(message.pose) == 25
    assert message.pose[Pose.LEFT_SHOULDER] == (0.6, 0.5)
    assert message.pose[Pose.LEFT_ELBOW] is None
    assert message.left_hand == [(0.25, 0.75)] * 21
    assert message.right_hand is None
    assert message.people == 2


def test_landmarks_come_at_most_eight_times_a_second():
    now = [0.0]
    feed = LandmarksFeed(clock=lambda: now[0])
    sent = 0
    for i in range(300):
        now[0] = 50 + i / 100
        sent += len(feed.push(float(i), pose(None), 1))

    assert 22 <= sent <= 24


def test_an_unsure_final_is_reported_as_no_sign_with_its_gloss_as_alternative(bundle, model):
    sure = feed(session(bundle, model), signing("east"))[-1]
    decoder = bundle.manifest.decoder.model_copy(update={"reject": sure.confidence + 0.001})
    strict = replace(bundle, manifest=bundle.manifest.model_copy(update={"decoder": decoder}))
    final = feed(session(strict, model), signing("east"))[-1]

    assert (final.type, final.gloss, final.reason) == ("final", "rest", "unsure")
    assert sure.reason is None
    assert final.alternatives[0].gloss == "east"
    assert final.alternatives[0].confidence == sure.confidence
    assert len(final.alternatives) == len(sure.alternatives)


def test_hands_that_say_nothing_are_no_alternative_to_themselves(bundle, model):
    decoder = bundle.manifest.decoder.model_copy(update={"reject": 0.999})
    strict = replace(bundle, manifest=bundle.manifest.model_copy(update={"decoder": decoder}))
    final = feed(session(strict, model), signing("rest"))[-1]

    assert (final.gloss, final.reason) == ("rest", "unsure")
    assert {a.gloss for a in final.alternatives} == {"east", "west"}


def test_hands_that_surely_say_nothing_are_told_from_an_unsure_sign(bundle, model):
    (final,) = of(feed(session(bundle, model), signing("rest")), "final")
    assert (final.gloss, final.reason) == ("rest", "no_sign")


def test_a_continuing_sign_is_not_reported_twice(bundle, model):
    held = with_right_hand(pose((1.0, 0.2)))
    live = session(replace(bundle, tagging=TAGGING), model)
    finals = of(feed(live, [(i * FRAME_MS, held) for i in range(250)]), "final")

    assert [f.gloss for f in finals] == ["east"] + ["rest"] * (len(finals) - 1)
    assert [f.reason for f in finals] == [None] + ["continued"] * (len(finals) - 1)
    assert len(finals) > 1  # the longest sign has a limit
