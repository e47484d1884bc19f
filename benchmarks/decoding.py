"""Memory while a clip is decoded, whole, and what it costs in time.

    python -m benchmarks.decoding [--size 3840x2160] [--fps 60] [--seconds 60] [--codec libx264] [--threads 1]

Makes the clip first, of a pattern that moves, in memory. `--threads` are those of FFmpeg's decoder: 16 shows what a
machine with 16 cores would take if decoding took a thread for each. Prints JSON.
"""

import argparse
import io
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import cast

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from glosscast.video import MIB, VideoLimits, containers, decode_video

FPS = 16.0  # what the service takes
LIMITS = VideoLimits(max_bytes=1 << 30)
BLOCK_PX, SHIFT_PX = 40, 8  # of the pattern: a block, and how far it moves with each frame
FAST = {"libx264": {"preset": "ultrafast"}, "libsvtav1": {"preset": "13"}}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding")
    parser.add_argument("--size", default="3840x2160", metavar="WxH")
    parser.add_argument("--fps", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--codec", default="libx264")
    parser.add_argument("--threads", type=int, default=containers.THREADS)
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    data = make(width, height, args.fps, args.seconds, args.codec)
    # In a process of its own: what making the clip took is not given back in whole.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        print(json.dumps(pool.submit(measure, data, args.threads).result(), indent=1))
    return 0


def measure(data: bytes, threads: int) -> dict[str, object]:
    """Decode a clip; memory in MiB before, after its first second, and the most after that."""
    containers.THREADS = threads
    before, began = memory_mib(), process_time()
    first = (0, 0)
    most = (0, 0)
    frames = 0
    t_ms = 0.0
    for frame in decode_video(data, FPS, LIMITS):
        frames = frames + 1
        t_ms = frame.t_ms
        now = memory_mib()
        if frames == FPS:
            first = now
        most = max(most[0], now[0]), max(most[1], now[1])
    return {
        "frames": frames,
        "read_to_s": round(t_ms / 1000, 2),
        "clip_mib": round(len(data) / MIB, 1),
        "address_space_mib": {"before": before[0], "after_1_s": first[0], "most": most[0]},
        "resident_mib": {"before": before[1], "after_1_s": first[1], "most": most[1]},
        "cpu_s": round(process_time() - began, 1),
    }


def memory_mib() -> tuple[int, int]:
    """Address space and resident memory of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmSize"].split()[0]) // 1024, int(lines["VmRSS"].split()[0]) // 1024


def make(width: int, height: int, fps: int, seconds: int, codec: str) -> bytes:
    """An mp4 of a pattern that moves, one second of it again and again."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (height // BLOCK_PX + 1, width // BLOCK_PX + 1, 3), np.uint8)
    pattern = np.kron(blocks, np.ones((BLOCK_PX, BLOCK_PX, 1), np.uint8))[:height, :width]
    encoder = cast(VideoCodecContext, av.CodecContext.create(codec, "w"))
    encoder.width = width
    encoder.height = height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, fps)
    encoder.framerate = Fraction(fps)
    encoder.options = FAST.get(codec, {})
    packets = []
    for index in range(fps):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(pattern, SHIFT_PX * index, 1)), format="rgb24")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode()
    return repeated(packets, encoder, fps, seconds)


def repeated(packets: "list[Packet[VideoStream]]", encoder: VideoCodecContext, fps: int, times: int) -> bytes:
    """An mp4 of one second's packets, so many times."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        stream = cast(VideoStream, target.add_stream(encoder.name, rate=fps))
        stream.width = encoder.width
        stream.height = encoder.height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.extradata = encoder.extradata
        target.start_encoding()
        for again, packet in product(range(times), packets):
            copy = cast("Packet[VideoStream]", Packet(bytes(packet)))
            copy.stream = stream
            copy.time_base = Fraction(1, fps)
            copy.is_keyframe = packet.is_keyframe
            copy.pts = (packet.pts or 0) + again * fps
            copy.dts = (packet.dts or 0) + again * fps
            target.mux(copy)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
