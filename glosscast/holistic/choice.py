"""Which extractor finds the keypoints: the same models run by LiteRT, or MediaPipe's own package."""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from glosscast.holistic.litert import LiteRtTracker
from glosscast.holistic.mediapipe_graph import MediaPipeTracker
from glosscast.holistic.tracking import Tracker

Extractor = Literal["litert", "mediapipe"]
EXTRACTORS: tuple[Extractor, ...] = get_args(Extractor)
DEFAULT: Extractor = "mediapipe"
VARIABLE = "GLOSSCAST_EXTRACTOR"


class ExtractorError(ValueError):
    """There is no such extractor, or what it needs is not installed; the message fits on one line."""


def chosen() -> Extractor:
    """The extractor that the environment variable GLOSSCAST_EXTRACTOR names, else the default.

    Raises:
        ExtractorError: it names none.
    """
    name = os.environ.get(VARIABLE, DEFAULT)
    for extractor in EXTRACTORS:
        if extractor == name:
            return extractor
    raise ExtractorError(f"{VARIABLE}: {name!r} is none of {', '.join(EXTRACTORS)}")


def new_tracker(extractor: Extractor | None = None) -> Tracker:
    """A tracker for one stream.

    Args:
        extractor: by default the one `chosen`.

    Raises:
        ExtractorError: the name is wrong or the package behind it is not installed.
        ModelError: LiteRT's models were not fetched.
    """
    kind: type[LiteRtTracker | MediaPipeTracker] = {"litert": LiteRtTracker, "mediapipe": MediaPipeTracker}[
        extractor or chosen()
    ]
    try:
        return kind()
    except ImportError as error:
        raise ExtractorError(f"extractor {extractor or chosen()!r}: {error}") from error


def description(extractor: Extractor) -> str:
    """Name and version, as a bundle's manifest gives them: "mediapipe-holistic 0.10.21"."""
    package, name = {
        "litert": ("ai-edge-litert", "litert-holistic"),
        "mediapipe": ("mediapipe", "mediapipe-holistic"),
    }[extractor]
    try:
        return f"{name} {version(package)}"
    except PackageNotFoundError as error:
        raise ExtractorError(f"extractor {extractor!r}: {error.name} is not installed") from error
