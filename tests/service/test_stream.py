"""The websocket against a real server; what a session says about signs is tested in test_session.py."""

import asyncio
import json
import socket
import struct
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from glosscast.bundle import load_bundle
from glosscast.recogniser import Recogniser
from service.app import create_app
from service.protocol import Start
from service.session import Session, effective_config
from service.settings import Settings
from tests.bundles import ASPECT, FRAME_MS, pose, signing
from tests.service.serving import (
    EAST,
    TIMEOUT_S,
    WEST,
    Client,
    ColourTracker,
    binary,
    colours,
    picture,
    serve,
)

ROOMY = {"queue_frames": 1000, "max_fps": 1000.0}  # for frames that come faster than any camera's


@pytest.fixture(scope="module")
def address(bundle_folder):
    with serve(bundle_folder, max_frame_bytes=100_000, **ROOMY) as address:
        yield address


def send_all(client, frames):
    for seq, (t_ms, keypoints) in enumerate(frames):
        client.keypoints(seq, t_ms, keypoints)


def metric(address, name):
    for line in httpx.get(f"http://{address}/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no {name}")


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- a healthy stream


def test_keypoints_from_start_to_end(address, bundle_folder):
    with Client(address) as client:
        before = datetime.now(UTC)
        started = client.start(top_k=2, aspect=ASPECT)
        send_all(client, signing("east", "west"))
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert set(started) == {"type", "session", "expires_at", "config", "bundle", "limits"}
    assert started["bundle"] == "compass@1"
    assert started["config"] == {
        "input": "keypoints", "interim": True, "top_k": 2, "landmarks": False, "aspect": ASPECT
    }  # fmt: skip
    assert started["limits"] == {"max_fps": 1000.0, "max_frame_bytes": 100_000}
    expires = datetime.fromisoformat(started["expires_at"])
    assert abs(expires - before - timedelta(hours=1)) < timedelta(seconds=10)
    assert client.finals() == ["east", "west"]
    assert [m["segment"] for m in client.of("sign_started")] == [m["segment"] for m in client.of("final")] == [0, 1]
    assert client.heard[-1]["type"] == "ended"
    summary = client.heard[-1]["summary"]
    assert summary["duration_ms"] > 0
    assert summary == {**summary, "frames": 76, "dropped": 0, "faulty": 0, "signs": 2}


def test_the_fields_are_those_of_the_protocol(address):
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east"))
        client.send({"type": "stop"})
        client.until_closed()

    assert set(client.of("sign_started")[0]) == {"type", "segment", "t_ms"}
    guess = {"type", "segment", "gloss", "confidence", "start_ms", "end_ms"}
    assert set(client.of("final")[0]) == guess | {"alternatives", "confusable_with", "latency_ms"}
    assert set(client.of("final")[0]["alternatives"][0]) == {"gloss", "confidence"}
    assert set(client.of("ended")[0]) == {"type", "summary"}
    for interim in client.of("interim"):
        assert set(interim) == guess | {"revision"}


def test_the_wire_changes_nothing(address, bundle_folder):
    """The same messages as from a session without a server, but for interims overtaken on their way."""
    frames = signing("west", "rest", "east")
    bundle = load_bundle(bundle_folder)
    config = effective_config(Start(type="start", input="keypoints", interim=False), bundle)
    session = Session(bundle, Recogniser(bundle), config)
    expected = [m.model_dump() for t, k in frames for m in session.push(t, k, ASPECT, 0.0)]
    with Client(address) as client:
        client.start(interim=False, aspect=ASPECT)
        send_all(client, frames)
        client.send({"type": "stop"})
        client.until_closed()

    def comparable(messages):
        return [{k: v for k, v in m.items() if k != "latency_ms"} for m in messages]

    assert comparable(client.heard[1:-1]) == comparable(expected)


