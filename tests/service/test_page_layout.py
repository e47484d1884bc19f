"""What is in view without scrolling on each kind of screen, full screen, and how large captions are."""

import io
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open, write_webcam
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

DESKTOP = {"width": 1280, "height": 720}
SIDEWAYS = {"width": 844, "height": 390}
SIGNS = [
    final("hello", 0.9),
    final("my", 0.65, alternatives=[{"gloss": "please", "confidence": 0.3}]),
    final("name", 0.5, alternatives=[{"gloss": "no", "confidence": 0.4}], confusable_with=["yes"]),
]
READABLE = 4.5  # contrast of text, WCAG 2.2 AA


def running(open_page: Open, *switches: str, prepare: Any = lambda page: None, **context: Any) -> Any:
    """The page while captions run, the last of `SIGNS` on show for good."""

    def prepared(page: Any) -> None:
        page.add_init_script("localStorage['glosscast.options'] ??= '{\"hold\": 0}'")
        playing(on_start(STARTED, *SIGNS))(page)
        prepare(page)

    page = open_page(*ALLOWED_CAMERA, *switches, prepare=prepared, **context)
    page.locator("#start").click()
    page.locator("#caption-word[data-gloss='name']").wait_for()
    return page


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the page's policy forbids Playwright's own way."""
    page.evaluate(f"async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }}")


def boxes_of(page: Any, *selectors: str) -> dict[str, Any]:
    """Where the first element of each selector is in the window, all at the same moment."""
    boxes = page.evaluate(
        "(all) => all.map((one) => document.querySelector(one).getBoundingClientRect().toJSON())", list(selectors)
    )
    return dict(zip(selectors, boxes, strict=True))


def out_of_view(page: Any, *selectors: str) -> list[str]:
    """Those that are hidden or not wholly within the window as it is scrolled now."""
    right, bottom = page.viewport_size["width"] + 0.5, page.viewport_size["height"] + 0.5
    return [
        selector
        for selector, box in boxes_of(page, *selectors).items()
        if not box["width"] or min(box["x"], box["y"]) < 0 or box["right"] > right or box["bottom"] > bottom
    ]


def overlapping(page: Any, *selectors: str) -> list[tuple[str, str]]:
    """The pairs that lie over each other."""
    boxes = boxes_of(page, *selectors).items()
    return [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if a["x"] < b["right"] and b["x"] < a["right"] and a["y"] < b["bottom"] and b["y"] < a["bottom"]
    ]


def test_on_a_desktop_picture_caption_controls_and_settings_are_in_view(open_page: Open) -> None:
    page = running(open_page, viewport=DESKTOP)
    parts = ("#mirror", "#caption", "#controls", "#settings")
    for size in (DESKTOP, {"width": 1440, "height": 900}, {"width": 1024, "height": 640}):
        page.set_viewport_size(size)
        assert out_of_view(page, *parts) == [], size
        assert overlapping(page, *parts) == [], size
        assert page.locator("#mirror").bounding_box()["height"] > 0.2 * size["height"], size


def test_very_large_captions_leave_room_for_the_picture_on_a_desktop(open_page: Open) -> None:
    page = running(open_page, viewport=DESKTOP)
    page.locator("#text-size").select_option("largest")
    assert out_of_view(page, "#mirror", "#caption", "#controls", "#settings") == []
    assert page.locator("#mirror").bounding_box()["height"] >= 120


def test_on_a_phone_held_sideways_the_caption_lies_over_a_picture_as_high_as_the_screen(open_page: Open) -> None:
    page = running(open_page, viewport=SIDEWAYS, has_touch=True)
    words = ("#caption-trail", "#caption-word", "#caption-meta")
    tabs = [f".tabs a:nth-child({k})" for k in range(1, 6)]
    for size in (SIDEWAYS, {"width": 667, "height": 375}, {"width": 640, "height": 360}):
        page.set_viewport_size(size)
        screen, caption = boxes_of(page, ".screen", "#caption").values()
        assert screen["height"] == size["height"], size
        assert caption["bottom"] == size["height"], size
        assert out_of_view(page, "#pause", "#text-size", "#full", *words, *tabs) == [], size
        assert overlapping(page, "#chip", "#controls", "#full") == [], size
        assert overlapping(page, "#controls", *words) == [], size
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size


def test_on_a_phone_held_sideways_start_and_mode_are_in_view(open_page: Open) -> None:
    page = open_page(viewport=SIDEWAYS, has_touch=True)
    assert out_of_view(page, "#start", "#mode", "#sent") == []


def test_on_a_phone_held_sideways_a_notice_leaves_the_mode_in_view(open_page: Open) -> None:
    page = running(open_page, viewport=SIDEWAYS, has_touch=True)
    page.locator("#pause").click()
    assert out_of_view(page, "#notice-action", "#caption-word", "#mode", "#sent") == []


@pytest.mark.parametrize("paint", ["#ffffff", "#808080"])
def test_captions_over_a_picture_can_be_read_whatever_it_shows(open_page: Open, tmp_path: Path, paint: str) -> None:
    seen = Image.new("RGB", (1280, 720), paint)
    webcam = write_webcam([(0.0, seen), (1.0, seen)], tmp_path / "webcam.mjpeg")
    page = running(open_page, webcam, viewport=SIDEWAYS)
    until(page, "document.getElementById('self').currentTime > 0.3")
    shown = [
        (page.locator(s).first.bounding_box(), page.locator(s).first.evaluate("(e) => getComputedStyle(e).color"))
        for s in ("#caption-trail .gloss", "#caption-word .gloss", ".sureness-text", ".could", ".could .other .gloss")
    ]
    page.evaluate("document.querySelectorAll('#caption *').forEach((e) => (e.style.visibility = 'hidden'))")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for box, colour in shown:
        corner = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        behind = max(luminance(pixel) for _, pixel in picture.crop(corner).getcolors(1 << 20))
        words = luminance(tuple(int(part) for part in colour[4:-1].split(",")))
        assert (words + 0.05) / (behind + 0.05) >= READABLE, colour


def luminance(pixel: tuple[int, ...]) -> float:
    """Relative luminance, as WCAG defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (p / 255 for p in pixel))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_full_screen_shows_picture_and_caption_alone_and_escape_leaves_it(open_page: Open) -> None:
    page = running(open_page, viewport=DESKTOP)
    page.locator("#full").click()
    until(page, "document.fullscreenElement === document.getElementById('stage')")
    assert page.locator("#full").get_attribute("aria-label") == "Leave full screen"
    until(page, "document.getElementById('stage').clientHeight === innerHeight")
    assert overlapping(page, ".screen", "#caption") != []
    page.evaluate("document.exitFullscreen()")  # as the browser does on Escape, which it keeps from pages
    page.locator("#stage:not(.full)").wait_for()
    assert page.locator("#full").get_attribute("aria-label") == "Full screen"
    assert page.evaluate("document.activeElement.id") == "full"
    assert out_of_view(page, "#mirror", "#caption", "#controls", "#settings") == []


