"""The requests and answers of the REST interface."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from glosscast.clip import ClipSpec
from glosscast.manifest import Precision
from glosscast.report import ConfusablePair
from service.protocol.messages import Input


class ClassifyQuery(BaseModel):
    """The query of `POST /v1/classify`."""

    model_config = ConfigDict(extra="forbid")

    top_k: int = Field(default=5, ge=1, le=100, description="number of glosses in the answer")


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


class Timings(BaseModel):
    """The time of each step, in ms."""

    decode: float
    keypoints: float
    inference: float


class Classification(BaseModel):
    """The reading of a clip, taken as one sign."""

    bundle: str = Field(description="name and version", examples=["asl-demo@1"])
    duration_ms: float = Field(description="from the first to the last frame")
    frames: int = Field(description="frames that were looked at")
    predictions: list[Prediction] = Field(description="best first")
    signs: list[ClipSign] = Field(description="where signs were found, in order; empty where the clip was read whole")
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
