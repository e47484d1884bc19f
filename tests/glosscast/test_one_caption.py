"""Held, repeated and cut real signs, read by the embedded bundle."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from glosscast.activity import ActivityMeter
from glosscast.bundle import load_bundle
from glosscast.clip import Clip
from glosscast.decoding import decode_clip
from glosscast.holistic import extract, new_tracker, quiet_native_logs
from glosscast.keypoints import X
from glosscast.recogniser import Recogniser
from glosscast.video import decode_video
from tests.glosscast.media import recording
from tests.glosscast.trackers import needs_litert

FPS = 16.0
CLIPS = {
    "no": "no__startasl_F1__no",
    "please": "please__startasl_F1__please",
}
REJECT = 0.5  # how often a sign is told is the question here, not how sure one must be of it
BUNDLE = load_bundle()

pytestmark = [pytest.mark.data, pytest.mark.slow, needs_litert]


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(BUNDLE, threads=1)


@pytest.fixture(scope="module", params=CLIPS)
def sign(request: pytest.FixtureRequest) -> tuple[str, Clip]:
    """A gloss, and a recording of it from rest to rest."""
    path = recording(f"clips/{CLIPS[request.param]}.mp4")
    with quiet_native_logs():
        tracker = new_tracker("litert")
        try:
            return request.param, extract(decode_video(path, FPS), tracker)
        finally:
            tracker.close()


def raised(clip: Clip) -> slice:
    """The frames in which a hand is up."""
    segmenter = BUNDLE.manifest.segmenter
    meter = ActivityMeter(segmenter.follow_ms, segmenter.visible)
    points = clip.keypoints.copy()
    points[..., X] *= clip.aspect
    heights = [meter.measure(float(t), frame).height for t, frame in zip(clip.t_ms, points, strict=True)]
    up = np.flatnonzero(np.array(heights) < segmenter.leave_height)
    return slice(int(up[0]), int(up[-1]) + 1)


def held(clip: Clip) -> list[int]:
    up = raised(clip)
    middle = (up.start + up.stop) // 2
    return [*range(middle), *[middle] * 200, *range(middle, len(clip.t_ms))]


def repeated(clip: Clip) -> list[int]:
    up = raised(clip)
    quarter = (up.stop - up.start) // 4
    there = list(range(up.start + quarter, up.stop - quarter))
    return [*range(there[0]), *[*there, *there[::-1]] * 5, *range(there[0], len(clip.t_ms))]


def twice(clip: Clip) -> list[int]:
    return [*range(len(clip.t_ms))] * 2


def from_the_hands_up(clip: Clip) -> list[int]:
    return [*range(raised(clip).start, len(clip.t_ms))]


def all_the_time_up(clip: Clip) -> list[int]:
    up = raised(clip)
    return [*range(up.start, up.stop)]


@pytest.mark.parametrize("tagging", [BUNDLE.tagging, None], ids=["learned", "rule"])
@pytest.mark.parametrize(
    ("frames", "times"), [(held, 1), (repeated, 1), (twice, 2), (from_the_hands_up, 1), (all_the_time_up, 1)]
)
def test_a_sign_is_reported_as_often_as_it_is_signed(
    sign: tuple[str, Clip],
    frames: Callable[[Clip], list[int]],
    times: int,
    tagging: object,
    recogniser: Recogniser,
) -> None:
    gloss, clip = sign
    order = frames(clip)
    played = Clip(np.arange(len(order)) * 1000.0 / FPS, clip.keypoints[order], clip.aspect)
    vocabulary = BUNDLE.vocabulary
    settings = BUNDLE.manifest.decoder.model_copy(update={"reject": REJECT})
    decoder = replace(BUNDLE.pipeline(recogniser), settings=settings, tagging=tagging).decoder(interim=False)
    finals = [e for e in decode_clip(played, decoder) if e.kind == "final" and not e.suppressed]
    assert [vocabulary.gloss(int(e.probabilities.argmax())) for e in finals] == [gloss] * times
