"""Every step of classifying a recorded clip."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.timing import Spread, spread, timed
from glosscast.bundle import Bundle
from glosscast.clip import Clip
from glosscast.holistic import extract, new_tracker, quiet_native_logs, serving
from glosscast.recogniser import Recogniser
from glosscast.video import decode_video

REPEATS = 3


def keypoints_of(bundle: Bundle, path: Path) -> Clip:
    """The keypoints of a video, as the service finds them."""
    with quiet_native_logs():
        tracker = new_tracker(effort=serving(bundle.manifest.keypoints.face))
        try:
            return extract(list(decode_video(path, bundle.manifest.clip.fps)), tracker)
        finally:
            tracker.close()


def clip_times(bundle: Bundle, path: Path) -> dict[str, Spread]:
    """Decoding, keypoints and recognition of one video."""
    manifest = bundle.manifest
    # The published figures were measured with segments of the rule.
    pipeline = replace(bundle.sign_pipeline(Recogniser(bundle)), tagging=None)
    content = path.read_bytes()
    frames = list(decode_video(content, manifest.clip.fps))
    with quiet_native_logs():
        tracker = new_tracker(effort=serving(manifest.keypoints.face))
        clip = extract(frames, tracker)

        def track() -> None:
            tracker.reset()
            extract(frames, tracker)

        steps: dict[str, Callable[[], object]] = {
            "decode the clip": lambda: list(decode_video(content, manifest.clip.fps)),
            "keypoints of the clip": track,
            "recognise the clip": lambda: pipeline.read(clip),
        }
        times = {
            f"{name} ({len(frames)} frames)": spread([timed(step) for _ in range(REPEATS)])
            for name, step in steps.items()
        }
        tracker.close()
    return times
