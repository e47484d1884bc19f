"""The requests and answers of the REST interface."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from glosscast.clip import ClipSpec, ClipWarning
from glosscast.manifest import Precision
from glosscast.report import ConfusablePair
from service.protocol.messages import Input, LookAlike, Point

LexiconName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]


class ClassifyQuery(BaseModel):
    """The query of `POST /v1/classify`."""

    model_config = ConfigDict(extra="forbid")

    top_k: int = Field(default=5, ge=1, le=100, description="number of glosses in the answer")
    lexicon: LexiconName | None = Field(default=None, description="name of a lexicon whose signs are read as well")


class Prediction(BaseModel):
    """A gloss that the clip may show."""

    gloss: str = Field(description="may be the no-sign class, see `no_sign` of the bundle")
    confidence: float = Field(description="0..1")
    confusable_with: list[str] = Field(description="glosses that it is easily taken for, the most similar first")


class ClipSign(BaseModel):
    """One sign in the clip."""

    gloss: str = Field(description="may be the no-sign class")
    confidence: float = Field(description="0..1")
    start_ms: float = Field(description="from the clip's first frame")
    end_ms: float
    utterance: int | None = Field(
        description="number of the utterance that it belongs to; null where the bundle reads single signs"
    )


class Timings(BaseModel):
    """The time of each step, in ms."""

    decode: float
    keypoints: float
    inference: float


class Classification(BaseModel):
    """The reading of a clip: taken as one sign, or as sentences, by the bundle's task."""

    bundle: str = Field(description="name and version", examples=["asl-demo@1"])
    duration_ms: float = Field(description="from the first to the last frame")
    frames: int = Field(description="frames that were looked at")
    known: bool = Field(
        description="whether a known sign was found; where none was, `predictions` are guesses, and none of them is to "
        "be shown as what was signed"
    )
    threshold: float = Field(description="confidence, 0..1, from which a sign is reported")
    no_sign: str | None = Field(description="the gloss that stands for hands that say nothing")
    predictions: list[Prediction] = Field(
        description="best first; of the clip taken as one sign; empty where sentences are read"
    )
    signs: list[ClipSign] = Field(description="where signs were found, in order; empty where the clip was read whole")
    glosses: list[str] = Field(description="the glosses of the signs, in order, without the no-sign class")
    warnings: list[ClipWarning] = Field(
        description="what makes the reading doubtful; `several_people`: more than one person is in view in half of the "
        "clip or more, and the signs of one of them were read"
    )
    timings_ms: Timings


class StreamToken(BaseModel):
    """A token that opens one stream."""

    token: str
    expires_at: datetime = Field(description="ISO 8601, UTC; it must be used before, and can be used once")


class CaptionEntry(BaseModel):
    """One sign."""

    start_ms: float = Field(description="by the client's own clock, as in the session's messages")
    end_ms: float
    gloss: str
    confidence: float = Field(description="0..1")
    utterance: int | None = Field(
        description="number of the utterance that it belongs to; null where the bundle reads single signs"
    )


class Captions(BaseModel):
    """The captions of a session."""

    session: str
    ended: bool = Field(description="whether no more will come")
    origin_ms: float = Field(description="time of the first frame, which is 0 in WebVTT and SRT")
    captions: list[CaptionEntry] = Field(description="in order; at most the last 10,000")


class GlossEntry(BaseModel):
    """One gloss of the vocabulary, with its figures."""

    gloss: str
    signers: int = Field(description="signers that it was learned from")
    accuracy: float | None = Field(description="share recognised on signers left out of training; null: not measured")
    clips: int = Field(description="clips behind that figure")
    confusable_with: list[str]
    example: bool = Field(description="whether there is an example of it, see `/v1/bundle/signs/{gloss}/example`")


class KeypointLayout(BaseModel):
    """The keypoints that websocket clients must send, and those that the model was trained on."""

    layout: str
    points: int
    channels: int = Field(description="x, y, z, presence; x and y in 0..1 of the frame")
    normalisation: str = Field(description="done by the service")
    extractor: str


class ClipLimits(BaseModel):
    """The limits of `POST /v1/classify`."""

    max_upload_bytes: int
    max_clip_s: float


class BundleDescription(BaseModel):
    """The bundle in use, and the inputs that the service takes for it."""

    name: str
    version: str
    task: str
    vocabulary: list[GlossEntry]
    no_sign: str | None = Field(description="the gloss that stands for hands that say nothing")
    confusable: list[ConfusablePair]
    metrics: dict[str, float] = Field(description="figures of the whole bundle")
    clip: ClipSpec
    keypoints: KeypointLayout
    inputs: list[Input] = Field(description="what streams may send, as `start` names it")
    limits: ClipLimits
    providers: list[str] = Field(description="ONNX Runtime execution providers in use, best first")
    precision: Precision = Field(description="in which they compute")


class NewLexicon(BaseModel):
    """The body of `POST /v1/lexicons`."""

    model_config = ConfigDict(extra="forbid")

    name: LexiconName = Field(
        description="1 to 64 letters, digits, dots, dashes and underscores; the first one is no dot"
    )


class LexiconSummary(BaseModel):
    """One lexicon."""

    name: str
    signs: int = Field(description="number of signs")
    examples: int = Field(description="of all signs")
    bundle: str = Field(description="name and version of the bundle that it was last taught with")
    changed_at: datetime = Field(description="ISO 8601, UTC")


class LexiconList(BaseModel):
    """The lexicons of the key."""

    lexicons: list[LexiconSummary] = Field(description="by name")


class TaughtExample(BaseModel):
    """One example of a taught sign."""

    id: str = Field(description="stays as long as the example")
    duration_ms: float = Field(description="of the sign in it")


class TaughtSign(BaseModel):
    """One taught sign, and what is known of its examples."""

    gloss: str
    language: str = Field(description="sign language, as its teacher calls it; may be empty")
    examples: list[TaughtExample] = Field(description="in the order in which they were taught")
    consistency: float | None = Field(description="how alike the examples are, -1..1; null for a single one")
    outliers: list[str] = Field(description="ids of examples that the others would hardly read as their sign")
    look_alikes: list[LookAlike] = Field(description="signs that it is easily read as, the likeliest first")


class TaughtSigns(BaseModel):
    """The signs of a lexicon."""

    signs: list[TaughtSign] = Field(description="in the order in which they were taught")


class TeachingAnswer(TaughtSign):
    """A sign that has just been taught."""

    added: list[str] = Field(description="ids of the examples that were not there before")
    warnings: list[str] = Field(description="what to look at, for a person to read")


class NewGloss(BaseModel):
    """The body of `PATCH /v1/lexicons/{name}/signs/{gloss}`."""

    model_config = ConfigDict(extra="forbid")

    gloss: str = Field(max_length=1024, description="new name of the sign")


class ExampleMotion(BaseModel):
    """The points of an example, for drawing a skeleton.

    Points are [x, y] in shoulder widths from the middle between the shoulders, x to the right and y down, null where
    unseen.
    """

    t_ms: list[float] = Field(description="times of the frames, from the first one")
    start_ms: float = Field(description="where the sign starts")
    end_ms: float = Field(description="where it ends")
    pose: list[list[Point | None]] = Field(description="for each frame 25 upper-body points, as in `landmarks`")
    left_hand: list[list[Point] | None] = Field(description="for each frame 21 points, or null where no hand was seen")
    right_hand: list[list[Point] | None] = Field(description="as left_hand; left and right are the signer's own")