WITHOUT_FULL_SCREEN = "delete Element.prototype.requestFullscreen"


@pytest.fixture
def filled(open_page: Open) -> Any:
    """The page in full screen where the browser has none, as on an iPhone."""
    page = running(open_page, prepare=lambda page: page.add_init_script(WITHOUT_FULL_SCREEN), viewport=DESKTOP)
    page.locator("#full").click()
    return page


def test_where_the_browser_has_no_full_screen_the_stage_fills_the_window(filled: Any) -> None:
    box = filled.locator("#stage").bounding_box()
    assert box == {"x": 0, "y": 0, **DESKTOP}
    assert filled.witness.errors == []
    filled.keyboard.press("Escape")
    assert filled.locator("#stage").bounding_box() != box


def test_in_full_screen_the_tab_key_stays_on_the_stage(filled: Any) -> None:
    reached = []
    for _ in range(8):
        filled.keyboard.press("Tab")
        reached.append(filled.evaluate("document.activeElement.id || document.activeElement.localName"))
    assert {"full", "pause", "skeleton", "text-size"} <= set(reached)
    assert set(reached) <= {"full", "pause", "skeleton", "text-size", "body"}  # "body": the browser's own controls
    filled.keyboard.press("Escape")
    filled.locator("#clear").focus()
    assert filled.evaluate("document.activeElement.id") == "clear"


