"""The pictures of the page in the documentation, taken in Chromium. No person is in them: the signer is drawn.

    python -m tools.page_pictures [NAME …]

The page and its list of signs come from the service with the embedded bundle. The captions, the points of the signer
and the taught signs are made up, since they have to be the same each time. Take the pictures again when the page has
changed.
"""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from PIL import Image, ImageDraw

from glosscast.bundle import EMBEDDED
from tests.service.browsing import ALLOWED_CAMERA, CHROMIUM, write_webcam
from tests.service.serving import serve
from tests.service.teaching import STEP_MS, Classroom, motion, taught_sign
from tests.service.test_page_stream import STARTED, final

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
ROOM = (1280, 720)  # of the camera
SHOULDERS = 0.25  # width of the shoulders in heights of the picture
SHIRT, SLEEVE, SKIN, HAIR = "#2f7f74", "#276a61", "#e0b48f", "#3b2a22"
LIFTED = 10  # frame of `motion` in which the hand is up
SIGNS = [
    final("hello", 0.94),
    final("my", 0.71, alternatives=[{"gloss": "please", "confidence": 0.18}]),
    final("name", 0.88),
    final("please", 0.91),
]

# The port of the service is another each time.
WITHOUT_PORT = """(element) => {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(/ \\(127[^)]*\\)/, "");
}"""

Point = tuple[float, float]
Shot = Callable[[Any, str], None]  # takes a browser and the address of the page, and writes a picture


class DrawnSigner:
    """Takes the service's place at the websocket: answers each frame with the points of someone who signs."""

    def __init__(self, signs: list[dict[str, Any]]) -> None:
        self._signs = signs

    def __call__(self, page: Any) -> None:
        """Prepare a page."""
        page.route_web_socket("**/v1/stream", self._connect)

    def _connect(self, socket: Any) -> None:
        def hear(message: str | bytes) -> None:
            if isinstance(message, str) and json.loads(message)["type"] == "start":
                for answer in (STARTED, *self._signs):
                    socket.send(json.dumps(answer))
            if isinstance(message, bytes):
                socket.send(json.dumps({"type": "landmarks", "t_ms": 0, **points(LIFTED)}))

        socket.on_message(hear)


def points(frame: int) -> dict[str, Any]:
    """The points of a frame of `motion`, as `landmarks` has them: 0..1 in the picture of the camera."""
    moved = motion(0.0)

    def place(point: Point | None) -> Point | None:
        return point and (0.5 + SHOULDERS * point[0] * ROOM[1] / ROOM[0], 0.47 + SHOULDERS * point[1])

    return {
        part: moved[part][frame] and [place(point) for point in moved[part][frame]]
        for part in ("pose", "left_hand", "right_hand")
    }


def camera_picture() -> Image.Image:
    """What the camera shows: a room, and someone who signs in it, in flat colours."""
    scene = Image.new("RGB", ROOM)
    draw = ImageDraw.Draw(scene)
    _draw_room(draw)
    seen = points(LIFTED)
    parts = {part: [(x * ROOM[0], y * ROOM[1]) for x, y in seen[part]] for part in ("left_hand", "right_hand")}
    pose = [point and (point[0] * ROOM[0], point[1] * ROOM[1]) for point in seen["pose"]]
    (x, y), (left, shoulder), (right, _) = pose[0], pose[11], pose[12]
    draw.rounded_rectangle((right - 26, shoulder - 22, left + 26, ROOM[1] + 60), 60, fill=SHIRT)
    draw.rounded_rectangle((x - 24, y, x + 24, shoulder), 20, fill=SKIN)
    draw.ellipse((x - 58, y - 80, x + 58, y + 66), fill=SKIN)
    draw.pieslice((x - 64, y - 92, x + 64, y + 60), 180, 360, fill=HAIR)
    for arm in ((11, 13, 15), (12, 14, 16)):
        _draw_limb(draw, [pose[i] for i in arm], 46, SLEEVE)
    for hand in parts.values():
        for tip in hand[4::4]:
            _draw_limb(draw, [hand[0], tip], 16, SKIN)
        _draw_limb(draw, [hand[0]] * 2, 48, SKIN)
    return scene


def _draw_room(draw: ImageDraw.ImageDraw) -> None:
    for y in range(ROOM[1]):
        shade = 1 - 0.45 * y / ROOM[1]
        draw.line([(0, y), (ROOM[0], y)], fill=tuple(round(c * shade) for c in (84, 104, 124)))
    draw.rounded_rectangle((930, 90, 1180, 400), 10, fill="#a9bfd0", outline="#39495a", width=12)
    draw.line([(1055, 90), (1055, 400)], fill="#39495a", width=10)
    draw.rounded_rectangle((110, 500, 210, 612), 14, fill="#8a5c43")
    for x, top in ((95, 330), (140, 270), (185, 300), (230, 350)):
        draw.polygon([(160, 505), (x - 24, top + 60), (x, top), (x + 22, top + 70)], fill="#4c7a5e")


