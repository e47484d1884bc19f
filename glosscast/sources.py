"""The sources of a client's frames: a camera or a clip, sent as pictures or as keypoints found on this machine."""

import io
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from PIL import Image

from glosscast.holistic import Tracker, new_tracker, quiet_native_logs
from glosscast.video import MAX_SIDE_PX, MIB, Frame, VideoLimits, decode_video

FPS = 16.0  # the models were trained on this rate; more frames add nothing
JPEG_QUALITY = 85
SILENT = 0  # OpenCV's level of logging that writes nothing
CLIP_LIMITS = VideoLimits(max_bytes=1024 * MIB, max_duration_s=4 * 3600, max_frames=4 * 3600 * 240)

Source = int | str | Path


class SourceError(RuntimeError):
    """A camera cannot be used; the message gives the reason in one line."""


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """One frame, ready to be sent.

    Attributes:
        t_ms: its time.
        payload: a JPEG picture, or keypoints (171, 4) as little-endian float32.
        aspect: width / height of the frame.
    """

    t_ms: float
    payload: bytes
    aspect: float


def encoded_frames(source: Source, keypoints: bool) -> Generator[EncodedFrame, None, None]:
    """Frames of a camera, by its index, or of a clip, by its path, at about `FPS`. Blocks; belongs into a thread.

    Args:
        source: camera or clip.
        keypoints: whether to find keypoints here, so that no picture leaves this machine.

    Raises:
        SourceError: the camera cannot be opened, or delivers no more.
        VideoError, OSError: the clip cannot be used.
        ExtractorError, ModelError: the extractor is not installed.
    """
    frames = camera(source) if isinstance(source, int) else decode_video(Path(source), FPS, CLIP_LIMITS)
    with ExitStack() as stack:
        tracker: Tracker | None = None
        if keypoints:
            stack.enter_context(quiet_native_logs())
            tracker = new_tracker()
            stack.callback(tracker.close)
        for frame in frames:
            height, width = frame.rgb.shape[:2]
            payload = jpeg(frame) if tracker is None else tracker.track(frame.rgb).astype("<f4").tobytes()
            yield EncodedFrame(frame.t_ms, payload, width / height)


def camera(index: int) -> Iterator[Frame]:
    """Frames of a camera at no more than `FPS`, by this machine's monotonic clock.

    Raises:
        SourceError: it cannot be opened, or delivers no more.
    """
    cv2.setLogLevel(SILENT)  # it would name each back end that finds no camera
    device = cv2.VideoCapture(index)
    try:
        if not device.isOpened():
            raise SourceError(f"camera {index} cannot be opened; is it there, and is no other program using it?")
        due_s = 0.0
        while True:
            if not device.grab():
                raise SourceError(f"camera {index} delivers no more frames")
            now_s = monotonic()
            if now_s < due_s:
                continue
            due_s = max(due_s + 1 / FPS, now_s)
            _, bgr = device.retrieve()
            scale = min(1.0, MAX_SIDE_PX / max(bgr.shape[:2]))
            small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield Frame(np.ascontiguousarray(small[:, :, ::-1]).astype(np.uint8, copy=False), now_s * 1000)
    finally:
        device.release()


def jpeg(frame: Frame) -> bytes:
    """A frame as a JPEG picture."""
    out = io.BytesIO()
    Image.fromarray(frame.rgb).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
