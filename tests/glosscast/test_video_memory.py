"""What decoding takes does not grow with the clip, and a lack of memory is told as such."""

import errno
import gc
import mmap
import os
import subprocess
import sys
from types import SimpleNamespace

import av
import av.error
import pytest
from av.video.frame import VideoFrame

from glosscast.video import decode_image, decode_video, frames, memory, scaling
from tests.glosscast import media

LONG = range(0, 8000, 40)  # 200 frames
THREADS = """
import os, sys
from pathlib import Path
from glosscast.video import decode_video

tasks = set()
for frame in decode_video(Path(sys.argv[1]), 25):
    tasks |= set(os.listdir("/proc/self/task"))
print(len(tasks))
"""


@pytest.fixture
def no_collector():
    """What is freed is freed without the garbage collector, which may come late."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("matrix", [None, [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]], ids=["upright", "turned"])
def test_frames_do_not_pile_up(matrix):
    data = media.encode(LONG, codec="libx264", display_matrix=matrix)
    before = alive()
    assert sum(1 for _ in decode_video(data, 25)) == len(LONG)
    assert alive() - before <= 1  # the first, whose side data was looked at


def alive():
    """How many decoded frames there are in memory."""
    return sum(type(thing) is VideoFrame for thing in gc.get_objects())


def test_no_thread_is_started(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(media.encode(media.AT_25_FPS, codec="libx264", size=(640, 480)))
    # One core would hide what many do: FFmpeg asks how many there are.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, "-c", THREADS, path], env=environment, capture_output=True, check=True)
    assert int(found.stdout) == 1


@pytest.fixture
def full_after(monkeypatch):
    """Lets the kernel refuse memory once it has been asked so often."""

    def fill(times):
        asked = iter(range(times))

        def refuse(*args, **kwargs):
            if next(asked, None) is None:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            return real(*args, **kwargs)

        monkeypatch.setattr(memory.mmap, "mmap", refuse)

    real = mmap.mmap
    return fill


@pytest.mark.parametrize("times", [0, 1, 2, 10, 20])
def test_lack_of_memory_is_never_damage(full_after, times):
    data = media.encode(media.AT_25_FPS)
    full_after(times)
    assert media.code_of(decode_video, data, 25) == "out_of_memory"


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


class Demuxing:
    """A container whose packets are these, or cannot be had."""

    def __init__(self, container, demux):
        self.container = container
        self.demux = demux

    def __getattr__(self, name):
        return getattr(self.container, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.container.close()


@pytest.mark.parametrize("error", [MemoryError(), av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")])
@pytest.mark.parametrize("where", ["open", "demux", "decode", "scale"])
def test_lack_of_memory_within_ffmpeg_is_never_damage(monkeypatch, where, error):
    data = media.encode(media.AT_25_FPS)
    fail = raising(error)
    real = frames.open_container
    if where == "open":
        monkeypatch.setattr(av, "open", fail)
    elif where == "scale":
        monkeypatch.setattr(scaling, "VideoReformatter", lambda: SimpleNamespace(reformat=fail))
    else:
        demux = fail if where == "demux" else lambda stream: [SimpleNamespace(decode=fail)]
        monkeypatch.setattr(frames, "open_container", lambda *args: Demuxing(real(*args), demux))
    assert media.code_of(decode_video, data, 25) == "out_of_memory"


def test_lack_of_memory_for_a_picture_is_never_damage(monkeypatch):
    monkeypatch.setattr("PIL.Image.Image.thumbnail", raising(MemoryError()))
    assert media.code_of(decode_image, media.picture()) == "out_of_memory"
