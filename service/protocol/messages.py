"""The messages of websocket `/v1/stream`, subprotocol `glosscast.v1`, of clients and of the server.

Client to server, text: `start` or `resume` first, later `finalize`, `teach`, `teach_done`, `keepalive`, `stop`, each at
most 4096 characters.
Client to server, binary, one frame a message:

    4 bytes     the length of the header, uint32, little-endian
    the header  JSON, at most 1024 bytes: {"seq": 17, "t_ms": 1062.5}
    the rest    input frames: a JPEG, WebP or PNG picture
                input keypoints: 171 x 4 float32, little-endian: x, y, z and presence of each point of the bundle's
                layout, x and y in 0..1 of the frame

`seq` is the client's own number for the frame, `t_ms` its time, which must grow. A message larger than
`max_frame_bytes` ends the stream with 1009; one more than twice as large is not read at all, and the `error` that
explains the close stays out.

Server to client, text: `started`, `sign_started`, `interim`, `final`, `taught`, `landmarks`, `warning`, `error`,
`ended`.

A bundle of sentences has a segment for each gloss of an utterance, and says with `utterance` to which it belongs.

Every `sign_started` is followed by exactly one `final`, unless the connection breaks, the client violates the
protocol, or the server fails. The gloss of a `final` may be the vocabulary's no-sign class (`no_sign` in
`GET /v1/bundle`); its `reason` says why.

A stream whose `start` names a `lexicon` reads the signs in it as well as those of the bundle, and takes up each change
of it, whoever makes it, at the next sign. `teach` makes the next signs of the stream examples of a gloss in this
lexicon, until `teach_done` or another `teach`. A sign is an example if it begins after `teach` and ends before
`teach_done`. It is not signed to anyone, so it has no `interim`, and the gloss of its `final` is the no-sign class.
`taught` follows that `final` and says whether it is stored and how well it fits. Teaching ends with the stream; a sign
that `stop` or `finalize` closes is still an example, and one that is cut off in any other way is none.

A session outlives a connection that breaks, by `limits.resume_s`. Its client opens another one and sends `resume`
instead of `start`. It gets `started` again, then every `final` that it missed and every `taught` from its last `final`
on, then `sign_started` of the sign that is under way, if any. Teaching, segments and the client's clock go on; of the
frames that were on their way, those after `last_t_ms` did not arrive. An older connection that is still open is closed
with 4009. A client that will not come back sends `stop`, or closes with 1000; not with 1001, which proxies send as well
when they stop.

A session's captions are at `GET /v1/sessions/{session}/captions.vtt` (or `.srt`, `.json`) while it lasts and for a
while after, for clients that send its `token`.

Whoever has the viewing token (`view` of `started`) can read along at `GET /v1/sessions/{session}/events`, with
`view.session` as the session. A client that starts another session may name the one before in `continues`, so that its
viewers stay.

All times are the client's own `t_ms`, in milliseconds.
"""

from datetime import datetime
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from glosscast.caption_filter import Reason
from service.protocol.codes import ErrorCode, Refusal


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Input = Literal["frames", "keypoints"]


class Continues(_Message):
    """An earlier session of the client's, of which another one goes on."""

    session: str = Field(max_length=64, description="`session` of its `started`")
    token: str = Field(max_length=64, description="`token` of its `started`")


class Start(_Message):
    """The client's first message."""

    type: Literal["start"]
    input: Input = Field(description="what binary messages carry: pictures, or keypoints of the bundle's layout")
    interim: bool = Field(default=True, description="whether results inside a sign are wanted")
    top_k: int = Field(default=3, ge=1, le=100, description="glosses in a final: the best and top_k - 1 alternatives")
    landmarks: bool = Field(default=False, description="whether `landmarks` messages are wanted (input frames only)")
    aspect: float = Field(
        default=4 / 3, ge=0.1, le=10, description="frame width / height (input keypoints only; pictures have their own)"
    )
    lexicon: str | None = Field(
        default=None, max_length=64, description="name of the lexicon to read with, and to teach; null for none"
    )
    continues: Continues | None = Field(
        default=None,
        description="an earlier session whose viewers go on with this one; one that is not known any more is left out, "
        "and `view` of `started` is then new",
    )

    @model_validator(mode="after")
    def _fits_input(self) -> Self:
        if self.input == "frames" and "aspect" in self.model_fields_set:
            raise ValueError("aspect goes with input keypoints; pictures have their own")
        if self.input == "keypoints" and self.landmarks:
            raise ValueError("landmarks goes with input frames; a client that sends keypoints has them")
        return self


class Resume(_Message):
    """The client's first message on a new connection, to go on with a session whose connection broke."""

    type: Literal["resume"]
    session: str = Field(max_length=64, description="`session` of `started`")
    token: str = Field(max_length=64, description="`token` of `started`")
    last_segment: int | None = Field(
        default=None, ge=0, description="segment of the last `final` that was received, null where there was none"
    )


