"""The page's privacy mode in a real browser: which devices get it, what goes out, and whether the same is read."""

import base64
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.keypoints import CHANNELS, FACE, FACE_INDICES, LEFT_HAND, POINTS, POSE, PRESENCE, RIGHT_HAND, X, Y
from glosscast.video import decode_video
from service.protocol.wire import parse_frame, parse_text
from service.site.vendor import VENDOR, WEB, holistic_path
from tests.bundles import lenient
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, CHROMIUM, PATIENCE_MS, Open
from tests.service.process import DATA, running_service
from tests.service.test_page_stream import STARTED

pytestmark = BROWSER_TESTS

CLIP = DATA / "clips" / "please__startasl_F1__please.mp4"
PACE = "MIN_FPS = 12"
CAMERA_ASPECT = 16 / 9  # of the pictures that Chromium draws where there is no camera
needs_holistic = pytest.mark.skipif(holistic_path() is None, reason=f"nothing in {VENDOR}; `make privacy` fetches it")
needs_clip = pytest.mark.skipif(not CLIP.is_file(), reason=f"no recordings in {DATA}")


def with_pace(fps: float) -> Callable[[Any], None]:
    """The page asks this pace of a device, so that any device is too slow or fast enough."""
    script = (WEB / "js" / "modes.js").read_text(encoding="utf-8")
    assert PACE in script
    changed = script.replace(PACE, f"MIN_FPS = {fps}").replace("HOPELESS_MS = 300", f"HOPELESS_MS = {5000 / fps}")
    return lambda page: page.route(
        "**/js/modes.js", lambda route: route.fulfill(body=changed, content_type="text/javascript")
    )


def listening(received: list[Any]) -> Callable[[Any], None]:
    """Takes the service's place at the websocket and remembers what the page says."""

    inputs: list[Any] = []  # of the streams, the one that runs now last

    def answer(socket: Any, message: str | bytes) -> None:
        if isinstance(message, bytes):
            received.append(parse_frame(message, inputs[-1]))
        else:
            received.append(parse_text(message))
            if received[-1].type == "start":
                inputs.append(received[-1].input)
            socket.send(json.dumps(STARTED))

    return lambda page: page.route_web_socket(
        "**/v1/stream", lambda socket: socket.on_message(lambda message: answer(socket, message))
    )


def start(open_page: Open, fps: float, received: list[Any]) -> Any:
    def prepare(page: Any) -> None:
        page.route("**/page.json", lambda route: route.fulfill(json={"holistic": holistic_path()}))
        with_pace(fps)(page)
        listening(received)(page)

    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while len(received) < 3:  # the first words and two frames
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    return page


@needs_holistic
def test_slow_device_is_switched_to_frames_mode_with_a_message(open_page: Open) -> None:
    received: list[Any] = []
    page = start(open_page, 10_000, received)
    assert page.locator("#stage").get_attribute("data-sends") == "too_slow"
    assert "too slow for privacy mode" in page.locator("#sent").inner_text()
    assert received[0].input == "frames"
    assert page.witness.errors == []


@needs_holistic
def test_fast_device_sends_points_and_nothing_else(open_page: Open) -> None:
    received: list[Any] = []
    page = start(open_page, 0.1, received)
    assert page.locator("#stage").get_attribute("data-sends") == "keypoints"
    first, *frames = received
    assert (first.input, first.aspect) == ("keypoints", pytest.approx(CAMERA_ASPECT))
    assert {frame.payload.shape for frame in frames} == {(POINTS, CHANNELS)}
    assert page.witness.errors == []

    page.locator("#caption-word[data-advice]").wait_for()  # the points are looked at here
    assert page.locator("#framing-say").text_content() == "Nobody is in the picture"

    page.locator("#mode").select_option("frames")
    page.locator("#stage[data-sends='frames']").wait_for()


def test_a_model_of_pictures_gets_pictures_without_a_question(open_page: Open) -> None:
    """Privacy mode is there, and of no use: it is not offered, and nothing of it is loaded or measured."""
    received: list[Any] = []

    def prepare(page: Any) -> None:
        page.route("**/page.json", lambda route: route.fulfill(json={"holistic": "vendor/holistic/"}))
        page.route("**/v1/bundle", lambda route: route.fulfill(json=route.fetch().json() | {"inputs": ["frames"]}))
        page.route("**/vendor/**", lambda route: loaded.append(route.request.url) or route.abort())
        listening(received)(page)

    loaded: list[str] = []
    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#stage[data-sends='pictures_only']").wait_for(state="attached")
    option = page.locator("#mode [value=keypoints]")
    assert option.is_disabled()
    assert option.text_content() == "Privacy: on this device (not with these signs)"
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    assert page.locator("#stage").get_attribute("data-sends") == "frames"
    assert received[0].input == "frames"
    assert loaded == []
    assert page.witness.errors == []


@pytest.mark.parametrize(
    ("times", "fits"),
    [
        ([9000], None),
        ([9000, 50, 50, 50, 50, 50], None),
        ([9000, 50, 50, 50, 50, 50, 50], True),
        ([100, 50, 90, 50, 50, 90, 90], True),
        ([100, 90, 90, 50, 50, 90, 90], False),
        ([9000, 1600, 1600], False),
        ([9000, 1600, 50], None),
    ],
)
def test_verdict_on_a_device(module_page: Any, times: list[float], fits: bool | None) -> None:
    found = module_page.evaluate("async (times) => (await import('/js/modes.js')).verdict(times)", times)
    assert found is fits


