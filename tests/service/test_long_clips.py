"""Clips near the longest that the service takes, from the upload to the answer, with the limits of a real service."""

from pathlib import Path

import numpy as np
import pytest

from glosscast.video import MIB
from service.processes.clip_decoder import Budget
from service.rest import clips
from service.settings import Settings
from tests.glosscast import media
from tests.service.browsing import BROWSER_TESTS, Open
from tests.service.serving import DOWN, EAST, SIGN_EAST, assert_problem, browser, post, serve

LAST_MS = 40_000
TIMES_MS = [round(i * 1000 / 30) for i in range(30 * LAST_MS // 1000 + 1)]
KINDS = [("mp4", "libx264"), ("mov", "libx264"), ("webm", "libvpx"), ("matroska", "libx264"), ("avi", "mpeg4")]


def paint(index, size):
    """The east sign, one second of every three."""
    return np.full((size[1], size[0], 3), EAST if index // 30 % 3 == 1 else DOWN, np.uint8)


def long_clip(container, codec):
    if container == "avi":  # knows a rate and no times; the encoder's is 25
        return media.encode([40 * i for i in range(LAST_MS // 40 + 1)], container=container, codec=codec, paint=paint)
    return media.encode(TIMES_MS, container=container, codec=codec, paint=paint)


@pytest.fixture(scope="module")
def roomy(bundle_folder):
    with serve(bundle_folder) as address, browser(address) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(("container", "codec"), KINDS)
def test_a_long_clip_is_read_to_its_end(roomy, container, codec):
    answer = post(roomy, long_clip(container, codec))

    assert answer.status_code == 200
    assert answer.json()["duration_ms"] == pytest.approx(LAST_MS, abs=40)
    assert answer.json()["frames"] == pytest.approx(LAST_MS * 16 / 1000, abs=2)


@pytest.mark.slow
def test_a_long_clip_whose_end_is_lost_is_refused(roomy):
    clip = media.blanked(500, range(250, 500), "matroska")
    assert_problem(post(roomy, clip), 422, "undecodable")


def test_a_clip_of_more_frames_than_the_service_takes_is_too_long(bundle_folder):
    with serve(bundle_folder, max_clip_s=1) as address, browser(address) as client:
        assert post(client, media.encode(range(0, 960, 4))).status_code == 200  # 240 fps
        assert_problem(post(client, media.encode(range(300))), 422, "too_long")


def test_a_lack_of_memory_is_reported_as_such(roomy, monkeypatch):
    monkeypatch.setattr(clips, "Budget", lambda seconds, memory_bytes: Budget(seconds, 16 * MIB))
    answer = post(roomy, SIGN_EAST)

    assert_problem(answer, 413, "out_of_memory")
    assert "damaged" not in answer.json()["detail"]


def test_the_longest_clip_may_have_as_many_frames_a_second_as_phones_record():
    assert Settings().max_clip_s * clips.MAX_FPS == media.DEFAULT_LIMITS.max_frames


class TestPage:
    pytestmark = BROWSER_TESTS

    def test_a_long_clip_is_read_to_its_end(self, open_page: Open, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").write_bytes(long_clip("mp4", "libx264"))
        page = open_page()
        page.locator(".tabs a[href='#clip']").click()
        page.set_input_files("#file", tmp_path / "clip.mp4")
        page.locator("#clip-result:visible, #clip-error:visible").wait_for()
        assert "40.0 s clip" in page.locator("#clip-result .facts").inner_text()
        assert page.witness.errors == []