class Finalize(_Message):
    """Close the sign, or the utterance, that is under way now; the stream goes on."""

    type: Literal["finalize"]


class Teach(_Message):
    """Make the next signs examples of a gloss, until `teach_done` or another `teach`; for keys that may teach.

    Sent again with the same gloss it changes nothing, so a client may repeat it when it is not sure that it arrived.
    """

    type: Literal["teach"]
    gloss: str = Field(description="name of the sign, new or known, at most 64 characters")
    language: str = Field(default="", description="sign language, as the user calls it; empty leaves it as it is")


class TeachDone(_Message):
    """The next signs are no examples any more; a sign that is under way is none."""

    type: Literal["teach_done"]


class Keepalive(_Message):
    """The client is still there, with nothing to send."""

    type: Literal["keepalive"]


class Stop(_Message):
    """No more frames will come: read those that wait, close the sign that is under way, say `ended`."""

    type: Literal["stop"]


ClientMessage = Start | Resume | Finalize | Teach | TeachDone | Keepalive | Stop
CLIENT_MESSAGES: tuple[type[BaseModel], ...] = get_args(ClientMessage)


class Config(_Message):
    """The options in effect for a stream."""

    input: Input = Field(description="as in `start`")
    interim: bool = Field(description="as in `start`")
    top_k: int = Field(
        description="as in `start`, and at most the size of the vocabulary where there is no lexicon, which may grow"
    )
    landmarks: bool = Field(description="as in `start`")
    aspect: float | None = Field(description="as in `start`; null for input frames")
    lexicon: str | None = Field(description="as in `start`")


class Limits(_Message):
    """The limits of a stream."""

    max_fps: float = Field(description="largest number of frames per second; frames above it are dropped")
    max_frame_bytes: int = Field(description="largest size of a binary message, bytes; a larger one ends the stream")
    resume_s: float = Field(description="seconds within which a session whose connection broke can be resumed")


class View(_Message):
    """What others need to read the captions of a session, and nothing else."""

    session: str = Field(
        description="id for the address: of the session, or of the first one that this one goes on from"
    )
    token: str = Field(description="viewing token: it can neither resume, teach nor end the session")


class Started(_Message):
    """The stream is set up, or goes on; frames may come."""

    type: Literal["started"] = "started"
    session: str = Field(description="random id of this session")
    token: str = Field(
        description="secret of this session: a client that sends it may resume the session and read its captions"
    )
    resumed: bool = Field(description="whether this answers `resume`")
    last_t_ms: float | None = Field(description="time of the last frame that was taken, null where there was none")
    expires_at: datetime = Field(description="when the server will end it, ISO 8601, UTC")
    config: Config = Field(description="what is in effect: what `start` requested, as far as the service grants it")
    bundle: str = Field(description='name and version, "asl-demo@1"')
    no_sign: str | None = Field(
        description="the gloss that stands for hands that sign nothing, null where there is none"
    )
    limits: Limits = Field(description="limits that the stream must keep within")
    view: View | None = Field(description="for viewers of the captions; null where the service has none")


class SignStarted(_Message):
    """A sign has begun."""

    type: Literal["sign_started"] = "sign_started"
    segment: int = Field(description="number of the sign: 0, 1, 2 ... within the stream")
    t_ms: float = Field(description="time at which the sign begins; in sentences, as far as known")
    utterance: int | None = Field(
        default=None,
        description="number of the utterance: 0, 1, 2 ... within the stream; null where the bundle reads single signs",
    )


class Interim(_Message):
    """The likeliest gloss inside a sign so far; replaced by the next revision or the final. Unsent ones are left out.

    Early ones are often wrong: show the gloss of a stable one only, until another stable one or the final comes.
    """

    type: Literal["interim"] = "interim"
    segment: int = Field(description="number of the sign, as in `sign_started`")
    revision: int = Field(description="number of the interim within the sign: 1, 2, 3 ...")
    gloss: str = Field(description="the most probable gloss")
    confidence: float = Field(description="its probability, 0..1")
    stable: bool = Field(
        description="whether the revision before has the same gloss, its confidence is high enough, and a final "
        "could report it"
    )
    start_ms: float = Field(description="time at which the sign begins")
    end_ms: float = Field(description="time at which the sign ends, as far as known")


class Alternative(_Message):
    """Another gloss that the sign may be."""

    gloss: str = Field(description="name of the gloss")
    confidence: float = Field(description="its probability, 0..1")


NoSignReason = Literal[Reason, "example"]


