"""Clients that misbehave beside one that does not, over a real network."""

import socket
import struct
import threading
from contextlib import suppress

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.uri import parse_uri

from glosscast.protocol import pack_frame
from tests.bundles import ASPECT, pose, signing
from tests.service.serving import Client, metric, serve, wait_until

CONNECTS = 300
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
ACTIVE = "glosscast_active_streams"
KEYPOINTS = pose((1.2, 0.2)).astype("<f4").tobytes()


@pytest.fixture
def address(bundle_folder):
    with serve(bundle_folder, resume_s=0.2, idle_s=20, max_streams=4, queue_frames=1000, max_fps=200) as address:
        yield address


def raw_connection(address):
    """A socket whose websocket handshake is done, and the protocol on it."""
    connection = socket.create_connection(address.split(":"))
    client = ClientProtocol(parse_uri(f"ws://{address}/v1/stream"), subprotocols=["glosscast.v1"])
    client.send_request(client.connect())
    connection.sendall(b"".join(client.data_to_send()))
    client.receive_data(connection.recv(4096))
    return connection, client


def flood(address):
    """Far more frames a second than any camera makes."""
    with Client(address) as client, suppress(ConnectionClosed):
        client.start()
        for seq in range(3000):
            client.send(pack_frame(seq, seq * 2.0, KEYPOINTS))
        client.send({"type": "stop"})
        client.until_closed()
        assert sum(m["count"] for m in client.of("warning")) == client.received[-1]["summary"]["dropped"] > 1000


def vanish_inside_a_frame(address):
    """Half of a message, and then nothing any more."""
    for _ in range(20):
        connection, client = raw_connection(address)
        client.send_text(b'{"type":"start","input":"keypoints"}')
        client.send_binary(pack_frame(0, 0.0, KEYPOINTS))
        client.send_binary(pack_frame(1, 1.0, KEYPOINTS))
        data = b"".join(client.data_to_send())
        connection.sendall(data[: len(data) - 1000])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()


def connect_and_go(address):
    """Connections that break off at every stage of the handshake."""
    for index in range(CONNECTS):
        if index % 3 == 0:
            socket.create_connection(address.split(":")).close()
        elif index % 3 == 1:
            with socket.create_connection(address.split(":")) as connection:
                connection.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso")
        else:
            raw_connection(address)[0].close()


def connect_and_stay_silent(address):
    """More connections than there are places, none of which says anything."""
    waiting = [raw_connection(address)[0] for _ in range(12)]
    for connection in waiting:
        connection.close()


@pytest.mark.parametrize(
    "misbehave", [flood, vanish_inside_a_frame, connect_and_go, connect_and_stay_silent], ids=lambda f: f.__name__
)
@pytest.mark.slow
def test_a_good_stream_loses_nothing(address, misbehave):
    frames = signing("east", "west", "east")
    with Client(address) as good:
        good.start(aspect=ASPECT, interim=False)
        failures = []

        def run():
            try:
                misbehave(address)
            except BaseException as error:
                failures.append(error)

        bad = threading.Thread(target=run)
        bad.start()
        for seq, (t_ms, keypoints) in enumerate(frames):
            good.keypoints(seq, t_ms, keypoints)
            bad.join(0.02)  # a camera's pace, about
        bad.join(60)
        good.send({"type": "stop"})
        assert good.until_closed() == 1000
    assert failures == []
    assert good.finals() == ["east", "west", "east"]
    assert good.received[-1]["summary"] == {
        **good.received[-1]["summary"],
        "frames": len(frames),
        "dropped": 0,
        "faulty": 0,
    }
    wait_until(lambda: metric(address, ACTIVE) == 0)
    with Client(address) as later:  # and there is room again
        later.start()
