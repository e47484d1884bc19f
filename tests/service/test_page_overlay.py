"""`/?overlay=1`, for streaming software: captions or nothing, whatever happens, and nobody to press a button."""

import io
import json
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import pytest
from PIL import Image

from glosscast.protocol import CloseCode
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, CAMERA, NO_CAMERA, Open
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

SIGNS = [final("hello"), final("my"), final("name"), final("please")]
BROKEN = {"type": "error", "code": "internal", "message": "", "retryable": False}
HASTE = """
  // The waits between two attempts, and no others, take a hundredth of their time.
  Math.random = () => 0.5;
  const waits = [500, 1000, 2000, 4000, 8000, 15_000, 10_000, 60_000], wait = window.setTimeout;
  window.setTimeout = (run, ms, ...rest) => wait(run, waits.includes(ms) ? ms / 100 : ms, ...rest);
"""


def ever(*connections: Callable[[Any], None]) -> Callable[[Any], None]:
    """As `playing`; the last part is also that of all further connections."""
    return playing(*chain(connections, repeat(connections[-1], 20)))


def overlay(
    open_page: Open, page_address: str, query: str, *switches: str, prepare: Callable[[Any], None], **more: Any
) -> Any:
    """The overlay with these parameters, in a small window; it waits a hundredth of its time between two attempts."""

    def prepared(page: Any) -> None:
        page.warnings = []
        page.on("console", lambda message: message.type == "warning" and page.warnings.append(message.text))
        page.add_init_script(HASTE)
        prepare(page)

    address = f"{page_address}/?overlay=1&{query}"
    return open_page(*switches, prepare=prepared, address=address, viewport={"width": 800, "height": 300}, **more)


def is_empty(page: Any) -> bool:
    """Whether nothing at all is painted."""
    picture = Image.open(io.BytesIO(page.screenshot(omit_background=True))).convert("RGBA")
    return picture.getchannel("A").getextrema() == (0, 0)


def words(page: Any) -> list[str]:
    page.locator("#caption-word[data-gloss='please']").wait_for()
    return page.locator("#caption .gloss").all_inner_texts()


def refusing(times: int, name: str) -> str:
    """Makes the camera fail so many times."""
    return f"""
      let left = {times};
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = (wish) =>
        left-- > 0 ? Promise.reject(new DOMException("", "{name}")) : real(wish);
    """


@pytest.mark.parametrize("name", ["NotReadableError", "NotFoundError", "NotAllowedError"])
def test_a_camera_that_is_busy_missing_or_blocked_is_tried_again(open_page: Open, page_address: str, name: str) -> None:
    def prepare(page: Any) -> None:
        page.add_init_script(refusing(2, name))
        ever(on_start(STARTED, *SIGNS))(page)

    page = overlay(open_page, page_address, "clear=0", *ALLOWED_CAMERA, prepare=prepare)
    assert words(page)[-1] == "PLEASE"
    assert sum("Captions stopped" in text for text in page.warnings) == 2


@pytest.mark.parametrize(
    "end",
    [
        on_start(STARTED, close=CloseCode.IDLE),
        on_start(STARTED, BROKEN, close=1011),
        on_start(STARTED, close=CloseCode.NOT_AUTHENTICATED),
    ],
    ids=["idle", "refused", "no key"],
)
def test_a_stream_that_the_server_ends_is_begun_anew(open_page: Open, page_address: str, end: Any) -> None:
    page = overlay(
        open_page, page_address, "clear=0", *ALLOWED_CAMERA, prepare=ever(end, end, on_start(STARTED, *SIGNS))
    )
    assert words(page)[-1] == "PLEASE"


