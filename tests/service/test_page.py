"""The page in a real browser, against the real service."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from glosscast.bundle import EMBEDDED
from tests.bundles import FRAME_MS, NO_SIGN, VOCABULARY, lenient
from tests.service.browsing import (
    ALLOWED_CAMERA,
    BROWSER_TESTS,
    CAMERA,
    NO_CAMERA,
    PATIENCE_MS,
    Open,
    pictures_of,
    without_offers,
    write_webcam,
)
from tests.service.process import DATA, running_service
from tests.service.serving import EAST, WEST, colours

pytestmark = BROWSER_TESTS

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
CLIPS = ["please__startasl_F1__please.mp4", "no__startasl_F1__no.mp4"]
needs_bundle = pytest.mark.skipif(not EMBEDDED.is_dir(), reason=f"no bundle in {EMBEDDED}")
needs_clips = pytest.mark.skipif(not (DATA / "clips" / CLIPS[0]).is_file(), reason=f"no recordings in {DATA}")


def upload(page: Any, path: Path) -> None:
    page.locator(".tabs a[href='#clip']").click()
    page.set_input_files("#file", path)
    page.locator("#clip-result:visible, #clip-error:visible").wait_for()


def signs_read(page: Any, count: int) -> list[str | None]:
    """Start captions and wait for so many finals; their glosses, the oldest first."""
    page.locator("#start").click()
    page.locator(f"#history li:nth-child({count})").wait_for()
    return [item.get_attribute("data-gloss") for item in page.locator("#history li").all()][::-1]


@pytest.fixture(scope="module")
def real_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(BUNDLE=lenient(tmp_path_factory.mktemp("lenient"))) as address:
        yield address


@pytest.fixture(scope="module")
def readable(real_service: str) -> tuple[Path, str]:
    return readable_clip(real_service)


@pytest.mark.data
@needs_bundle
@needs_clips
def test_webcam_and_upload_give_the_gloss_that_rest_gives(
    open_page: Open, real_service: str, readable: tuple[Path, str], tmp_path: Path
) -> None:
    clip, gloss = readable
    page = open_page(
        *ALLOWED_CAMERA,
        write_webcam(pictures_of(clip), tmp_path / "webcam.mjpeg"),
        address=real_service,
        prepare=without_offers,
    )
    # The recording plays in a loop. Captions may start in the middle of it, and a busy machine drops frames:
    # most of what is read counts.
    glosses = signs_read(page, 4)
    assert Counter(glosses).most_common(1)[0][0] == gloss, glosses
    page.locator("#pause").click()
    upload(page, clip)
    assert page.locator("#clip-result .result-gloss").get_attribute("data-gloss") == gloss
    assert page.locator("#clip-result .timeline li").get_attribute("data-gloss") == gloss
    assert page.witness.errors == []
    assert page.witness.hosts == {urlsplit(real_service).netloc}


@pytest.mark.data
@needs_bundle
@needs_clips
def test_on_a_phone_the_webcam_is_read_as_well(
    open_page: Open, real_service: str, readable: tuple[Path, str], tmp_path: Path
) -> None:
    clip, gloss = readable
    webcam = write_webcam(pictures_of(clip), tmp_path / "webcam.mjpeg")
    page = open_page(*ALLOWED_CAMERA, webcam, address=real_service, prepare=without_offers, **PHONE)
    assert gloss in signs_read(page, 2)
    caption = page.locator("#caption").bounding_box()
    assert caption["y"] + caption["height"] <= PHONE["viewport"]["height"]  # seen without scrolling
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.witness.errors == []


def readable_clip(address: str) -> tuple[Path, str]:
    """A recording in which the service sees a sign, and which."""
    no_sign = httpx.get(f"{address}/v1/bundle").json()["no_sign"]
    for clip in (DATA / "clips" / name for name in CLIPS):
        answer = httpx.post(f"{address}/v1/classify", files={"file": clip.read_bytes()}, timeout=PATIENCE_MS / 1000)
        for sign in answer.json()["signs"]:
            if sign["gloss"] != no_sign:
                return clip, sign["gloss"]
    raise AssertionError(f"no sign in any of {CLIPS}")


def coloured_webcam(folder: Path) -> str:
    """A webcam that shows what `tests.service.serving` reads as two signs."""
    seen = [Image.new("RGB", (320, 240), colour) for colour in colours(EAST, WEST)]
    return write_webcam([(i * FRAME_MS / 1000, image) for i, image in enumerate(seen)], folder / "webcam.mjpeg")


def test_captions_from_the_camera_until_paused(open_page: Open, page_address: str, tmp_path: Path) -> None:
    page = open_page(*ALLOWED_CAMERA, coloured_webcam(tmp_path))
    assert {"east", "west"} <= set(signs_read(page, 4))
    assert page.locator("#history .other").first.inner_text() in ("EAST", "WEST")  # what each is easily taken for
    page.locator("#pause").click()
    assert page.locator("#notice-title").inner_text() == "Paused"
    assert page.evaluate("document.getElementById('self').srcObject") is None
    assert page.witness.errors == []
    assert page.witness.hosts == {urlsplit(page_address).netloc}


def test_overlay_for_streaming_software_is_the_caption_alone(
    open_page: Open, page_address: str, tmp_path: Path
) -> None:
    page = open_page(*ALLOWED_CAMERA, coloured_webcam(tmp_path), address=f"{page_address}/?overlay=1")
    page.locator("#caption[data-kind='final'] #caption-word .gloss").wait_for()  # it starts by itself
    for hidden in (".top", ".live .side", "#settings", "#controls", ".foot"):
        assert page.locator(hidden).is_hidden()
    for element in ("html", "body", "#stage"):
        assert page.locator(element).evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_clip_recorded_with_the_camera_is_read(open_page: Open, tmp_path: Path) -> None:
    page = open_page(*ALLOWED_CAMERA, coloured_webcam(tmp_path))
    page.locator(".tabs a[href='#clip']").click()
    page.locator("#record-open").click()
    page.locator("#record-start").click()
    page.get_by_text("5 of 15 s").wait_for()
    page.locator("#record-start").click()
    page.locator("#clip-result .timeline li").first.wait_for()
    assert {"east", "west"} >= {item.get_attribute("data-gloss") for item in page.locator(".timeline li").all()}
    assert page.locator("#preview-name").inner_text().startswith("recording.")
    assert page.evaluate("document.getElementById('record-video').srcObject") is None


def test_clip_is_recorded_where_the_browser_makes_neither_mp4_nor_webm(open_page: Open) -> None:
    cannot = "MediaRecorder.isTypeSupported = () => false"
    page = open_page(*ALLOWED_CAMERA, prepare=lambda page: page.add_init_script(cannot))
    page.locator(".tabs a[href='#clip']").click()
    page.locator("#record-open").click()
    page.locator("#record-start").click()
    page.get_by_text("1 of 15 s").wait_for()
    page.locator("#record-start").click()
    page.locator("#preview-name", has_text="recording.").wait_for()
    # The clip is read at once, and nobody is in the picture of the browser's own fake camera.
    assert [error for error in page.witness.errors if "422" not in error] == []


def test_leaving_the_section_turns_the_camera_off(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA)
    page.locator("#start").click()
    page.locator("#stage[data-state='running']").wait_for()
    page.evaluate("window.track = document.getElementById('self').srcObject.getTracks()[0]")
    page.locator(".tabs a[href='#privacy']").click()
    page.locator("#stage[data-state='paused']").wait_for(state="attached")
    assert page.evaluate("window.track.readyState") == "ended"


def test_every_section_opens_without_an_error(open_page: Open, page_address: str) -> None:
    page = open_page()
    for name in ("clip", "signs", "privacy", "live"):
        page.locator(f".tabs a[href='#{name}']").click()
        page.locator(f"#view-{name}").wait_for()
        assert page.locator(".view:visible").count() == 1
    signs = {item.get_attribute("data-gloss") for item in page.locator("#signs-list .card").all()}
    assert signs == set(VOCABULARY) - {NO_SIGN}
    assert page.locator("#signs-lead").text_content().startswith("2 signs. ")  # of whatever language the bundle is
    assert page.locator("#clip-limit").text_content() == ", up to 45 seconds"
    assert page.witness.errors == []
    assert page.witness.hosts == {urlsplit(page_address).netloc}


def test_names_that_every_object_has_are_no_sections_and_may_be_glosses(open_page: Open, page_address: str) -> None:
    page = open_page(address=f"{page_address}/#constructor")
    assert page.locator("#view-live").is_visible()
    read = "async (gloss) => (await import('/js/glosses.js')).glossName(gloss)"
    assert page.evaluate(read, "constructor") == "constructor"
    assert page.witness.errors == []


def test_text_file_is_refused_in_plain_words(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video at all", encoding="utf-8")
    page = open_page()
    upload(page, tmp_path / "clip.mp4")
    assert page.locator("#clip-error-title").inner_text() == "This is not a video Glosscast can open"
    assert "MP4" in page.locator("#clip-error-body").inner_text()


PROBLEMS = {  # what the page makes of it: status, headers, title, whether the same clip may be tried again
    "too_large": (413, {}, "This file is too large", False),
    "out_of_memory": (413, {}, "This clip takes too much memory", False),
    "undecodable": (422, {}, "This video cannot be read", False),
    "too_long": (422, {}, "This clip is too long", False),
    "no_signer": (422, {}, "Nobody to be seen", False),
    "too_many_requests": (429, {"Retry-After": "5"}, "The server is busy", True),
    "not_ready": (503, {"Retry-After": "5"}, "The server is still getting ready", True),
    "unknown": (500, {}, "Something went wrong", True),
}
SENT = {"unknown": "a code that this page does not know"}


def test_problem_is_shown_in_plain_words(open_page: Open, tmp_path: Path) -> None:
    answers = [
        {"status": status, "headers": headers, "body": json.dumps({"code": SENT.get(code, code), "detail": "no"})}
        for code, (status, headers, *_) in PROBLEMS.items()
    ]
    given = iter(answers)
    page = open_page(prepare=lambda page: page.route("**/v1/classify*", lambda route: route.fulfill(**next(given))))
    page.locator(".tabs a[href='#clip']").click()
    found, wanted = {}, {}
    for code, (_, headers, title, can_retry) in PROBLEMS.items():
        (tmp_path / f"{code}.mp4").write_bytes(b"anything")
        page.set_input_files("#file", tmp_path / f"{code}.mp4")
        page.locator(f"#clip-error[data-code='{code}']").wait_for()
        waits = "5 seconds" in page.locator("#clip-error-body").inner_text()
        shown = page.locator("#clip-error-title").inner_text(), page.locator("#clip-retry").is_visible(), waits
        found[code], wanted[code] = shown, (title, can_retry, "Retry-After" in headers)
    assert found == wanted


@pytest.mark.parametrize(
    ("switches", "state", "title"),
    [(CAMERA, "denied", "The camera is blocked"), (NO_CAMERA, "no_camera", "No camera found")],
)
def test_without_a_camera_the_page_says_what_to_do(
    open_page: Open, switches: tuple[str, ...], state: str, title: str
) -> None:
    page = open_page(*switches)
    page.locator("#start").click()
    page.locator(f"#stage[data-state='{state}']").wait_for()
    assert page.locator("#notice-title").inner_text() == title
    assert page.locator("#notice-action").inner_text() == "Try again"
