"""The options of the page: kept in the browser, the same in all tabs, and harmless where the browser keeps nothing."""

from typing import Any

import pytest

from tests.service.browsing import BROWSER_TESTS, NO_APP, Open

pytestmark = BROWSER_TESTS

KEY = "glosscast.options"
MAKE = """async () => {
  const { areKept, option } = await import("/js/options.js");
  window.hold = option("test-hold", 4, [2, 4, 8]);
  window.loud = option("test-loud", false, [false, true]);
  window.areKept = areKept;
  window.told = [];
  window.hold.follow((value) => window.told.push(value));
}"""
FORBIDDEN = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
FILL = """() => {
  let rest = "x".repeat(1 << 22);
  while (rest) {
    try { localStorage.setItem(`rest ${rest.length} ${localStorage.length}`, rest); }
    catch { rest = rest.slice(rest.length >> 1 || 1); }
  }
}"""


def opened(open_page: Open, **options: Any) -> Any:
    page = open_page(address=NO_APP, ready="body", **options)
    page.evaluate(MAKE)
    return page


def test_choice_is_kept_under_one_key_and_other_choices_with_it(open_page: Open) -> None:
    page = opened(
        open_page, prepare=lambda page: page.add_init_script(f"localStorage['{KEY}'] ??= '{{\"of later\":1}}'")
    )
    page.evaluate("hold.set(8); loud.set(true)")
    assert page.evaluate("[Object.keys(localStorage), JSON.parse(localStorage['glosscast.options'])]") == [
        [KEY],
        {"of later": 1, "test-hold": 8, "test-loud": True},
    ]
    page.reload()
    page.evaluate(MAKE)
    assert page.evaluate("[hold.value, loud.value, told]") == [8, True, [8]]


@pytest.mark.parametrize("damaged", ["{", "null", "7", '"text"', "[1]", '{"test-hold": 5, "test-loud": "yes"}'])
def test_what_is_damaged_or_not_accepted_counts_as_not_chosen(open_page: Open, damaged: str) -> None:
    page = open_page(address=NO_APP, ready="body")
    page.evaluate("(text) => localStorage.setItem('glosscast.options', text)", damaged)
    page.reload()
    page.evaluate(MAKE)
    assert page.evaluate("[hold.value, loud.value]") == [4, False]
    page.evaluate("hold.set(2)")
    assert page.evaluate("JSON.parse(localStorage['glosscast.options'])['test-hold']") == 2
    refused = page.evaluate("(() => { try { hold.set(5); } catch (error) { return error.name; } return null; })()")
    assert (refused, page.evaluate("hold.value")) == ("RangeError", 2)


def test_another_tab_follows(open_page: Open) -> None:
    one = opened(open_page)
    other = one.context.new_page()
    other.goto(one.url)
    other.evaluate(MAKE)
    one.evaluate("hold.set(8)")
    other.wait_for_function("() => told.length === 2")
    other.evaluate("loud.set(true)")
    one.wait_for_function("() => loud.value")
    one.evaluate("localStorage.clear()")
    other.wait_for_function("() => told.length === 3")
    assert other.evaluate("[told, loud.value]") == [[4, 8, 4], False]


def test_choice_holds_until_the_page_is_closed_where_storage_is_forbidden(open_page: Open) -> None:
    page = opened(open_page, prepare=lambda page: page.add_init_script(FORBIDDEN))
    assert page.evaluate("areKept()")  # there is nothing to keep yet
    page.evaluate("hold.set(8); loud.set(true)")
    assert page.evaluate("[hold.value, loud.value, areKept(), told]") == [8, True, False, [4, 8]]
    assert page.witness.errors == []


def test_choice_holds_until_the_page_is_closed_where_storage_is_full(open_page: Open) -> None:
    page = opened(open_page)
    page.evaluate(FILL)
    page.evaluate("hold.set(8); loud.set(true)")
    assert page.evaluate("[hold.value, loud.value, areKept(), localStorage['glosscast.options'] ?? null]") == [
        *(8, True, False, None),
    ]
    page.evaluate("localStorage.clear(); hold.set(2)")  # there is room again, for both choices
    assert page.evaluate("[areKept(), JSON.parse(localStorage['glosscast.options'])]") == [
        *(True, {"test-hold": 2, "test-loud": True}),
    ]


def test_control_shows_the_choice_and_makes_it_and_a_pinned_value_is_of_this_page_alone(open_page: Open) -> None:
    page = opened(open_page)
    page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend",
            "<select id=test-s><option>2<option>4<option>8</select><input type=checkbox id=test-c>");
          hold.bind(document.getElementById("test-s"));
          loud.bind(document.getElementById("test-c"));
        }"""
    )
    assert page.locator("#test-s").input_value() == "4"
    page.locator("#test-s").select_option("8")
    page.locator("#test-c").check()
    assert page.evaluate("[hold.value, loud.value]") == [8, True]  # the values themselves, not their text
    page.evaluate("hold.pin(2)")
    assert page.evaluate("[hold.value, JSON.parse(localStorage['glosscast.options'])['test-hold']]") == [2, 8]
    assert page.locator("#test-s").input_value() == "2"
