"""Clips decoded in a process beside the service, and what a decoder gone wrong may tell."""

import math
import signal
import socket

import numpy as np
import pytest

from glosscast.video import MIB, OUT_OF_MEMORY, VideoError, VideoLimits, decode_video
from service.processes import clip_decoder
from service.processes.clip_decoder import END, FAULT, FRAME, OPENED, SHAPE, Budget, decoding
from service.processes.sandbox import Channel
from tests.glosscast import media
from tests.service.serving import SIGN_EAST

AMPLE = Budget(60, 2048 * MIB)
FPS = 16.0
PICTURE = bytes(16 * 16 * 3)


def frame(t_ms=0.0, height=16, width=16, rgb=PICTURE):
    return FRAME + SHAPE.pack(t_ms, height, width) + rgb


def receive(*messages, exit_code=0):
    """What the service makes of a decoder that says this and then goes."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            for message in messages:
                Channel(theirs).send(message)
        return list(clip_decoder._Reader(Channel(ours), 10.0, lambda: exit_code))


def test_frames_are_those_of_a_decoder_in_the_same_process():
    with decoding(SIGN_EAST, FPS, VideoLimits(), AMPLE) as frames:
        found = list(frames)

    expected = list(decode_video(SIGN_EAST, FPS))
    assert [f.t_ms for f in found] == [f.t_ms for f in expected]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("data", "limits", "budget", "code"),
    [
        (b"no video", VideoLimits(), AMPLE, "unsupported_media"),
        (SIGN_EAST[:2000], VideoLimits(), AMPLE, "undecodable"),
        (SIGN_EAST, VideoLimits(max_duration_s=0.5), AMPLE, "too_long"),
        (SIGN_EAST, VideoLimits(), Budget(0.001, AMPLE.memory_bytes), "too_large"),
    ],
)
def test_faults_and_budgets(data, limits, budget, code):
    with pytest.raises(VideoError) as caught, decoding(data, FPS, limits, budget) as frames:
        list(frames)

    assert caught.value.code == code


@pytest.mark.slow
@pytest.mark.parametrize("mib", [16, 180, 230, 300])
def test_a_clip_is_read_whole_or_out_of_memory(mib):
    clip = media.encode(range(0, 600, 40), codec="libx264", size=(1920, 1080), b_frames=3)
    assert outcome(clip, mib) in ([f.t_ms for f in decode_video(clip, FPS)], "out_of_memory")


def outcome(clip, mib):
    """The times of a clip's frames, or the code of why there are none."""
    try:
        with decoding(clip, FPS, VideoLimits(), Budget(60, mib * MIB)) as frames:
            return [f.t_ms for f in frames]
    except VideoError as error:
        return error.code


def test_a_decoder_with_too_little_memory_reports_it():
    with (
        pytest.raises(VideoError, match="not enough memory") as caught,
        decoding(SIGN_EAST, FPS, VideoLimits(), Budget(60, 16 * MIB)) as frames,
    ):
        list(frames)

    assert caught.value.code == "out_of_memory"


@pytest.mark.parametrize(
    ("exit_code", "code", "message"),
    [
        (-signal.SIGXCPU, "too_large", clip_decoder.TOO_EXPENSIVE),
        (-signal.SIGKILL, "out_of_memory", OUT_OF_MEMORY),
        (clip_decoder.NO_MEMORY, "out_of_memory", OUT_OF_MEMORY),
        (-signal.SIGSEGV, "undecodable", clip_decoder.BROKEN),
        (0, "undecodable", clip_decoder.BROKEN),
        (None, "undecodable", clip_decoder.BROKEN),
    ],
)
def test_the_exit_of_a_decoder_gives_the_reason(exit_code, code, message):
    with pytest.raises(VideoError) as caught:
        receive(frame(0), exit_code=exit_code)

    assert (caught.value.code, str(caught.value)) == (code, message)


def test_a_decoder_ends_with_its_clip(monkeypatch):
    children = []
    monkeypatch.setattr(clip_decoder, "Child", lambda work: children.append(child := real(work)) or child)
    with decoding(SIGN_EAST, FPS, VideoLimits(), AMPLE) as frames:
        next(frames)

    assert children[0]._process.exitcode is not None


real = clip_decoder.Child


def test_frames_of_a_decoder_process_come_in_order():
    assert [f.t_ms for f in receive(frame(0), frame(62.5), END)] == [0, 62.5]
    with pytest.raises(VideoError, match="The file is empty") as caught:
        receive(frame(0), FAULT + b"too_long The file is empty.")
    assert caught.value.code == "too_long"


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([frame(0)], id="dies"),
        pytest.param([END], id="no frames"),
        pytest.param([b""], id="nothing"),
        pytest.param([OPENED], id="another kind"),
        pytest.param([FRAME], id="no shape"),
        pytest.param([FRAME + SHAPE.pack(0, 16, 16)[:-1]], id="half a shape"),
        pytest.param([frame(rgb=PICTURE[1:])], id="a picture too short"),
        pytest.param([frame(height=0, rgb=b"")], id="no rows"),
        pytest.param([frame(height=641, width=16, rgb=bytes(641 * 16 * 3))], id="too many rows"),
        pytest.param([frame(1), frame(1)], id="time stands still"),
        pytest.param([frame(math.nan)], id="no time"),
        pytest.param([frame(math.inf)], id="the end of time"),
        pytest.param([FAULT], id="no fault"),
        pytest.param([FAULT + b"\xff\xff"], id="a fault that is no text"),
        pytest.param([FAULT + b"internal All is lost."], id="a fault of another kind"),
    ],
)
def test_a_decoder_is_not_trusted(messages):
    with pytest.raises(VideoError) as caught:
        receive(*messages)

    assert (caught.value.code, str(caught.value)) == ("undecodable", clip_decoder.BROKEN)
