"""A stand-in for the lexicons of a service, for tests of the page: signs that were made up, and skeletons that move."""

import json
import math
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.service.test_page_stream import STARTED

FRAMES = 32
STEP_MS = 62.5
UPPER_BODY = {
    0: (0.0, -0.72),
    2: (0.09, -0.82),
    5: (-0.09, -0.82),
    7: (0.24, -0.75),
    8: (-0.24, -0.75),
    11: (0.5, 0.0),
    12: (-0.5, 0.0),
    13: (0.66, 0.6),
    14: (-0.75, 0.55),
    23: (0.35, 1.35),
    24: (-0.35, 1.35),
}
LEFT_WRIST = (0.55, 1.0)


def taught_sign(gloss: str, examples: int = 3, **more: Any) -> dict[str, Any]:
    """A sign as `GET /v1/lexicons/{name}/signs` gives it; the ids of its examples end with their numbers."""
    found = [
        {"id": f"{gloss.encode().hex()[:12]:0<12}{k:04x}", "duration_ms": 1200.0 + 100 * k} for k in range(examples)
    ]
    consistency = None if examples == 1 else 0.84
    likeness = {"consistency": consistency, "outliers": [], "look_alikes": []}
    return {"gloss": gloss, "language": "ASL", "examples": found, **likeness, **more}


def motion(phase: float) -> dict[str, Any]:
    """The points of someone who lifts the right hand, waves and lowers it, as an example's address gives them."""
    pose, right, left = [], [], []
    for frame in range(FRAMES):
        share = frame / (FRAMES - 1)
        raised = min(1.0, 4 * share) * min(1.0, 4 * (1 - share))
        wrist = (-0.7 + 0.25 * math.sin(14 * share + phase), 0.9 - 1.25 * raised)
        points = {**UPPER_BODY, 15: LEFT_WRIST, 16: wrist}
        pose.append([points.get(i) for i in range(25)])
        right.append(hand(wrist, -math.pi / 2) if raised > 0.1 else None)
        left.append(hand(LEFT_WRIST, math.pi / 2))
    t_ms = [i * STEP_MS for i in range(FRAMES)]
    parts = {"pose": pose, "left_hand": left, "right_hand": right}
    return {"t_ms": t_ms, "start_ms": 0.1 * t_ms[-1], "end_ms": 0.9 * t_ms[-1], **parts}


def hand(wrist: tuple[float, float], towards: float) -> list[tuple[float, float]]:
    """The 21 points of an open hand that points into a direction."""
    rays = [towards + 0.28 * (finger - 2) for finger in range(5)]
    bones = [(angle, 0.08 + 0.07 * joint) for angle in rays for joint in range(1, 5)]
    return [wrist, *((wrist[0] + far * math.cos(a), wrist[1] + far * math.sin(a)) for a, far in bones)]


class Classroom:
    """Takes the service's place at `/v1/lexicons` and at the websocket, and remembers what the page says.

    Attributes:
        signs: of the lexicon; None where there is none.
        received: text messages of the page.
        asked: method and path of each request that changes something.
    """

    def __init__(self, signs: list[dict[str, Any]] | None = None) -> None:
        self.signs = signs
        self.received: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self._socket: Any = None
        self._segment = 0

    def __call__(self, page: Any) -> None:
        """Prepare a page."""
        page.route("**/page.json", lambda route: route.fulfill(json={"holistic": None, "lexicons": True}))
        page.route(lambda url: urlsplit(url).path.startswith("/v1/lexicons"), self._answer)
        page.route_web_socket("**/v1/stream", self._connect)

    def say(self, **message: Any) -> None:
        """A message of the service."""
        self._socket.send(json.dumps(message))

    def hang_up(self) -> None:
        """Break the connection."""
        self._socket.close(code=1011)

    def teaches(self, page: Any) -> None:
        """Wait until the page wants a sign to be signed."""
        page.locator("#teach-stage[data-step='sign']").wait_for()

    def takes(self, page: Any, sign: dict[str, Any]) -> None:
        """A sign has been signed and is an example: the lexicon holds `sign` now."""
        self.teaches(page)
        self.say(type="sign_started", segment=self._next(), t_ms=0)
        page.locator("#teach-stage[data-step='reading']").wait_for()
        self.signs = [*(other for other in self.signs or [] if other["gloss"] != sign["gloss"]), sign]
        self._taught(sign["gloss"], accepted=True, example=sign["examples"][-1]["id"], examples=len(sign["examples"]))

    def refuses(self, page: Any, gloss: str, reason: str) -> None:
        """A sign has been signed and is no example."""
        self.teaches(page)
        self._next()
        self._taught(gloss, accepted=False, reason=reason, message="not for people")

    def _next(self) -> int:
        self._segment += 1
        return self._segment

    def _taught(self, gloss: str, **fields: Any) -> None:
        none: dict[str, Any] = {"example": None, "examples": 0, "consistency": None, "outlier": False}
        none |= {"look_alikes": [], "warnings": [], "reason": None, "message": None}
        self.say(type="taught", segment=self._segment, gloss=gloss, **(none | fields))

    def _connect(self, socket: Any) -> None:
        self._socket = socket

        def hear(message: str | bytes) -> None:
            if isinstance(message, bytes):
                return
            self.received.append(json.loads(message))
            if self.received[-1]["type"] == "start":
                socket.send(json.dumps(STARTED))

        socket.on_message(hear)

    def _answer(self, route: Any) -> None:
        request = route.request
        parts = [unquote(part) for part in urlsplit(request.url).path.split("/")[3:]]
        if request.method != "GET":
            self.asked.append((request.method, "/".join(parts)))
        match request.method, parts:
            case "GET", []:
                found = [] if self.signs is None else [{"name": "mine", "signs": len(self.signs)}]
                route.fulfill(json={"lexicons": found})
            case "GET", [_, "signs"]:
                route.fulfill(json={"signs": self.signs})
            case "GET", [_, "signs", _, "examples", number]:
                route.fulfill(json=motion(int(number[-4:], 16) / 8))
            case "POST", []:
                self.signs = []
                route.fulfill(status=201, json={"name": "mine"})
            case "PATCH", [_, "signs", gloss]:
                sign = next(sign for sign in self.signs or [] if sign["gloss"] == gloss)
                route.fulfill(json=sign | request.post_data_json)
                sign |= request.post_data_json
            case "DELETE", [_]:
                self.signs = None
                route.fulfill(status=204)
            case "DELETE", [_, "signs", gloss, *example]:
                signs = self.signs or []
                sign = next(sign for sign in signs if sign["gloss"] == gloss)
                if example:
                    sign["examples"] = [e for e in sign["examples"] if e["id"] != example[1]]
                else:
                    self.signs = [other for other in signs if other is not sign]
                route.fulfill(status=204)
            case _:
                problem = {"code": "bad_file", "detail": "not for people", "status": 422, "title": "", "type": ""}
                route.fulfill(status=422, json=problem)
