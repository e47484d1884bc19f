"""The page in each language: no English is left anywhere, and a change of language changes nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import NO_SIGN
from tests.service.axe import SCRIPT, barriers
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, NO_APP, Open
from tests.service.messages import LANGUAGES, OTHERS, forms, messages, needs_node, plain
from tests.service.serving import SIGN_EAST
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

# What a person can read on the page now: text that is shown, and the names of controls.
SHOWN = """() => {
  const seen = [];
  const skipped = "script, style, noscript, .gloss, [lang]:not(html)";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (element.closest(skipped) || !element.checkVisibility()) continue;
    seen.push(node.data);
  }
  for (const element of document.querySelectorAll("[title], [placeholder], [aria-label]")) {
    if (!element.checkVisibility()) continue;
    for (const name of ["title", "placeholder", "aria-label"]) seen.push(element.getAttribute(name) ?? "");
  }
  return [document.title, ...seen].map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""
SHORTEST = 4  # letters of a text between the parameters of a message that is looked for


def english_left(page: Any, language: str) -> set[str]:
    """Texts of the page that are English, or have the fixed words of an English message in them."""
    own = " \n ".join(plain(form) for text in messages(language).values() for form in forms(text))
    english = set()
    for key, text in messages("en").items():
        if text == messages(language)[key]:
            continue
        for form in forms(text):
            pieces = (piece.strip(" .,:…?") for piece in re.split(r"\{\w+\}|<\/?\w+>", form))
            english |= {piece for piece in pieces if len(piece) >= SHORTEST and piece not in own}
    words = re.compile(rf"(?<!\w)({'|'.join(re.escape(piece) for piece in sorted(english))})(?!\w)")
    return {text for text in page.evaluate(SHOWN) if words.search(text)}


SIGNS = [
    final("hello", alternatives=[{"gloss": "yes", "confidence": 0.2}], confusable_with=["no"]),
    final("thank-you", 0.5),
    final(NO_SIGN),
]


@needs_node
@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left_in_any_view(open_page: Open, page_address: str, tmp_path: Path, language: str) -> None:
    (tmp_path / "1.mp4").write_bytes(SIGN_EAST)
    (tmp_path / "2.mp4").write_text("no video at all", encoding="utf-8")
    page = open_page(
        *ALLOWED_CAMERA, locale=f"{language}-XX", prepare=playing(on_start(STARTED, *SIGNS)), address=page_address
    )
    left = {}

    def look(where: str) -> None:
        left[where] = english_left(page, language)

    look("welcome")
    assert page.title() == messages(language)["title.live"]
    assert page.evaluate("document.documentElement.lang") == language
    page.locator("#start").click()
    page.locator("#history li:nth-child(2)").wait_for()
    look("live")
    page.locator("#pause").click()
    page.locator("#notice").wait_for()
    look("paused")
    for view in ("signs", "practice", "privacy", "teach", "clip"):
        page.locator(f"a[href='#{view}']:visible").first.click()
        page.locator(f"#view-{view}").wait_for()
        assert page.title() == messages(language)[f"title.{view}"]
        look(view)
    for name, shown in (("2.mp4", "#clip-error"), ("1.mp4", "#clip-result")):
        page.set_input_files("#file", tmp_path / name)
        page.locator(f"{shown}:visible").wait_for()
        look(name)
    assert left == {where: set() for where in left}


@needs_node
@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left_where_signs_are_taught(open_page: Open, page_address: str, language: str) -> None:
    coffee = taught_sign("coffee", look_alikes=[{"gloss": "help", "taught": False, "risk": 0.3}])
    coffee["outliers"] = [coffee["examples"][0]["id"]]
    room = Classroom([coffee])
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/?lang={language}#teach", prepare=room)
    left = {"form": english_left(page, language)}
    page.locator("#taught-list .open").click()
    page.locator("#lesson .replay").first.wait_for()
    left["sign"] = english_left(page, language)
    page.locator("#taught-forget").click()
    left["question"] = english_left(page, language)
    page.locator("#sure-no").click()
    page.locator("#teach-gloss").fill("tea")
    page.locator("#teach-begin").click()
    for step in ("count", "sign"):
        page.locator(f"#teach-stage[data-step='{step}']").wait_for()
        left[step] = english_left(page, language)
    room.refuses(page, "tea", "no_hands")
    page.locator("#teach-stage[data-step='missed']").wait_for()
    left["missed"] = english_left(page, language)
    assert left == {where: set() for where in left}


@needs_node
def test_another_language_while_captions_run_keeps_the_list_and_the_stream(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, *SIGNS)))
    page.locator("#start").click()
    page.locator("#history li:nth-child(2)").wait_for()
    page.evaluate("window.before = document.getElementById('self').srcObject")
    page.locator("#language").select_option("fr")
    page.locator("html[lang='fr']").wait_for()
    assert page.locator("#history li").count() == 2
    assert [spaced(text) for text in page.locator("#history .sureness-text").all_inner_texts()] == [
        "50 % pas très sûr",
        "90 % très sûr",
    ]
    assert page.locator("#announce p").count() == 0  # nothing is announced twice
    assert page.locator("#chip-text").inner_text() == messages("fr")["live.chip"]
    assert page.evaluate("window.before.active && window.before === document.getElementById('self').srcObject")
    assert page.locator("#stage").get_attribute("data-state") == "running"
    assert english_left(page, "fr") == set()
    page.reload()
    page.locator("html[lang='fr']").wait_for()  # the choice is kept


