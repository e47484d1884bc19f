"""The events of a session for those who read along: viewers of its captions, and the outputs of the service.

They are what the session tells its client, without what is for the client alone. `session` and `segment` name a sign.
Times are the service's own clock, UTC, since a viewer knows nothing of the client's.
"""

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from service.protocol.messages import Alternative


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    session: str = Field(description="id of the session")
    at: datetime = Field(description="when the service sent it, ISO 8601, UTC")


class Started(_Event):
    """The signer is there: a session has begun, or another one of the same client goes on with its captions."""

    type: Literal["started"] = "started"


class SignStarted(_Event):
    """A sign has begun."""

    type: Literal["sign_started"] = "sign_started"
    segment: int = Field(description="number of the sign: 0, 1, 2 ... within the session")


class Interim(_Event):
    """The likeliest gloss inside a sign so far; show a stable one, until another stable one or the final comes."""

    type: Literal["interim"] = "interim"
    segment: int = Field(description="number of the sign")
    gloss: str = Field(description="the most probable gloss")
    confidence: float = Field(description="its probability, 0..1")
    stable: bool = Field(description="as in the message `interim`")


class Final(_Event):
    """The reading of a sign; it never changes and is never the no-sign class."""

    type: Literal["final"] = "final"
    segment: int = Field(description="number of the sign")
    gloss: str = Field(description="the gloss of the sign")
    confidence: float = Field(description="its probability, 0..1")
    alternatives: list[Alternative] = Field(description="the next best glosses, as many as the session asked for")
    confusable_with: list[str] = Field(description="glosses that this one is easily taken for, whatever was signed")
    started_at: datetime = Field(description="when the sign began, ISO 8601, UTC")
    ended_at: datetime = Field(description="when the sign ended, ISO 8601, UTC")


class NoSign(_Event):
    """The sign under way came to nothing."""

    type: Literal["no_sign"] = "no_sign"
    segment: int = Field(description="number of the sign")


class Ended(_Event):
    """The session has ended; another one may go on with its captions."""

    type: Literal["ended"] = "ended"


Event = Started | SignStarted | Interim | Final | NoSign | Ended
EVENTS: tuple[type[BaseModel], ...] = get_args(Event)
