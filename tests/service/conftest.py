"""A running service that the tests of a module share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import pytest

from glosscast.bundle import load_bundle
from glosscast.manifest import MODEL
from glosscast.recogniser import Recogniser
from service.lexicons.store import LexiconStore
from tests.service.browsing import ALLOWED_CAMERA, CHROMIUM, NO_APP, PATIENCE_MS, Open, Witness
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
    """Browsers that the tests of a file share, each with other switches, and the tabs that tests open in them.

    A test has tabs of its own in which nothing is left of other tests. To start a context and a process that draws it
    for each test would take longer than most tests do.
    """

    def __init__(self, playwright: Any) -> None:
        self._chromium = playwright.chromium
        self._running: dict[tuple[str, ...], Any] = {}
        self._profiles: dict[tuple[tuple[str, ...], str], Profile] = {}

    def tab(self, address: str, switches: tuple[str, ...], keep: bool = False, **context: Any) -> Any:
        """An empty tab for a page at this address, of one test or, to `keep`, of all. `context`: as for `open_page`."""
        window = {name: context.pop(name) for name in ("color_scheme", "reduced_motion") if name in context}
        size = context.pop("viewport", None)
        kind = (switches, repr(sorted(context.items())))
        if kind not in self._profiles:
            self._profiles[kind] = Profile(self._with_switches(*switches), switches, context)
        page = self._profiles[kind].tab(address, keep)
        if size:
            page.set_viewport_size(size)
        if window:
            page.emulate_media(**window)
        return page

    def clean(self) -> None:
        """Close all tabs of a test, and forget what it left."""
        for profile in self._profiles.values():
            profile.clean()

    def close(self) -> None:
        """Close all."""
        for running in self._running.values():
            running.close()

    def _with_switches(self, *switches: str) -> Any:
        """A browser; one with a file for its camera is a test's own, and the last one of its kind is closed."""
        if switches not in self._running:
            for others in [known for known in self._running if own_file(known) and own_file(switches)]:
                self._running.pop(others).close()
                self._profiles = {kind: profile for kind, profile in self._profiles.items() if kind[0] != others}
            # All pages of a context are drawn by one process, which has the page's scripts compiled already.
            args = ["--no-sandbox", "--disable-background-networking", "--renderer-process-limit=1", *switches]
            self._running[switches] = self._chromium.launch(executable_path=CHROMIUM, args=args)
        return self._running[switches]


class Profile:
    """A context of a browser in which one test after another has tabs, each finding it as if it were new."""

    def __init__(self, chromium: Any, switches: tuple[str, ...], context: dict[str, Any]) -> None:
        self._allowed = ["camera"] if "--use-fake-ui-for-media-stream" in switches else []
        self._context = chromium.new_context(permissions=self._allowed, **{"locale": "en-US", **context})
        # While a page of the service is open, the process that draws it is kept for the next one.
        self._first = self._context.new_page()
        self._kept = [self._first]

    def tab(self, address: str, keep: bool) -> Any:
        """An empty tab for a page at this address, for which nothing is stored."""
        here = urljoin(address, NO_APP)
        if self._first.url != here:
            self._first.goto(here)
        self._first.evaluate("localStorage.clear()")
        self._context.clear_cookies()
        page = self._context.new_page()
        if keep:
            self._kept.append(page)
        return page

    def clean(self) -> None:
        """Close the tabs of a test, and take back what was allowed to their pages."""
        for page in self._context.pages:
            if page not in self._kept:
                page.close()
        self._context.clear_permissions()
        self._context.grant_permissions(self._allowed)


def own_file(switches: tuple[str, ...]) -> bool:
    """Whether a file plays the camera."""
    return any(switch.startswith("--use-file-for-fake-video-capture=") for switch in switches)


@pytest.fixture(scope="module")
def browsers(playwright: Any) -> Iterator[Browsers]:
    """Browsers of a file's tests, to which services in this process offer neither privacy mode nor teaching.

    A test that wants them answers `page.json` itself: to do so for all would take time with every file of the page.
    """
    found = Browsers(playwright)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.site.page.holistic_path", lambda: None)
        patch.setattr("service.site.page.state_of", lambda request: SimpleNamespace(lexicons=None, outputs=()))
        yield found
    found.close()


@pytest.fixture(scope="module")
def module_page(browsers: Browsers, page_address: str) -> Any:
    """A page without the application, for tests that ask its modules and leave nothing in them."""
    page = browsers.tab(page_address, ALLOWED_CAMERA, keep=True)
    page.goto(urljoin(page_address, NO_APP))
    return page


@pytest.fixture
def open_page(browsers: Browsers, page_address: str) -> Iterator[Open]:
    """Opens the page in a browser with these switches, after `prepare(page)`, until it is `ready`.

    Without switches there is a camera, and a page may use it. `context` is for the browser: the size of the window, the
    colours and the language that the person prefers.
    """

    def opened(
        *switches: str,
        prepare: Callable[[Any], None] = lambda page: None,
        address: str = "",  # of another page or service
        ready: str = "#foot-bundle:not(:empty)",  # the bundle's description is there
        **context: Any,
    ) -> Any:
        address = urljoin(page_address, address)
        page = browsers.tab(address, switches or ALLOWED_CAMERA, **context)
        page.set_default_timeout(PATIENCE_MS)
        page.witness = Witness(page)
        prepare(page)
        page.goto(address)
        page.locator(ready).wait_for(state="attached")
        return page

    yield opened
    browsers.clean()
