"""The page for everyone: axe-core finds nothing wrong in any view, and the keyboard and screen readers get along."""

from pathlib import Path
from typing import Any

import pytest

from tests.bundles import ASPECT, NO_SIGN, signing
from tests.service.axe import SCRIPT, barriers
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.serving import DOWN, EAST, ROOMY, SIGN_EAST, WEST, Client, colours, send_all, serve, video
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_framing import watched
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

DESKTOP = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
SIDEWAYS = {"viewport": {"width": 844, "height": 390}, "color_scheme": "light"}
SCREENS = pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop, light", "phone, dark"])
EVERY_SCREEN = pytest.mark.parametrize(
    "context", [DESKTOP, PHONE, SIDEWAYS], ids=["desktop, light", "phone, dark", "phone sideways, light"]
)
needs_axe = pytest.mark.skipif(
    not SCRIPT.is_file(), reason=f"no {SCRIPT.name}; `python -m tests.service.axe` fetches it"
)

SIGNS = [
    final("hello", alternatives=[{"gloss": "yes", "confidence": 0.2}], confusable_with=["no"]),
    final("thank-you", 0.5),
    final(NO_SIGN),
]


@needs_axe
@EVERY_SCREEN
def test_no_barriers_in_any_view(open_page: Open, tmp_path: Path, context: dict[str, Any]) -> None:
    (tmp_path / "clip.mp4").write_bytes(SIGN_EAST)
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, *SIGNS)), **context)
    assert barriers(page) == [], "welcome"
    page.locator("#start").click()
    page.locator("#history li:nth-child(2)").wait_for()
    assert barriers(page) == [], "live"
    page.locator("#full").click()
    page.locator("#stage.full").wait_for()
    assert barriers(page) == [], "full screen"
    page.locator("#full").click()
    page.locator("#pause").click()
    page.locator("#notice").wait_for()
    assert barriers(page) == [], "paused"
    for view in ("signs", "privacy", "clip"):
        page.locator(f".tabs a[href='#{view}']").click()
        page.locator(f"#view-{view}").wait_for()
        assert barriers(page) == [], view
    page.set_input_files("#file", tmp_path / "clip.mp4")
    page.locator("#clip-result .timeline").wait_for()
    assert barriers(page) == [], "result"
    for name, frames in {"no known sign": [DOWN] * 30, "two signs": colours(EAST, WEST)}.items():
        (tmp_path / "clip.mp4").write_bytes(video(frames))
        page.set_input_files("#file", tmp_path / "clip.mp4")
        page.locator("#clip-result h2.none:visible").wait_for()
        assert barriers(page) == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_axe
@SCREENS
def test_no_barriers_while_a_hint_says_what_to_change(open_page: Open, context: dict[str, Any]) -> None:
    for messages, hint in (([], "#caption-word[data-advice]"), ([final("hello")], "#framing")):
        prepare, _ = watched(*messages)
        page = open_page(*ALLOWED_CAMERA, prepare=prepare, **context)
        page.locator("#start").click()
        page.locator(hint).wait_for()
        assert barriers(page) == [], hint
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_axe
@SCREENS
def test_no_barriers_where_signs_are_taught(open_page: Open, page_address: str, context: dict[str, Any]) -> None:
    coffee = taught_sign("coffee", look_alikes=[{"gloss": "help", "taught": False, "risk": 0.3}])
    coffee["outliers"] = [coffee["examples"][0]["id"]]
    room = Classroom([coffee])
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=room, **context)
    page.locator("#taught-list .open").click()
    page.locator("#lesson .replay[data-frames]").first.wait_for()
    assert barriers(page) == [], "a taught sign"
    page.locator("#taught-forget").click()
    assert barriers(page) == [], "the question"
    page.locator("#sure-no").click()
    page.locator("#teach-gloss").fill("tea")
    page.locator("#teach-begin").click()
    page.locator("#teach-stage[data-step='count']").wait_for()
    assert barriers(page) == [], "the countdown"
    room.refuses(page, "tea", "no_hands")
    page.locator("#teach-stage[data-step='missed']").wait_for()
    assert barriers(page) == [], "not found"
    page.locator("#teach-again").click()
    room.takes(page, taught_sign("tea", 1))
    page.locator("#teach-stage[data-step='found']").wait_for()
    assert barriers(page) == [], "found"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_axe
