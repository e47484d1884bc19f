"""The connections and streams of the service: who finds a place, and how a client finds its session again.

A connection waits at the door until its first message says whether it starts a stream or goes on with one. A stream
takes its place when it starts and keeps it until it has ended, also while its client is away: its tracker and its
thread wait with it, and a client that comes back must not find its place taken.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from service.access.auth import Caller
from service.live import endings
from service.live.endings import Ending
from service.observe.metrics import Metrics

if TYPE_CHECKING:
    from service.live.session import Stream


class Connection(Protocol):
    """What the list of connections needs of one."""

    def shut_down(self) -> None:
        """Begin to end, without blocking."""


class Streams:
    """Belongs to the event loop.

    Args:
        limit: streams open at the same time, and as many connections that have not said yet what they want.
        metrics: told how many streams are open.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit, self._metrics = limit, metrics
        self._connections: set[Connection] = set()
        self._door: dict[Connection, Caller] = {}
        self._open: dict[str, Stream] = {}
        self.stopping = False  # no stream finds a place any more

    def knock(self, connection: Connection, admission: Caller | Ending) -> Ending | None:
        """A connection has come, of a caller or of one who is not let in; how it is to end, unless it may wait."""
        self._connections.add(connection)
        if isinstance(admission, Ending):
            return admission
        if refusal := self._room(admission, self._door.values()):
            return refusal
        self._door[connection] = admission
        return None

    def pass_door(self, connection: Connection) -> None:
        """The connection has a stream."""
        self._door.pop(connection, None)

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""
        self._door.pop(connection, None)
        self._connections.discard(connection)

    def enter(self, stream: Stream) -> Ending | None:
        """Take a place; where there is none, how the connection is to end."""
        if refusal := self._room(stream.caller, [other.caller for other in self._open.values()]):
            return refusal
        self._open[stream.id] = stream
        self._metrics.active_streams.set(len(self._open))
        return None

    def find(self, session: str, token: str, caller: Caller) -> Stream | None:
        """The stream to resume; None where there is none, it is another caller's, or the token is wrong."""
        stream = self._open.get(session)
        if stream is None or stream.ending or stream.caller.name != caller.name:
            return None
        return stream if hmac.compare_digest(stream.token.encode(), token.encode()) else None

    def leave(self, stream: Stream) -> None:
        """Give the place back."""
        self._open.pop(stream.id, None)
        self._metrics.active_streams.set(len(self._open))

    async def shut_down(self, timeout_s: float) -> None:
        """Let every stream say its last words; returns when all have ended or after `timeout_s`."""
        self.stopping = True
        for one in [*self._connections, *self._open.values()]:
            one.shut_down()
        waited_s = 0.0
        while (self._connections or self._open) and waited_s < timeout_s:
            await asyncio.sleep(0.05)
            waited_s += 0.05

    def _room(self, caller: Caller, taken: Collection[Caller]) -> Ending | None:
        if self.stopping:
            return endings.SHUTTING_DOWN
        if len(taken) >= self._limit:
            return endings.FULL
        if sum(other.name == caller.name for other in taken) >= caller.max_streams:
            return endings.KEY_FULL
        return None
