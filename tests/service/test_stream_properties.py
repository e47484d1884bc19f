"""What holds for any stream: however its frames are cut up, in whatever order messages come, whoever else signs."""

import asyncio
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glosscast.clip import Clip
from glosscast.decoding import decode_clip
from glosscast.protocol import CloseCode, pack_frame
from service.app import create_app
from service.live.queues import Arrival, FinishSign, FrameQueue
from service.live.reader import SignReader, effective_config
from service.live.registry import Registry
from service.protocol.codes import ErrorCode
from service.protocol.messages import SERVER_MESSAGES, Start
from service.protocol.wire import FrameMessage
from service.settings import Settings
from tests.bundles import ASPECT, FRAME_MS, pose
from tests.service.serving import ROOMY, TIMEOUT_S, ColourTracker

PLACES = {"down": None, "east": (1.2, 0.2), "east too": (1.2, 0.4), "west": (-1.2, 0.2), "low": (0.3, 1.1)}
# What a signer does, as runs of frames in one place, and the time to the next frame in frame intervals.
RUNS = st.lists(st.tuples(st.sampled_from(list(PLACES)), st.integers(1, 30)), min_size=1, max_size=10)
STEPS = st.lists(st.sampled_from([1.0, 1.0, 1.0, 0.3, 3.0, 40.0]), min_size=1, max_size=7)


def recording(runs, steps):
    """(t_ms, keypoints) of each frame."""
    places = [place for place, length in runs for _ in range(length)]
    t_ms = np.cumsum([steps[i % len(steps)] * FRAME_MS for i in range(len(places))])
    return [(float(t), pose(PLACES[place])) for t, place in zip(t_ms, places, strict=True)]


def new_session(bundle, model):
    config = effective_config(Start(type="start", input="keypoints", interim=False), bundle)
    return SignReader(bundle, model, config, clock=lambda: 0.0)


def read(session, frames):
    """What a session says of a recording."""
    return [m for t_ms, k in frames for m in session.push(t_ms, k, ASPECT, 0.0)] + session.finish(0.0)