def test_pictures_from_start_to_end(address):
    with Client(address) as client:
        config = client.start(input="frames")["config"]
        client.pictures(colours(WEST, EAST))
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert config["aspect"] is None
    assert client.finals() == ["west", "east"]
    assert client.of("landmarks") == []


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_pictures_of_other_kinds(address, kind):
    with Client(address) as client:
        client.start(input="frames")
        for index, colour in enumerate(colours(EAST)):
            client.send(binary(index, index * FRAME_MS, picture(colour, kind=kind)))
        client.send({"type": "stop"})
        client.until_closed()

    assert client.finals() == ["east"]


def test_landmarks_where_wanted(address):
    with Client(address) as client:
        assert client.start(input="frames", landmarks=True)["config"]["landmarks"] is True
        client.send(binary(0, 5.0, picture(EAST)))
        message = client.until("landmarks")

    assert set(message) == {"type", "t_ms", "pose", "left_hand", "right_hand"}
    assert message["t_ms"] == 5.0
    assert len(message["pose"]) == 25
    assert message["pose"][11] == [0.6, 0.5]
    assert message["left_hand"] is None


def test_no_interims_unless_wanted(address):
    with Client(address) as client:
        client.start(interim=False, aspect=ASPECT)
        send_all(client, signing("east"))
        client.send({"type": "stop"})
        client.until_closed()

    assert [m["type"] for m in client.heard] == ["started", "sign_started", "final", "ended"]


def test_finalize_gives_the_final_now(address):
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east", sign_frames=60)[:45])
        client.until("sign_started")
        client.send({"type": "finalize"})
        assert client.until("final")["gloss"] == "east"
        client.send({"type": "finalize"})  # nothing is open: nothing is said
        client.send({"type": "stop"})
        assert client.until("ended")["summary"]["signs"] == 1


def test_stop_closes_the_open_sign(address):
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("west", sign_frames=60)[:45])
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert client.finals() == ["west"]
    assert client.heard[-1]["summary"]["frames"] == 45


# --- messages that break the protocol, beside a stream that must not notice

START = json.dumps({"type": "start", "input": "keypoints"})
GOOD = binary(0, 0.0, pose(None).astype("<f4").tobytes())


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([GOOD], id="binary before start"),
        pytest.param(['{"type":"stop"}'], id="stop before start"),
        pytest.param(['{"type":"finalize"}'], id="finalize before start"),
        pytest.param(['{"type":"keepalive"}'], id="keepalive before start"),
        pytest.param([START, START], id="second start"),
        pytest.param(["{"], id="no JSON"),
        pytest.param([""], id="empty text"),
        pytest.param([b""], id="empty binary before start"),
        pytest.param([START, b""], id="empty binary"),
        pytest.param([START, '{"type":"pause"}'], id="unknown type"),
        pytest.param([START, '{"type":"stop","when":"now"}'], id="unknown field"),
        pytest.param(['{"type":"start","input":"frames","fps":16}'], id="unknown field of start"),
        pytest.param([START, b"\xff\xff\xff\xff{}"], id="header length beyond the message"),
        pytest.param([START, struct.pack("<I", 2) + b"no" + bytes(10)], id="header no JSON"),
        pytest.param([START, GOOD[:-1]], id="keypoints too short"),
        pytest.param([START, GOOD + b"\0"], id="keypoints too long"),
        pytest.param([START, binary(0, 0, picture(EAST))], id="picture instead of keypoints"),
    ],
)
def test_violations_end_the_stream_and_no_other(address, messages):
    frames = signing("east", "west")
    with Client(address) as healthy:
        healthy.start(aspect=ASPECT)
        send_all(healthy, frames[:40])
        with Client(address) as client:
            for message in messages:
                client.send(message)
            assert client.until_closed() == 4000
        for seq, (t_ms, keypoints) in enumerate(frames[40:], 40):
            healthy.keypoints(seq, t_ms, keypoints)
        healthy.send({"type": "stop"})
        assert healthy.until_closed() == 1000

    error = client.heard[-1]
    assert set(error) == {"type", "code", "message", "retryable", "retry_after_s"}
    assert (error["type"], error["code"], error["retryable"]) == ("error", "bad_message", False)
    assert error["message"]
    assert healthy.finals() == ["east", "west"]


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        pytest.param("undecodable", lambda i: binary(i, i * FRAME_MS, b"no picture"), id="no picture"),
        pytest.param("undecodable", lambda i: binary(i, i * FRAME_MS, b""), id="empty picture"),
        pytest.param("undecodable", lambda i: binary(i, i * FRAME_MS, picture(EAST)[:300]), id="cut off"),
        pytest.param("undecodable", lambda i: binary(i, i * FRAME_MS, picture(EAST, (8, 8))), id="tiny"),
        pytest.param("too_large", lambda i: binary(i, i * FRAME_MS, claiming(20_000)), id="20,000 x 20,000"),
        pytest.param("bad_time", lambda i: binary(i, 0.0, picture(EAST)), id="time going backwards"),
        pytest.param("bad_time", lambda i: binary(i, (i - 1) * FRAME_MS, picture(EAST)), id="time standing still"),
        pytest.param("bad_time", lambda i: binary(i, float("nan"), picture(EAST)), id="time NaN"),
        pytest.param("bad_time", lambda i: binary(i, float("inf"), picture(EAST)), id="time infinite"),
    ],
)
def test_one_bad_picture_is_left_out_and_the_stream_goes_on(address, code, bad):
    frames = colours(EAST)
    with Client(address) as client:
        client.start(input="frames")
        client.pictures(frames[:20])
        client.send(bad(20))
        client.pictures(frames[21:], first=21)
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    (error,) = client.of("error")
    assert (error["code"], error["retryable"]) == (code, True)
    assert client.finals() == ["east"]
    assert client.heard[-1]["summary"] == {**client.heard[-1]["summary"], "frames": 44, "faulty": 1, "signs": 1}


