"""The tracker and what it makes of frames."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from glosscast.holistic import TrackerPool, extract, quiet_native_logs
from glosscast.holistic.mediapipe_graph import MediaPipeTracker
from glosscast.keypoints import (
    CHANNELS,
    FACE,
    HAND_WRIST,
    LEFT_HAND,
    NOSE,
    POINTS,
    PRESENCE,
    RIGHT_HAND,
    SHOULDERS,
    Pose,
    X,
    Y,
)
from glosscast.video import Frame, decode_video
from tests.glosscast import media
from tests.glosscast.trackers import BLANK, CountingTracker, needs_mediapipe

CLIP = "clips/apple__startasl_F1__apple.mp4"
OTHER_CLIP = "clips/algebra__startasl_M1__algebra.mp4"
TWO_HANDED = "clips/health__startasl_M1__health.mp4"


@pytest.fixture(scope="module")
def tracker():
    """One for the module: each takes memory that MediaPipe does not give back at once."""
    pytest.importorskip("mediapipe")
    tracker = MediaPipeTracker()
    yield tracker
    tracker.close()


def test_importing_the_module_does_not_import_mediapipe():
    code = "import sys, glosscast.holistic; sys.exit('mediapipe' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nobody_in_view_is_all_zeros(tracker):
    keypoints = tracker.track(BLANK)
    assert keypoints.shape == (POINTS, CHANNELS)
    assert keypoints.dtype == np.float32
    assert not keypoints.any()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(np.zeros((0, 0, 3), np.uint8), id="no-pixels"),
        pytest.param(np.zeros((15, 64, 3), np.uint8), id="too-low"),
        pytest.param(np.zeros((64, 15, 3), np.uint8), id="too-narrow"),
        pytest.param(np.zeros((48, 64), np.uint8), id="grey"),
        pytest.param(np.zeros((48, 64, 4), np.uint8), id="rgba"),
        pytest.param(np.zeros((2, 48, 64, 3), np.uint8), id="two-frames"),
        pytest.param(np.zeros((48, 64, 3), np.float32), id="float"),
    ],
)
def test_a_payload_that_is_no_frame_is_refused_and_does_no_harm(tracker, frame):
    with pytest.raises(ValueError, match="a frame is"):
        tracker.track(frame)
    assert not tracker.broken
    assert tracker.track(BLANK).shape == (POINTS, CHANNELS)


def test_frames_need_not_be_contiguous_or_writable(tracker):
    wide = np.zeros((48, 128, 3), np.uint8)
    wide.flags.writeable = False
    assert not tracker.track(wide[:, ::2]).any()


@needs_mediapipe
def test_a_failed_tracker_process_reports_it():
    tracker = MediaPipeTracker()
    real = tracker._holistic
    tracker._holistic = None
    with pytest.raises(AttributeError):
        tracker.track(BLANK)
    tracker._holistic = real
    assert tracker.broken
    with pytest.raises(RuntimeError, match="closed or broken"):
        tracker.track(BLANK)
    with pytest.raises(RuntimeError, match="closed or broken"):
        tracker.reset()
    tracker.close()


@needs_mediapipe
def test_a_graph_that_saw_an_empty_frame_can_still_be_closed():
    tracker = MediaPipeTracker()
    with pytest.raises(Exception, match=r".+"):  # what `track` guards against
        tracker._holistic.process(np.zeros((0, 0, 3), np.uint8))
    with pytest.raises(Exception, match=r".+"):
        tracker.track(BLANK)
    assert tracker.broken
    tracker.close()
    tracker.close()


def test_native_lines_are_dropped_and_later_ones_are_not():
    code = (
        "import os, sys\n"
        "from glosscast.holistic import quiet_native_logs\n"
        "with quiet_native_logs():\n"
        "    os.write(2, b'chatter')\n"
        "    print('more', file=sys.stderr)\n"
        "os.write(2, b'news')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == "news"


def test_errors_pass_through_quiet_logs():
    with pytest.raises(KeyError), quiet_native_logs():
        raise KeyError


def frames_of(name, count=30):
    frames = list(decode_video(media.recording(name), 16))
    return frames[:count]


@pytest.mark.data
@pytest.mark.slow
def test_a_signer_is_found_where_he_is(tracker):
    tracker.reset()
    clip = extract(frames_of(TWO_HANDED), tracker)
    assert clip.aspect == pytest.approx(736 / 414, abs=0.01)
    assert clip.t_ms[0] == 0
    found = (clip.keypoints[..., PRESENCE] > 0.5).mean(0)
    assert found[SHOULDERS].min() > 0.9
    assert found[FACE].min() > 0.9
    # Parts that were found separately must meet: the pose's nose and the face's, a hand and its arm.
    assert near(clip.keypoints, Pose.NOSE, NOSE.start) < 0.03
    assert near(clip.keypoints, Pose.LEFT_WRIST, LEFT_HAND.start + HAND_WRIST) < 0.05
    assert near(clip.keypoints, Pose.RIGHT_WRIST, RIGHT_HAND.start + HAND_WRIST) < 0.05
    # He faces the camera, so his left is on the picture's right.
    assert np.all(clip.keypoints[:, Pose.LEFT_SHOULDER, X] > clip.keypoints[:, Pose.RIGHT_SHOULDER, X])


def near(keypoints, a, b):
    """Median distance of two points, as a share of the picture's size, over frames that have both."""
    both = (keypoints[:, [a, b], PRESENCE] > 0.5).all(1)
    assert both.sum() > 5
    return np.median(np.linalg.norm(keypoints[both, a, : Y + 1] - keypoints[both, b, : Y + 1], axis=-1))


@pytest.mark.data
@pytest.mark.slow
def test_a_reset_forgets_the_last_stream_bit_for_bit(tracker):
    frames, others = frames_of(CLIP, 12), frames_of(OTHER_CLIP, 6)
    tracker.reset()
    first = extract(frames, tracker).keypoints
    extract(others, tracker)
    carried_over = extract(frames, tracker).keypoints
    tracker.reset()
    again = extract(frames, tracker).keypoints
    assert not np.array_equal(carried_over, first)  # so there was something to forget
    np.testing.assert_array_equal(again, first)


@pytest.mark.data
@pytest.mark.slow
def test_streams_in_two_threads_do_not_mix(tracker):
    clips = [frames_of(CLIP, 10), frames_of(OTHER_CLIP, 10)]
    alone = []
    for frames in clips:
        tracker.reset()
        alone.append(extract(frames, tracker).keypoints)
    pool = TrackerPool(2, MediaPipeTracker)

    def leased(frames):
        with pool.lease(timeout=60) as own:
            return extract(frames, own).keypoints

    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(leased, clips * 2))
    pool.close()
    for expected, got in zip(alone * 2, together, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_clip_has_the_frames_times_and_shape():
    frames = [Frame(np.zeros((360, 640, 3), np.uint8), t_ms) for t_ms in (0.0, 62.5, 130.0)]
    clip = extract(iter(frames), CountingTracker())
    assert clip.t_ms.tolist() == [0.0, 62.5, 130.0]
    assert clip.t_ms.dtype == np.float64
    assert clip.keypoints.shape == (3, POINTS, CHANNELS)
    assert clip.keypoints[:, 0, 0].tolist() == [1, 2, 3]
    assert clip.aspect == 640 / 360


def test_a_clip_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        extract([], CountingTracker())
