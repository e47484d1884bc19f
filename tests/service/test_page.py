"""The page in a real browser, against the real service."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from glosscast.bundle import EMBEDDED
from service.wire import parse_frame, parse_text
from tests.bundles import FRAME_MS, VOCABULARY
from tests.service.browsing import CHROMIUM, Witness, pictures_of, write_webcam
from tests.service.process import DATA, running_service
from tests.service.serving import EAST, WEST, colours, serve

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

CLIPS = ["please__startasl_F1__please.mp4", "yes__startasl_F1__yes.mp4"]
needs_bundle = pytest.mark.skipif(not EMBEDDED.is_dir(), reason=f"no bundle in {EMBEDDED}")
needs_clips = pytest.mark.skipif(not (DATA / "clips" / CLIPS[0]).is_file(), reason=f"no recordings in {DATA}")

NO_SIGN = "rest"  # of the bundle of tests.bundles
PATIENCE_MS = 120_000  # for anything that takes one step; the machine may be busy with other work
CAMERA = ("--use-fake-device-for-media-stream",)
ALLOWED_CAMERA = (*CAMERA, "--use-fake-ui-for-media-stream")

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def address(bundle_folder: Path) -> Iterator[str]:
    """A service that reads coloured pictures; see `tests.service.serving`."""
    with serve(bundle_folder, max_clip_s=45) as address:
        yield f"http://{address}"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def open_page(playwright: Any, address: str) -> Iterator[Open]:
    """Opens the page in a browser of its own, with these switches, after `prepare(page)`."""
    browsers = []

    def opened(*switches: str, prepare: Callable[[Any], None] = lambda page: None, address: str = address) -> Any:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking", *switches]
        )
        browsers.append(browser)
        allowed = ["camera"] if "--use-fake-ui-for-media-stream" in switches else []
        page = browser.new_context(permissions=allowed).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.witness = Witness(page)
        prepare(page)
        page.goto(address)
        page.locator("#foot-bundle:not(:empty)").wait_for(state="attached")  # the bundle's description is there
        return page

    yield opened
    for browser in browsers:
        browser.close()


def upload(page: Any, path: Path) -> None:
    page.locator(".tabs a[href='#clip']").click()
    page.set_input_files("#file", path)
    page.locator("#clip-result:visible, #clip-error:visible").wait_for()


def playing(*connections: Callable[[Any], None]) -> Callable[[Any], None]:
    """Takes the service's place at the websocket: the first connection gets the first part, and so on."""
    parts = iter(connections)
    return lambda page: page.route_web_socket("**/v1/stream", lambda socket: next(parts)(socket))


def on_start(*messages: dict[str, Any], close: int | None = None) -> Callable[[Any], None]:
    """Answers `start` with these messages and, where a code is given, with the close."""

    def part(socket: Any) -> None:
        def answer(data: str | bytes) -> None:
            if not isinstance(data, str) or parse_text(data).type != "start":
                return
            for message in messages:
                socket.send(json.dumps(message))
            if close is not None:
                socket.close(code=close)

        socket.on_message(answer)

    return part


STARTED = {"type": "started", "session": "s", "limits": {"max_fps": 30, "max_frame_bytes": 1_000_000}}


def final(gloss: str, confidence: float = 0.9, **more: Any) -> dict[str, Any]:
    return {"type": "final", "segment": 0, "gloss": gloss, "confidence": confidence, **more}


def signs_read(page: Any, count: int) -> list[str | None]:
    """Start captions and wait for so many finals; their glosses, the oldest first."""
    page.locator("#start").click()
    page.locator(f"#history li:nth-child({count})").wait_for()
    return [item.get_attribute("data-gloss") for item in page.locator("#history li").all()][::-1]


@pytest.mark.data
@needs_bundle
@needs_clips
def test_webcam_and_upload_give_the_gloss_that_rest_gives(open_page: Open, tmp_path: Path) -> None:
    with running_service() as address:
        clip, gloss = readable_clip(address)
        page = open_page(*ALLOWED_CAMERA, write_webcam(pictures_of(clip), tmp_path / "webcam.mjpeg"), address=address)
        # The recording plays in a loop. Captions may start in the middle of it, and a busy machine drops frames:
        # most of what is read counts.
        glosses = signs_read(page, 4)
        assert Counter(glosses).most_common(1)[0][0] == gloss, glosses
        page.locator("#pause").click()
        upload(page, clip)
        assert page.locator("#clip-result .result-gloss").get_attribute("data-gloss") == gloss
        assert page.witness.errors == []
        assert page.witness.hosts == {urlsplit(address).netloc}


def readable_clip(address: str) -> tuple[Path, str]:
    """A recording in which the service sees a sign, and which."""
    no_sign = httpx.get(f"{address}/v1/bundle").json()["no_sign"]
    for clip in (DATA / "clips" / name for name in CLIPS):
        answer = httpx.post(f"{address}/v1/classify", files={"file": clip.read_bytes()}, timeout=PATIENCE_MS / 1000)
        if (gloss := answer.json()["predictions"][0]["gloss"]) != no_sign:
            return clip, gloss
    raise AssertionError(f"no sign in any of {CLIPS}")