@settings(max_examples=40, deadline=None)
@given(RUNS, STEPS, st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_streaming_equals_offline_for_any_chunks_of_input(bundle, model, runs, steps, chops):
    """Frames come to the worker in chunks of any size; the whole recording is read at once."""
    frames = recording(runs, steps)
    inbox = FrameQueue(len(frames))
    session = new_session(bundle, model)
    said = []
    at = 0
    while at < len(frames):
        chunk = frames[at : at + chops[at % len(chops)]]
        for t_ms, keypoints in chunk:
            assert inbox.put(Arrival(FrameMessage(0, t_ms, keypoints), 0.0)) == 0
        for _ in chunk:
            item = inbox.get()
            said += session.push(item.frame.t_ms, item.frame.payload, ASPECT, 0.0)
        at += len(chunk)
    said += session.finish(0.0)
    times, keypoints = zip(*frames, strict=True)
    vocabulary = bundle.vocabulary
    decoder = bundle.pipeline(model).decoder(interim=False)
    offline = [e for e in decode_clip(Clip(np.array(times), np.stack(keypoints), ASPECT), decoder) if e.kind == "final"]

    finals = [m for m in said if m.type == "final"]
    assert [(m.segment, m.start_ms, m.end_ms) for m in finals] == [(e.segment, e.start_ms, e.end_ms) for e in offline]
    best = [vocabulary.no_sign if e.suppressed else vocabulary.gloss(int(e.probabilities.argmax())) for e in offline]
    assert [m.gloss for m in finals] == best


@settings(max_examples=30, deadline=None)
@given(RUNS, RUNS, STEPS, st.lists(st.booleans(), min_size=1, max_size=20))
def test_two_sessions_share_nothing(bundle, model, one, two, steps, turns):
    recordings = [recording(one, steps), recording(two, steps)]
    alone = [read(new_session(bundle, model), frames) for frames in recordings]
    sessions = [new_session(bundle, model) for _ in recordings]
    together = [[], []]
    rests = [*map(list, recordings)]
    turn = 0
    while any(rests):
        which = int(turns[turn % len(turns)])
        which = which if rests[which] else 1 - which
        t_ms, keypoints = rests[which].pop(0)
        together[which] += sessions[which].push(t_ms, keypoints, ASPECT, 0.0)
        turn += 1
    for which, session in enumerate(sessions):
        together[which] += session.finish(0.0)

    assert together == alone


@given(st.lists(st.one_of(st.just("frame"), st.just("break")), max_size=60), st.integers(1, 6))
def test_the_inbox_loses_the_oldest_frames_and_no_request(items, size):
    inbox = FrameQueue(size)
    sent = 0
    dropped = 0
    for item in items:
        if item == "frame":
            dropped += inbox.put(Arrival(FrameMessage(sent, float(sent), b""), 0.0))
            sent += 1
        else:
            inbox.put_request(FinishSign(0.0))
    inbox.put_request(FinishSign(0.0, last=True))
    taken, requests = [], []
    while not (isinstance(item := inbox.get(), FinishSign) and item.last):
        (requests if isinstance(item, FinishSign) else taken).append(item)

    assert [item.frame.seq for item in taken] == list(range(sent))[-size:]
    assert dropped == sent - len(taken)
    assert len(requests) <= items.count("break")
    if items and "frame" in items and "break" in items[: -items[::-1].index("frame")]:
        assert requests  # one that came before a frame is still received


# --- any order of messages

MANY = 100
FRAME = pose((1.2, 0.2)).astype("<f4").tobytes()
START = '{"type":"start","input":"keypoints"}'
MESSAGES = st.one_of(
    st.sampled_from(
        [
            START,
            '{"type":"start","input":"frames","landmarks":true}',
            '{"type":"resume","session":"x","token":"y"}',
            '{"type":"finalize"}',
            '{"type":"keepalive"}',
            '{"type":"stop"}',
            '{"type":"nonsense"}',
            "[]",
            pack_frame(0, 0.0, b"no picture"),
        ]
    ),
    st.integers(0, 40).map(lambda at: pack_frame(at, at * FRAME_MS, FRAME)),
    st.text(max_size=20),
    st.binary(max_size=40),
)
TYPES = {model.model_fields["type"].default: model for model in SERVER_MESSAGES}
SCOPE = {
    "type": "websocket", "server": ("127.0.0.1", 8000), "path": "/v1/stream", "headers": [], "query_string": b"",
    "subprotocols": ["glosscast.v1"],
}  # fmt: skip


@pytest.fixture(scope="module")
def app(bundle_folder):
    """The application, open, without a network."""
    app = create_app(Settings(bundle=bundle_folder, **ROOMY), ColourTracker)
    app.state.glosscast.open()
    yield app
    app.state.glosscast.close()


async def converse(app, messages):
    """What is sent to a client that says this, and then goes with a goodbye."""
    inbound = asyncio.Queue()
    sent = []
    inbound.put_nowait({"type": "websocket.connect"})
    for message in messages:
        inbound.put_nowait({"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message})
    inbound.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def send(message):
        sent.append(message)

    async with asyncio.timeout(TIMEOUT_S):
        await app(SCOPE, inbound.get, send)
        await app.state.registry.shut_down(TIMEOUT_S)
        app.state.registry = Registry(MANY, app.state.glosscast.metrics)
    return sent


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(MESSAGES, max_size=25))
@pytest.mark.slow
def test_no_order_of_messages_breaks_it(app, caplog, starts, messages):
    sent = asyncio.run(converse(app, [START, *messages] if starts else messages))
    texts = [json.loads(message["text"]) for message in sent if message["type"] == "websocket.send"]
    closes = [message["code"] for message in sent if message["type"] == "websocket.close"]

    assert "failed" not in caplog.text
    assert all(code in {int(c) for c in CloseCode} - {CloseCode.INTERNAL} for code in closes)
    assert {text["code"] for text in texts if text["type"] == "error"} <= set(ErrorCode) - {ErrorCode.INTERNAL}
    assert all(set(text) == set(TYPES[text["type"]].model_fields) for text in texts)
    segments = [text["segment"] for text in texts if text["type"] == "final"]
    assert all(after == before + 1 for before, after in pairwise(segments))
    started = [text["segment"] for text in texts if text["type"] == "sign_started"]
    assert started[: len(segments)] == segments
