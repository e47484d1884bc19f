"""The page that shows captions elsewhere, and the link to it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import ASPECT, signing
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.serving import ROOMY, Client, send_all, serve
from tests.service.test_page_stream import STARTED, final, on_start, playing

pytestmark = BROWSER_TESTS

VIEW = {"session": "first", "token": "viewing-token"}
LIVE = "#watch-state[data-state='live']"


@pytest.fixture(scope="module")
def host(bundle_folder: Path) -> Iterator[str]:
    with serve(bundle_folder, **ROOMY) as host:
        yield host


def watch_address(host: str, view: dict[str, str]) -> str:
    return f"http://{host}/watch/{view['session']}#{view['token']}"


def earlier_of(started: dict[str, Any]) -> dict[str, str]:
    return {name: started[name] for name in ("session", "token")}


def stop(client: Client) -> None:
    client.send({"type": "stop"})
    client.until_closed()


def test_captions_appear_and_go_on_after_a_pause(open_page: Open, host: str) -> None:
    asked: list[str] = []
    with Client(host) as client:
        started = client.start(aspect=ASPECT)
        page = open_page(
            address=watch_address(host, started["view"]),
            ready=LIVE,
            prepare=lambda page: page.on("request", lambda request: asked.append(request.url)),
        )
        assert page.locator("#watch-lines").get_attribute("data-empty") == ""
        send_all(client, signing("east"))
        page.locator("#watch-word[data-kind='final']").wait_for()
        assert page.locator("#watch-word").inner_text() == "EAST"
        assert "%" in page.locator("#watch-meta").inner_text()
        stop(client)
    page.locator("#watch-state[data-state='waiting']").wait_for()
    assert page.locator("#watch-notice").is_visible()
    with Client(host) as again:
        again.start(aspect=ASPECT, continues=earlier_of(started))
        page.locator(LIVE).wait_for()
        assert page.locator("#watch-notice").is_hidden()
        send_all(again, signing("west"))
        page.locator("#watch-word [data-gloss='west']").wait_for()
        stop(again)
    log = page.locator("#watch-log")
    assert (log.get_attribute("role"), log.get_attribute("aria-live")) == ("log", "polite")
    assert [text.partition(",")[0] for text in log.locator("p").all_inner_texts()] == ["east", "west"]
    assert page.locator("#watch-trail").inner_text().split() == ["EAST", "WEST"]
    assert asked
    assert not [url for url in asked if started["view"]["token"] in url.partition("#")[0]]
    assert page.witness.errors == []
    assert page.witness.hosts == {host}


def test_a_sign_under_way_shows_dots_until_it_has_come_to_something(open_page: Open, host: str) -> None:
    with Client(host) as client:
        started = client.start(aspect=ASPECT, interim=False)
        page = open_page(address=watch_address(host, started["view"]), ready=LIVE)
        send_all(client, signing("rest", sign_frames=60)[:45])
        page.locator("#watch-word[data-kind='listening'] .dots").wait_for()
        client.send({"type": "finalize"})
        page.locator("#watch-word[data-kind='empty']").wait_for(state="attached")
        assert page.locator("#watch-log p").count() == 0


def test_earlier_signs_are_there_and_are_not_read_out(open_page: Open, host: str) -> None:
    with Client(host) as client:
        started = client.start(aspect=ASPECT)
        send_all(client, signing("east", "west"))
        client.until("final")
        client.until("final")
        page = open_page(
            address=watch_address(host, started["view"]),
            ready=LIVE,
            prepare=lambda page: page.add_init_script(
                # The service's clock has seconds: as if the page were opened a little later.
                "const parse = Date.parse; Date.parse = (text) => parse(text) + (text.endsWith('GMT') ? 5000 : 0);"
            ),
        )
        page.locator("#watch-trail span:nth-child(2)").wait_for()
        assert page.locator("#watch-trail").inner_text().split() == ["EAST", "WEST"]
        assert page.locator("#watch-log p").count() == 0


@pytest.mark.parametrize("path", ["watch/unknown#token", "watch/unknown", "watch/#token", "watch.html"])
def test_a_wrong_link_says_so(open_page: Open, host: str, path: str) -> None:
    if path == "watch/#token":
        path = "watch/%20#token"
    page = open_page(address=f"http://{host}/{path}", ready="#watch-state[data-state='wrong']")
    assert page.locator("#watch-notice-title").inner_text() == "This link does not work"


def test_captions_that_are_not_kept_any_more_have_ended(open_page: Open, bundle_folder: Path) -> None:
    with serve(bundle_folder, captions_s=0.5, **ROOMY) as host, Client(host) as client:
        started = client.start(aspect=ASPECT)
        page = open_page(address=watch_address(host, started["view"]), ready=LIVE)
        stop(client)
        page.locator("#watch-state[data-state='gone']").wait_for()


def test_a_broken_connection_comes_back_without_losing_a_caption(open_page: Open, host: str) -> None:
    """The first stream ends after the first caption, and the next attempt finds no network."""
    script = """
      const real = window.fetch;
      let attempts = 0;
      window.asked = [];
      window.fetch = async (url, options) => {
        window.asked.push(options.headers["Last-Event-ID"] ?? null);
        attempts += 1;
        if (attempts === 2) throw new TypeError("no network");
        if (attempts > 1) return real(url, options);
        const response = await real(url, { ...options, signal: AbortSignal.any([options.signal, window.cut.signal]) });
        return response;
      };
      window.cut = new AbortController();
    """
    with Client(host) as client:
        started = client.start(aspect=ASPECT)
        page = open_page(
            address=watch_address(host, started["view"]),
            ready=LIVE,
            prepare=lambda page: page.add_init_script(script),
        )
        send_all(client, signing("east"))
        page.locator("#watch-word [data-gloss='east']").wait_for()
        page.evaluate("window.cut.abort()")
        page.locator("#watch-state[data-state='lost']").wait_for()
        send_all(client, [(t_ms + 10_000, keypoints) for t_ms, keypoints in signing("west")])
        page.locator("#watch-word [data-gloss='west']").wait_for()
        assert page.evaluate("window.asked") == [None, "2", "2"]
        assert [text.partition(",")[0] for text in page.locator("#watch-log p").all_inner_texts()] == ["east", "west"]
        stop(client)


def test_events_are_whole_wherever_the_network_cuts_them(open_page: Open, host: str) -> None:
    page = open_page(address=f"http://{host}/watch.html", ready="#watch-state")
    found = page.evaluate(
        """async (text) => {
          const { parseEvents } = await import("/js/events.js");
          return parseEvents(text);
        }""",
        'event: a\ndata: {"x": "1: 2"}\nid: 7\n\n: ping\n\nevent: b\r\ndata: {}\r\n\r\nevent: c\ndata',
    )
    assert found == {
        "events": [{"id": "7", "data": '{"x": "1: 2"}'}, {"id": None, "data": "{}"}],
        "rest": "event: c\ndata",
    }


# --- the link


def shared(*messages: dict[str, Any], view: dict[str, str] | None = VIEW, session: str = "s") -> dict[str, Any]:
    return {**STARTED, "session": session, "token": f"token of {session}", "view": view}


def test_the_page_offers_the_link_and_goes_on_after_a_pause(open_page: Open, page_address: str) -> None:
    said: list[dict[str, Any]] = []

    def noting(*messages: dict[str, Any]) -> Any:
        part = on_start(*messages)

        def connection(socket: Any) -> None:
            class Noting:
                def __getattr__(self, name: str) -> Any:
                    return getattr(socket, name)

                def on_message(self, heard: Any) -> None:
                    def both(data: str | bytes) -> None:
                        if isinstance(data, str):
                            said.append(json.loads(data))
                        heard(data)

                    socket.on_message(both)

            part(Noting())

        return connection

    page = open_page(*ALLOWED_CAMERA, prepare=playing(noting(shared(session="one")), noting(shared(session="two"))))
    page.context.grant_permissions(["clipboard-read", "clipboard-write", "camera"])
    assert page.locator("#share").is_hidden()
    page.locator("#start").click()
    page.locator("#share").click()
    page.locator("#share-copy").click()
    page.locator("#share-copy", has_text="Copied").wait_for()
    link = f"{page_address}/watch/first#viewing-token"
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert page.locator("#share-link").input_value() == page.locator("#share-open").get_attribute("href") == link
    page.keyboard.press("Escape")
    page.locator("#pause").click()
    page.locator("#notice-action").click()
    page.locator("#stage[data-state='running']").wait_for()
    starts = [message for message in said if message["type"] == "start"]
    assert [start.get("continues") for start in starts] == [None, {"session": "one", "token": "token of one"}]


def test_a_service_without_views_has_no_link(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(shared(view=None), final("hello"))))
    page.locator("#start").click()
    page.locator("#history li").wait_for()
    assert page.locator("#share").is_hidden()


@pytest.mark.parametrize("forwards", [True, False])
def test_the_page_says_whether_captions_are_sent_on(open_page: Open, page_address: str, forwards: bool) -> None:
    page = open_page(
        address=f"{page_address}/#privacy",
        prepare=lambda page: page.route(
            "**/page.json", lambda route: route.fulfill(json={"holistic": None, "forwards": forwards})
        ),
    )
    page.locator("#view-privacy").wait_for()
    assert page.locator("#forwards").is_visible() == forwards
