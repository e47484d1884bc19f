"""Hints about how a person sits in the picture: which there are, when they come and go, and where they stand."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.service.browsing import (
    ALLOWED_CAMERA,
    BROWSER_TESTS,
    PATIENCE_MS,
    Open,
    write_webcam,
)
from tests.service.serving import NOBODY
from tests.service.teaching import UPPER_BODY, Classroom, hand
from tests.service.test_page_stream import STARTED, final

pytestmark = BROWSER_TESTS

Point = tuple[float, float]
WIDE, UPRIGHT = 16 / 9, 9 / 16
SIGNING, RESTING = (0.3, 0.1), (0.6, 1.9)  # the left wrist, in shoulder widths from the middle between the shoulders


def sitting(
    width: float = 0.35, x: float = 0.5, y: float = 0.55, aspect: float = WIDE, wrist: Point = RESTING, **more: Any
) -> dict[str, Any]:
    """A view of someone whose shoulders are `width` heights apart, with their middle at (x, y) of the picture.

    Points outside the picture are there as well, as MediaPipe guesses them.
    """

    def place(point: Point) -> Point:
        return x + point[0] * width / aspect, y + point[1] * width

    pose = [place(UPPER_BODY[i]) if i in UPPER_BODY else None for i in range(25)]
    pose[15] = place(wrist)
    left = [place(point) for point in hand(wrist, 0.0)] if wrist == SIGNING else None
    points = {"pose": pose, "left_hand": left, "right_hand": None}
    return {"points": points, "people": 1, "light": 150, "aspect": aspect} | more


def unseen(view: dict[str, Any], *points: int) -> dict[str, Any]:
    for point in points:
        view["points"]["pose"][point] = None
    return view


EMPTY = {"pose": [None] * 25, "left_hand": None, "right_hand": None}
NONE = sitting() | {"points": EMPTY, "people": 0}
HEAD = (0, 2, 5, 7, 8)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(sitting(), [], id="well framed, hands in the lap"),
        pytest.param(sitting(wrist=SIGNING), [], id="well framed, signing"),
        pytest.param(sitting(wrist=(0.6, 3.0)), [], id="hands that rest below the picture"),
        pytest.param(sitting(0.2), [], id="two metres away"),
        pytest.param(NONE, ["nobody"], id="nobody"),
        pytest.param(NONE | {"points": EMPTY | {"pose": None}}, ["nobody"], id="nobody, as the browser says it"),
        pytest.param(NONE | {"light": 12}, ["dark", "nobody"], id="no light"),
        pytest.param(sitting(light=25), ["dark"], id="dusk"),
        pytest.param(sitting(light=50), [], id="a dim lamp"),
        pytest.param(sitting(people=2), ["several"], id="two people"),
        pytest.param(sitting(0.08, y=0.5), ["far"], id="across a hall"),
        pytest.param(sitting(1.3, y=0.9), ["hands", "near"], id="the face fills the picture"),
        pytest.param(unseen(sitting(), *HEAD), ["near"], id="no head"),
        pytest.param(sitting(y=0.2), ["near"], id="the head is above the picture"),
        pytest.param(sitting(y=0.95), ["hands"], id="shoulders at the lower edge"),
        pytest.param(sitting(x=0.05), ["aside"], id="a shoulder is out at the side"),
        pytest.param(unseen(sitting(x=0.95), 11), ["aside"], id="a shoulder is not seen"),
        pytest.param(sitting(x=0.9, wrist=(1.2, 0.1)), ["hands"], id="a hand is out at the side"),
        pytest.param(sitting(y=0.3, wrist=(0.3, -1.1)), ["hands"], id="a hand is out at the top"),
        pytest.param(sitting(0.42, aspect=UPRIGHT), ["turn"], id="a phone that is held upright"),
        pytest.param(sitting(0.2, aspect=UPRIGHT), [], id="a phone that stands two metres away"),
    ],
)
def test_a_view_has_these_faults(module_page: Any, view: dict[str, Any], expected: list[str]) -> None:
    found = module_page.evaluate("async (view) => [...(await import('/js/framing.js')).faults(view)]", view)
    assert sorted(found) == expected


def hints(page: Any, *parts: tuple[int, dict[str, Any]]) -> list[tuple[int, str | None]]:
    """The hints given over these views, each for so many ms at eight a second: when each begins, and which it is."""
    views = [view for ms, view in parts for _ in range(ms // 125)]
    given = page.evaluate(
        """async (views) => {
          const framing = new (await import("/js/framing.js")).Framing();
          return views.map((view, index) => framing.see(view, 5000 + 125 * index));
        }""",
        views,
    )
    return [(125 * i, hint) for i, hint in enumerate(given) if not i or hint != given[i - 1]]


def test_a_hint_comes_after_a_second_and_goes_soon_after_its_fault(module_page: Any) -> None:
    assert hints(module_page, (500, sitting()), (2000, NONE), (2000, sitting())) == [
        (0, None),
        (1250, "nobody"),
        (3000, None),
    ]
    assert hints(module_page, (3000, NONE))[:2] == [(0, None), (1000, "nobody")]  # the camera has just begun


def test_a_fault_that_comes_and_goes_gives_no_hint(module_page: Any) -> None:
    blinking = [(250, NONE), (250, sitting())] * 8
    assert hints(module_page, *blinking) == [(0, None)]


def test_a_fault_that_pauses_keeps_its_hint(module_page: Any) -> None:
    unsteady = [(1500, NONE), *[(250, sitting()), (500, NONE)] * 6]
    assert hints(module_page, *unsteady) == [(0, None), (1000, "nobody")]


def test_the_most_important_fault_gives_the_hint(module_page: Any) -> None:
    near_and_low = sitting(1.3, y=0.9)
    assert hints(module_page, (1500, near_and_low), (2000, near_and_low | {"light": 10}))[-2:] == [
        (1000, "near"),
        (2250, "dark"),
    ]


def watched(*messages: dict[str, Any]) -> tuple[Callable[[Any], None], dict[str, Any]]:
    """Takes the service's place at the websocket: each picture is answered with the points in `now`."""
    now: dict[str, Any] = {"points": EMPTY}

    def connect(socket: Any) -> None:
        def answer(data: str | bytes) -> None:
            if isinstance(data, str):
                for message in (STARTED, *messages) if json.loads(data)["type"] == "start" else ():
                    socket.send(json.dumps(message))
            else:
                socket.send(json.dumps({"type": "landmarks", "t_ms": 0, "people": 1, **now["points"]}))

        socket.on_message(answer)

    return lambda page: page.route_web_socket("**/v1/stream", connect), now