def test_points_are_laid_out_as_the_server_reads_them(module_page: Any) -> None:
    """Each point of Holistic has its index as x; it must come to its place in the layout."""
    found = module_page.evaluate(
        """async () => {
          const { assemble } = await import("/js/keypoints.js");
          const numbered = (first, count) =>
            Float32Array.from(Array.from({ length: count }, (_, i) => [first + i, 0.5, 0.25, 1]).flat());
          const hands = { left_hand: numbered(2000, 21), right_hand: numbered(3000, 21) };
          const pose = numbered(1000, 33);
          const every = { pose, ...hands, face: numbered(0, 468) };
          const poseOnly = { pose, left_hand: null, right_hand: null, face: null };
          return [[...assemble(every)], [...assemble(poseOnly)]];
        }"""
    )
    every, pose_only = np.array(found, np.float32).reshape(2, POINTS, CHANNELS)
    assert every[POSE, X].tolist() == list(range(1000, 1033))
    assert every[LEFT_HAND, X].tolist() == list(range(2000, 2021))
    assert every[RIGHT_HAND, X].tolist() == list(range(3000, 3021))
    assert every[FACE, X].tolist() == list(FACE_INDICES)
    assert (every[:, Y:] == [0.5, 0.25, 1]).all()
    assert (pose_only[POSE] == every[POSE]).all()
    assert (pose_only[POSE.stop :] == 0).all()


def test_privacy_mode_that_does_not_run_sends_no_picture(open_page: Open) -> None:
    """Who asked for it by name must not be looked at by the server instead."""
    received: list[Any] = []

    def prepare(page: Any) -> None:
        page.route("**/page.json", lambda route: route.fulfill(json={"holistic": "vendor/broken/"}))
        listening(received)(page)

    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#mode").select_option("keypoints")
    page.locator("#start").click()
    page.locator("#stage[data-state='privacy_failed']").wait_for()
    assert received == []
    assert page.evaluate("document.getElementById('self').srcObject") is None
    page.locator("#notice-pictures").click()  # only on request
    page.locator("#stage[data-state='running']").wait_for()
    assert received[0].input == "frames"


def test_where_it_is_not_installed_the_page_says_so(open_page: Open) -> None:
    page = open_page()
    assert "not installed" in page.locator("#sent").inner_text()
    assert page.locator("#mode option[value='keypoints']").is_disabled()


FEED = """async ([folder, url, aspect, frames]) => {
  const { Holistic } = await import("/js/holistic.js");
  const { assemble } = await import("/js/keypoints.js");
  const { StreamClient } = await import("/js/protocol.js");
  const holistic = new Holistic(folder);
  await holistic.load();
  const found = [];
  for (const [tMs, picture] of frames) {
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    found.push([tMs, assemble(await holistic.find(await createImageBitmap(new Blob([bytes]))))]);
  }
  holistic.close();
  const received = [];
  await new Promise((done) => {
    const client = new StreamClient({
      url,
      start: { type: "start", input: "keypoints", aspect },
      connect: (url) => new WebSocket(url, ["glosscast.v1"]),
      onMessage: (message) => (received.push(message), message.type === "ended" && done()),
      onState: async ({ name }) => {
        if (name !== "open") return;
        for (const [tMs, keypoints] of found) {
          client.sendFrame(tMs, keypoints.buffer);
          await new Promise((next) => setTimeout(next, 40)); // the service takes 30 a second
        }
        client.stop();
      },
    });
    client.start();
  });
  return { received, pose: [...found.at(-1)[1].slice(0, 4)] };
}"""


@pytest.mark.data
@needs_holistic
@needs_clip
def test_clip_fed_frame_by_frame_gives_the_gloss_that_the_server_reads(playwright: Any, tmp_path: Path) -> None:
    """As slow as the browser may be here, every frame goes out with the time it has in the clip."""
    frames = list(decode_video(CLIP, load_bundle(EMBEDDED).manifest.clip.fps))
    height, width = frames[0].rgb.shape[:2]
    with running_service(BUNDLE=lenient(tmp_path)) as address:
        answer = httpx.post(f"{address}/v1/classify", files={"file": CLIP.read_bytes()}, timeout=PATIENCE_MS / 1000)
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(f"{address}/page.json")
        stream = f"{address.replace('http', 'ws')}/v1/stream"
        result = page.evaluate(
            FEED, [f"/{holistic_path()}", stream, width / height, [(f.t_ms, jpeg(f.rgb)) for f in frames]]
        )
        chromium.close()
    finals = [message for message in result["received"] if message["type"] == "final"]
    assert [final["gloss"] for final in finals] == [answer.json()["predictions"][0]["gloss"]], finals
    assert 0 <= finals[0]["start_ms"] < finals[0]["end_ms"] <= frames[-1].t_ms
    assert result["pose"][PRESENCE] > 0.9
    assert result["received"][-1]["summary"]["dropped"] == 0


def jpeg(rgb: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=95)
    return base64.b64encode(out.getvalue()).decode()
