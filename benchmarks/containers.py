"""The cost of an image of the service: its size, the start of a container, and the memory of its streams.

    python -m benchmarks.containers VIDEO [--image glosscast/service] [--streams 4]

Each container runs as in docker/compose.yaml: read-only, without capabilities. Memory is what the control group counts
(`docker stats`, without the cache of files) while the streams are open, after each has sent the whole video.
"""

import argparse
import io
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image
from websockets.sync.client import ClientConnection, connect

from glosscast.protocol import STREAM_PATH, SUBPROTOCOL, pack_frame
from glosscast.video import decode_video

FPS = 16
POLL_S = 0.02
PATIENCE_S = 120
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init")
UNITS = {"KiB": 2**-10, "MiB": 1.0, "GiB": 2.0**10}


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.containers")
    parser.add_argument("video", type=Path)
    parser.add_argument("--image", default="glosscast/service")
    parser.add_argument("--streams", type=int, default=4, help="at the same time (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=3, help="containers whose start is timed (default: %(default)s)")
    args = parser.parse_args()
    frames = list(_messages(args.video))
    print(f"| {args.image} | |\n|---|---|")
    print(f"| image | {int(docker('image', 'inspect', '-f', '{{.Size}}', args.image)) / 1e6:.0f} MB |")
    ready_s = []
    for _ in range(args.starts):
        with container(args.image, args.streams) as (name, _, seconds):
            ready_s.append(seconds)
    print(f"| start to ready | {', '.join(f'{s:.1f}' for s in sorted(ready_s))} s |")
    with container(args.image, args.streams) as (name, address, _), ExitStack() as stack:
        idle = memory_mib(name)
        print(f"| memory, idle | {idle:.0f} MiB |")
        held = []
        for _ in range(args.streams):
            connection = stack.enter_context(connect(f"ws://{address}{STREAM_PATH}", subprotocols=[SUBPROTOCOL]))  # type: ignore[list-item]
            sign(connection, frames)
            held.append(memory_mib(name))
        print(f"| memory, first stream of pictures | {held[0] - idle:.0f} MiB |")
        if args.streams > 1:
            print(f"| memory, each further one | {(held[-1] - held[0]) / (args.streams - 1):.1f} MiB |")
    return 0


def docker(*arguments: str) -> str:
    """The standard output of a docker command."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def container(image: str, streams: int) -> Iterator[tuple[str, str, float]]:
    """A service that listens to this machine alone; its name, its address, and the seconds until it was ready."""
    settings = {"HOST": "127.0.0.1", "PORT": "0", "TRACKERS": streams, "QUEUE_FRAMES": 1000, "MAX_FPS": 1000}
    chosen = [part for name, value in settings.items() for part in ("-e", f"GLOSSCAST_{name}={value}")]
    began = time.perf_counter()
    name = docker("run", "-d", "--rm", "--network", "host", "--no-healthcheck", *HARDENED, *chosen, image)
    try:
        address = _wait_for_address(name, began)
        yield name, address, time.perf_counter() - began
    finally:
        docker("stop", "-t", "5", name)


def memory_mib(name: str) -> float:
    """The memory of a container."""
    used = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", name))["MemUsage"]
    number, unit = re.match(r"([\d.]+)(\w+)", used).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def sign(connection: ClientConnection, frames: list[bytes]) -> None:
    """Send a video and wait for its caption; the stream stays open."""
    connection.send(json.dumps({"type": "start", "input": "frames", "interim": False}))
    for frame in frames:
        connection.send(frame)
    connection.send(json.dumps({"type": "finalize"}))
    while json.loads(connection.recv(PATIENCE_S))["type"] != "final":
        pass


def _messages(video: Path) -> Iterator[bytes]:
    for seq, frame in enumerate(decode_video(video, FPS)):
        out = io.BytesIO()
        Image.fromarray(frame.rgb).save(out, "JPEG", quality=90)
        yield pack_frame(seq, frame.t_ms, out.getvalue())


def _wait_for_address(name: str, began: float) -> str:
    while time.perf_counter() - began < PATIENCE_S:
        said = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
        if found := re.search(r"ready at http://(\S+)", said.stderr):
            urllib.request.urlopen(f"http://{found[1]}/readyz", timeout=PATIENCE_S).close()
            return found[1]
        time.sleep(POLL_S)
    raise TimeoutError(f"{name} was not ready after {PATIENCE_S} s")


if __name__ == "__main__":
    raise SystemExit(main())
