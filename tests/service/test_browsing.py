"""Tests of the page share browsers, and none finds anything of the others."""

from typing import Any

from tests.service.browsing import BROWSER_TESTS, NO_APP, Open

pytestmark = BROWSER_TESTS

STATE = "async (name) => (await navigator.permissions.query({ name })).state"
FILL = """() => {
  for (let rest = "x".repeat(1 << 22); rest; ) {
    try { localStorage.setItem(localStorage.length, rest); } catch { rest = rest.slice(rest.length >> 1 || 1); }
  }
  sessionStorage.left = "x";
  document.cookie = "left=x";
}"""


def test_what_a_page_keeps_and_is_allowed_is_gone_for_the_next_test(open_page: Open, browsers: Any) -> None:
    before = open_page(address=NO_APP, ready="body", prepare=lambda page: page.add_init_script("window.left = 'x'"))
    before.evaluate(FILL)
    before.context.grant_permissions(["clipboard-read"])
    assert before.evaluate(STATE, "clipboard-read") == "granted"
    browsers.clean()
    assert before.is_closed()

    page = open_page(address=NO_APP, ready="body")
    assert page.context == before.context
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, window.left ?? '']") == [
        *(0, 0, "", ""),
    ]
    assert page.evaluate(STATE, "clipboard-read") != "granted"
    assert page.evaluate(STATE, "camera") == "granted"
    page.evaluate("localStorage.left = 'x'")  # there is room again
