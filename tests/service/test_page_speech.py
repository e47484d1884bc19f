"""Signs spoken aloud, by a synthesis that notes what it is told: Chromium has no voices of its own here."""

from typing import Any

from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.test_page_stream import STARTED, final, interim, on_start, playing

pytestmark = BROWSER_TESTS

SYNTHESIS = """
window.spoken = [];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
const synthesis = Object.assign(new EventTarget(), {
  voices: %s, getVoices() { return this.voices; }, cancel() { window.spoken.push("cancel"); },
  speak(utterance) { window.spoken.push(utterance.text); window.utterance = utterance; },
});
Object.defineProperty(window, "speechSynthesis", { value: synthesis });
"""
ANNA = '{ name: "Anna", lang: "de-DE", voiceURI: "anna", localService: true, default: true }'
SAM = '{ name: "Sam", lang: "en_US", voiceURI: "sam", localService: true }'
CLOUD = '{ name: "Cloud", lang: "en-GB", voiceURI: "cloud", localService: false }'
SPEAKING = '{"speech": true}'


def opened(open_page: Open, *messages: dict[str, Any], voices: str, options: str = "{}") -> Any:
    def prepare(page: Any) -> None:
        page.add_init_script(
            f"localStorage.setItem('glosscast.options', localStorage['glosscast.options'] ?? '{options}')"
        )
        page.add_init_script(SYNTHESIS % f"[{voices}]")
        playing(on_start(STARTED, *messages))(page)

    return open_page(*ALLOWED_CAMERA, prepare=prepare)


def test_it_is_off_until_it_is_chosen(open_page: Open) -> None:
    page = opened(open_page, final("hello"), voices=SAM)
    page.locator("#start").click()
    page.locator("#history li").wait_for()
    assert page.evaluate("spoken") in ([], ["cancel"])
    assert page.locator("#speech-on").is_hidden()


def test_finals_alone_are_spoken_as_words_by_a_voice_of_this_device_until_captions_are_paused(open_page: Open) -> None:
    page = opened(open_page, interim("no", True), final("iloveyou"), voices=f"{CLOUD}, {ANNA}, {SAM}", options=SPEAKING)
    page.locator("#start").click()
    page.wait_for_function("() => spoken.includes('I love you')")
    assert page.evaluate("[utterance.voice.name, utterance.lang, utterance.rate]") == ["Sam", "en_US", 1]
    assert page.locator("#speech-on").inner_text() == "Spoken aloud"
    page.locator("#pause").click()
    assert page.evaluate("spoken.slice(-2)") == ["I love you", "cancel"]
    assert page.locator("#speech-on").is_hidden()


def test_what_would_be_spoken_more_than_two_signs_late_is_left_out(open_page: Open) -> None:
    signs = [final(gloss) for gloss in ("east", "west", "no", "yes")]
    page = opened(open_page, *signs, voices=SAM, options=SPEAKING)
    page.locator("#start").click()
    page.locator("#history li:nth-child(4)").wait_for()
    page.evaluate("utterance.onend()")
    page.evaluate("utterance.onerror()")
    page.evaluate("utterance.onend()")
    assert [word for word in page.evaluate("spoken") if word != "cancel"] == ["east", "no", "yes"]


def test_voices_are_grouped_by_language_and_one_that_sends_text_away_is_used_only_where_it_is_chosen(
    open_page: Open,
) -> None:
    page = opened(open_page, final("hello"), voices=CLOUD, options=SPEAKING)
    page.locator("#options-open").click()
    voice, note = page.locator("#option-voice"), page.locator("#speech-note")
    assert note.inner_text().startswith("All voices of this browser are online")
    page.evaluate(
        f"speechSynthesis.voices = [{CLOUD}, {SAM}, {ANNA}]; speechSynthesis.dispatchEvent(new Event('voiceschanged'))"
    )
    assert voice.locator("optgroup").evaluate_all("(all) => all.map((group) => group.label)") == ["English", "German"]
    assert note.inner_text().startswith("The voice speaks on this device")
    voice.select_option(label="Cloud (online)")
    assert note.inner_text().startswith("This voice is online: each sign is sent")
    page.locator("#option-rate").select_option(label="Fast")
    page.locator("#options .primary").click()
    page.locator("#start").click()
    page.wait_for_function("() => spoken.includes('hello')")
    assert page.evaluate("[utterance.voice.name, utterance.rate]") == ["Cloud", 1.25]


def test_without_voices_the_option_says_so(open_page: Open) -> None:
    page = opened(open_page, final("hello"), voices="", options=SPEAKING)
    page.locator("#options-open").click()
    assert page.locator("#speech-note").inner_text() == "This browser has no voices."
    assert page.locator("#option-speech").is_disabled()
    page.locator("#options .primary").click()
    page.locator("#start").click()
    page.locator("#history li").wait_for()
    assert page.locator("#speech-on").is_hidden()
    assert [word for word in page.evaluate("spoken") if word != "cancel"] == []
