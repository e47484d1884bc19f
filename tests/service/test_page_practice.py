"""The view "Practise signs" in a real browser: what is asked for, what is said of what was read, and the score."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.protocol.wire import parse_text
from tests.bundles import NO_SIGN, showing
from tests.service.axe import SCRIPT, barriers
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open
from tests.service.serving import serve
from tests.service.teaching import LEFT_WRIST, Classroom, hand, motion, taught_sign
from tests.service.test_page_stream import STARTED, final

pytestmark = BROWSER_TESTS

FORBIDDEN = """() => {
  Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } });
}"""
ONE_HANDED = {**motion(0), "left_hand": [None] * 32}


@pytest.fixture(scope="module")
def address(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = showing(bundle_folder, tmp_path_factory.mktemp("bundles") / "shown", "east", "west")
    with serve(folder) as address:
        yield f"http://{address}/#practice"


class Reader:
    """Takes the service's place: sends what a test says that it has read, and the example of every sign."""

    def __init__(self, example: dict[str, Any] = ONE_HANDED) -> None:
        self.example = example
        self.sockets: list[Any] = []

    def __call__(self, page: Any) -> None:
        def connected(socket: Any) -> None:
            def answer(data: str | bytes) -> None:
                if isinstance(data, str) and parse_text(data).type == "start":
                    socket.send(json.dumps(STARTED))
                    self.sockets.append(socket)

            socket.on_message(answer)

        page.route_web_socket("**/v1/stream", connected)
        page.route("**/v1/bundle/signs/*/example", lambda route: route.fulfill(json=self.example))

    def reads(self, gloss: str, confidence: float = 0.9, **more: Any) -> None:
        times = {"start_ms": 1000, "end_ms": 3000, "alternatives": [], "confusable_with": []}
        self.sockets[-1].send(json.dumps(final(gloss, confidence, **{**times, **more})))

    def sees(self, wrist: tuple[float, float], both: bool = False) -> None:
        """Somebody whose right hand stays at (right of, below) the shoulders' middle, in shoulder widths, for 2 s."""
        for t_ms in range(1000, 3001, 100):
            pose = [None] * 25
            pose[11], pose[12] = place((0.5, 0)), place((-0.5, 0))
            hands = {"right_hand": hand(wrist, 0), "left_hand": hand(LEFT_WRIST, 0) if both else None}
            points = {side: found and [place(point) for point in found] for side, found in hands.items()}
            self.sockets[-1].send(json.dumps({"type": "landmarks", "t_ms": t_ms, "pose": pose, **points}))


def place(point: tuple[float, float]) -> tuple[float, float]:
    """A place in shoulder widths as one in the picture of Chromium's fake camera, 16:9."""
    return 0.5 + 0.1 * point[0], 0.5 + 0.1 * 16 / 9 * point[1]


def begun(open_page: Open, address: str, reader: Reader, **context: Any) -> Any:
    page = open_page(*ALLOWED_CAMERA, address=address, prepare=reader, **context)
    page.locator("#practice-begin:enabled").click()
    step(page, "sign")
    return page


def step(page: Any, name: str) -> None:
    page.locator(f"#practice-stage[data-step='{name}']").wait_for()


def score(page: Any) -> list[str]:
    return [" ".join(line.inner_text().split()) for line in page.locator("#practice-scores li").all()]


def remarks(page: Any) -> list[str]:
    return page.locator("#practice-detail .differs").all_inner_texts()


def test_a_sign_that_is_read_counts_and_the_next_one_is_asked_for(open_page: Open, address: str) -> None:
    reader = Reader()
    page = begun(open_page, address, reader)
    assert page.locator("#practice-word").inner_text() == "Sign EAST"
    assert page.locator("#practice-gloss").inner_text() == "EAST"
    page.locator("#practice-picture .replay[data-frames]").wait_for()
    reader.sees((-0.7, 2.0))  # far from the example: a sign that was read gets no remark
    reader.reads("east")
    step(page, "right")
    assert page.locator("#practice-word").inner_text() == "Read: EAST"
    assert remarks(page) == []
    step(page, "sign")
    assert page.locator("#practice-word").inner_text() == "Sign WEST"
    assert score(page) == ["EAST 1 of 1 read"]
    assert page.witness.errors == []


