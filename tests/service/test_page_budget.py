"""What opening the page costs: bytes as they are transferred, requests, and whom it asks."""

from typing import Any
from urllib.parse import urlsplit

from tests.service.browsing import BROWSER_TESTS, Open

pytestmark = BROWSER_TESTS

BYTES = 150_000  # without what privacy mode runs
REQUESTS = 90


def test_opening_the_page_transfers_less_than_150_kb_and_asks_this_server_alone(
    open_page: Open, page_address: str
) -> None:
    headers: dict[str, float] = {}
    whole: dict[str, float] = {}  # headers and the body, compressed as it came
    asked: list[str] = []

    def watch(page: Any) -> None:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", lambda e: asked.append(e["request"]["url"]))
        network.on(
            "Network.responseReceived", lambda e: headers.update({e["requestId"]: e["response"]["encodedDataLength"]})
        )
        network.on("Network.loadingFinished", lambda e: whole.update({e["requestId"]: e["encodedDataLength"]}))

    page = open_page(prepare=watch, locale="de-DE")  # English and another language
    page.wait_for_load_state("networkidle")
    paths = [urlsplit(address).path for address in asked]
    assert {"/", "/css/base.css", "/js/app.js", "/locales/en.js", "/locales/de.js"} <= set(paths)
    assert {urlsplit(address).netloc for address in asked} == {urlsplit(page_address).netloc}
    assert not any(path.startswith("/vendor/") for path in paths)
    assert 30_000 < sum(whole.values()) - sum(headers.values()) < BYTES
    assert len(asked) < REQUESTS
    twice = {path for path in paths if paths.count(path) > 1}
    assert twice <= {"/icons/icon.svg"}  # it is the icon of the tab, too
