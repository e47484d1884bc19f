"""Settings of the service, from environment variables that start with GLOSSCAST_."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from glosscast.bundle import EMBEDDED
from glosscast.holistic.choice import DEFAULT, Extractor
from glosscast.manifest import Precision
from glosscast.video import MIB

PREFIX = "GLOSSCAST_"
WRONG_SETTING = 2  # exit code of a start that fails for a setting
# Variables of this prefix that are for other parts of the project and may be set when the service starts.
FOREIGN = {
    "GLOSSCAST_DATA",  # folder of recordings, for training and tests
    "GLOSSCAST_MODELS",  # folder of the models that LiteRT runs
    "GLOSSCAST_RUNTIME",  # the build of ONNX Runtime that `make` installs
}

LogFormat = Literal["text", "json"]
Names = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, le=30 * 24 * 3600)]


class SettingsError(ValueError):
    """A variable is unknown or its value is wrong; the message names it and fits on one line."""


class StartError(RuntimeError):
    """The service cannot start; the message is one plain line that names the setting to look at."""


class Settings(BaseSettings):
    """The address, the bundle and the limits of the service. Each field is the variable GLOSSCAST_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port; 0 takes a free one")
    allowed_origins: Names = Field(
        default=(),
        description="origins of other sites whose pages may use the service, comma-separated, https://example.org",
    )

    api_keys_file: Path | None = Field(
        default=None, description="API keys, see `python -m service keys add`; without it only this machine is served"
    )
    token_secret_file: Path | None = Field(
        default=None, description="32 random bytes or more, the same for all replicas; by default each makes its own"
    )
    token_s: float = Field(default=30.0, ge=1, le=600, description="life of a token for a stream, seconds")
    key_requests_per_minute: int = Field(
        default=120, ge=1, le=1_000_000, description="requests and handshakes of one key, where it has no own limit"
    )
    key_streams: int = Field(
        default=8, ge=1, le=10_000, description="streams of one key open at the same time, where it has no own limit"
    )

    log: LogFormat = Field(default="text", description="lines of the log: text or json")
    traces: bool = Field(
        default=False, description="whether requests and streams are traced, to OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    grace_s: int = Field(
        default=15, ge=1, le=600, description="for streams and requests under way when the service is stopped, seconds"
    )

    bundle: Path = Field(default=EMBEDDED, description="folder of the bundle; SIGHUP loads it again")
    providers: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        min_length=1,
        description="ONNX Runtime execution providers, best first, comma-separated; by default the best that works of "
        "TensorRT, CUDA, OpenVINO and CPU",
    )
    precision: Precision | None = Field(
        default=None, description="precision of the model, fp32 or bf16; by default that of its bundle"
    )
    extractor: Extractor = Field(
        default=DEFAULT, description="extractor of keypoints from pictures: litert or mediapipe"
    )
    pose_every: int = Field(
        default=1,
        ge=1,
        le=4,
        description="streams of pictures with litert: the pose is looked for in one of so many frames",
    )
    extractor_processes: bool = Field(
        default=True, description="whether each tracker runs in a process of its own, so that a crash is one stream's"
    )
    extractor_timeout_s: Seconds = Field(
        default=10.0, description="a tracker's process that takes longer for a frame is replaced, seconds"
    )
    inference_threads: int = Field(
        default=0, ge=0, le=256, description="threads of one inference; 0 takes all cores but one"
    )
    max_batch: int = Field(default=16, ge=1, le=1024, description="windows in one inference, from all streams together")
    interim_wait_ms: float = Field(
        default=50.0, ge=0, le=10_000, description="interims that would wait longer for the model are left out, ms"
    )

    max_streams: int = Field(default=48, ge=1, le=10_000, description="streams open at the same time")
    trackers: int = Field(
        default=4,
        ge=1,
        le=256,
        description="of them, those with input frames; each takes 220 MB with mediapipe, 140 MB with litert",
    )
    max_fps: float = Field(default=30.0, gt=0, le=1000, description="frames per second of one stream")
    max_frame_bytes: int = Field(default=MIB, ge=4096, description="one websocket message, bytes")
    queue_frames: int = Field(
        default=8, ge=1, le=10_000, description="frames of one stream that wait; the oldest goes first"
    )
    idle_s: Seconds = Field(default=30.0, description="a stream without any message for so long is closed, seconds")
    max_session_s: Seconds = Field(default=3600.0, description="length of a stream, seconds")
    resume_s: float = Field(
        default=30.0, ge=0, le=600, description="a stream whose connection broke can be resumed for so long, seconds"
    )
    captions_s: float = Field(
        default=600.0, ge=0, le=24 * 3600, description="captions are kept for so long after their stream, seconds"
    )

    request_s: int = Field(
        default=10, ge=1, le=3600, description="time for the head of a request to arrive, also of the first, seconds"
    )
    max_upload_bytes: int = Field(default=50 * MIB, ge=1024, description="size of an uploaded clip, bytes")
    max_upload_s: Seconds = Field(default=60.0, description="time an upload may take to arrive, seconds")
    max_clip_s: Seconds = Field(default=60.0, description="length of an uploaded clip, seconds")
    decode_s: Seconds = Field(
        default=60.0, description="processor time of decoding a clip, and time to wait for it, seconds"
    )
    decode_mib: int = Field(default=2048, ge=512, le=1024 * 1024, description="address space of decoding a clip, MiB")
    max_uploads: int = Field(
        default=8, ge=1, le=1000, description="uploads taken in at the same time, waiting ones included"
    )
    classifiers: int = Field(
        default=2, ge=1, le=256, description="of them, those worked on; each has a tracker of its own, see TRACKERS"
    )
    clip_threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="threads that look for keypoints in one clip (litert); more answer sooner where cores are idle",
    )

    @field_validator("allowed_origins", "providers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value


def load_settings() -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: the first variable that is wrong.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | FOREIGN
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise SettingsError(f"{unknown[0]}: there is no such setting; there are {', '.join(sorted(known - FOREIGN))}")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise SettingsError(f"{name}: {first['msg']}, not {os.environ.get(name, '')!r}") from None
