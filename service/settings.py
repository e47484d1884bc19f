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

    host: str = Field(default="127.0.0.1", min_length=1, description="address that the service listens on")
    port: int = Field(
        default=8000, ge=0, le=65535, description="TCP port that the service listens on; 0 takes a free one"
    )
    allowed_origins: Names = Field(
        default=(),
        description="origins of other sites whose pages may use the service, comma-separated, such as "
        "https://example.org",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="host names that the service answers to, comma-separated, beside localhost, loopback addresses and "
        "GLOSSCAST_HOST; * stands for every name, and is the default where API keys are needed",
    )

    api_keys_file: Path | None = Field(
        default=None,
        description="file of API keys, made by `python -m service keys add`; without it the service answers its own "
        "machine only",
    )
    token_secret_file: Path | None = Field(
        default=None,
        description="file of 32 random bytes or more that sign tokens, the same for all replicas; without it each "
        "replica makes its own secret",
    )
    token_s: float = Field(default=30.0, ge=1, le=600, description="lifetime of a token that opens a stream, seconds")
    key_requests_per_minute: int = Field(
        default=120,
        ge=1,
        le=1_000_000,
        description="requests and handshakes that a key may make per minute, unless the key file sets another "
        "number for it",
    )
    key_streams: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="streams that a key may have open at the same time, unless the key file sets another number for it",
    )

    lexicons: Path | None = Field(
        default=None,
        description="SQLite file of the signs that callers teach, made where there is none; without it a service with "
        "keys keeps none, and one without keys keeps them in the user's folder for data, "
        "$XDG_DATA_HOME/glosscast/lexicons.sqlite",
    )
    lexicons_mib: int = Field(
        default=512,
        ge=1,
        le=1024 * 1024,
        description="keypoints that all lexicons of one key may have, MiB; a sign of five examples takes about 0.4",
    )

    log: LogFormat = Field(default="text", description="format of the lines of the log")
    traces: bool = Field(
        default=False, description="whether requests and streams are traced; spans go to OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    grace_s: int = Field(
        default=15,
        ge=1,
        le=600,
        description="time that streams and requests under way have to finish when the service is stopped, seconds",
    )

    bundle: Path = Field(default=EMBEDDED, description="folder of the bundle; SIGHUP loads it again")
    providers: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        min_length=1,
        description="ONNX Runtime execution providers, best first, comma-separated; by default the best that works of "
        "TensorRT, CUDA, OpenVINO and CPU",
    )
    precision: Precision | None = Field(
        default=None,
        description="precision in which the model is computed; by default the one that the bundle's manifest names",
    )
    extractor: Extractor = Field(default=DEFAULT, description="extractor that finds keypoints in pictures")
    extractor_processes: bool = Field(
        default=True,
        description="whether each tracker runs in a process of its own, so that a crash ends one tracker and no other",
    )
    extractor_timeout_s: Seconds = Field(
        default=10.0, description="time that a tracker's process may take for a frame before it is replaced, seconds"
    )
    inference_threads: int = Field(
        default=0, ge=0, le=256, description="threads of one inference; 0 takes all cores but one"
    )
    max_batch: int = Field(
        default=16, ge=1, le=1024, description="largest number of windows in one inference, over all streams"
    )
    interim_wait_ms: float = Field(
        default=50.0,
        ge=0,
        le=10_000,
        description="interims that would wait longer than this for the model are left out, ms",
    )

    max_streams: int = Field(default=48, ge=1, le=10_000, description="largest number of sessions at the same time")
    trackers: int = Field(
        default=4,
        ge=1,
        le=256,
        description="largest number of sessions with input frames at the same time; each takes 140 MB of memory "
        "with litert, 220 MB with mediapipe",
    )
    max_fps: float = Field(
        default=30.0, gt=0, le=1000, description="largest number of frames per second that one stream may send"
    )
    max_frame_bytes: int = Field(default=MIB, ge=4096, description="largest size of a websocket message, bytes")
    queue_frames: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="number of frames of one stream that may wait; the oldest is dropped first",
    )
    idle_s: Seconds = Field(
        default=30.0, description="time without any message after which a stream is closed, seconds"
    )
    max_session_s: Seconds = Field(default=3600.0, description="longest duration of a session, seconds")
    resume_s: float = Field(
        default=30.0,
        ge=0,
        le=600,
        description="time within which a session whose connection broke can be resumed, seconds",
    )
    captions_s: float = Field(
        default=600.0,
        ge=0,
        le=24 * 3600,
        description="time for which the captions of a session are kept after its end, seconds",
    )

    max_viewers: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="largest number of viewers of one session's captions at the same time; 0 lets nobody watch",
    )

    webhook_url: str | None = Field(
        default=None, description="address that each caption, and the start and end of each session, is posted to"
    )
    webhook_secret_file: Path | None = Field(
        default=None, description="file of 32 random bytes or more that sign the requests of the webhook"
    )
    mqtt_url: str | None = Field(
        default=None,
        description="MQTT broker that captions are published to, mqtt://USER@HOST:PORT, or mqtts:// with TLS",
    )
    mqtt_password_file: Path | None = Field(default=None, description="file with the password of the broker's user")
    mqtt_topic: str = Field(
        default="glosscast",
        pattern=r"^[^+#/\x00]([^+#\x00]{0,126}[^+#/\x00])?$",
        description="topic that all topics of the service are below",
    )
    mqtt_discovery: str = Field(
        default="homeassistant",
        pattern=r"^[^+#\x00]{0,64}$",
        description="prefix of Home Assistant's discovery over MQTT; empty announces nothing",
    )

    request_s: int = Field(
        default=10,
        ge=1,
        le=3600,
        description="time within which the head of a request must arrive, also of the first one of a connection, "
        "seconds",
    )
    max_upload_bytes: int = Field(default=50 * MIB, ge=1024, description="largest size of an uploaded clip, bytes")
    max_upload_s: Seconds = Field(default=60.0, description="longest time that an upload may take to arrive, seconds")
    max_clip_s: Seconds = Field(default=60.0, description="longest duration of an uploaded clip, seconds")
    decode_s: Seconds = Field(
        default=60.0,
        description="processor time that decoding a clip may take, and time that the service waits for it, seconds",
    )
    decode_mib: int = Field(
        default=2048, ge=512, le=1024 * 1024, description="address space that decoding a clip may take, MiB"
    )
    max_uploads: int = Field(
        default=8, ge=1, le=1000, description="largest number of uploads at the same time, including those that wait"
    )
    classifiers: int = Field(
        default=2,
        ge=1,
        le=256,
        description="largest number of uploads that are worked on at the same time; each has a tracker of its own, "
        "which GLOSSCAST_TRACKERS does not count",
    )
    clip_threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="threads that find keypoints in a clip while no other clip is worked on (litert); more of them "
        "answer sooner where cores are idle",
    )

    @field_validator("allowed_origins", "allowed_hosts", "providers", mode="before")
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
