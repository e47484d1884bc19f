"""How signs look, over REST: which signs have an example, and its points over time."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from glosscast.keypoints import UPPER_BODY
from tests.bundles import showing
from tests.service.serving import assert_problem, browser, serve


@pytest.fixture(scope="module")
def client(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = showing(bundle_folder, tmp_path_factory.mktemp("bundles") / "shown", "east")
    with serve(folder) as address, browser(address) as client:
        yield client


def test_the_bundle_says_which_signs_have_an_example(client: httpx.Client) -> None:
    vocabulary = client.get("/v1/bundle").json()["vocabulary"]
    assert {entry["gloss"]: entry["example"] for entry in vocabulary} == {"east": True, "west": False, "rest": False}


def test_an_example_is_its_points_over_time(client: httpx.Client) -> None:
    motion = client.get("/v1/bundle/signs/east/example").json()

    assert (motion["start_ms"], motion["end_ms"]) == (750, 2000)
    frames = len(motion["t_ms"])
    assert frames == len(motion["pose"]) == len(motion["left_hand"]) == len(motion["right_hand"]) == 44
    middle = motion["pose"][20]
    assert len(middle) == UPPER_BODY.stop
    assert middle[16] == pytest.approx([1.2, 0.2], abs=0.01)  # the right wrist, in shoulder widths
    assert motion["left_hand"][20] is None


def test_a_sign_without_an_example_and_one_that_is_unknown_are_told_apart(client: httpx.Client) -> None:
    assert_problem(client.get("/v1/bundle/signs/west/example"), 404, "unknown_example")
    assert_problem(client.get("/v1/bundle/signs/up/example"), 404, "unknown_gloss")
    assert_problem(client.get("/v1/bundle/signs/a/b/example"), 404, "unknown_gloss")
