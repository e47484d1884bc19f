"""The page at a service that wants a key, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.access.keys import Role, add_key
from tests.bundles import FRAME_MS
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open, write_webcam
from tests.service.serving import EAST, SIGN_EAST, WEST, colours, serve

pytestmark = BROWSER_TESTS

ASKS = "#key-dialog[open]"
BUNDLE = "#foot-bundle:not(:empty)"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.toml"


@pytest.fixture(scope="module")
def key(keys: Path) -> str:
    return add_key(keys, "person", list(Role))


@pytest.fixture(scope="module")
def clips_key(keys: Path) -> str:
    return add_key(keys, "clips", [Role.CLASSIFY])


@pytest.fixture(scope="module")
def guarded(bundle_folder: Path, keys: Path, key: str) -> Iterator[str]:
    with serve(bundle_folder, api_keys_file=keys) as address:
        yield f"http://{address}"


def answer(page: Any, key: str) -> None:
    page.locator("#key-input").fill(key)
    page.locator("#key-dialog .primary").click()


def upload(page: Any, path: Path) -> None:
    path.write_bytes(SIGN_EAST)
    page.locator(".tabs a[href='#clip']").click()
    page.set_input_files("#file", path)


def test_with_a_key_everything_works_and_the_key_stays_in_memory(
    open_page: Open, guarded: str, key: str, tmp_path: Path
) -> None:
    seen = [Image.new("RGB", (320, 240), colour) for colour in colours(EAST, WEST)]
    webcam = write_webcam([(i * FRAME_MS / 1000, image) for i, image in enumerate(seen)], tmp_path / "webcam.mjpeg")
    asked: list[str] = []
    page = open_page(
        *(*ALLOWED_CAMERA, webcam),
        address=guarded, ready=ASKS, prepare=lambda page: page.on("request", lambda request: asked.append(request.url)),
    )  # fmt: skip
    assert page.locator("#key-wrong").is_hidden()
    answer(page, "glosscast_wrong")
    page.locator("#key-wrong").wait_for()
    answer(page, key)
    page.locator(BUNDLE).wait_for(state="attached")

    page.locator("#start").click()
    page.locator("#history li").first.wait_for()
    page.locator("#pause").click()
    page.locator("#notice-action").click()  # another stream takes another token
    page.locator("#stage[data-state='running']").wait_for()
    upload(page, tmp_path / "clip.mp4")
    page.locator("#clip-result .result-gloss[data-gloss='east']").wait_for()

    assert sum(url.endswith("/v1/tokens") for url in asked) == 2
    assert not any(key in url or "bearer" in url for url in asked)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])")
    assert kept == f'[{{}},{{}},"","{guarded}/#clip"]'
    assert all("401" in error for error in page.witness.errors), page.witness.errors


def test_without_a_key_the_page_says_what_is_missing_and_asks_again(
    open_page: Open, guarded: str, key: str, tmp_path: Path
) -> None:
    page = open_page(*ALLOWED_CAMERA, address=guarded, ready=ASKS)
    page.keyboard.press("Escape")
    page.locator("#start").click()
    page.locator("#stage[data-state='unauthorised']").wait_for()
    assert page.evaluate("document.getElementById('self').srcObject") is None
    upload(page, tmp_path / "clip.mp4")
    page.locator("#key-dialog button:not(.primary)").click()
    page.locator("#clip-error[data-code='not_authenticated']").wait_for()
    page.locator("#clip-retry").click()
    answer(page, key)
    page.locator("#clip-result .result-gloss[data-gloss='east']").wait_for()
    page.locator(BUNDLE).wait_for(state="attached")


def test_key_from_the_live_view_starts_the_captions(open_page: Open, guarded: str, key: str) -> None:
    page = open_page(*ALLOWED_CAMERA, address=guarded, ready=ASKS)
    page.keyboard.press("Escape")
    page.locator("#start").click()
    page.locator("#notice-action").click()
    answer(page, key)
    page.locator("#stage[data-state='running']").wait_for()


def test_key_without_the_role_has_another_error_than_a_wrong_one(open_page: Open, guarded: str, clips_key: str) -> None:
    page = open_page(*ALLOWED_CAMERA, address=guarded, ready=ASKS)
    answer(page, clips_key)
    page.locator(BUNDLE).wait_for(state="attached")
    page.locator("#start").click()
    page.locator("#stage[data-state='not_allowed']").wait_for()
    assert page.locator("#notice-title").inner_text() == "This key is not for captions"
