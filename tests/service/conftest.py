"""A running service that the tests of a module share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glosscast.bundle import load_bundle
from glosscast.manifest import MODEL
from glosscast.recogniser import Recogniser
from service.lexicons.store import LexiconStore
from tests.service.browsing import CHROMIUM, PATIENCE_MS, Open, Witness
from tests.service.serving import MAX_UPLOAD, ROOMY, Clock, browser, serve
from tests.service.signer import LEXICON, Signer


@pytest.fixture(scope="module")
def address(bundle_folder):
    with serve(bundle_folder, max_frame_bytes=100_000, **ROOMY) as address:
        yield address


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return load_bundle(bundle_folder)


@pytest.fixture(scope="module")
def model(bundle):
    return Recogniser(bundle)


@pytest.fixture(scope="module")
def client(bundle_folder):
    with serve(bundle_folder, max_upload_bytes=MAX_UPLOAD, max_clip_s=5) as address, browser(address) as client:
        yield client


@pytest.fixture
def lexicon_store(tmp_path):
    """A store with one lexicon, for a service without keys."""
    store = LexiconStore(tmp_path / "lexicons.sqlite")
    store.create("", LEXICON, "compass@1")
    yield store
    store.close()


@pytest.fixture
def lexicon_address(teachable_folder, lexicon_store):
    """A service that reads with that lexicon and teaches it."""
    with serve(teachable_folder, lexicons=lexicon_store.path, **ROOMY) as address:
        yield address


@pytest.fixture
def known(lexicon_store, teachable_folder):
    """Gives the glosses in that lexicon, each with its number of examples."""
    model = load_bundle(teachable_folder).manifest.files[MODEL]
    return lambda: {s.gloss: len(s.examples) for s in lexicon_store.readings("", LEXICON, model).lexicon}


@pytest.fixture
def signer(lexicon_address):
    with Signer(lexicon_address) as signer:
        yield signer


@pytest.fixture(scope="module")
def page_address(bundle_folder: Path) -> Iterator[str]:
    """A service that reads coloured pictures; see `tests.service.serving`."""
    with serve(bundle_folder, max_clip_s=45) as address:
        yield f"http://{address}"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        yield playwright


class Browsers:
    """Browsers that tests share, each with other switches. A test has a context of its own, with storage of its own."""

    def __init__(self, playwright: Any) -> None:
        self._chromium = playwright.chromium
        self._running: dict[tuple[str, ...], Any] = {}

    def with_switches(self, *switches: str) -> Any:
        """A browser; one with a file for its camera is a test's own, and the last one of its kind is closed."""
        if switches not in self._running:
            for others in [known for known in self._running if own_file(known) and own_file(switches)]:
                self._running.pop(others).close()
            args = ["--no-sandbox", "--disable-background-networking", *switches]
            self._running[switches] = self._chromium.launch(executable_path=CHROMIUM, args=args)
        return self._running[switches]

    def close(self) -> None:
        """Close all."""
        for running in self._running.values():
            running.close()


def own_file(switches: tuple[str, ...]) -> bool:
    """Whether a file plays the camera."""
    return any("=" in switch for switch in switches)


@pytest.fixture(scope="module")
def browsers(playwright: Any) -> Iterator[Browsers]:
    """Browsers of a file's tests."""
    found = Browsers(playwright)
    yield found
    found.close()


@pytest.fixture
def open_page(browsers: Browsers, page_address: str) -> Iterator[Open]:
    """Opens the page in a browser with these switches, after `prepare(page)`, until it is `ready`.

    `context` is for the browser: the size of the window, the colours and the language that the person prefers.
    """
    opened_contexts = []

    def opened(
        *switches: str,
        prepare: Callable[[Any], None] = lambda page: None,
        address: str = page_address,
        ready: str = "#foot-bundle:not(:empty)",  # the bundle's description is there
        privacy: bool = False,  # whether the page may find what its privacy mode runs, where it was fetched
        **context: Any,
    ) -> Any:
        allowed = ["camera"] if "--use-fake-ui-for-media-stream" in switches else []
        chromium = browsers.with_switches(*switches)
        opened_contexts.append(chromium.new_context(permissions=allowed, **{"locale": "en-US", **context}))
        page = opened_contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.witness = Witness(page)
        if not privacy:
            page.route("**/page.json", lambda route: route.fulfill(json={"holistic": None}))
        prepare(page)
        page.goto(address)
        page.locator(ready).wait_for(state="attached")
        return page

    yield opened
    for found in opened_contexts:
        found.close()
