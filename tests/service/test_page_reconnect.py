"""How long the page tries to get a connection back, and what happens when camera, permission or network are gone."""

from typing import Any

import pytest

from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, CAMERA, Open
from tests.service.teaching import Classroom, taught_sign
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

# A client on a clock of its own: attempts take `takesMs`, the first one succeeds, and all later ones fail.
RECONNECT = """async ([takesMs, random]) => {
  const { StreamClient } = await import("/js/protocol.js");
  const truly = Math.random;
  Math.random = () => random;
  let now = 1e6, last = 0, connections = 0, socket;
  const timers = new Map(), told = [];
  const timer = {
    setTimeout: (run, ms) => (timers.set(++last, { run, at: now + ms }), last),
    clearTimeout: (id) => timers.delete(id),
  };
  const soon = () => new Promise((done) => setTimeout(done));
  const advance = async () => {
    const [id, { run, at }] = [...timers].sort(([, a], [, b]) => a.at - b.at)[0];
    timers.delete(id);
    now = at;
    run();
    await soon();
  };
  const connect = async () => {
    const mine = { bufferedAmount: 0, send: () => {}, close: () => {} };
    socket = mine;
    if (connections++ > 0 && takesMs < 1e6) timer.setTimeout(() => mine.onclose?.({ code: 1006 }), takesMs);
    return mine;
  };
  const client = new StreamClient({
    url: "", start: { type: "start" }, timer, connect, now: () => now,
    onMessage: () => {}, onState: (state) => told.push([state.name, now]),
  });
  client.start();
  await soon();
  socket.onopen();
  socket.onmessage({ data: '{"type":"started"}' });
  now += 60_000; // a good session
  const lostAt = now;
  socket.onclose({ code: 1006 });
  while (told.at(-1)[0] !== "stopped") await advance();
  Math.random = truly;
  return { after: told.at(-1)[1] - lostAt, connections };
}"""


@pytest.mark.parametrize("random", [0, 0.99])
@pytest.mark.parametrize("takes_ms", [0, 2000, 10_000, 1e9], ids=["refused", "slow", "very slow", "never answered"])
def test_attempts_go_on_for_ninety_seconds_however_long_each_takes(
    module_page: Any, takes_ms: float, random: float
) -> None:
    found = module_page.evaluate(RECONNECT, [takes_ms, random])
    assert 90_000 <= found["after"] <= 95_000, found
    assert found["connections"] >= 4


def test_network_that_is_back_is_tried_at_once(open_page: Open) -> None:
    refused: list[Any] = []

    def refuse(socket: Any) -> None:
        refused.append(socket)
        socket.close(code=1011)

    parts = [refuse] * 4 + [on_start(STARTED, final("hello"))]
    page = open_page(*ALLOWED_CAMERA, prepare=playing(*parts))
    page.locator("#start").click()
    for _ in range(4):  # by then the wait is eight seconds
        page.locator("#banner-action").wait_for()
        page.evaluate("window.dispatchEvent(new Event('online'))")
    page.locator("#history li").wait_for()
    assert len(refused) == 4


def test_after_giving_up_a_button_tries_again(open_page: Open) -> None:
    parts = [lambda socket: socket.close(code=1011), on_start(STARTED, final("hello"))]
    # Ninety seconds pass in the time of one.
    fast = "const now = performance.now.bind(performance); performance.now = () => 1000 * now();"

    def prepare(page: Any) -> None:
        page.add_init_script(fast)
        playing(*parts)(page)

    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#start").click()
    page.locator("#stage[data-state='gone']").wait_for()
    assert page.locator("#notice-action").inner_text() == "Try again"
    page.locator("#notice-action").click()
    page.locator("#history li").wait_for()


def test_camera_that_is_unplugged_is_named_and_can_be_tried_again(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED), on_start(STARTED, final("hello"))))
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    page.evaluate("document.getElementById('self').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    page.locator("#stage[data-state='camera_lost']").wait_for()
    page.locator("#notice-action").click()
    page.locator("#history li").wait_for()
    assert page.witness.errors == []


def test_permission_that_is_withdrawn_turns_the_camera_off_and_is_asked_for_again(open_page: Open) -> None:
    page = open_page(
        *CAMERA, prepare=lambda page: (page.context.grant_permissions(["camera"]), playing(on_start(STARTED))(page))
    )
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    page.context.clear_permissions()
    page.locator("#stage[data-state='camera_lost']").wait_for()
    assert page.evaluate("document.getElementById('self').srcObject") is None
    page.locator("#notice-action").click()
    page.locator("#stage[data-state='denied']").wait_for()  # nobody answers the question here


def test_camera_that_is_blocked_while_it_runs_is_told_from_one_that_was_unplugged(open_page: Open) -> None:
    """A browser tells of the end of the camera first."""
    stub = """
      window.permission = Object.assign(new EventTarget(), { state: "granted" });
      navigator.permissions.query = async () => window.permission;
    """

    def prepare(page: Any) -> None:
        page.add_init_script(stub)
        playing(on_start(STARTED))(page)

    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    page.evaluate(
        """() => {
          document.getElementById("self").srcObject.getTracks()[0].dispatchEvent(new Event("ended"));
          permission.state = "denied";
          permission.dispatchEvent(new Event("change"));
        }"""
    )
    assert page.locator("#stage").get_attribute("data-state") == "denied"
    assert page.locator("#notice-title").inner_text() == "The camera is blocked"


def test_tab_that_went_to_sleep_says_so_and_goes_on_when_asked(open_page: Open) -> None:
    page = open_page(
        *ALLOWED_CAMERA, prepare=playing(on_start(STARTED, final("hello")), on_start(STARTED, final("yes")))
    )
    page.locator("#start").click()
    page.locator("#history li").wait_for()
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { configurable: true, value: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    assert page.locator("#stage").get_attribute("data-state") == "away"
    assert page.locator("#notice-action").inner_text() == "Resume"
    page.locator("#notice-action").click()
    page.locator("#history li:nth-child(2)").wait_for()


def test_lexicon_that_another_tab_makes_is_read_with(open_page: Open, page_address: str) -> None:
    room = Classroom()
    page = open_page(*ALLOWED_CAMERA, prepare=room)
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    other = page.context.new_page()
    room(other)
    other.goto(page_address)
    room.signs = [taught_sign("tea")]
    other.evaluate("async () => new (await import('/js/lexicon.js')).Lexicon().changed()")
    page.wait_for_function("() => document.getElementById('signs-taught-count').textContent")
    page.locator("#stage[data-state='running']").wait_for()
    lexicons = [message.get("lexicon") for message in room.received if message["type"] == "start"]
    assert lexicons == [None, "mine"]
