import asyncio
import threading

import pytest

from service.live.queues import MAX_UNSENT, Arrival, FinishSign, FrameQueue, Lesson, MessageQueue, Teaching
from service.protocol.codes import ErrorCode
from service.protocol.messages import Error, Final, Interim, Landmarks, SignStarted, StreamWarning
from service.protocol.wire import FrameMessage


def arrival(seq):
    return Arrival(FrameMessage(seq, float(seq), b""), float(seq))


def interim(segment, revision):
    times = {"start_ms": 0.0, "end_ms": 1.0}
    return Interim(segment=segment, revision=revision, gloss="east", confidence=1.0, stable=True, **times)


def final(segment):
    return Final(
        segment=segment, gloss="east", confidence=1.0, start_ms=0.0, end_ms=1.0,
        alternatives=[], confusable_with=[], latency_ms=0.0,
    )  # fmt: skip


def landmarks(t_ms):
    return Landmarks(t_ms=t_ms, pose=[None] * 25, left_hand=None, right_hand=None, people=0)


STARTED = SignStarted(segment=0, t_ms=0.0)
RESTARTED = StreamWarning(code="tracker_restarted", count=1)
ERROR = Error(code=ErrorCode.BAD_TIME, message="", retryable=True)
F = FinishSign(0.0)
G = FinishSign(1.0)
LAST = FinishSign(0.0, last=True)
TEA, MUG, DONE = Teaching(Lesson("tea", "")), Teaching(Lesson("mug", "")), Teaching(None)


def fill(inbox, items):
    """Put frames (numbers) and requests; the total dropped."""
    dropped = 0
    for item in items:
        if isinstance(item, FinishSign | Teaching):
            inbox.put_request(item)
        else:
            dropped += inbox.put(arrival(item))
    return dropped


def drain(inbox):
    """What comes out, up to a last request."""
    out = []
    while True:
        item = inbox.get()
        out.append(item.frame.seq if isinstance(item, Arrival) else item)
        if item == LAST:
            return out


@pytest.mark.parametrize(
    ("items", "expected", "dropped"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], 0, id="in order"),
        pytest.param([1, 2, 3, 4, 5], [3, 4, 5], 2, id="the oldest go first"),
        pytest.param([1, F, 2], [1, F, 2], 0, id="a request keeps its place"),
        pytest.param([F, 1], [F, 1], 0, id="a request before all frames"),
        pytest.param([1, F], [1, F], 0, id="a request after all frames"),
        pytest.param([1, F, F, F, 2], [1, F, 2], 0, id="requests with nothing between them are one"),
        pytest.param([1, F, 2, 3, 4, 5], [F, 3, 4, 5], 2, id="a request outlives the frames around it"),
        pytest.param([1, F, 2, G, 3, 4, 5, 6], [G, 4, 5, 6], 3, id="requests whose frames went are one"),
        pytest.param([F, 1, F, 2, 3, 4], [F, 2, 3, 4], 1, id="a request before and after the frame that goes"),
        pytest.param([1, TEA, 2, DONE, 3], [1, TEA, 2, DONE, 3], 0, id="teaching keeps its place"),
        pytest.param([1, TEA, MUG, 2], [1, MUG, 2], 0, id="of two to teach the last counts"),
        pytest.param([1, TEA, F, DONE, 2], [1, TEA, F, DONE, 2], 0, id="a sign is finished while it is taught"),
        pytest.param([1, F, TEA, G, MUG, 2], [1, G, MUG, 2], 0, id="what is finished is not finished again"),
        pytest.param([TEA, 1, DONE, 2, 3, 4], [DONE, 2, 3, 4], 1, id="teaching whose frames went"),
    ],
)
def test_inbox(items, expected, dropped):
    inbox = FrameQueue(3)

    assert fill(inbox, items) == dropped
    inbox.put_request(LAST)
    if expected[-1:] == [F]:
        expected = expected[:-1]
    assert drain(inbox) == [*expected, LAST]


def test_a_flood_of_wishes_takes_no_room():
    inbox = FrameQueue(2)
    for seq in range(1000):
        fill(inbox, [F, seq, F, TEA, F, MUG, DONE, F, TEA])
    inbox.put_request(LAST)

    assert len(drain(inbox)) <= 9


@pytest.mark.parametrize("wake", [lambda i: i.put(arrival(7)), lambda i: i.put_request(F), lambda i: i.close()])
def test_get_waits(wake):
    inbox = FrameQueue(2)
    got = []
    reader = threading.Thread(target=lambda: got.append(inbox.get()))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    wake(inbox)
    reader.join(5)

    assert not reader.is_alive()
    assert len(got) == 1


def test_a_closed_inbox_forgets_its_frames():
    inbox = FrameQueue(2)
    fill(inbox, [1, F])
    inbox.close()

    assert inbox.get() is None
    assert inbox.get() is None


def dropped(count):
    return StreamWarning(code="frames_dropped", count=count)


@pytest.mark.parametrize(
    ("put", "sent"),
    [
        pytest.param([STARTED, interim(0, 1), interim(0, 2)], [STARTED, interim(0, 2)], id="a newer interim replaces"),
        pytest.param([interim(0, 1), final(0)], [final(0)], id="a final replaces its interim"),
        pytest.param([final(0), STARTED, final(1)], [final(0), STARTED, final(1)], id="finals stay"),
        pytest.param([landmarks(1.0), STARTED, landmarks(2.0)], [STARTED, landmarks(2.0)], id="landmarks replace"),
        pytest.param([interim(0, 1), landmarks(1.0)], [interim(0, 1), landmarks(1.0)], id="kinds keep apart"),
        pytest.param(
            [dropped(2), RESTARTED, ERROR, dropped(3)],
            [RESTARTED, ERROR, dropped(5)],
            id="warnings add up",
        ),
        pytest.param([ERROR, ERROR], [ERROR, ERROR], id="errors stay"),
    ],
)
def test_outbox(put, sent):
    async def run():
        outbox = MessageQueue()
        for message in put:
            assert outbox.put(message)
        outbox.finish()
        return [message async for message in everything(outbox)]

    assert asyncio.run(run()) == sent


async def everything(outbox):
    while (message := await outbox.get()) is not None:
        yield message


def test_the_outbox_is_bounded_by_irreplaceable_messages():
    outbox = MessageQueue()
    for revision in range(10 * MAX_UNSENT):
        assert outbox.put(interim(0, revision))
        assert outbox.put(landmarks(float(revision)))
    outbox = MessageQueue()
    accepted = sum(outbox.put(ERROR) for _ in range(10 * MAX_UNSENT))

    assert accepted == MAX_UNSENT


def test_get_waits_for_a_message():
    async def run():
        outbox = MessageQueue()
        reader = asyncio.create_task(outbox.get())
        await asyncio.sleep(0.01)
        assert not reader.done()
        outbox.put(STARTED)
        return await asyncio.wait_for(reader, 5)

    assert asyncio.run(run()) == STARTED
