"""The page's end of the websocket, in a real browser: what it makes of messages, closes and silence."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from service.protocol.wire import parse_frame, parse_text
from tests.bundles import NO_SIGN
from tests.service.browsing import ALLOWED_CAMERA, BROWSER_TESTS, Open

pytestmark = BROWSER_TESTS


def playing(*connections: Callable[[Any], None]) -> Callable[[Any], None]:
    """Takes the service's place at the websocket: the first connection gets the first part, and so on."""
    parts = iter(connections)
    return lambda page: page.route_web_socket("**/v1/stream", lambda socket: next(parts)(socket))


def on_start(*messages: dict[str, Any], close: int | None = None) -> Callable[[Any], None]:
    """Answers `start` with these messages and, where a code is given, with the close."""

    def part(socket: Any) -> None:
        def answer(data: str | bytes) -> None:
            if not isinstance(data, str) or parse_text(data).type != "start":
                return
            for message in messages:
                socket.send(json.dumps(message))
            if close is not None:
                socket.close(code=close)

        socket.on_message(answer)

    return part


STARTED = {"type": "started", "session": "s", "limits": {"max_fps": 30, "max_frame_bytes": 1_000_000}}


def final(gloss: str, confidence: float = 0.9, **more: Any) -> dict[str, Any]:
    return {"type": "final", "segment": 0, "gloss": gloss, "confidence": confidence, **more}


BEGUN = {"type": "sign_started", "segment": 0, "t_ms": 0}


def interim(gloss: str, stable: bool) -> dict[str, Any]:
    return {"type": "interim", "segment": 0, "revision": 1, "gloss": gloss, "confidence": 0.9, "stable": stable}


def test_dots_stand_until_a_guess_is_stable(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, BEGUN, interim("thanks", False))))
    page.locator("#start").click()
    page.locator("#caption[data-kind='listening'] .dots").wait_for()
    word = page.locator("#caption-word")
    assert (word.get_attribute("data-gloss"), word.inner_text()) == (None, "Reading a sign")


def test_a_stable_guess_stays_until_another_is_or_the_final_comes(open_page: Open) -> None:
    page = open_page()
    seen = page.evaluate(
        """async (messages) => {
          const { Captions } = await import("/js/captions.js");
          const { History } = await import("/js/history.js");
          const captions = new Captions(new History(null));
          const word = document.getElementById("caption-word"), box = document.getElementById("caption");
          return messages.map((message) => {
            if (message.type === "sign_started") captions.signStarted();
            if (message.type === "interim") captions.showInterim(message);
            if (message.type === "final") captions.showFinal(message);
            return `${box.dataset.kind} ${word.dataset.gloss ?? ""}`;
          });
        }""",
        [
            *(BEGUN, interim("thanks", False), interim("thanks", True), interim("yes", False)),
            *(interim("yes", True), interim(NO_SIGN, False), final("help"), BEGUN),
        ],
    )
    assert seen == [
        *("listening ", "listening ", "interim thanks", "interim thanks", "interim yes", "interim yes"),
        *("final help", "listening help"),  # the final stays until there is something to read in its place
    ]


def test_interim_is_replaced_and_no_sign_shows_nothing(open_page: Open) -> None:
    sign = final(
        "iloveyou",
        0.62,
        alternatives=[{"gloss": "yes", "confidence": 0.3}, {"gloss": "no", "confidence": 0.02}],
        confusable_with=["yes", "help"],
    )
    page = open_page(
        *ALLOWED_CAMERA,
        prepare=playing(
            on_start(STARTED, interim("thanks", True), final(NO_SIGN), sign, interim(NO_SIGN, False)),
        ),
    )
    page.locator("#start").click()
    page.locator("#caption[data-kind='listening']").wait_for()
    assert page.locator("#history li").count() == 1
    assert page.locator("#history .history-gloss").inner_text() == "I LOVE YOU"
    assert page.locator("#history .other").all_inner_texts() == ["YES 30%", "HELP"]
    assert page.locator("#announce p").all_inner_texts() == ["I love you, fairly sure"]


def test_stream_comes_back_by_itself(open_page: Open) -> None:
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(STARTED, close=1011), on_start(STARTED, final("hello"))))
    page.locator("#start").click()
    page.locator("#caption-word[data-gloss='hello']").wait_for()
    assert page.locator("#stage").get_attribute("data-state") == "running"


