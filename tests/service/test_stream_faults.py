"""Messages that break the protocol, beside a stream that must not notice."""

import json
import struct
import threading
from contextlib import suppress

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from glosscast.protocol import pack_frame
from tests.bundles import ASPECT, FRAME_MS, pose, signing
from tests.service.serving import (
    EAST,
    TIMEOUT_S,
    Client,
    ColourTracker,
    colours,
    metric,
    picture,
    send_all,
    serve,
    wait_until,
)

START = json.dumps({"type": "start", "input": "keypoints"})
GOOD = pack_frame(0, 0.0, pose(None).astype("<f4").tobytes())


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
        pytest.param([START, pack_frame(0, 0, picture(EAST))], id="picture instead of keypoints"),
    ],
)
@pytest.mark.slow
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

    error = client.received[-1]
    assert set(error) == {"type", "code", "message", "retryable", "retry_after_s"}
    assert (error["type"], error["code"], error["retryable"]) == ("error", "bad_message", False)
    assert error["message"]
    assert healthy.finals() == ["east", "west"]


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        pytest.param("undecodable", lambda i: pack_frame(i, i * FRAME_MS, b"no picture"), id="no picture"),
        pytest.param("undecodable", lambda i: pack_frame(i, i * FRAME_MS, b""), id="empty picture"),
        pytest.param("undecodable", lambda i: pack_frame(i, i * FRAME_MS, picture(EAST)[:300]), id="cut off"),
        pytest.param("undecodable", lambda i: pack_frame(i, i * FRAME_MS, picture(EAST, (8, 8))), id="tiny"),
        pytest.param("undecodable", lambda i: pack_frame(i, i * FRAME_MS, picture(EAST, (1, 1), "PNG")), id="1 x 1"),
        pytest.param("too_large", lambda i: pack_frame(i, i * FRAME_MS, claiming(20_000)), id="20,000 x 20,000"),
        pytest.param("bad_time", lambda i: pack_frame(i, 0.0, picture(EAST)), id="time going backwards"),
        pytest.param("bad_time", lambda i: pack_frame(i, (i - 1) * FRAME_MS, picture(EAST)), id="time standing still"),
        pytest.param("bad_time", lambda i: pack_frame(i, float("nan"), picture(EAST)), id="time NaN"),
        pytest.param("bad_time", lambda i: pack_frame(i, float("inf"), picture(EAST)), id="time infinite"),
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
    assert client.received[-1]["summary"] == {**client.received[-1]["summary"], "frames": 44, "faulty": 1, "signs": 1}


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
            client.send(pack_frame(seq, seq, b"no picture"))
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert 1 <= len(client.of("error")) <= 10
    assert client.received[-1]["summary"]["faulty"] == 500


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


def test_a_message_far_above_the_limit_before_started(bundle_folder, caplog):
    """Uvicorn closes while `started` is still on its way."""
    refused = threading.Event()

    def make_tracker():
        assert refused.wait(TIMEOUT_S)
        return ColourTracker()

    with serve(bundle_folder, make_tracker, max_frame_bytes=100_000) as address:
        with Client(address) as client:
            client.send({"type": "start", "input": "frames"})
            with suppress(ConnectionClosed):
                client.send(bytes(5_000_000))
            client.until_closed()
        refused.set()
        wait_until(lambda: metric(address, "glosscast_active_streams") == 0)

        assert metric(address, 'glosscast_streams_total{code="1009"}') == 1
    assert "a stream failed" not in caplog.text


def test_the_largest_message_passes(address):
    with Client(address) as client:
        client.start(input="frames")
        frame = pack_frame(0, 0, picture(EAST))
        client.send(frame + bytes(100_000 - len(frame)))  # JPEG ignores what comes after its end
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert client.of("error") == []
