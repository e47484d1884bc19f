"""Signs that were read wrongly are put right in the list, in the caption and in everything that is copied and saved."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.axe import SCRIPT, barriers
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, PATIENCE_MS, Open
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_barriers import DESKTOP, PHONE
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

HELLO = final(
    "hello",
    0.7,
    alternatives=[{"gloss": "help", "confidence": 0.2}],
    confusable_with=["no", "help"],
    start_ms=1000,
    end_ms=2000,
)


def signed(open_page: Open, *messages: dict[str, Any], room: Classroom | None = None, **more: Any) -> Any:
    """The page after these finals, whose captions are never cleared."""

    def prepare(page: Any) -> None:
        page.add_init_script("localStorage.setItem('glosscast.options', '{\"hold\": 0}')")
        if room is not None:
            room(page)
        playing(on_start(STARTED, *messages))(page)

    page = open_page(*ALLOWED_CAMERA, prepare=prepare, **more)
    page.locator("#start").click()
    page.locator(f"#history li:nth-child({len(messages)})").wait_for()
    return page


def wrong(page: Any, place: int = 0) -> None:
    page.locator("#history .wrong").nth(place).click()
    page.locator("#correct").wait_for()


def listed(page: Any, *glosses: str) -> None:
    """Wait until the list has these signs: a dialog gives its answer in a task of its own, after the click."""
    page.wait_for_function(
        """(glosses) => glosses === [...document.querySelectorAll("#history li")].map((o) => o.dataset.gloss).join()""",
        arg=",".join(glosses),
        timeout=PATIENCE_MS,
    )


def saved(page: Any, kind: str) -> str:
    with page.expect_download() as download:
        page.locator(f"#saves [value='{kind}']").click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_alternatives_come_first_and_the_correction_is_in_the_list_the_caption_and_every_file(open_page: Open) -> None:
    page = signed(open_page, HELLO)
    wrong(page)
    assert page.locator("#correct-read").inner_text() == "It was read as HELLO."
    assert page.locator("#correct-likely .pick").all_inner_texts() == ["HELP", "NO"]
    assert page.locator("#correct-all .pick").all_inner_texts() == ["EAST", "HELP", "NO", "WEST"]
    page.locator("#correct-likely .pick").first.click()
    listed(page, "help")
    assert page.locator("#history .corrected").inner_text() == "Corrected; read as HELLO"
    assert page.locator("#history .sureness").count() == 0  # it was that sure of another sign
    assert page.locator("#caption-word").inner_text() == "HELP"
    assert page.locator("#history-say").inner_text() == "Changed to HELP."
    assert page.evaluate("document.activeElement.matches('#history .wrong')")
    assert [saved(page, kind).split()[-1] for kind in ("txt", "vtt", "srt")] == ["HELP"] * 3
    (sign,) = json.loads(saved(page, "json"))
    assert {name: sign[name] for name in ("gloss", "read_as", "corrected", "confidence")} == {
        "gloss": "help",
        "read_as": "hello",
        "corrected": True,
        "confidence": 0.7,
    }
    assert set(sign) == {"gloss", "read_as", "corrected", "confidence", "start_ms", "end_ms", "time"}
    page.locator("#undo").click()
    listed(page, "hello")
    assert page.locator("#caption-word").inner_text() == "HELLO"
    assert page.locator("#history .corrected").count() == 0
    assert page.locator("#undo").is_hidden()
    assert page.witness.errors == []


def test_sign_is_deleted_and_brought_back_to_its_place(open_page: Open) -> None:
    page = signed(open_page, final("east"), HELLO)
    wrong(page)
    page.locator("#correct [value='delete']").click()
    listed(page, "east")
    assert page.locator("#caption-word").inner_text() == "EAST"  # the one before is on show again
    assert page.evaluate("document.activeElement.id") == "undo"
    page.keyboard.press("Enter")
    listed(page, "hello", "east")
    assert page.locator("#history-say").inner_text() == "HELLO is back."


def test_taught_signs_are_found_and_any_gloss_can_be_written(open_page: Open) -> None:
    page = signed(open_page, HELLO, room=Classroom([taught_sign("Grand-ma")]))
    wrong(page)
    search = page.locator("#correct-search")
    search.fill("grand m")
    assert page.locator("#correct-all .pick").all_inner_texts() == ["GRAND MA", "Write “grand m”"]
    assert page.locator("#correct-count").inner_text() == "1 sign found"
    page.keyboard.press("Enter")  # which of the two is not known
    assert page.locator("#correct").is_visible()
    search.fill("grand ma")
    page.keyboard.press("Enter")
    page.locator("#history li[data-gloss='Grand-ma']").wait_for()
    wrong(page)
    search.fill("  <b>green</b>  tea ")
    page.keyboard.press("Enter")
    page.locator("#history li[data-gloss='<b>green</b> tea']").wait_for()
    assert page.locator("#history .history-gloss").inner_text().endswith("<B>GREEN</B> TEA")
    assert "\n&lt;B&gt;GREEN&lt;/B&gt; TEA\n" in saved(page, "vtt")
    assert "\n(B)GREEN(/B) TEA\n" in saved(page, "srt")


def test_leaving_changes_nothing(open_page: Open) -> None:
    page = signed(open_page, HELLO)
    for leave in ("Escape", "button"):
        wrong(page)
        page.locator("#correct-search").fill("no")
        if leave == "button":
            page.locator("#correct [value='']").click()
        else:
            page.keyboard.press("Escape")  # empties the search first
            page.keyboard.press("Escape")
        page.locator("#correct").wait_for(state="hidden")
        listed(page, "hello")
        assert page.evaluate("document.activeElement.matches('#history .wrong')")
    wrong(page)
    assert page.locator("#correct-search").input_value() == ""


def test_button_is_large_enough_to_touch_and_says_which_sign_it_is_for(open_page: Open) -> None:
    page = signed(open_page, HELLO, **PHONE)
    button = page.locator("#history .wrong")
    box = button.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    assert button.text_content().startswith("Wrong? hello, ")


@pytest.mark.skipif(not SCRIPT.is_file(), reason=f"no {SCRIPT.name}")
@pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop, light", "phone, dark"])
def test_no_barriers_in_the_dialogs(open_page: Open, context: dict[str, Any]) -> None:
    page = signed(open_page, HELLO, **context)
    wrong(page)
    page.locator("#correct-search").fill("e")
    assert barriers(page) == [], "the correction"
    page.locator("#correct-likely .pick").first.click()
    assert barriers(page) == [], "a corrected sign"
    page.locator("#options-open").click()
    assert barriers(page) == [], "the options"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
