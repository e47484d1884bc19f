"""Hold the browser's Holistic, which privacy mode runs, against the server's on real recordings.

    python -m benchmarks.browser VIDEO_OR_FOLDER ...

A headless Chromium opens the page's own modules and is fed the frames one by one, without loss. On a
machine without graphics hardware a frame takes about 0.15 s.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from threading import Thread
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from benchmarks.extraction import agreement, glosses, watch
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.holistic import new_tracker, quiet_native_logs
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.video import RGB, VideoError
from service.server import server
from service.settings import Settings
from service.site.vendor import holistic_path

PATIENCE_MS = 600_000  # the first frame makes the models ready
PICTURE = "picture.png"

LOAD = """async (folder) => {
  const { Holistic } = await import("/js/holistic.js");
  const { assemble } = await import("/js/keypoints.js");
  const holistic = new Holistic(folder);
  await holistic.load();
  window.reset = () => holistic.reset();
  window.find = async (name) => {
    const image = await createImageBitmap(await (await fetch(name, { cache: "no-store" })).blob());
    return [...assemble(await holistic.find(image))];
  };
}"""


class BrowserTracker:
    """The page's Holistic as a tracker; `page` is a Playwright page at the service."""

    def __init__(self, page: Any, folder: str) -> None:
        self.broken = False
        self.people = 0
        self._page = page
        self._picture = b""
        page.route(f"**/{PICTURE}", lambda route: route.fulfill(body=self._picture, content_type="image/png"))
        page.evaluate(LOAD, folder)

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """See `Tracker.track`."""
        out = io.BytesIO()
        Image.fromarray(rgb).save(out, "PNG", compress_level=1)
        self._picture = out.getvalue()
        found = self._page.evaluate("(name) => window.find(name)", PICTURE)
        return np.array(found, np.float32).reshape(POINTS, CHANNELS)

    def reset(self) -> None:
        """See `Tracker.reset`."""
        self._page.evaluate("() => window.reset()")

    def close(self) -> None:
        """Nothing to do: the browser is closed by who opened it."""


@contextmanager
def serving() -> Iterator[str]:
    """The service on a free port; its address."""
    service = server(Settings(port=0))
    thread = Thread(target=service.run)
    thread.start()
    try:
        while not service.started:
            thread.join(0.05)
        yield address_of(service)
    finally:
        service.should_exit = True
        thread.join()


def address_of(service: uvicorn.Server) -> str:
    """The address of a running service."""
    return "http://{}:{}".format(*service.servers[0].sockets[0].getsockname()[:2])


@contextmanager
def browser_tracker(address: str, folder: str) -> Iterator[BrowserTracker]:
    """A tracker in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{address}/page.json")
        yield BrowserTracker(page, folder)
        chromium.close()


def main() -> int:
    """Print the tables of docs/explanation/extraction.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser")
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO_OR_FOLDER")
    args = parser.parse_args()
    if (folder := holistic_path()) is None:
        print("Holistic for the browser is missing; get it with: python -m service.site.vendor", file=sys.stderr)
        return 2
    bundle = load_bundle(EMBEDDED)
    paths = [p for given in args.videos for p in (sorted(given.glob("*.mp4")) if given.is_dir() else [given])]
    try:
        with quiet_native_logs(), serving() as address, browser_tracker(address, "/" + folder) as ours:
            reference = new_tracker("mediapipe")
            seen = [watch(path, bundle.manifest.clip.fps, reference, ours) for path in paths]
    except (VideoError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join([*agreement(seen, "the browser"), "", *glosses(seen, bundle)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