def test_captions_from_the_camera_until_paused(open_page: Open, address: str, tmp_path: Path) -> None:
    seen = [Image.new("RGB", (320, 240), colour) for colour in colours(EAST, WEST)]
    webcam = write_webcam([(i * FRAME_MS / 1000, image) for i, image in enumerate(seen)], tmp_path / "webcam.mjpeg")
    page = open_page(*ALLOWED_CAMERA, webcam)
    assert {"east", "west"} <= set(signs_read(page, 4))
    assert page.locator("#history .other").first.inner_text() in ("EAST", "WEST")  # what each is easily taken for
    page.locator("#pause").click()
    assert page.locator("#notice-title").inner_text() == "Paused"
    assert page.evaluate("document.getElementById('self').srcObject") is None
    assert page.witness.errors == []
    assert page.witness.hosts == {urlsplit(address).netloc}


def test_leaving_the_section_turns_the_camera_off(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA)
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    page.evaluate("window.track = document.getElementById('self').srcObject.getTracks()[0]")
    page.locator(".tabs a[href='#privacy']").click()
    page.locator("#stage[data-state='paused']").wait_for(state="attached")
    assert page.evaluate("window.track.readyState") == "ended"


def test_every_section_opens_without_an_error(open_page: Open, address: str) -> None:
    page = open_page()
    for name in ("clip", "signs", "privacy", "live"):
        page.locator(f".tabs a[href='#{name}']").click()
        page.locator(f"#view-{name}").wait_for()
        assert page.locator(".view:visible").count() == 1
    signs = {item.get_attribute("data-gloss") for item in page.locator("#signs-list .card").all()}
    assert signs == set(VOCABULARY) - {NO_SIGN}
    assert page.locator("#signs-lead").text_content().startswith("2 signs. ")  # of whatever language the bundle is
    assert page.locator("#clip-limit").text_content() == ", up to 45 seconds"
    assert page.witness.errors == []
    assert page.witness.hosts == {urlsplit(address).netloc}


def test_text_file_is_refused_in_plain_words(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video at all", encoding="utf-8")
    page = open_page()
    upload(page, tmp_path / "clip.mp4")
    assert page.locator("#clip-error-title").inner_text() == "This is not a video Glosscast can open"
    assert "MP4" in page.locator("#clip-error-body").inner_text()


@pytest.mark.parametrize(
    ("code", "status", "headers", "title", "can_retry"),
    [
        ("too_large", 413, {}, "This file is too large", False),
        ("undecodable", 422, {}, "This video cannot be read", False),
        ("too_long", 422, {}, "This clip is too long", False),
        ("no_signer", 422, {}, "Nobody to be seen", False),
        ("too_many_requests", 429, {"Retry-After": "5"}, "The server is busy", True),
        ("not_ready", 503, {"Retry-After": "5"}, "The server is still getting ready", True),
        ("one that this page does not know", 500, {}, "Something went wrong", True),
    ],
)
def test_problem_is_told_in_plain_words(
    open_page: Open, tmp_path: Path, code: str, status: int, headers: dict[str, str], title: str, can_retry: bool
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"anything")
    answer = {"status": status, "headers": headers, "body": json.dumps({"code": code, "detail": "not for people"})}
    page = open_page(prepare=lambda page: page.route("**/v1/classify*", lambda route: route.fulfill(**answer)))
    upload(page, tmp_path / "clip.mp4")
    assert page.locator("#clip-error-title").inner_text() == title
    assert page.locator("#clip-retry").is_visible() == can_retry
    body = page.locator("#clip-error-body").inner_text()
    assert ("5 seconds" in body) == ("Retry-After" in headers)


@pytest.mark.parametrize(
    ("switches", "state", "title"),
    [(CAMERA, "denied", "The camera is blocked"), ((), "no_camera", "No camera found")],
)
def test_without_a_camera_the_page_says_what_to_do(
    open_page: Open, switches: tuple[str, ...], state: str, title: str
) -> None:
    page = open_page(*switches)
    page.locator("#start").click()
    page.locator(f"#stage[data-state='{state}']").wait_for()
    assert page.locator("#notice-title").inner_text() == title
    assert page.locator("#notice-action").inner_text() == "Try again"


def test_interim_is_replaced_and_no_sign_shows_nothing(open_page: Open) -> None:
    interim = {"type": "interim", "segment": 0, "revision": 1, "gloss": "thanks", "confidence": 0.5}
    sign = final(
        "iloveyou",
        0.62,
        alternatives=[{"gloss": "yes", "confidence": 0.3}, {"gloss": "no", "confidence": 0.02}],
        confusable_with=["yes", "help"],
    )
    page = open_page(
        *ALLOWED_CAMERA,
        prepare=playing(on_start(STARTED, interim, final(NO_SIGN), sign, {**interim, "gloss": NO_SIGN})),
    )
    page.locator("#start").click()
    page.locator("#caption[data-kind='listening']").wait_for()
    assert page.locator("#history li").count() == 1
    assert page.locator("#history .history-gloss").inner_text() == "I LOVE YOU"
    assert page.locator("#history .other").all_inner_texts() == ["YES 30%", "HELP"]
    assert page.locator("#announce p").all_inner_texts() == ["I love you, fairly sure"]


def test_stream_comes_back_by_itself(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, close=1011), on_start(STARTED, final("hello"))))
    page.locator("#start").click()
    page.locator("#caption-word[data-gloss='hello']").wait_for()
    assert page.locator("#stage").get_attribute("data-state") == "running"


