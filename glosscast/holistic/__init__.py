"""Frames -> keypoints: trackers of one signer per stream, and the pool that hands them out."""

from glosscast.holistic.choice import (
    BOTH,
    EXTRACTORS,
    MODULES,
    UNSTATED,
    Extractor,
    ExtractorError,
    chosen,
    description,
    mismatch,
    model_hashes,
    new_tracker,
    require,
)
from glosscast.holistic.effort import FULL, Effort, serving
from glosscast.holistic.models import ModelError
from glosscast.holistic.pool import TrackerPool, extract, quiet_native_logs
from glosscast.holistic.tracking import Tracker

__all__ = [
    "BOTH",
    "EXTRACTORS",
    "FULL",
    "MODULES",
    "UNSTATED",
    "Effort",
    "Extractor",
    "ExtractorError",
    "ModelError",
    "Tracker",
    "TrackerPool",
    "chosen",
    "description",
    "extract",
    "mismatch",
    "model_hashes",
    "new_tracker",
    "quiet_native_logs",
    "require",
    "serving",
]
