"""What tests of the page need: a browser, and a recording that plays the webcam."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PATIENCE_MS = 120_000  # for anything that takes one step; the machine may be busy with other work
CAMERA = ("--use-fake-device-for-media-stream",)
ALLOWED_CAMERA = (*CAMERA, "--use-fake-ui-for-media-stream")
NO_CAMERA = ("--use-fake-device-for-media-stream=device-count=0",)

NO_APP = "/page.json"  # what is at this address imports none of the page's modules

Open = Callable[..., Any]

BROWSER_TESTS = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

FAKE_CAMERA_FPS = 30  # Chromium plays every MJPEG file at this rate, whatever rate it was made for
REST_S = 0.6  # the last picture is held this long, so that the sign has ended when the file starts again

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


def without_offers(page: Any) -> None:
    """Answers for a service of another process that it offers neither privacy mode nor teaching."""
    page.route("**/page.json", lambda route: route.fulfill(json={"holistic": None}))


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
