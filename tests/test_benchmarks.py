import time
from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.training import Case, Inputs, Trainee, cases, describe


def slow_batches() -> Iterator[Inputs]:
    while True:
        time.sleep(0.05)
        yield torch.ones(4, 2), torch.zeros(4, dtype=torch.long)


def test_time_spent_waiting_for_batches_is_told_from_work() -> None:
    trainee = Trainee(Case("wait", 4, lambda: nn.Linear(2, 3), slow_batches, 3), "cpu", "bfloat16")
    before = trainee.model.weight.clone()
    trainee.timings += trainee.round(3)
    row = trainee.row()
    assert row["steps"] == 2
    assert all(timing.wait >= 0.05 for timing in trainee.timings)
    assert 0 < row["waiting"] < 1
    assert 0 < row["min_clips_per_s"] <= row["clips_per_s"] <= row["max_clips_per_s"] < 4 / 0.05
    assert not torch.equal(trainee.model.weight, before)
    assert "| wait | cpu | bfloat16 | 4 | 2 |" in describe([row])


def test_the_demo_is_trained_on_batches_of_its_size() -> None:
    pose, demo, _ = cases()
    keypoints, mask, labels = next(demo.batches())
    assert (keypoints.shape, mask.shape, labels.shape) == ((48, 32, 171, 4), (48, 32), (48,))
    assert set(pose.make().encoders) == {"pose"}
    assert set(demo.make().encoders) == {"pose", "keypoints"}
