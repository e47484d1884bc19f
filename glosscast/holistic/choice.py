"""The choice of the extractor of keypoints: MediaPipe's package, or the same models run by LiteRT."""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple, get_args

from glosscast.holistic import models
from glosscast.holistic.effort import FULL, Effort
from glosscast.holistic.litert import LiteRtTracker
from glosscast.holistic.mediapipe_graph import MediaPipeTracker
from glosscast.holistic.tracking import Tracker
from glosscast.keypoints import UNSEEN
from glosscast.wording import installing

Extractor = Literal["litert", "mediapipe"]
EXTRACTORS: tuple[Extractor, ...] = get_args(Extractor)
DEFAULT: Extractor = "litert"
VARIABLE = "GLOSSCAST_EXTRACTOR"
PACKAGES: dict[Extractor, str] = {"litert": "ai-edge-litert", "mediapipe": "mediapipe"}
UNSTATED = "mediapipe-holistic"  # of keypoints that do not say: all that are published for Holistic came from it
BOTH = " and "  # between the extractors of training data that came from more than one
# A process imports these modules before its first tracker, so that processes forked from it share the memory.
MODULES: dict[Extractor, str] = {
    "litert": "ai_edge_litert.interpreter",
    "mediapipe": "mediapipe.python.solutions.holistic",
}
# The effect that docs/explanation/extraction.md measured between the two, with LiteRT as it serves.
EFFECT = "hands then lie 1 % of hand size apart (median), and 106 of 108 recordings read as the same gloss"


class Mismatch(NamedTuple):
    """A bundle learned from another extractor's keypoints than it is to be given.

    Attributes:
        text: both extractors and the effect; completes "the bundle was".
        measured: whether the effect is known, and small.
    """

    text: str
    measured: bool


class ExtractorError(ValueError):
    """There is no such extractor, or its packages are not installed; the message fits on one line."""


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


def new_tracker(extractor: Extractor | None = None, effort: Effort = FULL, threads: int = 1) -> Tracker:
    """A tracker for one stream.

    Args:
        extractor: by default the one `chosen`.
        effort: of LiteRT; MediaPipe takes no notice and does all of it.
        threads: see `LiteRtTracker`; MediaPipe has threads of its own.

    Raises:
        ExtractorError: the extractor's package is not installed, or the variable names no extractor.
        ModelError: LiteRT's models were not fetched or are damaged.
    """
    extractor = extractor or chosen()
    require(extractor)
    return LiteRtTracker(None, effort, threads) if extractor == "litert" else MediaPipeTracker()


def require(extractor: Extractor) -> None:
    """Check that an extractor can run.

    Raises:
        ExtractorError: its package is not installed.
        ModelError: LiteRT's models were not fetched or are damaged.
    """
    description(extractor)
    if extractor == "litert":
        for model in models.MODELS:
            models.read(model, models.folder())


def description(extractor: Extractor) -> str:
    """Name and version, as a bundle's manifest gives them: "mediapipe-holistic 0.10.21".

    Raises:
        ExtractorError: its package is not installed.
    """
    try:
        return f"{extractor}-holistic {version(PACKAGES[extractor])}"
    except PackageNotFoundError:
        raise ExtractorError(f"{VARIABLE}={extractor} needs a package: {installing(extractor)}") from None


def model_hashes(trained_with: str) -> dict[str, str]:
    """The hashes of the models that LiteRT ran, for a manifest; none for MediaPipe, whose version says it.

    Args:
        trained_with: the manifest's `keypoints.extractor`.
    """
    return models.hashes() if "litert-holistic" in _names(trained_with) else {}


def mismatch(trained_with: str, trained_models: dict[str, str], extractor: Extractor) -> Mismatch | None:
    """The difference of the extractor from the one that a bundle learned from; None where there is none.

    Args:
        trained_with: the manifest's `keypoints.extractor`.
        trained_models: its `keypoints.models`.
        extractor: the one that is to run.

    Raises:
        ExtractorError: its package is not installed.
    """
    running, trained = description(extractor), _names(trained_with)
    same_models = extractor == "mediapipe" or not trained_models or trained_models == models.hashes()
    if trained <= {*_names(running), UNSEEN} and same_models:
        return None
    known = same_models and trained <= {f"{name}-holistic" for name in EXTRACTORS}
    effect = EFFECT if known else "the effect was not measured"
    return Mismatch(f"trained on keypoints of {trained_with}, and {running} is to find them: {effect}", known)


def _names(extractors: str) -> set[str]:
    """The extractors of a bundle's keypoints, without versions."""
    return {one.partition(" ")[0] for one in extractors.split(BOTH)}
