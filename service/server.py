"""Uvicorn's connections, for clients that do not read, do not finish what they say, or say too much as well."""

import asyncio
import struct
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
TCP_USER_TIMEOUT = 18  # Linux; Python names it on few systems
UNREAD_MS = 30_000  # for a client to take what it was sent


class HttpConnection(H11Protocol):
    """Has so long for the next request to come in whole as uvicorn gives a connection that says nothing.

    Uvicorn ends that time with the first byte, and has none before the first request.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when a client has connected."""
        super().connection_made(transport)
        # The kernel then cuts off a client that reads nothing of its answer.
        transport.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, UNREAD_MS)
        self._await_request()

    def on_response_complete(self) -> None:
        """Called when a request has been answered."""
        super().on_response_complete()
        self._await_request()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Called when the connection becomes a websocket."""
        self._forget_deadline()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection has gone."""
        self._forget_deadline()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._expire)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _expire(self) -> None:
        # None before the first request, whatever uvicorn's annotation says.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.transport.abort()


class Connection(WebSocketsSansIOProtocol):
    """Ends with its application. Uvicorn closes when everything has been read, and a client may never read."""

    def handle_ping(self) -> None:
        """Answer, unless the client does not read: answers would pile up."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Called when the application has nothing more to say; a close that it sent has its time to be answered."""
        super().on_task_complete(task)
        self.loop.call_later(self.close_timeout if self.close_sent else 0, self._cut)

    def _cut(self) -> None:
        if self.disconnected:
            return
        # Otherwise the kernel would go on offering what was not read.
        self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self.transport.abort()
