"""Recordings for tests of LiteRT's tracker, and what it makes of them."""

import numpy as np

from glosscast.keypoints import PRESENCE
from glosscast.video import decode_video
from tests.glosscast import media

TWO_HANDED = "clips/health__startasl_M1__health.mp4"
CROSSING = "clips/algebra__startasl_M1__algebra.mp4"
ONE_HANDED = "clips/apple__startasl_F1__apple.mp4"
HANDS_UP = slice(8, 24)  # frames of TWO_HANDED in which both hands are seen
RANDOM = np.random.default_rng(0)


def noisy(picture, count):
    """The same picture again and again, as a camera sees it."""
    noise = RANDOM.normal(0, 2, (count, *picture.shape))
    return list(np.clip(picture + noise, 0, 255).astype(np.uint8))


def frames_of(name):
    return [frame.rgb for frame in decode_video(media.recording(name), 15)]


def seen(keypoints, part):
    return (keypoints[:, part, PRESENCE] > 0).any(1)


def follow(tracker, frames):
    return np.stack([tracker.track(frame) for frame in frames])