def claiming(side):
    """A small JPEG whose header claims to be `side` pixels wide and high."""
    data = bytearray(picture(EAST))
    header = data.index(b"\xff\xc0")
    data[header + 5 : header + 9] = side.to_bytes(2, "big") * 2
    return bytes(data)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_bad_keypoints_are_left_out_and_the_stream_goes_on(address, value):
    frames = signing("east")
    with Client(address) as client:
        client.start(aspect=ASPECT)
        for seq, (t_ms, keypoints) in enumerate(frames):
            client.keypoints(seq, t_ms, np.full_like(keypoints, value) if seq == 20 else keypoints)
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert [(e["code"], e["retryable"]) for e in client.of("error")] == [("bad_keypoints", True)]
    assert client.finals() == ["east"]


def test_a_flood_of_bad_frames_makes_few_errors(address):
    with Client(address) as client:
        client.start(input="frames")
        for seq in range(500):
            client.send(binary(seq, seq, b"no picture"))
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert 1 <= len(client.of("error")) <= 10
    assert client.heard[-1]["summary"]["faulty"] == 500


# --- size and speed


@pytest.mark.parametrize("message", [bytes(100_001), "x" * 100_001])
def test_messages_that_are_too_big_end_the_stream(address, message):
    with Client(address) as client:
        client.start(input="frames")
        client.send(message)

        assert client.until_closed() == 1009
    assert [(e["code"], e["retryable"]) for e in client.of("error")] == [("frame_too_big", False)]


def test_messages_far_above_the_limit_are_not_read_to_their_end(address):
    with Client(address) as client:
        client.start(input="frames")
        with suppress(ConnectionClosed):
            client.send(bytes(5_000_000))

        # The close comes while the message is still on its way, so the code can get lost.
        assert client.until_closed() in (1009, None)
    with Client(address) as other:
        other.start()


