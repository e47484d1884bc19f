"""Uvicorn as this service runs it: it ends streams in order, and copes with clients that stall or send too much."""

import asyncio
import logging
import signal
import socket
import struct
import threading
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from service.app import create_app
from service.inference.engine import MakeTracker
from service.live.registry import Registry
from service.live.views import Views
from service.settings import Settings
from service.state import State

log = logging.getLogger("glosscast.service")

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
TCP_USER_TIMEOUT = 18  # Linux; Python names it on few systems
UNREAD_MS = 30_000  # for a client to take the messages that it was sent


class HttpProtocol(H11Protocol):
    """Applies uvicorn's keep-alive timeout to the arrival of a whole request.

    Uvicorn's own timeout ends with the first byte of a request, and does not apply to the first request.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a client has connected."""
        super().connection_made(transport)
        # The kernel then disconnects a client that reads nothing of its answer.
        transport.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, UNREAD_MS)
        self._await_request()

    def on_response_complete(self) -> None:
        """Called when a request has been answered."""
        super().on_response_complete()
        self._await_request()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Called when the connection becomes a websocket."""
        self._cancel_deadline()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection has gone."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._expire)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _expire(self) -> None:
        # None before the first request, whatever uvicorn's annotation says.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.transport.abort()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Ends with its application. Uvicorn would wait until a client has read everything, which it may never do."""

    def handle_ping(self) -> None:
        """Answer, unless the client does not read: answers would pile up."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Called when the application has returned; the client has some time to answer a close that was sent."""
        super().on_task_complete(task)
        self.loop.call_later(self.close_timeout if self.close_sent else 0, self._abort)

    def _abort(self) -> None:
        if self.disconnected:
            return
        # Otherwise the kernel would keep trying to deliver the unread data.
        self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self.transport.abort()


class _Server(uvicorn.Server):
    """Logs where it listens, and lets streams end in order: uvicorn alone would close them with code 1012."""

    def __init__(self, config: uvicorn.Config, state: State, registry: Registry, views: Views) -> None:
        super().__init__(config)
        self._state = state
        self._registry = registry
        self._views = views

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers if self.started else []:
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                log.info("ready at http://%s:%d", f"[{host}]" if ":" in host else host, port)
        # Only the main thread can handle signals.
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_hangup(self) -> None:
        self._reload = asyncio.create_task(self._state.reload())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        await self._registry.shut_down(self._state.settings.grace_s)
        self._views.close()  # otherwise uvicorn would wait for the answers that they still write
        await super().shutdown(sockets)


def server(settings: Settings, make_tracker: MakeTracker | None = None) -> uvicorn.Server:
    """A server with everything loaded; see `create_app` for the arguments.

    Raises:
        StartError: the bundle, an execution provider, the extractor or a file for access cannot be used, or strangers
            could get in.
    """
    app = create_app(settings, make_tracker)
    state: State = app.state.glosscast
    state.open()  # before the server starts, so that an error is one line
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # its lines go to this service's handler
        log_level="warning",
        loop="asyncio",  # uvicorn alone would take uvloop where something else, as Ray Serve, has brought it
        http=HttpProtocol,
        ws=WebSocketProtocol,
        timeout_keep_alive=settings.request_s,
        access_log=False,  # it has the clients' addresses; the application logs requests without them
        # Above the limit of the protocol, so that the client gets an error; far above it, the connection just closes.
        ws_max_size=2 * settings.max_frame_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        timeout_graceful_shutdown=settings.grace_s,
        server_header=False,
    )
    return _Server(config, state, app.state.registry, app.state.views)
