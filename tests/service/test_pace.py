"""The rate of all streams of pictures is lowered under load, and restored when it has passed."""

import itertools

import pytest

from service.inference.pace import CALM_S, LONGEST_CALM_S, LOWERED_FPS, Pace, Thinning

FPS = 16.0
LATE_S, EASY_S = 0.3, 0.01


class Load:
    """Streams of pictures that wait so long for so many seconds."""

    def __init__(self):
        self.now_s = 100.0
        self.changes = []
        self.pace = Pace(8, lambda lowered: self.changes.append((self.now_s, lowered)), lambda: self.now_s)

    def run(self, seconds, *waits_s):
        for _ in range(round(seconds * FPS)):
            for waited_s in waits_s:
                self.now_s += 1 / FPS / len(waits_s)
                self.pace.take(waited_s)
        return self.pace.lowered


@pytest.fixture
def load():
    return Load()


def test_the_rate_is_lowered_before_a_queue_of_half_a_second_is_full(load):
    assert not load.run(5, EASY_S)
    assert load.run(0.45, LATE_S)


def test_a_stream_that_starts_slowly_lowers_nothing(load):
    assert not load.run(0.25, LATE_S)
    assert not load.run(5, EASY_S)
    assert load.changes == []


def test_one_stream_of_three_that_is_late_does_not_lower_the_rate_of_all(load):
    assert not load.run(10, EASY_S, EASY_S, LATE_S)
    assert load.run(10, EASY_S, LATE_S, LATE_S)


def test_the_rate_is_restored_after_some_seconds_without_a_late_frame(load):
    load.run(2, LATE_S)
    assert load.run(CALM_S - 0.5, EASY_S)
    assert not load.run(1, EASY_S)
    assert [lowered for _, lowered in load.changes] == [True, False]


def test_a_rate_that_had_to_be_lowered_again_at_once_is_restored_later_and_later(load):
    for _ in range(12):
        while not load.run(0.5, LATE_S):
            pass
        while load.run(0.5, EASY_S):
            pass
    lowered_s = [at_s for at_s, lowered in load.changes if lowered]
    gaps = [later - sooner for sooner, later in itertools.pairwise(lowered_s)]
    assert gaps[0] < gaps[1] < gaps[2]
    assert max(gaps) < LONGEST_CALM_S + 5
    load.run(2 * LONGEST_CALM_S, EASY_S)
    assert load.run(1, LATE_S)
    assert not load.run(CALM_S + 1, EASY_S)  # that was another load


@pytest.mark.parametrize(("fps", "left"), [(16, 8), (8, 8), (30, 10), (5, 5), (12, 6)])
def test_what_is_left_of_a_lowered_rate_is_evenly_spaced(load, fps, left):
    load.run(2, LATE_S)
    thinning = Thinning(load.pace)
    read = [i * 1000 / fps for i in range(10 * fps) if not thinning.leaves_out(i * 1000 / fps)]
    steps = {round(b - a) for a, b in itertools.pairwise(read)}
    assert len(steps) == 1
    assert len(read) == 10 * left


def test_a_camera_that_is_not_exact_keeps_every_other_frame(load):
    load.run(2, LATE_S)
    thinning = Thinning(load.pace)
    read = [i for i in range(80) if not thinning.leaves_out(i * 62.5 + (7 if i % 3 else -7))]
    assert read == list(range(0, 80, 2))
    assert LOWERED_FPS == 8


def test_at_the_usual_rate_nothing_is_left_out(load):
    thinning = Thinning(load.pace)
    assert not any(thinning.leaves_out(float(i)) for i in range(100))