def test_the_largest_message_passes(address):
    with Client(address) as client:
        client.start(input="frames")
        frame = binary(0, 0, picture(EAST))
        client.send(frame + bytes(100_000 - len(frame)))  # JPEG ignores what comes after its end
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert client.of("error") == []


def test_a_slow_worker_loses_the_oldest_frames_and_the_client_is_told(bundle_folder):
    hold, seen = threading.Event(), []

    class Slow(ColourTracker):
        def track(self, rgb):
            assert hold.wait(TIMEOUT_S)
            seen.append(rgb[0, 0, 0])
            return super().track(rgb)

    with serve(bundle_folder, Slow, queue_frames=5, max_fps=1000) as address, Client(address) as client:
        client.start(input="frames")
        for i in range(30):
            client.send(binary(i, i * FRAME_MS, picture((100 + 5 * i,) * 3)))
        wait_until(lambda: metric(address, 'glosscast_frames_received_total{input="frames"}') == 30)
        hold.set()
        client.send({"type": "stop"})
        assert client.until_closed() == 1000

    dropped = client.heard[-1]["summary"]["dropped"]
    assert dropped in (24, 25)  # the worker may have taken the first before the queue was full
    assert [int(v) for v in seen[-5:]] == pytest.approx([100 + 5 * i for i in range(25, 30)], abs=2)
    assert len(seen) == 30 - dropped
    warnings = client.of("warning")
    assert all(set(w) == {"type", "code", "count"} and w["code"] == "frames_dropped" for w in warnings)
    assert sum(w["count"] for w in warnings) == dropped
    assert len(warnings) < 10


def test_frames_above_the_rate_are_dropped_before_any_work(bundle_folder):
    with serve(bundle_folder, max_fps=5, queue_frames=1000) as address, Client(address) as client:
        client.start(aspect=ASPECT)
        for seq in range(200):
            client.keypoints(seq, seq, pose(None))
        client.send({"type": "stop"})
        client.until_closed()
        text = httpx.get(f"http://{address}/metrics").text

    summary = client.heard[-1]["summary"]
    assert summary["frames"] == 200
    assert summary["dropped"] >= 150
    assert f'glosscast_frames_dropped_total{{reason="too_fast"}} {summary["dropped"]}.0' in text
    assert sum(w["count"] for w in client.of("warning")) == summary["dropped"]


def test_a_stuck_stream_does_not_hold_up_another(bundle_folder):
    hold = threading.Event()
    with (
        serve(bundle_folder, lambda: ColourTracker(hold), **ROOMY) as address,
        Client(address) as stuck,
        Client(address) as healthy,
    ):
        stuck.start(input="frames")
        stuck.pictures([EAST] * 10)
        healthy.start(aspect=ASPECT)
        send_all(healthy, signing("west"))
        healthy.send({"type": "stop"})
        assert healthy.until_closed() == 1000
        hold.set()
    assert healthy.finals() == ["west"]


def test_a_client_that_never_reads_is_let_go(bundle_folder, monkeypatch):
    """It makes a final of every few frames and reads none of them: straight on the application, without a network."""
    monkeypatch.setattr("service.mailbox.MAX_UNSENT", 20)
    monkeypatch.setattr("service.stream.SEND_S", 0.2)
    app = create_app(Settings(bundle=bundle_folder, **ROOMY), ColourTracker)
    services = app.state.services
    sent = []

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()  # the network's buffers are full

    async def run():
        inbound = asyncio.Queue()
        for message in never_ending_signs():
            inbound.put_nowait(message)
        await asyncio.wait_for(app(WEBSOCKET_SCOPE, inbound.get, send), TIMEOUT_S)

    services.open()
    try:
        asyncio.run(run())
    finally:
        services.close()
    text = services.metrics.text().decode()

    assert 'glosscast_streams_total{code="1013"} 1.0' in text
    assert "glosscast_active_streams 0.0" in text
    assert sent == ["websocket.accept", "websocket.send"]