def test_full_screen_can_be_left_from_a_notice(filled: Any) -> None:
    filled.locator("#pause").click()
    assert out_of_view(filled, "#notice-action", "#full") == []
    filled.locator("#full").click()
    assert filled.locator(".top").is_visible()
    assert filled.locator("#full").is_hidden()  # there is no picture to enlarge


def test_going_back_leaves_full_screen(filled: Any) -> None:
    filled.evaluate("location.hash = '#privacy'")
    filled.locator("#view-privacy").wait_for()
    assert filled.locator(".top [inert], .top[inert]").count() == 0


def test_size_of_captions_is_kept_on_the_device(open_page: Open) -> None:
    page = running(open_page)
    size = "parseFloat(getComputedStyle(document.getElementById('caption-word')).fontSize)"
    sizes = []
    for name in ("small", "normal", "large", "largest"):
        page.locator("#text-size").select_option(name)
        sizes.append(page.evaluate(size))
    assert sizes == sorted(set(sizes))
    page.reload()
    page.locator("#foot-bundle:not(:empty)").wait_for(state="attached")
    assert page.locator("#text-size").input_value() == "largest"
    assert page.locator("html").get_attribute("data-text") == "largest"


@pytest.mark.parametrize("size", [{"width": 640, "height": 360}, {"width": 320, "height": 256}], ids=["200 %", "400 %"])
def test_enlarged_by_the_browser_the_page_scrolls_in_one_direction(open_page: Open, size: dict[str, int]) -> None:
    """WCAG 1.4.10: 1280 × 720 at 200 %, and 1280 × 1024 at 400 %."""
    page = running(open_page, viewport=size)
    for view in ("live", "clip", "teach", "signs", "privacy"):
        page.locator(f".tabs a[href='#{view}']").click()
        page.locator(f"#view-{view}").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


@pytest.mark.parametrize("size", [DESKTOP, SIDEWAYS])
def test_a_lesson_is_in_view_as_a_whole(open_page: Open, page_address: str, size: dict[str, int]) -> None:
    room = Classroom([taught_sign("coffee")])
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=room, viewport=size)
    assert out_of_view(page, "#teach-gloss", "#teach-language", "#teach-begin") == []
    page.locator("#teach-gloss").fill("tea")
    page.locator("#teach-begin").click()
    page.locator("#teach-stage[data-step='count']").wait_for()
    parts = ["#teach-mirror", "#teach-count", "#teach-word", "#teach-detail", "#teach-stop", "#teach-full"]
    assert out_of_view(page, *parts) == []
    if size == DESKTOP:
        assert out_of_view(page, "#teach-mode") == []


def test_the_condition_for_a_phone_held_sideways_is_the_same_in_script_and_style(
    module_page: Any, page_address: str
) -> None:
    script = module_page.evaluate("async () => (await import('/js/screen.js')).SIDEWAYS")
    style = module_page.request.get(f"{page_address}/css/screen.css").text()
    assert f"@media {script} {{" in style


def test_each_view_opens_at_its_top(open_page: Open, page_address: str) -> None:
    """A browser scrolls to the element whose id is the address's fragment, so no element may have a view's name."""
    for view in ("live", "clip", "teach", "signs", "practice", "privacy"):
        page = open_page(address=f"{page_address}/#{view}", viewport={"width": 390, "height": 500})
        page.locator(f"#view-{view}").wait_for()
        assert page.evaluate("scrollY") == 0, view
