"""Uvicorn's websocket connection, for clients that do not read as well."""

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class Connection(WebSocketsSansIOProtocol):
    """Ends with its application. Uvicorn closes when everything has been read, and a client may never read."""

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
