"""Trackers in processes of their own: the same keypoints, and what a crash or a hang costs."""

import os
import signal

import httpx
import numpy as np
import pytest

from glosscast.crop import CropSpec, SignerCrop
from glosscast.protocol import pack_frame
from glosscast.video import VideoError, decode_image
from service.processes import tracker as module
from service.processes.tracker import ProcessTracker, TrackerLostError, track_encoded
from tests.bundles import FRAME_MS
from tests.service.fragile import CRASH, FAIL, HANG, FragileTracker, StillbornTracker, fragile
from tests.service.serving import (
    DOWN,
    EAST,
    WEST,
    Client,
    ColourTracker,
    CrowdTracker,
    assert_problem,
    browser,
    colours,
    picture,
    post,
    serve,
    video,
)

TIMEOUT_S = 10.0
SHORT_S = 1.0
ROOMY = {"queue_frames": 1000, "max_fps": 1000.0, "trackers": 2}


def fragile_tracker():
    return ProcessTracker(FragileTracker, SHORT_S)


@pytest.fixture
def tracker():
    tracker = ProcessTracker(FragileTracker, TIMEOUT_S)
    yield tracker
    tracker.close()


def test_keypoints_are_those_of_a_tracker_in_the_same_process(tracker):
    here = ColourTracker()
    for colour in colours(EAST, WEST, sign_frames=3, rest_frames=2):
        data = picture(colour)
        expected = here.track(decode_image(data))
        found, aspect, people, _ = track_encoded(tracker, data)
        assert np.array_equal(found, expected)
        assert found.dtype == np.float32
        assert aspect == pytest.approx(4 / 3)
        assert people == tracker.people == 1


def test_people_are_counted_in_the_process():
    tracker = ProcessTracker(CrowdTracker, TIMEOUT_S)
    assert track_encoded(tracker, picture(EAST)).people == 2
    tracker.track(decode_image(picture(EAST)))
    assert tracker.people == 2
    tracker.close()


def test_crops_are_those_of_the_same_process_and_end_with_the_stream(tracker):
    def crops(tracker):
        here = SignerCrop(CropSpec(20))
        return [
            track_encoded(tracker, data, here).crop for data in (picture(EAST), picture(WEST, (96, 48)), picture(DOWN))
        ]

    expected = crops(ColourTracker())
    assert {crop.shape for crop in expected} == {(20, 20, 3)}
    for _ in range(2):
        for found, crop in zip(crops(tracker), expected, strict=True):
            assert np.array_equal(found, crop)
        assert track_encoded(tracker, picture(EAST)).crop is None
        tracker.reset()
    assert tracker.track_picture(picture(EAST), CropSpec(300)).crop.shape == (300, 300, 3)  # more than fits elsewhere


def test_pixels_and_resets_go_over_too(tracker):
    rgb = decode_image(picture(EAST))
    first, second = tracker.track(rgb), tracker.track(rgb)
    assert not np.array_equal(first, second)
    tracker.reset()
    assert np.array_equal(tracker.track(rgb), first)


def test_bad_pictures_leave_the_process_as_it_was(tracker):
    pid = tracker.pid
    for data, code in ((b"no picture", "undecodable"), (picture(EAST, (4000, 3000)), "too_large")):
        with pytest.raises(VideoError) as caught:
            tracker.track_picture(data)
        assert caught.value.code == code
    with pytest.raises(ValueError, match="16 px"):
        tracker.track(np.zeros((4, 4, 3), np.uint8))
    assert tracker.pid == pid


@pytest.mark.parametrize(("how", "reason"), [(CRASH, "crashed"), (HANG, "hung"), (FAIL, "crashed")])
@pytest.mark.slow
def test_a_lost_process_is_replaced_with_the_next_frame(how, reason):
    losses = []
    tracker = ProcessTracker(FragileTracker, SHORT_S, losses.append)
    before = tracker.pid
    with pytest.raises(TrackerLostError):
        tracker.track_picture(fragile(how))
    assert losses == [reason]
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)

    tracker.track_picture(picture(EAST))
    assert tracker.pid not in (before, None)
    assert not tracker.broken
    tracker.close()


def test_a_closed_tracker_has_no_process_and_starts_none(tracker):
    pid = tracker.pid
    tracker.close()
    tracker.close()
    assert tracker.broken
    with pytest.raises(RuntimeError, match="closed"):
        tracker.track_picture(picture(EAST))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_tracker_that_cannot_be_made():
    with pytest.raises(TrackerLostError):
        ProcessTracker(StillbornTracker, TIMEOUT_S)


@pytest.mark.slow
def test_a_stream_is_warned_and_goes_on(bundle_folder):
    """A process is killed between two signs; the other stream hears nothing of it."""
    with serve(bundle_folder, fragile_tracker, **ROOMY) as address, Client(address) as one, Client(address) as other:
        one.start(input="frames")
        other.start(input="frames")
        frames = [picture(colour) for colour in colours(EAST, WEST)]
        for index, data in enumerate(frames):
            for client in (one, other):
                client.send(pack_frame(2 * index, 2 * index * FRAME_MS / 2, data))
            if index == 38:  # both hands are down
                one.send(pack_frame(2 * index + 1, (2 * index + 1) * FRAME_MS / 2, fragile(CRASH)))
        for client in (one, other):
            client.send({"type": "stop"})
            assert client.until_closed() == 1000
            assert client.finals() == ["east", "west"]
        assert one.of("warning") == [{"type": "warning", "code": "tracker_restarted", "count": 1}]
        assert other.of("warning") == []
        assert 'glosscast_frames_dropped_total{reason="tracker_lost"} 1.0' in metrics_text(address)


@pytest.mark.slow
def test_a_stream_that_brings_its_tracker_down_again_and_again_is_ended(bundle_folder):
    with serve(bundle_folder, fragile_tracker, **ROOMY) as address, Client(address) as client:
        client.start(input="frames")
        for index in range(6):
            client.send(pack_frame(index, index * FRAME_MS, fragile(CRASH)))
        assert client.until_closed() == 1011
        assert len(client.of("warning")) == 3
        with Client(address) as next_one:
            next_one.start(input="frames")


@pytest.mark.slow
def test_a_clip_whose_tracker_crashes_is_a_problem_and_the_next_is_read(bundle_folder):
    with serve(bundle_folder, fragile_tracker) as address, browser(address) as client:
        assert_problem(post(client, video([DOWN] * 5 + [CRASH] * 5)), 503, "tracker_failed")
        assert post(client, video(colours(EAST))).json()["predictions"][0]["gloss"] == "east"


def test_answers_of_another_shape_are_a_crash(tracker, monkeypatch):
    monkeypatch.setattr(module, "KEYPOINT_BYTES", 1)
    with pytest.raises(TrackerLostError):
        tracker.track_picture(picture(EAST))


def test_a_killed_process_is_reported_by_its_parent(tracker):
    os.kill(tracker.pid, signal.SIGKILL)
    with pytest.raises(TrackerLostError):
        tracker.track_picture(picture(EAST))
    assert track_encoded(tracker, picture(EAST)).keypoints.any()


def metrics_text(address):
    return httpx.get(f"http://{address}/metrics").text