def test_a_sign_that_is_read_as_another_is_asked_for_again(open_page: Open, address: str) -> None:
    reader = Reader()
    page = begun(open_page, address, reader)
    reader.reads("west", 0.62)
    step(page, "wrong")
    assert page.locator("#practice-of").inner_text() == "Sign EAST again"
    assert page.locator("#practice-word").inner_text() == "Read as WEST"
    assert "62%" in page.locator("#practice-detail").inner_text()
    if SCRIPT.is_file():
        assert barriers(page) == []
    reader.reads("east")
    step(page, "right")
    assert score(page) == ["EAST 1 of 2 read"]


def test_hands_that_are_no_sign_are_told_what_they_were_closest_to(open_page: Open, address: str) -> None:
    reader = Reader()
    page = begun(open_page, address, reader)
    reader.reads(NO_SIGN, 0.7, alternatives=[{"gloss": "west", "confidence": 0.25}])
    step(page, "wrong")
    assert page.locator("#practice-word").inner_text() == "Not read as a sign it knows"
    assert "closest to WEST, 25%" in page.locator("#practice-detail").inner_text()
    reader.reads(NO_SIGN, 0.97, alternatives=[{"gloss": "west", "confidence": 0.02}])
    page.locator("#practice-detail:not(:has-text('closest'))").wait_for()


@pytest.mark.parametrize(
    ("example", "wrist", "both", "said"),
    [
        pytest.param(ONE_HANDED, (-0.7, 0.9), False, ["Your hand was lower than in the example."], id="lower"),
        pytest.param(ONE_HANDED, (-0.7, -1.4), False, ["Your hand was higher than in the example."], id="higher"),
        pytest.param(ONE_HANDED, (-1.7, -0.3), False, ["farther out to the side"], id="outward"),
        pytest.param(ONE_HANDED, (0.3, -0.3), False, ["nearer to the middle"], id="inward"),
        pytest.param(ONE_HANDED, (-0.7, -0.3), False, [], id="alike"),
        pytest.param(ONE_HANDED, (-0.7, -0.3), True, [], id="both hands, which may be the same sign"),
        pytest.param(motion(0), (-0.7, -0.3), False, ["Only one of your hands was seen."], id="one hand of two"),
        pytest.param(motion(0), (-0.7, 0.9), True, [], id="two hands, held lower"),
    ],
)
def test_what_differs_plainly_from_the_example_is_said(
    open_page: Open, address: str, example: dict[str, Any], wrist: tuple[float, float], both: bool, said: list[str]
) -> None:
    reader = Reader(example)
    page = begun(open_page, address, reader)
    reader.sees(wrist, both)
    reader.reads("west")
    step(page, "wrong")
    found = remarks(page)
    assert len(found) == len(said), found
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_a_left_handed_signer_mirrors_the_example(module_page: Any) -> None:
    found = module_page.evaluate(
        """async (example) => {
          const { measure, differences } = await import("/js/compare.js");
          const flip = (hand) => hand && hand.map(([x, y]) => [-x, y]);
          const [left, right] = [example.left_hand.map(flip), example.right_hand.map(flip)];
          const mirrored = { ...example, left_hand: right, right_hand: left };
          return [measure(example), measure(mirrored), differences(measure(example), measure(mirrored))];
        }""",
        ONE_HANDED,
    )
    assert found[0] == found[1]
    assert found[2] == []


def test_far_too_fast_and_far_too_slow_are_said(module_page: Any) -> None:
    found = module_page.evaluate(
        """async () => {
          const { differences } = await import("/js/compare.js");
          const sign = (ms) => ({ x: 0, y: 0, other: 0, ms });
          return [200, 400, 1000, 2500, 3500].map((ms) => differences(sign(1000), sign(ms)).join());
        }"""
    )
    assert found == ["faster", "", "", "", "slower"]


def test_nothing_is_said_where_no_hand_or_no_shoulders_were_seen(open_page: Open, address: str) -> None:
    reader = Reader()
    page = begun(open_page, address, reader)
    reader.reads("west")
    step(page, "wrong")
    assert remarks(page) == []


def test_the_score_is_kept_on_the_device_until_it_is_forgotten(open_page: Open, address: str) -> None:
    reader = Reader()
    page = begun(open_page, address, reader)
    reader.reads("east")
    step(page, "right")
    page.reload()
    page.locator("#practice-scores li").wait_for()
    assert score(page) == ["EAST 1 of 1 read"]
    assert page.locator("#practice-gloss").inner_text() == "WEST"  # which has been read less
    page.locator("#practice-forget").click()
    page.locator("#sure-yes").click()
    page.locator("#practice-none").wait_for()
    page.reload()
    page.locator("#practice-none").wait_for()
    assert score(page) == []