WEBSOCKET_SCOPE = {
    "type": "websocket",
    "path": "/v1/stream",
    "headers": [],
    "query_string": b"",
    "subprotocols": ["glosscast.v1"],
}


def never_ending_signs():
    yield {"type": "websocket.connect"}
    yield {"type": "websocket.receive", "text": '{"type":"start","input":"keypoints","interim":false}'}
    for seq in range(200):
        keypoints = pose((1.0, 0.2 + 0.2 * (seq % 2))).astype("<f4").tobytes()
        yield {"type": "websocket.receive", "bytes": binary(seq, seq * FRAME_MS, keypoints)}
        if seq % 5 == 4:
            yield {"type": "websocket.receive", "text": '{"type":"finalize"}'}


# --- places


def test_more_streams_than_allowed_are_turned_away(bundle_folder):
    with serve(bundle_folder, max_streams=2) as address:
        with Client(address) as first, Client(address) as second:
            first.start()
            assert metric(address, "glosscast_active_streams") == 2  # a place is taken before start
            with Client(address) as third:
                assert third.until_closed() == 1013
            (error,) = third.heard
            assert (error["code"], error["retryable"]) == ("overloaded", True)
            assert error["retry_after_s"] > 0
            second.start()
        wait_until(lambda: metric(address, "glosscast_active_streams") == 0)
        with Client(address) as later:
            later.start()


def test_more_frame_streams_than_trackers_are_turned_away(bundle_folder):
    with serve(bundle_folder, trackers=1) as address:
        with Client(address) as first:
            first.start(input="frames")
            with Client(address) as second:
                second.send({"type": "start", "input": "frames"})
                assert second.until_closed() == 1013
            assert [m["code"] for m in second.heard] == ["overloaded"]
            with Client(address) as third:
                third.start(input="keypoints")
        wait_until(lambda: metric(address, "glosscast_active_streams") == 0)
        with Client(address) as later:
            later.start(input="frames")


def test_a_vanished_client_gives_its_place_back(bundle_folder):
    with serve(bundle_folder, max_streams=1, trackers=1) as address:
        client = Client(address)
        client.start(input="frames")
        client.pictures(colours(EAST)[:20])
        client.socket.socket.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: metric(address, "glosscast_active_streams") == 0)
        with Client(address) as later:
            later.start(input="frames")


# --- time


def test_an_idle_stream_is_closed(bundle_folder):
    with serve(bundle_folder, idle_s=0.4, **ROOMY) as address, Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east", sign_frames=60)[:45])

        assert client.until_closed() == 4031
    assert [m["code"] for m in client.of("error")] == ["idle"]
    assert client.finals() == ["east"]  # the sign that was under way is not lost
    assert client.heard[-1]["type"] == "ended"


def test_a_stream_that_never_starts_is_idle(bundle_folder):
    with serve(bundle_folder, idle_s=0.2) as address, Client(address) as client:
        assert client.until_closed() == 4031
    assert [m["type"] for m in client.heard] == ["error"]


def test_keepalive_keeps_a_stream(bundle_folder):
    with serve(bundle_folder, idle_s=1.0) as address, Client(address) as client:
        client.start()
        began = time.monotonic()
        while time.monotonic() - began < 1.6:
            client.send({"type": "keepalive"})
            time.sleep(0.1)
        client.send({"type": "stop"})

        assert client.until_closed() == 1000


def test_a_session_expires(bundle_folder):
    with serve(bundle_folder, max_session_s=0.6, **ROOMY) as address, Client(address) as client:
        started = client.start(aspect=ASPECT)
        send_all(client, signing("west", sign_frames=60)[:45])

        assert client.until_closed() == 4008
    assert datetime.fromisoformat(started["expires_at"]) - datetime.now(UTC) < timedelta(seconds=0.6)
    assert [m["code"] for m in client.of("error")] == ["session_expired"]
    assert client.finals() == ["west"]


