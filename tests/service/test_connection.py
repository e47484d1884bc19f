"""Clients that do not read what they are sent, and connections that uvicorn closes; all but one without a network."""

import asyncio
import itertools
import json
import socket

import httpx
import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from glosscast.protocol import pack_frame
from service.app import create_app
from service.server import server
from service.settings import Settings
from tests.bundles import FRAME_MS, pose
from tests.service.serving import ROOMY, TIMEOUT_S, ColourTracker, running, wait_until

WEBSOCKET_SCOPE = {
    "type": "websocket",
    "server": ("127.0.0.1", 8000),
    "path": "/v1/stream",
    "headers": [],
    "query_string": b"",
    "subprotocols": ["glosscast.v1"],
}


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr("service.live.queues.MAX_UNSENT", 20)
    monkeypatch.setattr("service.live.connection.SEND_S", 0.2)


def never_ending_signs():
    """A client's messages that make a final every few frames."""
    yield '{"type":"start","input":"keypoints","interim":false}'
    for seq in itertools.count():
        keypoints = pose((1.0, 0.2 + 0.2 * (seq % 2))).astype("<f4").tobytes()
        yield pack_frame(seq, seq * FRAME_MS, keypoints)
        if seq % 5 == 4:
            yield '{"type":"finalize"}'


@pytest.fixture
def app(bundle_folder):
    """The application, open, without a network."""
    app = create_app(Settings(bundle=bundle_folder, resume_s=0, **ROOMY), ColourTracker)
    app.state.glosscast.open()
    yield app
    app.state.glosscast.close()


async def converse(app, messages, send):
    """One websocket: the client's messages, text or bytes or of ASGI; what is sent goes to `send`."""
    inbound = asyncio.Queue()
    inbound.put_nowait({"type": "websocket.connect"})
    for message in messages:
        kind = "text" if isinstance(message, str) else "bytes"
        inbound.put_nowait(message if isinstance(message, dict) else {"type": "websocket.receive", kind: message})
    await asyncio.wait_for(app(WEBSOCKET_SCOPE, inbound.get, send), TIMEOUT_S)
    await app.state.registry.shut_down(TIMEOUT_S)  # the stream has a task of its own


def test_a_client_that_never_reads_is_let_go(app):
    sent = []

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()  # the network's buffers are full

    asyncio.run(converse(app, itertools.islice(never_ending_signs(), 240), send))
    text = app.state.glosscast.metrics.text().decode()

    assert 'glosscast_streams_total{code="1013"} 1.0' in text
    assert "glosscast_active_streams 0.0" in text
    assert sent == ["websocket.accept", "websocket.send"]


@pytest.mark.parametrize(("code", "counted"), [(1009, "1009"), (1006, "gone")])
def test_a_connection_that_uvicorn_has_closed(app, caplog, code, counted):
    """A message far too big: uvicorn closes, and takes nothing more from the application."""

    async def send(message):
        if message["type"] != "websocket.accept":
            raise RuntimeError("Unexpected ASGI message")

    start = next(never_ending_signs())
    asyncio.run(converse(app, [start, {"type": "websocket.disconnect", "code": code}], send))

    assert f'glosscast_streams_total{{code="{counted}"}} 1.0' in app.state.glosscast.metrics.text().decode()
    assert "failed" not in caplog.text


def test_a_client_that_connects_while_the_service_stops_is_refused(app):
    sent = []

    async def send(message):
        sent.append(message)

    async def stop_and_converse():
        await app.state.registry.shut_down(0)
        await converse(app, [], send)

    asyncio.run(stop_and_converse())
    accept, error, close = sent

    assert accept["type"] == "websocket.accept"
    assert json.loads(error["text"])["code"] == "shutting_down"
    assert (close["type"], close["code"]) == ("websocket.close", 1001)


@pytest.mark.slow
def test_its_socket_is_closed(bundle_folder):
    service = server(Settings(bundle=bundle_folder, port=0, **ROOMY), ColourTracker)
    with running(service) as listener, socket.socket() as connection:
        # The kernel takes the smallest buffers that it has; what is set on a listener holds for its connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connection.settimeout(TIMEOUT_S)
        host, port = listener.getsockname()
        connection.connect((host, port))
        client = ClientProtocol(parse_uri("ws://127.0.0.1/v1/stream"), subprotocols=["glosscast.v1"])
        client.send_request(client.connect())
        connection.sendall(b"".join(client.data_to_send()))
        client.receive_data(connection.recv(4096))
        with pytest.raises(ConnectionError):  # were it open, sending would block
            send_all_signs(connection, client)
        wait_until(lambda: not service.server_state.connections)

        assert 'glosscast_streams_total{code="1013"} 1.0' in httpx.get(f"http://{host}:{port}/metrics").text


def send_all_signs(connection, client):
    for message in never_ending_signs():
        client.send_text(message.encode()) if isinstance(message, str) else client.send_binary(message)
        connection.sendall(b"".join(client.data_to_send()))
