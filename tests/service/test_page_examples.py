"""How signs look on the page: in the list of signs, in the panel that a name opens, and beside taught look-alikes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import showing
from tests.service.axe import SCRIPT, barriers
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.serving import serve
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

CARD = "#signs-list .card[data-gloss='east']"
READ = [STARTED, final("east", alternatives=[{"gloss": "west", "confidence": 0.2}])]
MOVES = """async (button) => {
  const canvas = button.querySelector("canvas");
  const shown = canvas.toDataURL();
  for (let frame = 0; frame < 120; frame++) {
    await new Promise(requestAnimationFrame);
    if (canvas.toDataURL() !== shown) return true;
  }
  return false;
}"""


@pytest.fixture(scope="module")
def address(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = showing(bundle_folder, tmp_path_factory.mktemp("bundles") / "shown", "east", "west")
    with serve(folder) as address:
        yield f"http://{address}"


def still(page: Any, replay: str) -> bool:
    """Whether a skeleton is there and stands still."""
    button = page.locator(f"{replay}[data-frames]")
    button.wait_for()
    return button.get_attribute("aria-pressed") == "false" and not button.evaluate(MOVES)


def moves(page: Any, replay: str) -> bool:
    button = page.locator(f"{replay}[data-frames][aria-pressed='true']")
    button.wait_for()
    return bool(button.evaluate(MOVES))


def test_each_sign_stands_still_until_it_is_pointed_at(open_page: Open, address: str) -> None:
    page = open_page(address=f"{address}/#signs")
    assert page.locator("#signs-list .replay").count() == 2
    assert still(page, f"{CARD} .replay")
    page.locator(f"{CARD} .replay").hover()
    assert moves(page, f"{CARD} .replay")
    page.locator("#signs-title").hover()
    assert still(page, f"{CARD} .replay")
    assert page.locator(f"{CARD} .replay").get_attribute("aria-label") == "Replay EAST"
    if SCRIPT.is_file():
        assert barriers(page) == []
    assert page.witness.errors == []


def test_a_pressed_sign_goes_on_moving(open_page: Open, address: str) -> None:
    page = open_page(address=f"{address}/#signs")
    page.locator(f"{CARD} .replay").click()
    page.locator("#signs-title").hover()
    page.locator("#signs-search").focus()
    assert moves(page, f"{CARD} .replay")
    page.locator(f"{CARD} .replay").click()
    page.locator("#signs-title").hover()
    page.locator("#signs-search").focus()
    assert still(page, f"{CARD} .replay")


def test_the_keyboard_plays_the_sign_that_has_the_focus(open_page: Open, address: str) -> None:
    page = open_page(address=f"{address}/#signs")
    page.locator("#signs-tools a").focus()
    page.keyboard.press("Tab")
    assert moves(page, f"{CARD} .replay")
    page.keyboard.press("Tab")
    assert still(page, f"{CARD} .replay")


def test_nothing_moves_by_itself_where_reduced_motion_is_asked_for(open_page: Open, address: str) -> None:
    page = open_page(address=f"{address}/#signs", reduced_motion="reduce")
    page.locator(f"{CARD} .replay").hover()
    assert still(page, f"{CARD} .replay")
    page.locator(f"{CARD} .replay").click()
    assert moves(page, f"{CARD} .replay")


def test_a_name_beside_a_caption_shows_how_that_sign_looks(open_page: Open, address: str) -> None:
    page = open_page(*ALLOWED_CAMERA, address=address, prepare=playing(on_start(*READ)))
    page.locator("#start").click()
    name = page.locator("#history .other .look-at")
    name.focus()
    page.keyboard.press("Enter")
    page.locator("#look").wait_for()
    assert page.locator("#look-title").inner_text() == "WEST"
    assert moves(page, "#look .replay")
    if SCRIPT.is_file():
        assert barriers(page) == [], "the panel"
    page.keyboard.press("Escape")
    page.locator("#look").wait_for(state="hidden")
    assert name.evaluate("(button) => button === document.activeElement")
    page.locator("#look .replay").wait_for(state="detached")


def test_the_panel_stays_within_a_phones_window_and_closes_by_a_touch_beside_it(open_page: Open, address: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = open_page(address=f"{address}/#signs", **phone)
    page.locator(f"{CARD} .look-at").tap()
    box = page.locator("#look").bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] + box["height"] <= 844
    page.touchscreen.tap(195, 20)
    page.locator("#look").wait_for(state="hidden")


def test_a_sign_of_the_bundle_is_shown_beside_the_taught_one_that_looks_like_it(open_page: Open, address: str) -> None:
    coffee = taught_sign("coffee", look_alikes=[{"gloss": "west", "taught": False, "risk": 0.3}])
    page = open_page(address=f"{address}/#teach", prepare=Classroom([coffee]))
    page.locator("#taught-list .open").click()
    pair = page.locator("#lesson .pair figure")
    assert pair.all_inner_texts() == ["COFFEE", "WEST"]
    assert moves(page, "#lesson .pair figure:nth-child(2) .replay")


def test_a_bundle_without_examples_names_its_signs_as_before(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(*READ)))
    page.locator("#start").click()
    assert page.locator("#history .other").inner_text() == "WEST 20%"
    page.locator(".tabs a[href='#signs']").click()
    page.locator(CARD).wait_for()
    assert page.locator(".replay, .look-at").count() == 0


def test_an_example_that_cannot_be_fetched_leaves_the_rest(open_page: Open, address: str) -> None:
    def prepare(page: Any) -> None:
        page.route("**/example", lambda route: route.fulfill(status=503, json={}))

    page = open_page(address=f"{address}/#signs", prepare=prepare)
    page.locator(f"{CARD} .replay.missing").wait_for(state="attached")
    assert page.locator(f"{CARD} h2").inner_text() == "EAST"
    assert page.locator(f"{CARD} .replay").is_hidden()