@SCREENS
def test_no_barriers_where_captions_are_shown_elsewhere(
    open_page: Open, bundle_folder: Path, context: dict[str, Any]
) -> None:
    view = {"session": "s", "token": "t"}
    silent = on_start({**STARTED, "token": "t", "view": view})  # after a while of silence the page connects anew
    page = open_page(*ALLOWED_CAMERA, prepare=playing(*[silent] * 20), **context)
    page.locator("#start").click()
    page.locator("#share").click()
    assert barriers(page) == [], "the link"
    with serve(bundle_folder, **ROOMY) as host, Client(host) as client:
        shown = client.start(aspect=ASPECT)["view"]
        address = f"http://{host}/watch/{shown['session']}#{shown['token']}"
        page = open_page(address=address, ready="#watch-state[data-state='live']", **context)
        assert barriers(page) == [], "no caption yet"
        send_all(client, signing("east", "west"))
        page.locator("#watch-word [data-gloss='west']").wait_for()
        assert barriers(page) == [], "captions"
        client.send({"type": "stop"})
        page.locator("#watch-state[data-state='waiting']").wait_for()
        assert barriers(page) == [], "a pause"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keyboard_alone_starts_and_pauses_and_captions_are_announced(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, *SIGNS)))
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "start":
            break
    page.keyboard.press("Enter")
    page.locator("#history li:nth-child(2)").wait_for()
    log = page.locator("#announce")
    assert (log.get_attribute("role"), log.get_attribute("aria-live")) == ("log", "polite")
    assert log.locator("p").all_inner_texts() == ["hello", "thank you, not so sure"]
    page.locator("#pause").focus()
    page.keyboard.press("Enter")
    page.locator("#stage[data-state='paused']").wait_for()
    assert page.evaluate("document.activeElement.id") == "notice-action"  # the focus is not lost


def test_transcript_is_saved_as_text_webvtt_and_srt(module_page: Any) -> None:
    """Times count from when the page was opened; a caption stays until it can be read or the next one comes."""
    texts = module_page.evaluate(
        """async () => {
          const { transcript } = await import("/js/transcript.js");
          const at = new Date(2026, 0, 2, 3, 4, 5);
          const signs = [
            { gloss: "thank-you", at, start_ms: 1500, end_ms: 2600.4 },
            { gloss: "yes", at, start_ms: 3000, end_ms: 3100 },
            { gloss: "no", at, start_ms: 3300, end_ms: 3_725_500 },
          ];
          return ["txt", "vtt", "srt"].map((kind) => transcript(kind, signs, 500));
        }"""
    )
    text, vtt, srt = texts
    assert [line.split("\t")[1] for line in text.splitlines()] == ["THANK YOU", "YES", "NO"]
    assert vtt == (
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.100\nTHANK YOU\n\n"
        "2\n00:00:02.500 --> 00:00:02.800\nYES\n\n3\n00:00:02.800 --> 01:02:05.000\nNO\n"
    )
    assert srt.splitlines()[:3] == ["1", "00:00:01,000 --> 00:00:02,100", "THANK YOU"]


def test_saving_hands_over_a_file(open_page: Open) -> None:
    sign = final("hello", start_ms=1000, end_ms=2000)
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, sign)))
    assert page.locator("#saves").is_hidden()
    page.locator("#start").click()
    page.locator("#history li").wait_for()
    with page.expect_download() as download:
        page.locator("#saves [value='vtt']").click()
    assert download.value.suggested_filename.endswith(".vtt")
    assert "HELLO" in Path(download.value.path()).read_text(encoding="utf-8")
