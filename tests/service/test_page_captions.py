"""How long captions stay, what takes their place, and what is said of a sign that is not known."""

from typing import Any

from tests.bundles import NO_SIGN
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.test_page_stream import BEGUN, STARTED, final, interim, on_start, playing

pytestmark = BROWSER_TESTS

# Each step is a time in ms, a call and its arguments; what is on show after it.
PLAY = """async ([steps, holdMs]) => {
  const { CaptionState } = await import("/js/caption-state.js");
  const state = new CaptionState(), seen = [];
  for (const [now, call, ...given] of steps) {
    if (call) state[call](...given);
    state.settle(now, holdMs ?? Infinity);
    const { kind, final, guess, trail, notice } = state.view;
    seen.push([kind, guess ?? final, trail.join(" "), notice].filter((part) => part).join(" "));
  }
  return seen;
}"""


def shown(module_page: Any, steps: list[list[Any]], hold_ms: int | None = 4000) -> list[str]:
    seen: list[str] = module_page.evaluate(PLAY, [steps, hold_ms])
    return seen


def test_final_is_cleared_after_its_time_which_each_final_begins_anew(module_page: Any) -> None:
    assert shown(
        module_page,
        [
            *([0, "show", "hello", 0], [3900, None], [3900, "show", "help", 3900], [7800, None], [7900, None]),
            *([9000, "show", "no", 9000], [12_999, None]),
        ],
    ) == [
        *("final hello", "final hello", "final help hello", "final help hello", "empty"),
        *("final no", "final no"),  # what was signed before the pause is in the list alone
    ]


def test_final_that_is_never_to_be_cleared_stays(module_page: Any) -> None:
    assert shown(module_page, [[0, "show", "hello", 0], [1e9, None]], None) == ["final hello"] * 2


def test_sign_that_begins_leaves_the_final_and_one_that_comes_to_nothing_gives_it_back(module_page: Any) -> None:
    assert shown(
        module_page,
        [
            *([0, "show", "hello", 0], [500, "begin"], [900, "guess", "no", False], [1000, "guess", "yes", True]),
            *([1200, "drop"], [2000, "begin"], [2500, "show", "help", 2500]),
        ],
    ) == [
        *("final hello", "listening hello", "listening hello", "interim yes hello"),
        *("final hello", "listening hello", "final help hello"),
    ]


def test_final_whose_time_is_over_is_not_given_back(module_page: Any) -> None:
    assert shown(module_page, [[0, "show", "hello", 0], [3000, "begin"], [4000, None], [4500, "drop"]]) == [
        "final hello",
        "listening hello",
        "listening",
        "empty",
    ]


def test_notice_of_an_unknown_sign_is_brief_and_leaves_the_final(module_page: Any) -> None:
    assert shown(
        module_page,
        [
            *([0, "notice", 0], [2999, None], [3000, None], [3000, "show", "hello", 3000], [4000, "notice", 4000]),
            *([4500, "begin"], [5000, "drop"]),
        ],
    ) == ["unknown true", "unknown true", "empty", "final hello", "final hello true", "listening hello", "final hello"]


def unknown(reason: str | None = "unsure", length_ms: int = 900) -> dict[str, Any]:
    return final(NO_SIGN, 0.1, reason=reason, start_ms=1000, end_ms=1000 + length_ms)


def running(open_page: Open, *messages: dict[str, Any], options: str = "{}", **more: Any) -> Any:
    def prepare(page: Any) -> None:
        page.add_init_script(f"localStorage.setItem('glosscast.options', '{options}')")
        playing(on_start(STARTED, *messages, final("yes", segment=9)))(page)

    page = open_page(*ALLOWED_CAMERA, prepare=prepare, **more)
    page.locator("#start").click()
    page.locator("#history li[data-gloss='yes']").wait_for(state="attached")
    return page


ANNOUNCED = "Not a sign I know"


def test_unknown_sign_is_said_to_be_so_and_is_in_no_list(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, BEGUN, unknown())))
    page.locator("#start").click()
    page.locator("#caption[data-kind='unknown']").wait_for()
    assert page.locator("#caption-word").inner_text() == ANNOUNCED
    assert page.locator("#announce p").all_inner_texts() == [ANNOUNCED]
    assert page.locator("#history li").count() == 0
    page.locator("#caption[data-kind='empty']").wait_for()  # it goes by itself
    assert page.locator("#caption-word").inner_text() == ""


def test_nothing_is_said_of_a_sign_that_is_unknown_for_another_reason_than_that_nothing_is_like_it(
    open_page: Open,
) -> None:
    unsaid = {
        "the sign before goes on": unknown("continued"),
        "hands that surely sign nothing": unknown("no_sign"),
        "an example": unknown("example"),
        "a service that does not say why": unknown(None),
        "a jerk of the hand": unknown(length_ms=300),
    }
    # Each is followed by a sign that has its name, so that what is said of it would stand before that name.
    messages = [part for name, message in unsaid.items() for part in (BEGUN, message, final(name))]
    page = running(open_page, *messages)
    assert page.locator("#announce p").all_inner_texts() == [*unsaid, "yes"]


def test_nothing_is_said_of_an_unknown_sign_where_the_person_does_not_want_to_know(open_page: Open) -> None:
    page = running(open_page, BEGUN, unknown(), options='{"unknown": false}')
    assert page.locator("#announce p").all_inner_texts() == ["yes"]


def test_final_stays_beside_the_dots_of_the_next_sign(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, final("hello"), BEGUN)))
    page.locator("#start").click()
    page.locator("#caption[data-kind='listening'] .gloss + .dots").wait_for()
    assert page.locator("#caption-word .gloss").inner_text() == "HELLO"


def test_stable_guess_takes_the_place_of_the_final_which_joins_the_signs_before(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, final("hello"), BEGUN, interim("help", True))))
    page.locator("#start").click()
    page.locator("#caption[data-kind='interim']").wait_for()
    assert page.locator("#caption-word").inner_text() == "HELP"
    assert page.locator("#caption-trail").inner_text() == "HELLO"


def test_caption_is_cleared_after_the_time_that_was_chosen_and_the_list_keeps_it(open_page: Open) -> None:
    page = running(open_page, final("hello"))
    page.locator("#options-open").click()
    page.locator("#option-hold").select_option("2")
    page.locator("#caption[data-kind='empty']").wait_for(state="attached")
    assert page.locator("#caption-trail *").count() == 0
    assert page.locator("#history li").count() == 2


def test_options_are_chosen_by_keyboard_and_say_where_they_are_not_kept(open_page: Open) -> None:
    refuse = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"
    page = open_page(prepare=lambda page: page.add_init_script(refuse))
    page.locator("#options-open").focus()
    page.keyboard.press("Enter")
    assert page.locator("#options-unkept").is_hidden()
    page.locator("#option-unknown").focus()
    page.keyboard.press("Space")
    assert page.locator("#option-unknown").is_checked() is False
    assert page.locator("#options-unkept").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#options").is_hidden()
    assert page.evaluate("document.activeElement.id") == "options-open"
    assert page.witness.errors == []