def test_broken_session_is_resumed_after_the_last_final_received(open_page: Open) -> None:
    received: list[dict[str, Any]] = []
    limits = {**STARTED["limits"], "resume_s": 30}
    started = {**STARTED, "session": "one", "token": "secret", "resumed": False, "limits": limits}

    def part(socket: Any, *messages: dict[str, Any], close: int | None = None) -> None:
        def answer(data: str | bytes) -> None:
            if not isinstance(data, str):
                return
            received.append(json.loads(data))
            for message in messages:
                socket.send(json.dumps(message))
            if close is not None:
                socket.close(code=close)

        socket.on_message(answer)

    unknown = {"type": "error", "code": "no_session", "message": "", "retryable": True}
    page = open_page(
        *ALLOWED_CAMERA,
        prepare=playing(
            lambda socket: part(socket, started, {**final("hello"), "segment": 7}, close=1011),
            lambda socket: part(socket, {**started, "resumed": True}, {**final("yes"), "segment": 8}, close=1011),
            lambda socket: part(socket, unknown, close=4008),
            lambda socket: part(socket, {**started, "session": "two"}, final("no")),
        ),
    )
    page.locator("#start").click()
    page.locator("#history li[data-gloss='no']").wait_for()
    assert page.locator("#history li").count() == 3
    resume = {"type": "resume", "session": "one", "token": "secret"}
    assert [message["type"] for message in received] == ["start", "resume", "resume", "start"]
    assert received[1:3] == [{**resume, "last_segment": 7}, {**resume, "last_segment": 8}]


def test_busy_server_is_asked_again_after_the_time_that_it_gives(open_page: Open) -> None:
    busy = {"type": "error", "code": "overloaded", "message": "", "retryable": True, "retry_after_s": 3600}
    page = open_page(*ALLOWED_CAMERA, prepare=playing(on_start(busy, close=1013)))
    page.locator("#start").click()
    page.locator("#banner").wait_for()
    assert page.locator("#banner-title").inner_text() == "All places are taken right now."
    seconds = int("".join(filter(str.isdigit, page.locator("#banner-body").inner_text())))
    assert 3000 < seconds <= 3600


def test_frame_of_the_page_is_parsed_by_the_service(module_page: Any) -> None:
    image = bytes(range(256))
    message = module_page.evaluate(
        """async (image) => {
          const { encodeFrame } = await import("/js/wire.js");
          return [...encodeFrame(17, 1062.5, new Uint8Array(image).buffer)];
        }""",
        list(image),
    )
    frame = parse_frame(bytes(message), "frames")
    assert (frame.seq, frame.t_ms, frame.payload) == (17, 1062.5, image)


def test_close_codes_decide_the_next_step(module_page: Any) -> None:
    cases: list[tuple[int, dict[str, Any] | None, int, tuple[str, str, float | None]]] = [
        (1000, None, 0, ("stop", "done", None)),
        (1001, None, 0, ("retry", "lost", 500)),
        (1006, None, 3, ("retry", "lost", 4000)),
        (1006, None, 7, ("retry", "lost", 15_000)),
        (1006, None, 80, ("retry", "lost", 10_000)),  # of the ninety seconds, each failure here stands for one
        (1006, None, 90, ("stop", "gone", None)),
        (1009, None, 0, ("stop", "disagree", None)),
        (1011, {"retryable": True, "retry_after_s": 2}, 5, ("retry", "lost", 2000)),
        (1011, {"retryable": False}, 0, ("stop", "refused", None)),
        (1013, {"retryable": True, "retry_after_s": 7}, 0, ("retry", "busy", 7000)),
        (1013, None, 20, ("retry", "busy", 15_000)),
        (4000, {"retryable": False}, 0, ("stop", "disagree", None)),
        (4001, None, 0, ("stop", "unauthorised", None)),
        (4001, {"code": "not_allowed", "retryable": False}, 0, ("stop", "not_allowed", None)),
        (4008, {"retryable": True}, 0, ("retry", "renew", 0)),
        (4029, None, 0, ("retry", "busy", 3000)),
        (4031, {"retryable": True}, 0, ("stop", "idle", None)),
    ]
    found = module_page.evaluate(
        """async (cases) => {
          const { afterClose } = await import("/js/protocol.js");
          const middle = () => 0.5; // no jitter
          return cases.map(([code, error, attempt]) => afterClose(code, error, attempt, 1000 * attempt, middle));
        }""",
        [case[:3] for case in cases],
    )
    for (code, error, attempt, expected), answer in zip(cases, found, strict=True):
        told = (answer["action"], answer["reason"], answer.get("delayMs"))
        assert told == pytest.approx(expected), (code, error, attempt)


