"""The view "Teach a sign" in a real browser: a lesson, what was taught, and the way to the command line and back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from glosscast.bundle import EMBEDDED
from service.site.vendor import holistic_path
from tests.bundles import NO_SIGN
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open, pictures_of, write_webcam
from tests.service.process import DATA, running_service
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_privacy import needs_holistic, with_pace
from tests.service.test_page_stream import final

pytestmark = BROWSER_TESTS

CLIP = DATA / "clips" / "book__startasl_F1__book.mp4"
COUNTS = """() => {
  const count = document.getElementById("teach-count");
  window.counts = [];
  const seen = () => count.offsetParent && window.counts.push(count.textContent);
  new MutationObserver(seen).observe(count, { childList: true });
}"""
needs_clip = pytest.mark.skipif(not CLIP.is_file() or not EMBEDDED.is_dir(), reason=f"no recordings in {DATA}")


def step(page: Any, name: str) -> None:
    page.locator(f"#teach-stage[data-step='{name}']").wait_for()


def begin(page: Any, gloss: str) -> None:
    page.locator("#teach-gloss").fill(gloss)
    page.locator("#teach-begin").click()


def listed(page: Any) -> list[str]:
    return [card.get_attribute("data-gloss") for card in page.locator("#taught-list > li").all()]


def drawn(page: Any, replay: str) -> int:
    """How many pixels of a skeleton are not of the background."""
    count: int = page.locator(f"{replay} canvas").first.evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.filter((value, index) => index % 4 === 3 && value).length;
        }"""
    )
    return count


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with the embedded bundle and a store of its own."""
    folder = tmp_path_factory.mktemp("lexicons")
    with running_service(LEXICONS=folder / "lexicons.sqlite") as address:
        yield address


@pytest.mark.data
@needs_clip
def test_taught_sign_is_kept_captioned_exported_imported_and_forgotten(
    open_page: Open, service: str, tmp_path: Path
) -> None:
    """The recording plays in a loop: whatever part of it an example began with, the next ones begin with the sign."""

    def prepare(page: Any) -> None:
        page.route("**/page.json", lambda route: route.fulfill(json={"holistic": None, "lexicons": True}))

    webcam = write_webcam(pictures_of(CLIP), tmp_path / "webcam.mjpeg")
    page = open_page(*ALLOWED_CAMERA, webcam, address=f"{service}/#teach", prepare=prepare)
    begin(page, "grandma's book")
    step(page, "count")
    while page.locator("#teach-stage").get_attribute("data-step") != "trying":
        page.locator("#teach-stage:is([data-step='missed'], [data-step='trying'])").wait_for()
        if page.locator("#teach-again").is_visible():
            page.locator("#teach-again").click()
    page.locator('#teach-word[data-gloss="grandma\'s book"]').wait_for()  # tried at once
    assert page.locator("#lesson .examples li").count() == 3
    page.locator("#lesson .examples .replay[data-frames]").first.wait_for()
    assert drawn(page, "#lesson .examples .replay") > 500

    page.reload()
    page.locator("#taught-list [data-gloss]").wait_for()
    assert listed(page) == ["grandma's book"]
    page.locator(".tabs a[href='#live']").click()
    page.locator("#start").click()
    page.locator('#history [data-gloss="grandma\'s book"]').first.wait_for()
    page.locator(".tabs a[href='#teach']").click()

    with page.expect_download() as download:
        page.locator("#taught-export").click()
    assert download.value.suggested_filename == "mine.lexicon.npz"
    exported = tmp_path / "mine.lexicon.npz"
    download.value.save_as(exported)
    command = [sys.executable, "-m", "glosscast.cli", "lexicon", "list", exported]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "grandma's book" in told

    page.locator("#taught-list .open").click()
    page.locator("#lesson .examples .link").first.click()
    page.locator("#lesson .examples li:nth-child(3)").wait_for(state="detached")
    page.locator("#lesson-sign").get_by_text("Rename").click()
    page.locator("#sure-input").fill("our book")
    page.locator("#sure-yes").click()
    page.locator("#taught-list [data-gloss='our book']").wait_for()

    page.locator("#lesson-sign .danger").click()
    page.locator("#sure-yes").click()
    page.locator("#taught-empty").wait_for()
    page.set_input_files("#taught-file", exported)
    page.locator('#taught-list [data-gloss="grandma\'s book"]').wait_for()
    page.locator("#taught-forget").click()
    page.locator("#sure-yes").click()
    page.locator("#taught-empty").wait_for()
    page.reload()
    page.locator("#taught-import").wait_for()
    assert listed(page) == []
    assert page.locator("#taught-forget").is_hidden()
    assert page.witness.errors == []
    assert page.witness.hosts == {urlsplit(service).netloc}
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert kept == '[{},{},""]'


def test_lesson_counts_down_says_what_went_wrong_and_ends_with_a_try(open_page: Open, page_address: str) -> None:
    room = Classroom()
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=room)
    page.evaluate(COUNTS)
    begin(page, "  tea ")
    room.teaches(page)
    assert page.evaluate("window.counts") == ["3", "2", "1"]
    assert page.locator("#teach-big").evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)") > 140
    room.refuses(page, "tea", "no_hands")
    step(page, "missed")
    assert "hands were not seen" in page.locator("#teach-detail").inner_text()
    assert page.evaluate("document.activeElement.id") == "teach-again"
    page.keyboard.press("Enter")
    for count in (1, 2, 3):
        room.takes(page, taught_sign("tea", count))
        step(page, "found")
        assert page.locator("#teach-of").inner_text() == f"Example {count} of 3"
    step(page, "trying")
    room.say(**final("tea"))
    page.locator("#teach-word[data-gloss='tea']").wait_for()
    assert page.locator("#teach-word").inner_text() == "TEA"
    room.say(**final(NO_SIGN))
    page.get_by_text("Not a sign it knows").wait_for()

    assert room.received[0]["lexicon"] == "mine"
    said = [message for message in room.received if message["type"].startswith("teach")]
    assert said == [{"type": "teach", "gloss": "tea", "language": ""}, {"type": "teach_done"}] * 4
    page.locator("#teach-next").click()
    step(page, "off")
    assert page.evaluate("document.getElementById('teach-self').srcObject") is None
    assert page.evaluate("document.activeElement.id") == "teach-gloss"
    assert page.witness.errors == []


def test_look_alikes_stand_side_by_side_and_the_odd_example_is_named(open_page: Open, page_address: str) -> None:
    coffee = taught_sign("coffee")
    tea = taught_sign("tea", look_alikes=[{"gloss": "coffee", "taught": True, "risk": 0.21}])
    tea["outliers"] = [tea["examples"][1]["id"]]
    own = taught_sign("aid", look_alikes=[{"gloss": "help", "taught": False, "risk": 0.52}])
    page = open_page(address=f"{page_address}/#teach", prepare=Classroom([coffee, own, tea]))
    page.locator("#taught-list [data-gloss='tea'] .open").click()
    assert page.evaluate("document.activeElement.id") == "lesson-title"
    pair = page.locator("#lesson .looks .replay")
    assert pair.count() == 2
    page.locator("#lesson .looks figure:nth-child(2) .replay[data-frames]").wait_for()
    assert "read COFFEE about one time in 5" in page.locator("#lesson .looks").inner_text()
    assert page.locator("#lesson .examples .few").all_inner_texts() == ["unlike the others"]
    assert page.locator("#lesson .examples li:has(.few)").get_attribute("data-id") == tea["outliers"][0]
    page.locator("#taught-list [data-gloss='aid'] .open").click()
    assert "about every second time" in page.locator("#lesson .looks").inner_text()
    assert "no recording of it" in page.locator("#lesson .looks .none").inner_text()


def test_skeletons_move_unless_the_device_asks_for_reduced_motion(open_page: Open, page_address: str) -> None:
    def moves(page: Any) -> bool:
        page.locator("#taught-list .open").click()
        page.locator("#lesson .replay[data-frames]").first.wait_for()
        canvas = page.locator("#lesson .replay canvas").first
        before = canvas.evaluate("(e) => e.toDataURL()")
        page.wait_for_timeout(500)
        return bool(canvas.evaluate("(e) => e.toDataURL()") != before)

    room = Classroom([taught_sign("tea")])
    assert moves(open_page(address=f"{page_address}/#teach", prepare=room))
    page = open_page(address=f"{page_address}/#teach", prepare=room, reduced_motion="reduce")
    assert not moves(page)
    replay = page.locator("#lesson .replay").first
    assert replay.get_attribute("aria-pressed") == "false"
    replay.focus()
    page.keyboard.press("Enter")  # on request
    assert replay.get_attribute("aria-pressed") == "true"


def test_deleting_asks_first_and_the_focus_is_not_lost(open_page: Open, page_address: str) -> None:
    room = Classroom([taught_sign("tea", 2), taught_sign("coffee", 1)])
    page = open_page(address=f"{page_address}/#teach", prepare=room)
    page.locator("#taught-list [data-gloss='coffee'] .open").click()
    page.locator("#lesson .examples .link").click()  # the only example is the sign
    assert page.locator("#sure-title").inner_text() == "Delete COFFEE?"
    assert page.evaluate("document.activeElement.id") == "sure-no"
    page.keyboard.press("Enter")
    assert room.asked == []
    page.locator("#lesson .examples .link").click()
    page.locator("#sure-yes").click()
    page.get_by_text("COFFEE is deleted.").wait_for()
    assert page.evaluate("document.activeElement.id") == "taught-title"
    assert page.locator("#lesson-title").inner_text() == "How it works"
    assert listed(page) == ["tea"]


def test_file_that_is_no_lexicon_is_refused_in_plain_words(open_page: Open, page_address: str, tmp_path: Path) -> None:
    (tmp_path / "holiday.npz").write_bytes(b"no lexicon")
    page = open_page(address=f"{page_address}/#teach", prepare=Classroom([taught_sign("tea")]))
    page.set_input_files("#taught-file", tmp_path / "holiday.npz")
    page.get_by_text("no file of taught signs").wait_for()
    assert listed(page) == ["tea"]


def test_where_nothing_can_be_taught_the_view_says_so(open_page: Open, page_address: str) -> None:
    page = open_page(address=f"{page_address}/#teach")
    page.locator("#teach-off").wait_for()
    assert page.locator("#teach-off-title").inner_text() == "No signs can be taught here"
    assert page.locator("#teach-form").is_hidden()
    assert page.witness.errors == []


def test_key_that_may_not_teach_is_told_so_and_the_camera_is_off(open_page: Open, page_address: str) -> None:
    room = Classroom([])
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=room)
    begin(page, "tea")
    room.teaches(page)
    room.say(type="error", code="not_allowed", message="", retryable=True, retry_after_s=None)
    step(page, "off")
    assert "not teach any" in page.locator("#teach-problem").inner_text()
    assert page.evaluate("document.getElementById('teach-self').srcObject") is None


def test_broken_connection_begins_the_example_anew(open_page: Open, page_address: str) -> None:
    room = Classroom([])
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=room)
    begin(page, "tea")
    room.takes(page, taught_sign("tea", 1))
    room.teaches(page)
    room.hang_up()
    page.get_by_text("Connection lost.").wait_for()
    step(page, "count")
    assert page.locator("#teach-of").inner_text() == "Example 2 of 3"
    for count in (2, 3):
        room.takes(page, taught_sign("tea", count))
    step(page, "trying")
    room.hang_up()
    page.get_by_text("Connection lost.").wait_for()
    page.get_by_text("Try it", exact=True).wait_for()


def test_leaving_the_section_turns_the_camera_off(open_page: Open, page_address: str) -> None:
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=Classroom([]))
    begin(page, "tea")
    step(page, "count")
    page.locator(".tabs a[href='#signs']").click()
    page.locator("#teach-stage[data-step='off']").wait_for(state="attached")
    assert page.evaluate("document.getElementById('teach-self').srcObject") is None


def test_live_captions_read_with_what_was_taught(open_page: Open, page_address: str) -> None:
    rooms = Classroom([taught_sign("tea")]), Classroom(None)
    for room, lexicon in zip(rooms, ("mine", None), strict=True):
        page = open_page(*ALLOWED_CAMERA, address=page_address, prepare=room)
        page.locator("#taught-list" if lexicon else "#taught-empty").wait_for(state="attached")
        page.locator("#start").click()
        page.locator("#stage[data-state='running']").wait_for()
        assert room.received[0].get("lexicon") == lexicon


@needs_holistic
def test_in_privacy_mode_points_are_sent_and_taught(open_page: Open, page_address: str) -> None:
    room = Classroom([])

    def prepare(page: Any) -> None:
        with_pace(0.1)(page)
        room(page)
        offers = {"holistic": holistic_path(), "lexicons": True}
        page.route("**/page.json", lambda route: route.fulfill(json=offers))

    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=prepare)
    begin(page, "tea")
    room.takes(page, taught_sign("tea", 1))
    assert page.locator("#teach-stage").get_attribute("data-sends") == "keypoints"
    assert (room.received[0]["input"], room.received[0]["lexicon"]) == ("keypoints", "mine")
    assert page.witness.errors == []


def test_clips_are_read_with_what_was_taught(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"anything")
    asked: list[str] = []

    def prepare(page: Any) -> None:
        Classroom([taught_sign("tea")])(page)
        page.route("**/v1/classify*", lambda route: asked.append(urlsplit(route.request.url).query) or route.abort())

    page = open_page(prepare=prepare, ready="#signs-taught-count:not(:empty)")
    assert page.locator("#signs-taught-count").text_content() == "one that you taught"
    page.locator(".tabs a[href='#clip']").click()
    page.set_input_files("#file", tmp_path / "clip.mp4")
    page.locator("#clip-error").wait_for()
    assert asked == ["top_k=5&lexicon=mine"]


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (0.1, "about one time in 10"),
        (0.34, "about one time in 3"),
        (0.399, "about one time in 3"),
        (0.4, "about every second time"),
        (0.7, "most of the time"),
        (1.0, "almost every time"),
    ],
)
def test_risk_in_words(module_page: Any, risk: float, words: str) -> None:
    assert module_page.evaluate("async (risk) => (await import('/js/teach-messages.js')).often(risk)", risk) == words
