"""The registry of connections and sessions: which of them find a place, and which session a client resumes.

A connection is pending until its first message starts or resumes a session. A session takes a place when it starts and
keeps it until it has ended, also while its client is disconnected: it keeps its tracker and its thread as well, and a
client that resumes must not find its place taken.
"""

import asyncio
import hmac
from collections.abc import Collection
from typing import Protocol

from starlette.requests import HTTPConnection

from service.access.auth import Caller
from service.live import endings
from service.live.endings import Ending
from service.live.session import Session
from service.observe.metrics import Metrics


class Stoppable(Protocol):
    """A connection, as the registry uses it."""

    def shut_down(self) -> None:
        """Begin to end, without blocking."""


class Registry:
    """One application's connections and sessions, at `app.state.registry`. It belongs to the event loop.

    Args:
        limit: sessions open at the same time, and pending connections at the same time.
        metrics: receive the number of open sessions.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._connections: set[Stoppable] = set()
        self._pending: dict[Stoppable, Caller] = {}
        self._sessions: dict[str, Session] = {}
        self.stopping = False  # no session finds a place any more

    def register(self, connection: Stoppable, authorised: Caller | Ending) -> Ending | None:
        """Take in the connection of an authorised caller, or of a refused one with its ending.

        Returns:
            How the connection is to end; None where it is pending now.
        """
        self._connections.add(connection)
        if isinstance(authorised, Ending):
            return authorised
        if refusal := self._refusal(authorised, self._pending.values()):
            return refusal
        self._pending[connection] = authorised
        return None

    def unregister(self, connection: Stoppable) -> None:
        """The connection is closed."""
        self._pending.pop(connection, None)
        self._connections.discard(connection)

    def open(self, session: Session, connection: Stoppable) -> Ending | None:
        """Give a place to the session that a connection starts; where there is none, how the connection is to end."""
        if refusal := self._refusal(session.caller, [other.caller for other in self._sessions.values()]):
            return refusal
        self._pending.pop(connection, None)
        self._sessions[session.id] = session
        self._metrics.active_streams.set(len(self._sessions))
        return None

    def resume(self, session_id: str, token: str, caller: Caller, connection: Stoppable) -> Session | None:
        """The session that a connection resumes; None where there is none, or it is another caller's or token's."""
        session = self._sessions.get(session_id)
        if session is None or session.ending or session.caller.name != caller.name:
            return None
        if not hmac.compare_digest(session.token.encode(), token.encode()):
            return None
        self._pending.pop(connection, None)
        return session

    def release(self, session: Session) -> None:
        """Free the place of a session that has ended."""
        self._sessions.pop(session.id, None)
        self._metrics.active_streams.set(len(self._sessions))

    async def shut_down(self, timeout_s: float) -> None:
        """Have every session send its last messages; returns when all have ended or after `timeout_s`."""
        self.stopping = True
        for one in [*self._connections, *self._sessions.values()]:
            one.shut_down()
        waited_s = 0.0
        while (self._connections or self._sessions) and waited_s < timeout_s:
            await asyncio.sleep(0.05)
            waited_s += 0.05

    def _refusal(self, caller: Caller, taken: Collection[Caller]) -> Ending | None:
        if self.stopping:
            return endings.SHUTTING_DOWN
        if len(taken) >= self._limit:
            return endings.FULL
        if sum(other.name == caller.name for other in taken) >= caller.max_streams:
            return endings.KEY_FULL
        return None


def registry_of(connection: HTTPConnection) -> Registry:
    """The registry of the application that a request or websocket belongs to."""
    registry: Registry = connection.app.state.registry
    return registry
