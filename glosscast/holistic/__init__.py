"""Frames -> keypoints: trackers of one signer per stream, and the pool that hands them out."""

from glosscast.holistic.choice import EXTRACTORS, Extractor, ExtractorError, new_tracker
from glosscast.holistic.tracking import Tracker, TrackerPool, extract, quiet_native_logs

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "ExtractorError",
    "Tracker",
    "TrackerPool",
    "extract",
    "new_tracker",
    "quiet_native_logs",
]