def test_a_server_that_was_gone_and_a_camera_that_was_unplugged_come_back(open_page: Open, page_address: str) -> None:
    # The time in which the page gives up passes a thousand times as fast.
    fast = "const now = performance.now.bind(performance); performance.now = () => 1000 * now();"

    def prepare(page: Any) -> None:
        def connection(socket: Any) -> None:
            if any("Captions stopped: gone" in text for text in page.warnings):
                on_start(STARTED, *SIGNS)(socket)
            else:
                socket.close(code=1011)

        page.add_init_script(fast)
        ever(connection)(page)

    page = overlay(open_page, page_address, "clear=0", *ALLOWED_CAMERA, prepare=prepare)
    words(page)
    assert [text for text in page.warnings if "Captions stopped: gone" in text] != []
    with page.expect_console_message(lambda message: "Captions stopped: camera_lost" in message.text):
        page.evaluate("document.getElementById('self').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    page.locator("#stage[data-state='running']").wait_for(state="attached")
    assert words(page)[-1] == "PLEASE"


def test_nothing_is_shown_while_there_is_no_camera(open_page: Open, page_address: str) -> None:
    page = overlay(open_page, page_address, "", *NO_CAMERA, prepare=lambda page: None)
    page.locator("#stage[data-state='no_camera']").wait_for(state="attached")
    assert is_empty(page)
    assert any("no_camera" in text for text in page.warnings)


def test_nothing_is_shown_before_the_page_is_ready_and_while_the_browser_asks(
    open_page: Open, page_address: str
) -> None:
    page = overlay(
        open_page,
        page_address,
        "",
        *CAMERA,
        prepare=lambda page: page.route("**/js/app.js", lambda route: route.abort()),
        ready="#welcome",
    )
    assert is_empty(page)


def test_nothing_is_shown_where_the_connection_is_lost(open_page: Open, page_address: str) -> None:
    page = overlay(
        open_page, page_address, "clear=0", *ALLOWED_CAMERA, prepare=ever(on_start(STARTED, close=1011), lambda _: None)
    )
    page.locator("#stage[data-state='waiting']").wait_for(state="attached")
    assert is_empty(page)


def test_a_server_that_wants_a_key_is_asked_again_without_a_question_on_the_screen(
    open_page: Open, page_address: str
) -> None:
    asked: list[str | None] = []

    def answer(route: Any) -> None:
        asked.append(route.request.headers.get("authorization"))
        if len(asked) <= 2:
            route.fulfill(status=401, json={"code": "not_authenticated"})
        else:
            route.continue_()

    def prepare(page: Any) -> None:
        page.route("**/v1/bundle", answer)
        ever(on_start(STARTED, *SIGNS))(page)

    page = overlay(open_page, page_address, "clear=0", *ALLOWED_CAMERA, prepare=prepare)
    words(page)
    assert asked == [None, None, None]
    assert page.locator("#key-dialog").get_attribute("open") is None
    assert any("wants a key" in text for text in page.warnings)


def test_a_key_after_the_hash_opens_the_stream_and_is_in_no_address_that_is_asked_for(
    open_page: Open, page_address: str
) -> None:
    keys: list[str | None] = []
    addresses: list[str] = []

    def token(route: Any) -> None:
        keys.append(route.request.headers.get("authorization"))
        route.fulfill(json={"token": "t", "expires_s": 60})

    def prepare(page: Any) -> None:
        page.on("request", lambda request: addresses.append(request.url.partition("#")[0]))
        page.route("**/v1/tokens", token)
        ever(on_start(STARTED, *SIGNS))(page)

    page = overlay(open_page, page_address, "clear=0#key=gc_s%2Becret", *ALLOWED_CAMERA, prepare=prepare)
    words(page)
    assert keys == ["Bearer gc_s+ecret"]
    assert not any("ecret" in address for address in addresses)


def test_caption_and_trail_go_after_their_time(open_page: Open, page_address: str) -> None:
    page = overlay(open_page, page_address, "clear=3&trail=1", *ALLOWED_CAMERA, prepare=ever(on_start(STARTED, *SIGNS)))
    page.locator("#history li:nth-child(4)").wait_for(state="attached")
    page.locator("#caption[data-kind='empty']").wait_for(state="attached")
    assert page.locator("#caption-trail .gloss").count() == 0
    assert page.locator("#history li").count() == 4  # nothing is lost
    assert is_empty(page)


@pytest.mark.parametrize(
    ("query", "size", "colour", "background"),
    [
        ("clear=0&size=40px&color=%23ffcc00&background=000000cc", "40px", "rgb(255, 204, 0)", "rgba(0, 0, 0, 0.8)"),
        ("clear=0&size=5vw&color=navy", "40px", "rgb(0, 0, 128)", "rgba(0, 0, 0, 0)"),
    ],
)
def test_size_and_colours_are_those_of_the_address(
    open_page: Open, page_address: str, query: str, size: str, colour: str, background: str
) -> None:
    page = overlay(
        open_page, page_address, f"{query}&trail=0", *ALLOWED_CAMERA, prepare=ever(on_start(STARTED, *SIGNS))
    )
    assert words(page) == ["PLEASE"]
    style = "(e) => { const s = getComputedStyle(e); return [s.fontSize, s.color, s.backgroundColor]; }"
    assert page.locator("#caption-word").evaluate(style)[:2] == [size, colour]
    assert page.locator("#caption").evaluate(style)[2] == background
    assert page.warnings == []


DEFAULTS = {"clearMs": 8000, "mode": "auto", "trail": 2, "size": "", "color": "", "background": "", "key": ""}


def test_wrong_parameters_fall_back_to_the_defaults_and_the_console_says_so(module_page: Any) -> None:
    read = """async ([search, hash]) => {
      const { overlayOptions } = await import("/js/overlay-options.js");
      const { warn } = console, said = [];
      console.warn = (text) => said.push(text);
      const options = overlayOptions(search, hash);
      console.warn = warn;
      if (options?.clearMs === Infinity) options.clearMs = "never";
      return [options, said.length];
    }"""

    def options(query: str, hash_: str = "") -> list[Any]:
        return module_page.evaluate(read, [query, hash_])

    assert options("?overlay=0&clear=3") == [None, 0]
    assert options("?overlay=1") == [DEFAULTS, 0]
    right = {
        "clear=0": {"clearMs": "never"},
        "clear=2.5": {"clearMs": 2500},
        "mode=keypoints": {"mode": "keypoints"},
        "trail=0": {"trail": 0},
        "trail=8": {"trail": 8},
        "size=48": {"size": "48px"},
        "size=7.5vw": {"size": "7.5vw"},
        "color=fc0": {"color": "#fc0"},
        "color=rgb(1,2,3)": {"color": "rgb(1,2,3)"},
        "background=hsl(10%2050%25%2050%25%20/%20.5)": {"background": "hsl(10 50% 50% / .5)"},
        "color=": {},
    }
    for query, changed in right.items():
        assert options(f"?overlay=1&{query}") == [{**DEFAULTS, **changed}, 0], query
    wrong = (
        *("clear=-1", "clear=soon", "clear=1e9", "clear=Infinity", "mode=privacy", "trail=9", "trail=1.5"),
        *("size=5px", "size=1000px", "size=90vw", "size=2em", "size=calc(1px)", "size=1.2.3px", "color=12345"),
        *(
            "color=red;display:none",
            "color=url(//x)",
            "color=var(--ink)",
            "color=nocolour",
            "background=red}*{color:red",
        ),
    )
    for query in wrong:
        assert options(f"?overlay=1&{query.replace(';', '%3B')}") == [DEFAULTS, 1], query
    assert options("?overlay=1", "#key=a%2Fb")[0]["key"] == "a/b"


@pytest.mark.parametrize(("mode", "state"), [("frames", "connecting"), ("keypoints", "privacy_failed")])
def test_the_mode_of_the_address_is_what_leaves_the_device(
    open_page: Open, page_address: str, mode: str, state: str
) -> None:
    """Privacy mode is not installed here: where it was asked for by name, nothing is sent."""
    inputs: list[str] = []

    def hear(socket: Any) -> None:
        socket.on_message(lambda data: isinstance(data, str) and inputs.append(json.loads(data)["input"]))

    page = overlay(open_page, page_address, f"mode={mode}", *ALLOWED_CAMERA, prepare=ever(hear))
    page.locator(f"#stage[data-state='{state}']").wait_for(state="attached")
    assert page.locator("#mode").input_value() == mode
    assert set(inputs) <= {"frames"} if mode == "frames" else inputs == []
    assert is_empty(page)
