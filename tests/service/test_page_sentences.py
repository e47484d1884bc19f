"""The page with a bundle of sentences: the glosses of an utterance stand in a line, live, in files and of a clip."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.axe import barriers
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.test_page import upload
from tests.service.test_page_barriers import DESKTOP, PHONE, needs_axe
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

WORDS = ("hello", "thank-you", "help", "please", "yes", "no")
SENTENCES = [
    *(final(word, segment=i, utterance=0, start_ms=i * 500, end_ms=i * 500 + 300) for i, word in enumerate(WORDS)),
    *(
        final(w, segment=6 + i, utterance=1, start_ms=9000 + i * 500, end_ms=9300 + i * 500)
        for i, w in enumerate(("no", "yes"))
    ),
]
SIGNS = [
    {"gloss": word, "confidence": 0.9, "start_ms": 400 + 700 * i, "end_ms": 800 + 700 * i, "utterance": 0}
    for i, word in enumerate(WORDS)
]
ANSWER = {
    "bundle": "needle@1",
    "duration_ms": 5000.0,
    "frames": 80,
    "known": True,
    "threshold": 0.4,
    "no_sign": None,
    "predictions": [],
    "warnings": [],
    "signs": SIGNS,
    "glosses": list(WORDS),
    "timings_ms": {"decode": 1.0, "keypoints": 2.0, "inference": 3.0},
}


def live(open_page: Open, count: int, **context: Any) -> Any:
    """A page that has heard the first finals of two sentences."""
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, *SENTENCES[:count])), **context)
    page.locator("#start").click()
    page.locator(f"#history li:nth-child({count})").wait_for()
    return page


def caption_of(page: Any) -> list[str]:
    return [text.upper() for text in page.locator("#caption-trail .gloss, #caption-word .gloss").all_inner_texts()]


def test_the_glosses_of_an_utterance_stand_in_a_line(open_page: Open) -> None:
    assert caption_of(live(open_page, 6)) == ["HELLO", "THANK YOU", "HELP", "PLEASE", "YES", "NO"]


def test_another_utterance_begins_a_line(open_page: Open) -> None:
    assert caption_of(live(open_page, 8)) == ["NO", "YES"]


def test_files_have_a_line_for_each_utterance(module_page: Any) -> None:
    texts = module_page.evaluate(
        """async (signs) => {
          const { transcript } = await import("/js/transcript.js");
          const timed = signs.map((sign) => ({ ...sign, at: new Date(2026, 0, 2, 3, 4, 5) }));
          return ["txt", "vtt", "srt"].map((kind) => transcript(kind, timed, 0));
        }""",
        [*SENTENCES, final("hello", segment=0, utterance=1, start_ms=20_000, end_ms=20_500)],
    )
    wanted = ["HELLO THANK YOU HELP PLEASE YES NO", "NO YES", "HELLO"]  # the last one is of another stream
    text, vtt, srt = texts
    assert [line.split("\t")[1] for line in text.splitlines()] == wanted
    for file in (vtt, srt):
        assert [line for line in file.splitlines() if line in wanted] == wanted
    assert "00:00:00.000 --> 00:00:02.800" in vtt


def test_an_utterance_without_end_has_lines_that_can_be_read(module_page: Any) -> None:
    endless = [final("hello", segment=i, utterance=0, start_ms=i * 500, end_ms=i * 500 + 300) for i in range(60)]
    found = module_page.evaluate(
        """async (signs) => {
          const { lines } = await import("/js/transcript.js");
          return lines(signs).map((line) => line.map((sign) => sign.segment));
        }""",
        endless,
    )
    assert [segment for line in found for segment in line] == list(range(60))
    assert {len(line) for line in found[:-1]} == {13}  # 13 times HELLO and 12 spaces are 77 characters


@needs_axe
@pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop, light", "phone, dark"])
def test_a_clip_has_its_glosses_in_a_row(open_page: Open, tmp_path: Path, context: dict[str, Any]) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"anything")
    answer = {"status": 200, "content_type": "application/json", "body": json.dumps(ANSWER)}
    page = open_page(
        prepare=lambda page: page.route("**/v1/classify*", lambda route: route.fulfill(**answer)), **context
    )
    upload(page, tmp_path / "clip.mp4")
    glosses = page.locator("#clip-result .result-gloss .gloss").all_inner_texts()
    assert [gloss.upper() for gloss in glosses] == ["HELLO", "THANK YOU", "HELP", "PLEASE", "YES", "NO"]
    assert page.locator("#clip-result .timeline li").count() == 6
    assert page.locator("#clip-result .ranking").count() == 0
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_axe
@pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop, light", "phone, dark"])
def test_no_barriers_in_a_line_of_glosses(open_page: Open, context: dict[str, Any]) -> None:
    page = live(open_page, 6, **context)
    trail = page.locator("#caption-trail")
    assert trail.evaluate("(trail) => trail.scrollHeight <= trail.clientHeight"), "a gloss of the sentence is hidden"
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