class Final(_Message):
    """The reading of a sign; it never changes."""

    type: Literal["final"] = "final"
    segment: int = Field(description="number of the sign, as in `sign_started`")
    utterance: int | None = Field(default=None, description="number of the utterance, as in `sign_started`")
    gloss: str = Field(description="the gloss of the sign, or the no-sign class")
    confidence: float = Field(description="its probability, 0..1")
    reason: NoSignReason | None = Field(
        default=None,
        description="why the gloss is the no-sign class: `no_sign`, it is surely none of the signs; `unsure`, it may "
        "be one, and the guess leads `alternatives`; `continued`, the sign before goes on and was reported; "
        "`example`, it was signed to teach; null where the gloss is a sign's",
    )
    start_ms: float = Field(description="time at which the sign begins")
    end_ms: float = Field(description="time at which the sign ends")
    alternatives: list[Alternative] = Field(description="the next best top_k - 1 glosses")
    confusable_with: list[str] = Field(description="glosses that this one is easily taken for, whatever was signed")
    latency_ms: float = Field(description="from the arrival of what ended the sign to this message")


class LookAlike(_Message):
    """Another sign that a taught one is easily read as."""

    gloss: str = Field(description="name of the other sign")
    taught: bool = Field(description="whether it is of the lexicon; otherwise it is of the bundle")
    risk: float = Field(description="probability that the taught sign is read as this one, 0..1")


class Taught(_Message):
    """A sign that was signed as an example, after its `final`: stored in the lexicon, or the reason why not."""

    type: Literal["taught"] = "taught"
    segment: int = Field(description="number of the sign, as in `sign_started`")
    gloss: str = Field(description="name of the sign, as it is stored")
    accepted: bool = Field(description="whether it is stored as an example")
    example: str | None = Field(default=None, description="id of the example, null where it is not stored")
    examples: int = Field(default=0, description="number of examples that the sign has now, 0 where it is not stored")
    consistency: float | None = Field(
        default=None,
        description="mean similarity of each example to the others, -1..1; null for a single one, or where it is not "
        "stored",
    )
    outlier: bool = Field(default=False, description="whether this example is unlike the others")
    look_alikes: list[LookAlike] = Field(
        default=[], description="signs that the sign is easily read as, the likeliest first"
    )
    warnings: list[str] = Field(default=[], description="what is doubtful about the example, for a person to read")
    reason: Refusal | None = Field(
        default=None, description="why it is not stored, see the reasons of refusals; null where it is"
    )
    message: str | None = Field(
        default=None, description="why it is not stored, for a person to read; null where it is"
    )


Point = tuple[float, float]


class Landmarks(_Message):
    """The signer's points, for an overlay; at most 8 a second.

    Points are [x, y] in 0..1 of the frame, x to the right and y down, null where unseen.
    """

    type: Literal["landmarks"] = "landmarks"
    t_ms: float = Field(description="time of the frame")
    pose: list[Point | None] = Field(description="25 upper-body points in MediaPipe's order, nose to hips")
    left_hand: list[Point] | None = Field(description="21 points in MediaPipe's order, or null where no hand was seen")
    right_hand: list[Point] | None = Field(description="as left_hand; left and right are the signer's own")
    people: int = Field(
        description="people in view, counted about once a second, 1 at most where the extractor cannot tell; the "
        "points are those of one of them"
    )


WarningCode = Literal["frames_dropped", "rate_lowered", "tracker_restarted"]


class StreamWarning(_Message):
    """Frames were left out.

    They came faster than they could be read (`frames_dropped`), all streams of pictures are read at a lower rate under
    load (`rate_lowered`), or the extractor had to be restarted (`tracker_restarted`).
    """

    type: Literal["warning"] = "warning"
    code: WarningCode = Field(description="why frames were left out")
    count: int = Field(description="frames since the last warning of this code")


class Error(_Message):
    """Something went wrong. A retryable one leaves the stream open, or means that a new one may succeed."""

    type: Literal["error"] = "error"
    code: ErrorCode = Field(description="stable, for a program to decide by; see the error codes")
    message: str = Field(description="what happened, for a person to read")
    retryable: bool = Field(description="whether the stream goes on, or a new one may succeed")
    retry_after_s: float | None = Field(
        default=None, description="time to wait before a new attempt, seconds; null where it does not matter"
    )


class Summary(_Message):
    """The counts of a stream."""

    duration_ms: float = Field(description="from `start` to `ended`, by the server's clock")
    frames: int = Field(description="number of frames received")
    dropped: int = Field(
        description="number of frames received that were left out because they came faster than they could be read"
    )
    faulty: int = Field(description="number of frames received that were left out because they could not be used")
    signs: int = Field(description="number of finals")


class Ended(_Message):
    """The last message of a stream that ends in order."""

    type: Literal["ended"] = "ended"
    summary: Summary = Field(description="the stream in numbers")


ServerMessage = Started | SignStarted | Interim | Final | Taught | Landmarks | StreamWarning | Error | Ended
SERVER_MESSAGES: tuple[type[BaseModel], ...] = get_args(ServerMessage)