def test_dead_connection_is_noticed(module_page: Any) -> None:
    """The network can vanish without a close: frames go out and nothing comes back."""
    told = module_page.evaluate(
        """async () => {
          const { StreamClient } = await import("/js/protocol.js");
          const timers = new Map(), sockets = [], told = [];
          let last = 0;
          const timer = {
            setTimeout: (run, ms) => (timers.set(++last, { run, ms }), last),
            clearTimeout: (id) => timers.delete(id),
          };
          const fire = () => { const [id, { run }] = [...timers][0]; timers.delete(id); run(); };
          const connect = () => {
            const socket = { sent: [], bufferedAmount: 0, send: (data) => socket.sent.push(data), close: () => {} };
            sockets.push(socket);
            return socket;
          };
          const client = new StreamClient({
            url: "", start: { type: "start" }, timer, connect,
            onMessage: () => {}, onState: (state) => told.push(state.name),
          });
          const answer = (type) => sockets.at(-1).onmessage({ data: JSON.stringify({ type }) });
          const soon = () => new Promise((done) => setTimeout(done));
          client.start();
          await soon();
          sockets[0].onopen();
          answer("started");
          const watchedBefore = timers.size;
          client.sendFrame(1, new ArrayBuffer(8));
          answer("landmarks");
          const watchedAfterAnswer = timers.size;
          client.sendFrame(2, new ArrayBuffer(8));
          fire(); // nothing was received for long
          fire(); // the wait before the next attempt is over
          await soon();
          return { told, sockets: sockets.length, sent: sockets[0].sent.length, watchedBefore, watchedAfterAnswer };
        }"""
    )
    assert told["told"] == ["connecting", "open", "waiting", "connecting"]
    assert (told["sockets"], told["sent"]) == (2, 3)
    assert (told["watchedBefore"], told["watchedAfterAnswer"]) == (0, 0)


def test_stopping_before_the_connection_is_there_leaves_none_behind(module_page: Any) -> None:
    """A token for it may take its time."""
    told = module_page.evaluate(
        """async () => {
          const { StreamClient } = await import("/js/protocol.js");
          const told = [];
          let opened, attempts = 0, closed = 0;
          const client = new StreamClient({
            url: "", start: { type: "start" }, connect: () => (attempts++, new Promise((done) => (opened = done))),
            onMessage: () => {}, onState: (state) => told.push(state.name),
          });
          client.start();
          client.retryNow(); // one attempt at a time
          client.stop();
          opened({ close: () => closed++ });
          await new Promise((done) => setTimeout(done));
          return { told, attempts, closed };
        }"""
    )
    assert told == {"told": ["connecting"], "attempts": 1, "closed": 1}


def test_teaching_goes_on_over_another_connection(module_page: Any) -> None:
    """What is taught is told again, and what was said of an example is told once."""
    told = module_page.evaluate(
        """async () => {
          const { StreamClient } = await import("/js/protocol.js");
          const sockets = [], messages = [];
          const connect = () => {
            const socket = { sent: [], bufferedAmount: 0, send: (data) => socket.sent.push(data), close: () => {} };
            sockets.push(socket);
            return socket;
          };
          const timer = {
            setTimeout: (run, ms) => setTimeout(run, ms > 5000 ? ms : 0), // reconnects at once
            clearTimeout: (id) => clearTimeout(id),
          };
          const client = new StreamClient({
            url: "", start: { type: "start", input: "keypoints", lexicon: "mine" }, timer, connect,
            onMessage: (message) => messages.push(message), onState: () => {},
          });
          const answer = (message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
          const soon = () => new Promise((done) => setTimeout(done, 20));
          const started = { type: "started", session: "s", token: "t", limits: { resume_s: 30 } };
          const taught = (segment) => ({ type: "taught", segment, gloss: "tea", accepted: true });
          client.teach("tea", "ASL"); // before there is a connection
          client.start();
          await soon();
          sockets[0].onopen();
          answer({ ...started, resumed: false });
          answer({ type: "final", segment: 0 });
          answer(taught(0));
          client.teach("mug");
          sockets[0].onclose({ code: 1006 });
          await soon();
          sockets[1].onopen();
          answer({ ...started, resumed: true });
          answer(taught(0)); // once more
          answer(taught(1));
          client.teachDone();
          client.stop();
          return { sent: sockets.map(({ sent }) => sent.map(JSON.parse)), messages };
        }"""
    )
    start = {"type": "start", "input": "keypoints", "lexicon": "mine"}
    resume = {"type": "resume", "session": "s", "token": "t", "last_segment": 0}
    tea = {"type": "teach", "gloss": "tea", "language": "ASL"}
    mug = {"type": "teach", "gloss": "mug", "language": ""}
    assert told["sent"] == [[start, tea, mug], [resume, mug, {"type": "teach_done"}, {"type": "stop"}]]
    assert [m["segment"] for m in told["messages"] if m["type"] == "taught"] == [0, 1]
    for sent in (tea, mug, {"type": "teach_done"}):
        parse_text(json.dumps(sent))
