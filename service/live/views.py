"""Views: the captions of a session for those who have its viewing token, while they appear and for a while after.

A view begins with a session. A later session of the same client may go on with it, so that a viewer stays where the
signer pauses or starts anew. The viewing token reads the view and does nothing else: it neither resumes, teaches nor
ends a session, and it is no session's own token.
"""

import asyncio
import hmac
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from service.observe.metrics import Metrics
from service.problems import ProblemError
from service.protocol import events
from service.protocol.events import Event
from service.protocol.messages import Continues

MAX_RECALLED = 1000  # events of one view that a viewer may ask for later, the oldest go first; 0.5 KB each
MAX_UNSENT = 256  # events that wait for one viewer; one that reads at all never comes near it
MAX_KEPT = 1000  # views without a session
RETRY_S = 10  # for a viewer that finds no place


@dataclass(frozen=True)
class Entry:
    """An event of a view.

    Attributes:
        number: 1, 2, 3 ... of those that are kept; None for one that concerns the moment alone.
        event: itself.
    """

    number: int | None
    event: Event


class Viewer:
    """One reader of a view. It belongs to the event loop.

    Args:
        entries: that it is behind by.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = deque(entries)
        self._room = MAX_UNSENT + len(entries)
        self._changed = asyncio.Event()
        self._finished = False

    def put(self, entry: Entry) -> bool:
        """Add an event; False where the viewer reads so slowly that there is no room."""
        if len(self._entries) >= self._room:
            return False
        self._entries.append(entry)
        self._changed.set()
        return True

    def finish(self, at_once: bool = False) -> None:
        """End the events; `at_once` leaves out those that wait, so that the viewer asks for them again."""
        if at_once:
            self._entries.clear()
        self._finished = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Entry]:
        """The events, until the view ends."""
        while True:
            while self._entries:
                yield self._entries.popleft()
            if self._finished:
                return
            self._changed.clear()
            await self._changed.wait()


@dataclass(eq=False)
class View:
    """The captions of one session, and of those that go on with it.

    Attributes:
        id: of its first session.
        token: the viewing token.
        session: that is shown now, or was last.
        session_token: of that session, which lets another one go on.
        caller: name of the key that the sessions belong to.
        live: whether that session is under way.
    """

    id: str
    session: str
    session_token: str = field(repr=False)
    caller: str
    token: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(32))
    live: bool = True

    def __post_init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self._kept: deque[Entry] = deque(maxlen=MAX_RECALLED)
        self._number = 0

    def publish(self, event: Event) -> int:
        """Show an event to all viewers; the number of those that had to be dropped because they read too slowly."""
        entry = Entry(None, event)
        if isinstance(event, events.Started | events.Final | events.Ended):
            self._number += 1
            entry = Entry(self._number, event)
            self._kept.append(entry)
        slow = [viewer for viewer in self.viewers if not viewer.put(entry)]
        for viewer in slow:
            viewer.finish(at_once=True)
            self.viewers.discard(viewer)
        return len(slow)

    def since(self, number: int) -> list[Entry]:
        """The events that are kept, after the one with this number; all of them where there has been no such one."""
        known = number if number <= self._number else 0
        return [entry for entry in self._kept if entry.number is not None and entry.number > known]

    def finals(self) -> list[events.Final]:
        """The captions, in order."""
        return [entry.event for entry in self._kept if isinstance(entry.event, events.Final)]


class Views:
    """The views of one application, at `app.state.views`. It belongs to the event loop.

    Args:
        keep_s: for how long a view is kept after the end of its last session.
        max_viewers: of one view at the same time; 0 where there are to be no views.
        metrics: receive the number of viewers.
    """

    def __init__(self, keep_s: float, max_viewers: int, metrics: Metrics) -> None:
        self._keep_s = keep_s
        self._max_viewers = max_viewers
        self._metrics = metrics
        self._views: dict[str, View] = {}
        self._of_session: dict[str, View] = {}  # by the session that is shown
        self._ends: dict[View, asyncio.TimerHandle] = {}  # the oldest first
        self._closed = False

    def open(self, session: str, token: str, caller: str, continues: Continues | None) -> View | None:
        """The view of a session that begins; None where there are no views.

        It is the one of the earlier session that the client names with its token, if that one is known and belongs to
        the same caller, or else a new one.
        """
        if self._max_viewers == 0:
            return None
        view = self._earlier(continues, caller) if continues is not None else None
        if view is None:
            view = self._views[session] = View(session, session, token, caller)
        else:
            del self._of_session[view.session]
            view.session, view.session_token, view.live = session, token, True
            if timer := self._ends.pop(view, None):
                timer.cancel()
        self._of_session[session] = view
        return view

    def _earlier(self, continues: Continues, caller: str) -> View | None:
        view = self._of_session.get(continues.session)
        if view is None or view.caller != caller or not _same(view.session_token, continues.token):
            return None
        return view

    def publish(self, view: View, event: Event) -> None:
        """Show an event of a session; the end of one only where no other has gone on."""
        if isinstance(event, events.Ended):
            if event.session != view.session:
                return
            self._keep(view)
        self._metrics.viewers_dropped.inc(view.publish(event))

    def _keep(self, view: View) -> None:
        view.live = False
        if len(self._ends) >= MAX_KEPT:  # those without captions go first, so that they push out no others
            self._forget(next((kept for kept in self._ends if not kept.finals()), next(iter(self._ends))))
        self._ends[view] = asyncio.get_running_loop().call_later(self._keep_s, self._forget, view)

    def _forget(self, view: View) -> None:
        self._ends.pop(view).cancel()
        del self._views[view.id]
        del self._of_session[view.session]
        for viewer in view.viewers:
            viewer.finish()

    def find(self, session: str, token: str) -> View | None:
        """The view with this id, the one of its first session, and this viewing token; None where there is none."""
        view = self._views.get(session)
        return view if view is not None and _same(view.token, token) else None

    @contextmanager
    def watching(self, view: View, last: int) -> Iterator[Viewer]:
        """A viewer for the length of the block, who has had the events up to the one with the number `last`.

        Raises:
            ProblemError: "too_many_requests" or "not_ready".
        """
        again = {"Retry-After": str(RETRY_S)}
        if self._closed:
            raise ProblemError("not_ready", headers=again)
        if len(view.viewers) >= self._max_viewers:
            raise ProblemError("too_many_requests", "As many as may watch these captions do so already.", again)
        viewer = Viewer(view.since(last))
        view.viewers.add(viewer)
        self._metrics.viewers.inc()
        try:
            yield viewer
        finally:
            view.viewers.discard(viewer)
            self._metrics.viewers.dec()

    def close(self) -> None:
        """Let every viewer go, after the events that wait for it; there are no others from here on."""
        self._closed = True
        for view in self._views.values():
            for viewer in view.viewers:
                viewer.finish()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def views_of(connection: HTTPConnection) -> Views:
    """The views of the application that a request or websocket belongs to."""
    views: Views = connection.app.state.views
    return views
