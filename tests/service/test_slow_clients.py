"""Clients that keep a connection busy with next to nothing, or with far too much; over a network."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from service.server import server
from service.settings import Settings
from tests.bundles import FRAME_MS, pose
from tests.service.serving import (
    FORM,
    SIGN_EAST,
    TIMEOUT_S,
    Client,
    ColourTracker,
    browser,
    form,
    metric,
    running,
    serve,
    wait_until,
)

REQUEST_S = 1
HANDSHAKE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: glosscast.v1\r\n\r\n"
)
PING = b"\x89\xfd\0\0\0\0" + bytes(125)  # masked with zeros


@pytest.fixture(scope="module")
def impatient(bundle_folder):
    with serve(bundle_folder, request_s=REQUEST_S) as address:
        yield address


def dripping(address, *said):
    """Says this, then a letter every little while until the connection is cut."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as client:
        client.sendall(b"".join(said))
        client.settimeout(REQUEST_S / 10)
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            with suppress(TimeoutError):
                try:
                    if not client.recv(65536):
                        return
                except ConnectionResetError:
                    return
            with suppress(ConnectionError):  # then the next `recv` tells
                client.sendall(b"a")
    raise AssertionError("the connection is still open")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([], id="a request line"),
        pytest.param([b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "], id="a header"),
        pytest.param(
            [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /healthz HTTP/1.1\r\nX-Slow: "],
            id="the second request",
        ),
        pytest.param(
            [b"POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"],
            id="a body that nobody reads",
        ),
        pytest.param(
            [b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Slow: "], id="a handshake"
        ),
    ],
)
@pytest.mark.slow
def test_a_request_that_does_not_come_in_time_is_cut_off(impatient, said):
    dripping(impatient, *said)


@pytest.mark.slow
def test_a_silent_client_is_cut_off(impatient):
    host, port = impatient.split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as client, suppress(ConnectionResetError):
        assert client.recv(1) == b""


@pytest.mark.slow
def test_a_slow_upload_has_a_time_of_its_own(impatient):
    def chunks():
        half = len(SIGN_EAST) // 2
        yield SIGN_EAST[:half]
        time.sleep(2 * REQUEST_S)
        yield SIGN_EAST[half:]

    with browser(impatient) as client:
        assert client.post("/v1/classify", content=form(chunks()), headers=FORM).status_code == 200


@pytest.mark.slow
def test_a_websocket_lives_longer_than_its_handshake_may(impatient):
    with Client(impatient) as client:
        client.start()
        time.sleep(2 * REQUEST_S)
        client.send({"type": "stop"})
        assert client.until_closed() == 1000


@pytest.mark.slow
def test_pings_of_a_client_that_does_not_read_are_not_answered(bundle_folder):
    service = server(Settings(bundle=bundle_folder, port=0), ColourTracker)
    with running(service) as listener, socket.create_connection(listener.getsockname(), TIMEOUT_S) as client:
        client.sendall(HANDSHAKE)
        assert client.recv(1000).startswith(b"HTTP/1.1 101")
        (connection,) = service.server_state.connections
        client.settimeout(0.5)
        with suppress(TimeoutError):
            for _ in range(400):
                client.sendall(PING * 500)
        assert connection.transport.get_write_buffer_size() < 1_000_000


@pytest.mark.slow
def test_a_flood_of_messages_is_read_as_slowly_as_frames_may_come(bundle_folder):
    max_fps = 5
    with serve(bundle_folder, max_fps=max_fps) as address, Client(address) as client:
        client.start()
        began = time.monotonic()
        sender = threading.Thread(target=flood, args=(client,), daemon=True)
        sender.start()
        wait_until(lambda: metric(address, 'glosscast_frames_received_total{input="keypoints"}') > 40 * max_fps)
        time.sleep(0.5)
        count = metric(address, 'glosscast_frames_received_total{input="keypoints"}')
        assert count <= 40 * max_fps + 4 * max_fps * (time.monotonic() - began)
        client.socket.socket.shutdown(socket.SHUT_RDWR)
        sender.join(TIMEOUT_S)


def flood(client):
    keypoints = pose(None)
    with suppress(Exception):
        for seq in range(100_000):
            client.keypoints(seq, seq * FRAME_MS, keypoints)
