"""What tests of the page need: a service of its own, a browser, and a recording that plays the webcam."""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import av
from PIL import Image

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("GLOSSCAST_DATA", ROOT.parent / "shared" / "data"))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FAKE_CAMERA_FPS = 30  # Chromium plays every MJPEG file at this rate, whatever rate it was made for
REST_S = 0.6  # the last picture is held this long, so that the sign has ended when the file starts again
START_S = 180  # for the service to be ready, on a busy machine


@contextmanager
def running_service() -> Iterator[str]:
    """The service with its default bundle on a free port; its address, without a slash at the end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GLOSSCAST_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env={**environment, "GLOSSCAST_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait(60)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    watchdog = Thread(target=_kill_unless_ready, args=(process, ready := []), daemon=True)
    watchdog.start()
    said: deque[str] = deque(maxlen=20)
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"ready at (http://\S+)", line):
            ready.append(True)
            # What it says later is of no interest, but a full pipe would stop it.
            Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
            return found[1]
    raise AssertionError(f"the service did not start:\n{''.join(said)}")


def _kill_unless_ready(process: "subprocess.Popen[str]", ready: list[bool]) -> None:
    try:
        process.wait(START_S)
    except subprocess.TimeoutExpired:
        if not ready:
            process.kill()


Pictures = Sequence[tuple[float, Image.Image]]


def pictures_of(clip: Path) -> Pictures:
    """The pictures of a recording, each with its time in s."""
    with av.open(clip) as container:
        return [(frame.time, frame.to_image()) for frame in container.decode(video=0) if frame.time is not None]


def write_webcam(pictures: Pictures, out: Path) -> str:
    """Write the MJPEG file that Chromium plays as its camera, in a loop; the switch that makes it do so."""
    first, last = pictures[0][0], pictures[-1][0]
    with av.open(out, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=FAKE_CAMERA_FPS, options={"qmin": "2", "qmax": "4"})
        stream.width, stream.height = pictures[0][1].size
        stream.pix_fmt = "yuvj420p"
        for tick in range(int((last - first + REST_S) * FAKE_CAMERA_FPS)):
            now = first + tick / FAKE_CAMERA_FPS
            shown = max((p for p in pictures if p[0] <= now + 1e-6), key=lambda p: p[0])[1]
            container.mux(stream.encode(av.VideoFrame.from_image(shown)))
        container.mux(stream.encode(None))
    return f"--use-file-for-fake-video-capture={out}"


class Witness:
    """Watches a page: what it writes to the console as an error, and whom it talks to."""

    def __init__(self, page: Any) -> None:
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._met(request.url))
        page.on("websocket", lambda websocket: self._met(websocket.url))

    def _met(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("blob", "data"):
            self.hosts.add(parts.netloc)
