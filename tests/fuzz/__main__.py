"""`python -m tests.fuzz`: damaged input for whatever reads what strangers send. One line of JSON for each reader.

An input is either read or refused with the reader's own error; anything else, and what takes longer than `HANG_S`,
stops the run with the number of the input. The same seed and number make the same input.
"""

import argparse
import copy
import faulthandler
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from glosscast.bundle import BundleError, load_bundle
from glosscast.manifest import MANIFEST
from glosscast.protocol import pack_frame
from glosscast.video import MIB, VideoError, VideoLimits, decode_image
from service.processes import sandbox
from service.processes.clip_decoder import Budget, decoding
from service.protocol.wire import FrameFault, ProtocolViolation, parse_frame, parse_text
from tests.bundles import make_bundle, pose
from tests.service.serving import DOWN, EAST, video

HANG_S = 60
EVERY = 100  # inputs between two looks at the clock that stops a hang
BYTES = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x80", b"{", b'"', b"[" * 200)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    float("nan"),
    "",
    "x" * 5000,
    [],
    {},
    [[]] * 50,
    "../../etc",
)


@dataclass(frozen=True)
class Reader:
    """What is fuzzed.

    Attributes:
        seeds: good inputs.
        read: takes one that is damaged.
        refuses: the errors by which it may refuse it.
        count: inputs of a whole run.
        structured: whether inputs are JSON, to be damaged in their values as well.
    """

    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    count: int = 100_000
    structured: bool = False


def damaged(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds with one to eight faults."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 8)):
        where = chance.randint(0, len(data))
        match chance.randrange(7):
            case 0 if data:
                data[where % len(data)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[where % len(data)] = chance.randrange(256)
            case 2:
                data[where:where] = chance.choice(BYTES)
            case 3:
                piece = chance.choice(BYTES)
                data[where : where + len(piece)] = piece
            case 4:
                del data[where : where + chance.randint(1, 64)]
            case 5:
                other = chance.choice(seeds)
                start = chance.randint(0, len(other))
                data[where:where] = other[start : start + chance.randint(1, 256)]
            case 6 if chance.random() < 0.2:
                del data[where:]
    return bytes(data)


def twisted(seed: bytes, chance: random.Random) -> bytes:
    """A JSON object with one to three values replaced, dropped or added."""
    content = json.loads(seed)
    for _ in range(chance.randint(1, 3)):
        node: Any = content
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(node[key], dict | list) and chance.random() < 0.7:
                node = node[key]
                continue
            if chance.random() < 0.2:
                del node[key]
            else:
                node[key] = copy.deepcopy(chance.choice(VALUES))
            break
        if isinstance(node, dict) and chance.random() < 0.1:
            node[chance.choice(("", "type", "\u0000", "x" * 300))] = 1
    return json.dumps(content).encode()


def pictures() -> list[bytes]:
    """Small ones of each format."""
    rgb = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    found = []
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        Image.fromarray(rgb).save(out, kind)
        found.append(out.getvalue())
    return found


def read_picture(data: bytes) -> None:
    """What a stream of pictures does with a binary message."""
    frame = parse_frame(data, "frames")
    assert isinstance(frame.payload, bytes)
    decode_image(frame.payload)


def read_text(data: bytes) -> None:
    """What a stream does with a text message."""
    parse_text(data.decode(errors="replace"))


def read_keypoints(data: bytes) -> None:
    """What a stream of keypoints does with a binary message."""
    parse_frame(data, "keypoints")


MESSAGES = [
    b'{"type":"start","input":"frames","landmarks":true}',
    b'{"type":"start","input":"keypoints","interim":false,"top_k":3,"aspect":1.5}',
    b'{"type":"resume","session":"abc","token":"def","last_segment":4}',
    b'{"type":"finalize"}',
    b'{"type":"keepalive"}',
    b'{"type":"stop"}',
]


@contextmanager
def readers() -> Iterator[dict[str, Reader]]:
    """All of them; a folder for the manifests lasts as long as the block."""
    sandbox.prepare(["service.processes.clip_decoder"])
    limits = VideoLimits()
    budget = Budget(20, 2048 * MIB)
    clips = [video([DOWN] * 4 + [EAST] * 4, kind=kind) for kind in ("mp4", "mov", "matroska", "avi")]

    def read_video(data: bytes) -> None:
        with decoding(data, 16, limits, budget) as frames:
            for _ in frames:
                pass

    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder) / "bundle")
        manifest = (bundle / MANIFEST).read_bytes()

        def read_manifest(data: bytes) -> None:
            (bundle / MANIFEST).write_bytes(data)
            load_bundle(bundle)

        keypoints = pack_frame(1, 2.5, pose(None).astype("<f4").tobytes())
        yield {
            "frames": Reader(
                [pack_frame(1, 2.5, p) for p in pictures()], read_picture, (ProtocolViolation, FrameFault, VideoError)
            ),
            "keypoints": Reader([keypoints], read_keypoints, (ProtocolViolation, FrameFault)),
            "messages": Reader(MESSAGES, read_text, (ProtocolViolation,)),
            "message_values": Reader(MESSAGES, read_text, (ProtocolViolation,), structured=True),
            "manifest": Reader([manifest], read_manifest, (BundleError,)),
            "manifest_values": Reader([manifest], read_manifest, (BundleError,), structured=True),
            "videos": Reader(clips, read_video, (VideoError,), 5000),
        }


def run(reader: Reader, count: int, seed: int) -> dict[str, float]:
    """Feed a reader; how many inputs it read and refused, and the slowest in ms.

    Raises:
        AssertionError: one did neither; the message has its number.
    """
    refused = 0
    slowest_s = 0.0
    began = time.perf_counter()
    try:
        for number in range(count):
            if number % EVERY == 0:
                faulthandler.dump_traceback_later(HANG_S, exit=True)
            chance = random.Random(f"{seed} {number}")
            structured = reader.structured and chance.random() < 0.9
            data = twisted(chance.choice(reader.seeds), chance) if structured else damaged(reader.seeds, chance)
            at = time.perf_counter()
            try:
                reader.read(data)
            except reader.refuses:
                refused += 1
            except Exception as error:
                raise AssertionError(f"input {number} of seed {seed}: {error!r}") from error
            slowest_s = max(slowest_s, time.perf_counter() - at)
    finally:
        faulthandler.cancel_dump_traceback_later()  # or it would end whoever goes on after an error
    return {
        "inputs": count,
        "refused": refused,
        "read": count - refused,
        "slowest_ms": round(slowest_s * 1000, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> int:
    """Fuzz what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="READER", help="frames, messages, videos ...; all")
    parser.add_argument("--count", type=int, help="inputs of each, instead of a whole run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with readers() as known:
        for name in arguments.only or known:
            figures = run(known[name], arguments.count or known[name].count, arguments.seed)
            print(json.dumps({"reader": name, "seed": arguments.seed, **figures}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
