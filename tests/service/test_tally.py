import pytest

from service.live.tally import Tally
from service.observe.metrics import Metrics
from service.protocol.codes import ErrorCode
from service.protocol.wire import FrameFault


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def tally(now):
    return Tally(Metrics(), clock=lambda: now[0])


def test_a_flood_of_faults_makes_one_error_a_second_and_code(tally, now):
    sent = []
    for i in range(3000):
        now[0] = i / 1000
        sent += tally.faulty(FrameFault(ErrorCode.BAD_TIME, "again"))
        sent += tally.faulty(FrameFault(ErrorCode.UNDECODABLE, "again"))

    assert len(sent) == 6
    assert all(error.retryable for error in sent)
    assert tally.summary(0).faulty == 6000


def test_warnings_count_every_dropped_frame_once(tally, now):
    sent = []
    for i in range(2500):
        now[0] = i / 1000
        tally.dropped("queue_full")
        sent += tally.warning()
    sent += tally.warning(at_once=True)

    assert len(sent) == 4
    assert sent[0].count == 1  # the first at once
    assert sum(warning.count for warning in sent) == 2500 == tally.summary(0).dropped


def test_no_warning_without_a_drop(tally):
    assert tally.warning() == []
    assert tally.warning(at_once=True) == []


def test_the_summary_and_the_metrics_agree():
    metrics = Metrics()
    tally = Tally(metrics)
    for _ in range(5):
        tally.received("keypoints")
    tally.dropped("too_fast")
    tally.faulty(FrameFault(ErrorCode.BAD_TIME, ""))
    summary = tally.summary(signs=2)

    assert (summary.frames, summary.dropped, summary.faulty, summary.signs) == (5, 1, 1, 2)
    assert 'glosscast_frames_received_total{input="keypoints"} 5.0' in metrics.text().decode()
    assert 'glosscast_frames_dropped_total{reason="too_fast"} 1.0' in metrics.text().decode()
