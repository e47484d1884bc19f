import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import nn

from benchmarks.live import Heard, figures
from benchmarks.live_material import STEP_MS, Material, rest
from benchmarks.training import Case, Inputs, Trainee, cases, describe
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.segmentation import Segmenter
from tests.bundles import ASPECT, pose


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


def test_live_streams_begin_at_different_places() -> None:
    material = Material([b"a", b"b", b"c", b"d"])
    first, second = (list(islice(material.frames(stream, 2), 5)) for stream in range(2))
    assert [payload for _, payload in first] == [b"a", b"b", b"c", b"d", b"a"]
    assert [payload for _, payload in second] == [b"c", b"d", b"a", b"b", b"c"]
    assert [t_ms for t_ms, _ in first] == [index * STEP_MS for index in range(5)]


def test_rest_between_two_clips_ends_a_sign() -> None:
    segmenter = Segmenter(load_bundle(EMBEDDED).manifest.segmenter)
    signing = [pose((1.0, 0.2 + 0.3 * (index % 2))) for index in range(16)]
    said = []
    for index, keypoints in enumerate([*signing, *[rest(signing[-1])] * 8]):
        square = keypoints * np.array([ASPECT, 1, ASPECT, 1], np.float32)
        said.append(segmenter.push(index * STEP_MS, square))
    assert said[15] is not None
    assert not said[15].closed
    assert any(segment is not None and segment.closed for segment in said)


def test_live_figures_say_who_lost_what() -> None:
    lucky = Heard(sent_s=[0.0] * 10, end_to_final_ms=[100.0, 200.0], summary={"dropped": 0}, code=1000)
    unlucky = Heard(sent_s=[0.0] * 10, end_to_final_ms=[900.0], told=5, summary={"dropped": 5}, code=1000)
    found = figures([lucky, unlucky])
    assert found["dropped_share"] == 0.25
    assert found["share_read_by_stream"] == {"least": 0.5, "median": 0.75, "most": 1.0}
    assert (found["streams_that_lost_frames"], found["streams_that_were_told"]) == (1, 1)
    assert found["told_of_all_dropped"]
    assert found["end_of_sign_to_final_ms"]["median"] == 200.0
    assert not figures([lucky, Heard(sent_s=[0.0], summary={"dropped": 1})])["told_of_all_dropped"]