def test_a_stopping_service_ends_streams_in_order(bundle_folder):
    heard = threading.Event()
    client = None

    def listen():
        client.until_closed()
        heard.set()

    with serve(bundle_folder, **ROOMY) as address:
        client = Client(address)
        client.start(aspect=ASPECT)
        for seq, (t_ms, keypoints) in enumerate(signing("east", sign_frames=60)[:45]):
            client.keypoints(seq, t_ms, keypoints)
        client.until("sign_started")
        threading.Thread(target=listen).start()
    assert heard.wait(TIMEOUT_S)

    assert client.code == 1001
    assert client.finals() == ["east"]
    assert [m["type"] for m in client.heard][-1] == "ended"


def test_an_unexpected_error_tells_nothing(bundle_folder):
    class Failing(ColourTracker):
        def track(self, rgb):
            self.broken = True
            raise RuntimeError("secret")

    with serve(bundle_folder, Failing, trackers=1) as address:
        for _ in range(2):  # the broken tracker must not keep its place
            with Client(address) as client:
                client.start(input="frames")
                client.pictures([EAST])

                assert client.until_closed() == 1011
            (error,) = client.of("error")
            assert (error["code"], error["retryable"]) == ("internal", True)
            assert "secret" not in json.dumps(client.heard)
            wait_until(lambda: metric(address, "glosscast_active_streams") == 0)


# --- handshake


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"subprotocols": None}, "subprotocol_required", id="no subprotocol"),
        pytest.param({"subprotocols": ["glosscast.v2"]}, "subprotocol_required", id="another subprotocol"),
        pytest.param({"origin": "https://evil.example"}, "origin_not_allowed", id="another site"),
        pytest.param({"origin": "null"}, "origin_not_allowed", id="null origin"),
        pytest.param({"origin": "http://127.0.0.1:1"}, "origin_not_allowed", id="another port"),
    ],
)
def test_handshakes_that_are_refused(address, options, code):
    with pytest.raises(InvalidStatus) as refusal:
        Client(address, **options)

    assert refusal.value.response.status_code in (400, 403)
    assert json.loads(refusal.value.response.body)["code"] == code
    assert refusal.value.response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="no browser"),
        pytest.param({"subprotocols": ["other", "glosscast.v1"]}, id="one of several subprotocols"),
        pytest.param({"origin": "https://friend.example"}, id="an allowed site"),
    ],
)
def test_handshakes_that_are_accepted(bundle_folder, options):
    with serve(bundle_folder, allowed_origins=("https://friend.example",)) as address:
        with Client(address, **options) as client:
            assert client.socket.subprotocol == "glosscast.v1"
            client.start()
        with Client(address, origin=f"http://{address}") as client:  # the service's own page
            client.start()


def test_streams_are_batched_together(bundle_folder):
    """Many streams at once give each its own signs."""
    with serve(bundle_folder, **ROOMY) as address:
        clients = [Client(address) for _ in range(8)]
        signs = [("east", "west")[i % 2] for i in range(len(clients))]
        frames = [signing(sign) for sign in signs]
        for client in clients:
            client.start(aspect=ASPECT)
        for seq in range(len(frames[0])):
            for client, own in zip(clients, frames, strict=True):
                client.keypoints(seq, *own[seq])
        for client in clients:
            client.send({"type": "stop"})
        for client, sign in zip(clients, signs, strict=True):
            assert client.until_closed() == 1000
            assert client.finals() == [sign]


def test_nothing_personal_is_logged(bundle_folder, caplog):
    caplog.set_level("DEBUG", logger="glosscast")
    with serve(bundle_folder, **ROOMY) as address, Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east"))
        client.send({"type": "stop"})
        client.until_closed()
        wait_until(lambda: any("stream " in r.getMessage() for r in caplog.records))
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("glosscast")]

    (line,) = [line for line in lines if line.startswith("stream ")]
    assert "44 frames" in line
    assert "1 signs" in line
    assert not any("east" in line or "127.0.0.1" in line.partition("ready at")[0] for line in lines)
