"""What the page says of a clip: each sign with its time, or that there is no known sign, and the closest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.bundles import FRAME_MS, UNSURE_FRAMES, strict
from tests.service.browsing import BROWSER_TESTS, Open
from tests.service.serving import DOWN, EAST, SIZE, WEST, colours, serve, video

pytestmark = BROWSER_TESTS


@pytest.fixture(scope="module")
def strict_address(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(strict(bundle_folder, tmp_path_factory.mktemp("bundle") / "strict")) as address:
        yield f"http://{address}"


@pytest.fixture
def read(open_page: Open, strict_address: str, tmp_path: Path):
    """Opens the page and sends it a clip."""

    def send(data: bytes, name: str = "clip.mp4") -> Any:
        (tmp_path / name).write_bytes(data)
        page = open_page(address=f"{strict_address}/#clip")
        page.set_input_files("#file", tmp_path / name)
        page.locator("#clip-result:visible").wait_for()
        return page

    return send


def playable(frames: Sequence[tuple[int, int, int]], path: Path) -> bytes:
    """A clip that the browser can play, which it cannot with those of `video`."""
    with av.open(path, "w", format="webm") as container:
        stream = container.add_stream("libvpx", rate=round(1000 / FRAME_MS))
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for colour in frames:
            picture = np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def test_below_the_threshold_there_is_no_known_sign_and_the_closest_below(read) -> None:
    page = read(video(colours(EAST, sign_frames=UNSURE_FRAMES)))
    result = page.locator("#clip-result")
    assert result.locator("h2").inner_text() == "No sign that it knows"
    assert "60%" in result.locator("p").first.inner_text()
    assert result.locator(".ranking h3").inner_text() == "Closest"
    assert [item.get_attribute("data-gloss") for item in result.locator(".ranking li").all()] == ["east"]
    assert result.locator("p.result-gloss, .timeline").count() == 0


def test_hands_that_rest_are_no_sign_that_it_knows(read) -> None:
    page = read(video([DOWN] * 30))
    assert page.locator("#clip-result h2").inner_text() == "No sign that it knows"
    assert "hands down" in page.locator("#clip-result p").first.inner_text()


def test_each_of_several_signs_has_its_time_from_which_it_is_played(read, tmp_path: Path) -> None:
    page = read(playable(colours(EAST, WEST), tmp_path / "made.webm"), "clip.webm")
    assert page.locator("#clip-result h2").inner_text() == "2 signs"
    found = page.locator("#clip-result .found li")
    assert [item.get_attribute("data-gloss") for item in found.all()] == ["east", "west"]
    assert page.locator("#clip-result .ranking").count() == 0  # of the clip as one sign, which it is not
    page.evaluate("document.getElementById('preview-video').loop = false")
    times = found.nth(1).locator("button").inner_text()
    assert times.startswith("0:02.")
    found.nth(1).locator("button").click()
    page.wait_for_function("document.getElementById('preview-video').currentTime >= 2")


def test_one_sign_is_named_with_its_time(read, tmp_path: Path) -> None:
    page = read(playable(colours(EAST), tmp_path / "made.webm"), "clip.webm")
    assert page.locator("#clip-result .result-gloss").get_attribute("data-gloss") == "east"
    assert page.locator("#clip-result .jump").inner_text().startswith("0:00.")
    assert page.locator("#clip-result .jump").is_enabled()


def test_a_clip_that_the_browser_cannot_play_cannot_be_played_from_a_sign(read) -> None:
    page = read(video(colours(EAST, WEST)))
    page.locator("#preview-none:visible").wait_for()
    assert page.locator("#clip-result .jump:disabled").count() == 2