def test_the_clip_and_the_signs_that_are_on_show_follow_the_language(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "1.mp4").write_bytes(SIGN_EAST)
    page = open_page()
    page.locator(".tabs a[href='#clip']").click()
    page.set_input_files("#file", tmp_path / "1.mp4")
    page.locator("#clip-result .timeline").wait_for()
    english = page.locator("#clip-result").inner_text()
    page.locator("#language").select_option("es")
    page.locator("html[lang='es']").wait_for()
    spanish = page.locator("#clip-result").inner_text()
    assert "Where in the clip" in english
    assert "En qué parte del clip" in spanish
    assert page.locator("#signs-lead").text_content().startswith("2 señas. ")
    page.locator("#language").select_option("en")
    page.locator("html[lang='en']").wait_for()
    assert page.locator("#clip-result").inner_text() == english


def test_the_address_goes_before_the_choice_and_the_choice_before_the_browser(
    open_page: Open, page_address: str
) -> None:
    page = open_page(locale="de-AT", address=f"{page_address}/?lang=fr")
    assert page.evaluate("document.documentElement.lang") == "fr"
    page.goto(f"{page_address}/?lang=constructor")  # no language, though every object has it
    page.locator("html[lang='de']").wait_for()
    page.goto(f"{page_address}/?lang=fr")
    page.locator("html[lang='fr']").wait_for()
    page.locator("#language").select_option("en")
    page.locator("html[lang='en']").wait_for()
    page.reload()  # the address has no language any more
    page.locator("#foot-bundle:not(:empty)").wait_for()
    assert page.evaluate("[document.documentElement.lang, document.getElementById('language').value]") == ["en", "en"]


def test_a_tab_beside_takes_over_the_choice(open_page: Open, page_address: str) -> None:
    page = open_page()
    beside = page.context.new_page()
    beside.goto(page_address)
    beside.locator("#foot-bundle:not(:empty)").wait_for(state="attached")
    beside.locator("#language").select_option("de")
    page.locator("html[lang='de']").wait_for()
    assert page.locator("#start").inner_text() == "Untertitel starten"
    assert page.locator("#language").input_value() == "de"


def spaced(text: str) -> str:
    """A text with ordinary spaces; which one stands in a number depends on the browser's version."""
    return re.sub(r"\s", " ", text)


FORBIDDEN = (
    """Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } })"""
)


def test_a_language_can_be_chosen_where_the_browser_keeps_nothing(open_page: Open) -> None:
    page = open_page(prepare=lambda page: page.add_init_script(FORBIDDEN))
    page.locator("#language").select_option("de")
    page.locator("html[lang='de']").wait_for()
    assert page.locator("#start").inner_text() == "Untertitel starten"
    assert page.witness.errors == []


def test_where_the_file_of_a_language_cannot_be_fetched_the_page_is_english(open_page: Open) -> None:
    page = open_page(locale="de-DE", prepare=lambda page: page.route("**/locales/de.js", lambda route: route.abort()))
    assert page.evaluate("[document.documentElement.lang, document.getElementById('language').value]") == ["en", "en"]
    assert page.locator("#start").inner_text() == "Start captions"
    page.locator("#language").select_option("fr")
    page.locator("html[lang='fr']").wait_for()


def test_what_is_inserted_into_a_message_is_text(module_page: Any) -> None:
    """Names of signs are made up by people, and may look like parts or parameters of messages."""
    text = module_page.evaluate(
        """async () => {
          const { label, t } = await import("/js/i18n.js");
          const element = label(document.createElement("p"), "taught.renamed", { name: "<b>A</b>", other: "{name}" });
          return [element.innerHTML, t("taught.renamed", { name: "<b>A</b>", other: "{name}" })];
        }"""
    )
    assert text == ["&lt;b&gt;A&lt;/b&gt; is {name} now.", "<b>A</b> is {name} now."]


def test_numbers_and_plurals_are_those_of_the_language(open_page: Open) -> None:
    page = open_page(address=NO_APP, ready="body")
    read = """async (language) => {
      const { number, seconds, t, use } = await import("/js/i18n.js");
      const { percent } = await import("/js/glosses.js");
      await use(language);
      return [percent(0.42), percent(1), seconds(1234), number(12345.5),
        ...[0, 1, 2].map((n) => t("taught.examples", { n }))];
    }"""
    told = {language: [spaced(text) for text in page.evaluate(read, language)] for language in LANGUAGES}
    assert told == {
        "en": ["42%", "99%", "1.2", "12,345.5", "0 examples", "1 example", "2 examples"],
        "de": ["42 %", "99 %", "1,2", "12.345,5", "0 Beispiele", "1 Beispiel", "2 Beispiele"],
        "fr": ["42 %", "99 %", "1,2", "12 345,5", "0 exemple", "1 exemple", "2 exemples"],
        "es": ["42 %", "99 %", "1,2", "12.345,5", "0 ejemplos", "1 ejemplo", "2 ejemplos"],
    }


SIZES = [{"width": 320, "height": 640}, {"width": 390, "height": 844}, {"width": 1280, "height": 720}]
FITS = """() => document.documentElement.scrollWidth <= innerWidth
  && [...document.querySelectorAll(".tabs a")].every((link) => link.scrollWidth <= link.clientWidth)"""


@pytest.mark.skipif(not SCRIPT.is_file(), reason=f"no {SCRIPT.name}; `python -m tests.service.axe` fetches it")
@pytest.mark.parametrize("language", OTHERS)
def test_no_barriers_and_nothing_too_wide_in_any_language(open_page: Open, language: str) -> None:
    page = open_page(address=f"/?lang={language}")
    for size in SIZES:
        page.set_viewport_size(size)
        assert barriers(page) == [], size
        for view in ("clip", "teach", "signs", "practice", "privacy", "live"):
            page.locator(f"a[href='#{view}']:visible").first.click()
            page.locator(f"#view-{view}").wait_for()
            assert page.evaluate(FITS), (size, view)
        assert page.locator("#language").bounding_box()["height"] >= 44, size
