"""A queue to an output: whoever makes events never waits, and little is lost."""

import asyncio
import logging

import pytest

from service.outputs import courier
from service.outputs.courier import MAX_WAITING, Courier, OutputError, backoff_s
from service.protocol import events


class Shelf:
    """An output that can be told to fail."""

    name = "shelf"

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.got: list[events.Event] = []
        self.skipped: list[events.Event] = []
        self.looks = 0
        self.looked_after = asyncio.Event()
        self.closed = False
        self.open = asyncio.Event()
        self.open.set()

    def wants(self, event):
        return not isinstance(event, events.Interim)

    async def look(self):
        self.looks += 1
        if self.looks == 3:
            self.looked_after.set()
        if self.faults:
            raise self.faults[0]

    async def send(self, event):
        await self.open.wait()
        if self.faults:
            raise self.faults.pop(0)
        self.got.append(event)

    def skip(self, event):
        self.skipped.append(event)

    async def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(courier, "FIRST_WAIT_S", 0.001)


def deliver(metrics, shelf_of, *sent, close_s=5.0):
    async def run():
        shelf = shelf_of()
        one = Courier(shelf, metrics)
        one.start()
        for event in sent:
            one.put(event)
        await one.close(close_s)
        return shelf

    return asyncio.run(run())


def test_events_arrive_in_order(metrics, event, count):
    sent = [event(events.Started), event(events.Final), event(events.Ended)]
    shelf = deliver(metrics, Shelf, *sent)
    assert shelf.got == sent
    assert shelf.closed
    assert (count("shelf", "sent"), count("shelf", "dropped"), count("shelf", "refused")) == (3, 0, 0)


def test_what_nobody_wants_is_not_queued(metrics, event):
    assert deliver(metrics, Shelf, event(events.Interim, gloss="a", confidence=0.5, stable=True)).got == []


def test_a_fault_is_tried_again_and_the_order_stays(metrics, event, count):
    sent = [event(events.Final, segment=n) for n in range(3)]
    shelf = deliver(metrics, lambda: Shelf(OutputError("down"), OutputError("down")), *sent)
    assert shelf.got == sent
    assert count("shelf", "sent") == 3


def test_a_refused_event_is_not_tried_again_and_the_next_one_is_sent(metrics, event, count):
    sent = [event(events.Final, segment=n) for n in range(2)]
    # The first fault is what `look` hears as well.
    shelf = deliver(metrics, lambda: Shelf(OutputError("refused", retryable=False)), *sent)
    assert shelf.got == sent[1:]
    assert (count("shelf", "sent"), count("shelf", "refused")) == (1, 1)


def test_a_fault_that_nobody_foresaw_ends_one_event(metrics, event, count, caplog):
    sent = [event(events.Final, segment=n) for n in range(2)]
    shelf = deliver(metrics, lambda: Shelf(ValueError("http://hidden.example")), *sent)
    assert shelf.got == sent[1:]
    assert count("shelf", "refused") == 1
    assert "hidden" not in caplog.text


def test_an_old_event_is_given_up(metrics, event, count):
    old, new = event(events.Final, age_s=courier.GIVE_UP_S), event(events.Final)
    shelf = deliver(metrics, lambda: Shelf(OutputError("down")), old, new)
    assert shelf.got == [new]
    assert count("shelf", "dropped") == 1


def test_the_receiver_may_ask_for_time(metrics, event, monkeypatch):
    waits = []

    async def sleep(delay, original=asyncio.sleep):
        waits.append(delay)
        await original(0)

    monkeypatch.setattr("service.outputs.courier.asyncio.sleep", sleep)
    deliver(metrics, lambda: Shelf(OutputError("busy", after_s=7.0)), event(events.Final))
    assert waits == [7.0]


def test_a_full_queue_drops_the_oldest_and_never_blocks(metrics, event, count):
    async def run():
        shelf = Shelf()
        shelf.open.clear()  # the receiver hangs
        one = Courier(shelf, metrics)
        one.start()
        await asyncio.sleep(0)
        sent = [event(events.Final, segment=n) for n in range(MAX_WAITING + 3)]
        one.put(event(events.Started))
        await asyncio.sleep(0.01)  # it is on its way
        for each in sent:
            one.put(each)
        assert shelf.skipped == sent[:3]
        shelf.open.set()
        await one.close(5)
        assert shelf.got[1:] == sent[3:]

    asyncio.run(run())
    assert count("shelf", "dropped") == 3


def test_a_receiver_that_hangs_does_not_hold_up_the_end(metrics, event, count):
    async def run():
        shelf = Shelf()
        shelf.open.clear()
        one = Courier(shelf, metrics)
        one.start()
        one.put(event(events.Final))
        one.put(event(events.Ended))
        await asyncio.sleep(0.01)
        await asyncio.wait_for(one.close(0.05), 5)
        assert shelf.closed

    asyncio.run(run())
    assert count("shelf", "dropped") == 2


def test_faults_are_logged_once_in_a_while(metrics, event, caplog):
    faults = [OutputError("the receiver answered 500") for _ in range(4)]
    deliver(metrics, lambda: Shelf(*faults), event(events.Final))
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["shelf: the receiver answered 500; 0 events lost"]


def test_the_output_is_looked_after_while_there_is_nothing_to_send(metrics, monkeypatch):
    monkeypatch.setattr(courier, "IDLE_S", 0.005)

    async def run():
        shelf = Shelf()
        one = Courier(shelf, metrics)
        one.start()
        await shelf.looked_after.wait()
        await one.close(1)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_waits_grow_with_jitter_and_have_an_end(monkeypatch):
    monkeypatch.setattr(courier, "FIRST_WAIT_S", 0.5)
    waits = [[backoff_s(failures) for _ in range(50)] for failures in (0, 1, 2, 50)]
    for some, longest in zip(waits, (0.5, 1.0, 2.0, 15.0), strict=True):
        assert longest / 2 <= min(some) < max(some) <= longest