def test_hint_stands_in_place_of_an_empty_caption_until_all_is_well(open_page: Open) -> None:
    prepare, now = watched()
    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#start").click()
    word, line, said = (page.locator(f"#{name}") for name in ("caption-word", "framing", "framing-say"))
    page.locator("#caption-word[data-advice]").wait_for()
    assert word.inner_text() == said.text_content() == "Nobody is in the picture"
    assert line.is_hidden()
    assert said.get_attribute("role") == "status"
    now["points"] = sitting()["points"]
    page.locator("#caption-word:not([data-advice])").wait_for()
    assert word.inner_text() == "Sign something"
    said.evaluate("(element) => { element.textContent = 'heard' }")
    now["points"] = EMPTY
    page.locator("#caption-word[data-advice]").wait_for()
    assert said.text_content() == "heard"  # it was announced a moment ago
    page.locator("#pause").click()
    page.locator("#caption-word:not([data-advice])").wait_for(state="attached")
    assert page.witness.errors == []


def test_hint_is_over_the_picture_while_a_caption_is_on_show(open_page: Open) -> None:
    prepare, _ = watched(final("hello"))
    page = open_page(*ALLOWED_CAMERA, prepare=prepare)
    page.locator("#start").click()
    page.locator("#framing").wait_for()
    assert page.locator("#framing").inner_text() == "Nobody is in the picture"
    assert page.locator("#caption-word").inner_text() == "HELLO"
    line, word = (page.locator(name).bounding_box() for name in ("#framing", "#caption"))
    assert line["y"] + line["height"] <= word["y"]


def test_dark_camera_is_noticed_on_the_device(open_page: Open, tmp_path: Any) -> None:
    black = Image.new("RGB", (320, 240), NOBODY)
    camera = write_webcam([(0.0, black), (1.0, black)], tmp_path / "black.mjpeg")
    page = open_page(*ALLOWED_CAMERA, camera)  # before the service itself
    page.locator("#start").click()
    page.locator("#caption-word[data-advice]").wait_for()
    assert page.locator("#caption-word").inner_text() == "It is too dark: turn on a light"


def test_hint_is_in_the_language_of_the_page(open_page: Open, page_address: str) -> None:
    prepare, _ = watched()
    page = open_page(*ALLOWED_CAMERA, prepare=prepare, address=f"{page_address}/?lang=de")
    page.locator("#start").click()
    page.locator("#caption-word[data-advice]").wait_for()
    assert page.locator("#caption-word").inner_text() == "Im Bild ist niemand"


def test_a_clip_of_several_people_says_so(open_page: Open, page_address: str, tmp_path: Any) -> None:
    def prepare(page: Any) -> None:
        prediction = {"gloss": "hello", "confidence": 0.9, "confusable_with": []}
        answer = {"predictions": [prediction], "signs": [], "warnings": ["several_people"], "bundle": "compass@1"}
        facts = {"duration_ms": 1000, "frames": 16, "timings_ms": {"decode": 1, "keypoints": 1, "inference": 1}}
        page.route("**/v1/classify*", lambda route: route.fulfill(json=answer | facts))

    (tmp_path / "clip.mp4").write_bytes(b"not looked at")
    page = open_page(prepare=prepare, address=f"{page_address}/#clip")
    page.set_input_files("#file", tmp_path / "clip.mp4")
    warning = page.locator("#clip-result .clip-warning")
    warning.wait_for()
    assert "More than one person" in warning.inner_text()


def test_hint_is_there_before_a_sign_is_taught(open_page: Open, page_address: str) -> None:
    room = Classroom()
    page = open_page(*ALLOWED_CAMERA, address=f"{page_address}/#teach", prepare=room)
    page.locator("#teach-gloss").fill("tea")
    page.locator("#teach-begin").click()
    page.locator("#teach-stage[data-step='count']").wait_for()
    line = page.locator("#teach-framing")
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while line.is_hidden():
        assert time.monotonic() < deadline
        room.say(type="landmarks", t_ms=0, people=2, **sitting()["points"])
        page.wait_for_timeout(100)
    said = "More than one person is in the picture"
    assert (line.inner_text(), page.locator("#teach-framing-say").text_content()) == (said, said)
    page.locator("#teach-stop").click()
    line.wait_for(state="hidden")