def _draw_limb(draw: ImageDraw.ImageDraw, joints: list[Point], width: int, colour: str) -> None:
    draw.line(joints, fill=colour, width=width)
    for x, y in joints:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=colour)


@contextmanager
def page_with(
    browser: Any, address: str, prepare: Callable[[Any], None], ready: str = "#foot-bundle:not(:empty)", **context: Any
) -> Iterator[Any]:
    """A page of its own in the browser, once it is `ready`."""
    page = browser.new_context(permissions=["camera"], reduced_motion="reduce", **context).new_page()
    page.clock.set_fixed_time("2026-01-05T10:15:00")
    page.route("**/page.json", lambda route: route.fulfill(json={"holistic": None}))
    prepare(page)
    page.goto(address)
    page.locator(ready).wait_for(state="attached")
    yield page
    page.context.close()


def save(png: bytes, name: str) -> None:
    """Write a picture as small as it gets."""
    Image.open(io.BytesIO(png)).convert("RGB").save(PICTURES / name, optimize=True)


def live(name: str, width: int, height: int, scheme: str) -> Shot:
    """The live view while captions run."""

    def take(browser: Any, address: str) -> None:
        size = {"width": width, "height": height}
        with page_with(browser, address, DrawnSigner(SIGNS), viewport=size, color_scheme=scheme) as page:
            page.locator("#start").click()
            page.locator(f"#history li:nth-child({len(SIGNS)})").wait_for()
            page.wait_for_timeout(20 * STEP_MS)  # the points come with the next frames
            page.locator("#figures").evaluate("(figures) => figures.remove()")  # of this machine
            save(page.screenshot(), name)

    return take


def overlay(name: str, scene: bool, **parameters: str | int) -> Shot:
    """The overlay as streaming software shows it: over a plain colour, or over the scene of the camera."""

    def take(browser: Any, address: str) -> None:
        size = {"width": 1280, "height": 720}
        asked = f"{address}/?{urlencode({'overlay': 1, **parameters})}"
        with page_with(browser, asked, DrawnSigner(SIGNS), viewport=size) as page:
            page.locator("#caption[data-kind='final']").wait_for()
            page.wait_for_timeout(300)
            words = page.screenshot(omit_background=True)
        behind = (camera_picture() if scene else Image.new("RGB", ROOM, "#3a6ea5")).convert("RGBA")
        behind.alpha_composite(Image.open(io.BytesIO(words)).convert("RGBA"))
        whole = io.BytesIO()
        behind.resize((960, 540)).save(whole, "PNG")
        save(whole.getvalue(), name)

    return take


def teach(browser: Any, address: str) -> None:
    """A taught sign with its examples, and a sign that looks like it."""
    alike = [{"gloss": "tea", "taught": True, "risk": 0.3}]
    signs = [taught_sign("coffee", look_alikes=alike), taught_sign("Mara", 3), taught_sign("tea", 2)]
    size = {"width": 1280, "height": 800}
    with page_with(browser, f"{address}/#teach", Classroom(signs), viewport=size, color_scheme="light") as page:
        page.locator("#taught-list .open", has_text="coffee").click()
        page.locator("#lesson .replay[data-frames]").first.wait_for()
        page.wait_for_timeout(500)
        page.locator("#kept-where").evaluate(WITHOUT_PORT)
        save(page.screenshot(full_page=True), "teach.png")


SHOTS: dict[str, Shot] = {
    "live": live("live.png", 1280, 800, "light"),
    "phone": live("phone.png", 390, 844, "dark"),
    "landscape": live("landscape.png", 844, 390, "dark"),
    "obs-plain": overlay("obs-plain.png", scene=False, clear=0),
    "obs-scene": overlay("obs-scene.png", scene=True, clear=0, background="000000b3", trail=3, size="72px"),
    "teach": teach,
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SHOTS, []], help="pictures to take; all by default")
    names = parser.parse_args().names or list(SHOTS)
    with taking() as (browser, address):
        for name in names:
            SHOTS[name](browser, address)


@contextmanager
def taking() -> Iterator[tuple[Any, str]]:
    """A browser whose camera shows the drawn signer, and the address of the page."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, serve(EMBEDDED) as address, sync_playwright() as playwright:
        shown = camera_picture()
        camera = write_webcam([(0.0, shown), (1.0, shown)], Path(folder) / "camera.mjpeg")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *ALLOWED_CAMERA, camera])
        yield browser, f"http://{address}"
        browser.close()


if __name__ == "__main__":
    main()
