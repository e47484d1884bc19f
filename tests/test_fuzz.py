"""The first inputs of `python -m tests.fuzz`, and that it notices what it looks for."""

import faulthandler
import random

import pytest

from tests.fuzz.__main__ import Reader, damaged, readers, run

COUNTS = {
    "frames": 300,
    "keypoints": 300,
    "messages": 300,
    "message_values": 300,
    "manifest": 100,
    "manifest_values": 300,
    "videos": 20,
}


@pytest.fixture(scope="module")
def known():
    with readers() as found:
        yield found


@pytest.mark.parametrize("name", COUNTS)
def test_damaged_input_is_read_or_refused(known, name):
    figures = run(known[name], COUNTS[name], seed=0)

    assert figures["refused"] > 0
    assert figures["refused"] + figures["read"] == COUNTS[name]


def test_every_reader_is_looked_at(known):
    assert set(known) == set(COUNTS)


def test_good_input_is_read(known):
    for reader in known.values():
        for seed in reader.seeds:
            reader.read(seed)


def test_another_error_stops_the_run_with_the_number_of_its_input():
    def read(data):
        if data != b"good":
            raise KeyError("nobody foresaw this")

    with pytest.raises(AssertionError, match=r"input \d+ of seed 3: KeyError"):
        run(Reader([b"good"], read, (ValueError,)), 50, seed=3)


def test_after_an_error_no_watch_is_left_to_end_the_process(monkeypatch):
    watches = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: watches.append("set"))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: watches.append("gone"))
    with pytest.raises(AssertionError):
        run(Reader([b"good"], lambda _: {}["nothing"], (ValueError,)), 50, seed=3)
    assert watches == ["set", "gone"]


def test_the_same_number_makes_the_same_input():
    assert damaged([b"abc" * 9], random.Random("0 7")) == damaged([b"abc" * 9], random.Random("0 7"))