@pytest.mark.parametrize(
    "kept", ["{", "[1]", '[["east", {"tried": 1, "read": 2}]]', '[["east", {"tried": "x", "read": 0}]]', "null"]
)
def test_a_score_that_cannot_be_read_counts_as_none(open_page: Open, address: str, kept: str) -> None:
    def prepare(page: Any) -> None:
        stored = json.dumps(json.dumps({"practice_score": kept}))
        page.add_init_script(f"localStorage.setItem('glosscast.options', {stored})")

    page = open_page(address=address, prepare=prepare)
    page.locator("#practice-none").wait_for()
    assert page.locator("#practice-begin").is_enabled()
    assert page.witness.errors == []


def test_practice_works_where_the_browser_keeps_nothing(open_page: Open, address: str) -> None:
    reader = Reader()

    def prepare(page: Any) -> None:
        page.add_init_script(f"({FORBIDDEN})()")
        reader(page)

    page = open_page(*ALLOWED_CAMERA, address=address, prepare=prepare)
    page.locator("#practice-begin:enabled").click()
    step(page, "sign")
    reader.reads("east")
    step(page, "right")
    assert score(page) == ["EAST 1 of 1 read"]
    assert page.witness.errors == []


def test_the_example_can_be_hidden_and_signs_skipped_by_the_keyboard(open_page: Open, address: str) -> None:
    page = open_page(address=address)
    page.locator("#practice-picture .replay").wait_for()
    page.locator("#practice-memory").focus()
    page.keyboard.press("Space")
    assert page.locator("#practice-picture .replay").count() == 0
    page.locator("#practice-next").focus()
    page.keyboard.press("Enter")
    assert page.locator("#practice-gloss").inner_text() == "WEST"
    assert page.locator("#practice-picture .replay").count() == 0
    assert score(page) == []  # what is skipped was not tried


def test_leaving_the_view_turns_the_camera_off(open_page: Open, address: str) -> None:
    page = begun(open_page, address, Reader())
    page.locator(".back a").click()
    page.locator("#view-signs").wait_for()
    assert page.evaluate("document.getElementById('practice-self').srcObject") is None
    assert page.locator(".tabs a[aria-current]").get_attribute("href") == "#signs"
    page.locator("a[href='#practice']").click()
    page.locator("#practice-begin").wait_for()
    assert page.locator(".tabs a[aria-current]").get_attribute("href") == "#signs"


def test_a_sign_without_an_example_can_be_practised(open_page: Open, page_address: str) -> None:
    reader = Reader()
    page = begun(open_page, f"{page_address}/#practice", reader)
    assert page.locator("#practice-without").is_visible()
    reader.reads("west")
    step(page, "wrong")
    assert page.locator("#practice-word").inner_text() == "Read as WEST"


def test_taught_signs_are_practised_as_well(open_page: Open, address: str) -> None:
    page = open_page(address=address, prepare=Classroom([taught_sign("coffee")]))
    asked = []
    for _ in range(3):
        asked.append(page.locator("#practice-gloss").inner_text())
        page.locator("#practice-next").click()
    assert sorted(asked) == ["COFFEE", "EAST", "WEST"]


@pytest.mark.skipif(not SCRIPT.is_file(), reason="no axe-core")
@pytest.mark.parametrize(
    "context",
    [
        {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
        {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    ],
    ids=["desktop, light", "phone, dark"],
)
def test_no_barriers_in_practice(open_page: Open, address: str, context: dict[str, Any]) -> None:
    reader = Reader()
    page = open_page(*ALLOWED_CAMERA, address=address, prepare=reader, **context)
    page.locator("#practice-picture .replay[data-frames]").wait_for()
    assert barriers(page) == [], "before it begins"
    page.locator("#practice-begin:enabled").click()
    step(page, "sign")
    assert barriers(page) == [], "a sign is asked for"
    reader.sees((-0.7, 0.9))
    reader.reads("west", 0.5)
    step(page, "wrong")
    assert barriers(page) == [], "a sign was read as another"
    reader.reads("east")
    step(page, "right")
    assert barriers(page) == [], "a sign was read"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
