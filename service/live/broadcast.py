"""Tells viewers and outputs what one session tells its client."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import time

from service.live.views import View, Views
from service.outputs.outputs import Outputs
from service.protocol import events, messages
from service.protocol.events import Event
from service.protocol.messages import Final, Interim, ServerMessage, SignStarted


class Broadcast:
    """One session's events. It belongs to the event loop, and none of its methods waits.

    Args:
        session: its id.
        no_sign: the gloss that stands for no sign, if there is one.
        views: of the application.
        open_view: opens the view of the session, if it is to have one.
        outputs: of the application.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        session: str,
        no_sign: str | None,
        views: Views,
        open_view: Callable[[], View | None],
        outputs: Outputs,
        clock: Callable[[], float] = time,
    ) -> None:
        self._session = session
        self._no_sign = no_sign
        self._views = views
        self._open_view = open_view
        self._view: View | None = None
        self._began = False
        self._outputs = outputs
        self._clock = clock
        self._frame_ms = 0.0  # time of the last frame by the client's clock
        self._frame_s = clock()  # when it arrived

    def frame_arrived(self, t_ms: float) -> None:
        """A frame of this time has arrived; by it the client's clock is compared with the service's."""
        self._frame_ms = t_ms
        self._frame_s = self._clock()

    @property
    def address(self) -> messages.View | None:
        """What others need to read along, once the session has begun."""
        return None if self._view is None else messages.View(session=self._view.id, token=self._view.token)

    def started(self) -> None:
        """The session has begun. Only now it goes on with an earlier view: it might have found no place."""
        self._began = True
        self._view = self._open_view()
        self._publish(events.Started(session=self._session, at=self._now()))

    def tell(self, said: Sequence[ServerMessage]) -> None:
        """Pass on what concerns a reader of captions."""
        for message in said:
            if (event := self._event(message)) is not None:
                self._publish(event)

    def ended(self) -> None:
        """The session has ended."""
        if self._began:
            self._publish(events.Ended(session=self._session, at=self._now()))

    def _publish(self, event: Event) -> None:
        if self._view is not None:
            self._views.publish(self._view, event)
        self._outputs.publish(event)

    def _event(self, message: ServerMessage) -> Event | None:
        match message:
            case SignStarted():
                return events.SignStarted(session=self._session, at=self._now(), segment=message.segment)
            case Interim(gloss=self._no_sign):
                return None
            case Interim():
                return events.Interim(
                    session=self._session,
                    at=self._now(),
                    segment=message.segment,
                    gloss=message.gloss,
                    confidence=message.confidence,
                    stable=message.stable,
                )
            case Final(gloss=self._no_sign):
                return events.NoSign(session=self._session, at=self._now(), segment=message.segment)
            case Final():
                return events.Final(
                    session=self._session,
                    at=self._now(),
                    segment=message.segment,
                    gloss=message.gloss,
                    confidence=message.confidence,
                    alternatives=[other for other in message.alternatives if other.gloss != self._no_sign],
                    confusable_with=message.confusable_with,
                    started_at=self._time_of(message.start_ms),
                    ended_at=self._time_of(message.end_ms),
                )
        return None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _time_of(self, t_ms: float) -> datetime:
        """When a frame of this time arrived, or would have."""
        return datetime.fromtimestamp(self._frame_s, UTC) - timedelta(milliseconds=max(0.0, self._frame_ms - t_ms))