def test_busy_server_is_asked_again_when_it_says(open_page: Open) -> None:
    busy = {"type": "error", "code": "overloaded", "message": "", "retryable": True, "retry_after_s": 3600}
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(busy, close=1013)))
    page.locator("#start").click()
    page.locator("#banner").wait_for()
    assert page.locator("#banner-title").inner_text() == "All places are taken right now."
    seconds = int("".join(filter(str.isdigit, page.locator("#banner-body").inner_text())))
    assert 3000 < seconds <= 3600


def test_frame_is_what_the_service_reads(open_page: Open) -> None:
    image = bytes(range(256))
    page = open_page()
    message = page.evaluate(
        """async (image) => {
          const { encodeFrame } = await import("/js/protocol.js");
          return [...encodeFrame(17, 1062.5, new Uint8Array(image).buffer)];
        }""",
        list(image),
    )
    frame = parse_frame(bytes(message), "frames")
    assert (frame.seq, frame.t_ms, frame.payload) == (17, 1062.5, image)


def test_close_codes_decide_what_happens_next(open_page: Open) -> None:
    cases: list[tuple[int, dict[str, Any] | None, int, tuple[str, str, float | None]]] = [
        (1000, None, 0, ("stop", "done", None)),
        (1001, None, 0, ("retry", "lost", 500)),
        (1006, None, 3, ("retry", "lost", 4000)),
        (1006, None, 7, ("retry", "lost", 15_000)),
        (1006, None, 8, ("stop", "gone", None)),
        (1009, None, 0, ("stop", "disagree", None)),
        (1011, {"retryable": True, "retry_after_s": 2}, 5, ("retry", "lost", 2000)),
        (1011, {"retryable": False}, 0, ("stop", "refused", None)),
        (1013, {"retryable": True, "retry_after_s": 7}, 0, ("retry", "busy", 7000)),
        (1013, None, 20, ("retry", "busy", 15_000)),
        (4000, {"retryable": False}, 0, ("stop", "disagree", None)),
        (4001, None, 0, ("stop", "unauthorised", None)),
        (4008, {"retryable": True}, 0, ("retry", "renew", 0)),
        (4029, None, 0, ("retry", "busy", 3000)),
        (4031, {"retryable": True}, 0, ("stop", "idle", None)),
    ]
    page = open_page()
    found = page.evaluate(
        """async (cases) => {
          const { afterClose } = await import("/js/protocol.js");
          const middle = () => 0.5; // no jitter
          return cases.map(([code, error, attempt]) => afterClose(code, error, attempt, middle));
        }""",
        [case[:3] for case in cases],
    )
    for (code, error, attempt, expected), answer in zip(cases, found, strict=True):
        told = (answer["action"], answer["reason"], answer.get("delayMs"))
        assert told == pytest.approx(expected), (code, error, attempt)


def test_dead_connection_is_noticed(open_page: Open) -> None:
    """The network can vanish without a close: frames go out and nothing comes back."""
    page = open_page()
    told = page.evaluate(
        """async () => {
          const { StreamClient } = await import("/js/protocol.js");
          const timers = new Map(), sockets = [], told = [];
          let last = 0;
          const timer = {
            setTimeout: (run, ms) => (timers.set(++last, { run, ms }), last),
            clearTimeout: (id) => timers.delete(id),
          };
          const fire = () => { const [id, { run }] = [...timers][0]; timers.delete(id); run(); };
          const connect = () => {
            const socket = { sent: [], bufferedAmount: 0, send: (data) => socket.sent.push(data), close: () => {} };
            sockets.push(socket);
            return socket;
          };
          const client = new StreamClient({
            url: "", start: { type: "start" }, timer, connect,
            onMessage: () => {}, onState: (state) => told.push(state.name),
          });
          const answer = (type) => sockets.at(-1).onmessage({ data: JSON.stringify({ type }) });
          client.start();
          sockets[0].onopen();
          answer("started");
          const watchedBefore = timers.size;
          client.sendFrame(1, new ArrayBuffer(8));
          answer("landmarks");
          const watchedAfterAnswer = timers.size;
          client.sendFrame(2, new ArrayBuffer(8));
          fire(); // nothing was heard for long
          fire(); // the wait before the next attempt is over
          return { told, sockets: sockets.length, sent: sockets[0].sent.length, watchedBefore, watchedAfterAnswer };
        }"""
    )
    assert told["told"] == ["connecting", "open", "waiting", "connecting"]
    assert (told["sockets"], told["sent"]) == (2, 3)
    assert (told["watchedBefore"], told["watchedAfterAnswer"]) == (0, 0)
