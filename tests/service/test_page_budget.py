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
    received: dict[str, float] = {}
    asked: list[str] = []

    def watch(page: Any) -> None:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", lambda event: asked.append(event["request"]["url"]))
        network.on(
            "Network.loadingFinished", lambda event: received.update({event["requestId"]: event["encodedDataLength"]})
        )

    page = open_page(prepare=watch, locale="de-DE")  # English and another language
    page.wait_for_load_state("networkidle")
    paths = [urlsplit(address).path for address in asked]
    assert {"/", "/css/base.css", "/js/app.js", "/locales/en.js", "/locales/de.js"} <= set(paths)
    assert {urlsplit(address).netloc for address in asked} == {urlsplit(page_address).netloc}
    assert not any(path.startswith("/vendor/") for path in paths)
    assert 30_000 < sum(received.values()) < BYTES
    assert len(asked) < REQUESTS
    assert len(paths) == len(set(paths))  # nothing is asked for twice
