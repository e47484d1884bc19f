"""Signs as fluent signers give them: the hands come up, sign for less than a second and go down again.

Hobbyists who record themselves often hold a sign for the whole clip: the median speed of their hands is a fifth of that
in dictionary videos. A model that learns from their clips alone reads fluent signing unsurely.
"""

import numpy as np

from glosscast.clip import Clip, sample_recording
from training.data.sentences import ASPECT, seen_by_camera, transition
from training.data.streams import FPS, Rest, frames_in, played, signed

PART = (0.4, 1.0)  # share of the clip that is shown
SIGN_MS = (350.0, 1200.0)
MOVE_MS = (200.0, 600.0)  # from rest to the sign, and back
# Rests that a window shows; a live one ends soon after the sign.
BEFORE_MS, AFTER_MS = (100.0, 1500.0), (0.0, 600.0)
FASTEST = 3.0  # no clip is played faster, so that circles and shakes stay what they are


def brisk(clip: Clip, rng: np.random.Generator) -> Clip:
    """The clip's sign made short, between two rests; the clip itself where no hand is seen in enough of it.

    Args:
        clip: an isolated sign without pictures.
        rng: draws what is shown of the clip, how fast, and the movements and rests around it.
    """
    points = signed(sample_recording(clip, FPS))
    if points is None:
        return clip
    shown = max(round(rng.uniform(*PART) * len(points)), 2)
    first = int(rng.integers(0, len(points) - shown + 1))
    frames = frames_in(np.exp(rng.uniform(*np.log(SIGN_MS))))
    speed = np.clip(shown / frames, 1.0, FASTEST)
    sign = played(points[first : first + shown], float(speed))
    rest = Rest(rng, ())
    before, after = rest.still(sign[0], BEFORE_MS), rest.still(sign[-1], AFTER_MS)
    rise = transition(before[-1], sign[0], frames_in(rng.uniform(*MOVE_MS)))
    fall = transition(sign[-1], after[0], frames_in(rng.uniform(*MOVE_MS)))
    points = seen_by_camera(np.concatenate([before, rise, sign, fall, after]))
    return Clip(np.arange(len(points)) * (1000.0 / FPS), points, ASPECT)
