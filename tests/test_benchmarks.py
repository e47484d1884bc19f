import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._inductor.config
from torch import nn

from benchmarks.engines import COMPILED, EAGER, PRECISION, SESSIONS, Engines
from benchmarks.inference import EngineComparison, as_markdown, rows_of
from benchmarks.lexicon import SIZES, Teaching, rule_times, teach_folder
from benchmarks.lexicon import describe as describe_lexicon
from benchmarks.live import StreamRecord, figures
from benchmarks.live_material import STEP_MS, Material, rest
from benchmarks.reuse import in_normalisation_of, kept_share, measure
from benchmarks.serving import overheads
from benchmarks.subjects import of_bundle
from benchmarks.timing import Spread, alternate
from benchmarks.training import Case, Inputs, Trainee, cases, describe
from export.to_onnx import export_bundle
from glosscast.bundle import EMBEDDED, Bundle, load_bundle
from glosscast.clip import Clip, Window
from glosscast.segmentation import Segmenter
from tests.bundles import ASPECT, pose
from tests.export.models import checkpoint_of
from training.config import load_config
from training.config.variants import variant_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with a pose stream beside the keypoints, which the embedded one does not have."""
    fusion = variant_of(load_config(ROOT / "training" / "configs" / "asl_demo.toml"), "fusion+ce", 1)
    folder = tmp_path_factory.mktemp("fusion") / "bundle"
    export_bundle(checkpoint_of(fusion), folder)
    return load_bundle(folder)


def slow_batches() -> Iterator[Inputs]:
    while True:
        time.sleep(0.05)
        yield torch.ones(4, 2), torch.zeros(4, dtype=torch.long)


def test_time_spent_waiting_for_batches_is_separate_from_work() -> None:
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
    pose, both, demo, _ = cases()
    keypoints, mask, labels = next(demo.batches())
    assert (keypoints.shape, mask.shape, labels.shape) == ((64, 32, 171, 4), (64, 32), (64,))
    assert set(pose.make().encoders) == {"pose"}
    assert set(both.make().encoders) == {"pose", "keypoints"}
    assert set(demo.make().encoders) == {"keypoints"}


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


def test_live_figures_count_lost_frames_by_stream() -> None:
    lucky = StreamRecord(sent_s=[0.0] * 10, end_to_final_ms=[100.0, 200.0], summary={"dropped": 0}, code=1000)
    unlucky = StreamRecord(sent_s=[0.0] * 10, end_to_final_ms=[900.0], dropped=5, summary={"dropped": 5}, code=1000)
    found = figures([lucky, unlucky])
    assert found["dropped_share"] == 0.25
    assert found["share_read_by_stream"] == {"least": 0.5, "median": 0.75, "most": 1.0}
    assert (found["streams_that_lost_frames"], found["streams_that_were_told"]) == (1, 1)
    assert found["told_of_all_dropped"]
    assert found["end_of_sign_to_final_ms"]["median"] == 200.0
    assert not figures([lucky, StreamRecord(sent_s=[0.0], summary={"dropped": 1})])["told_of_all_dropped"]


# --- inference


def test_cases_take_turns_within_the_budget() -> None:
    order: list[str] = []
    cases = {name: partial(order.append, name) for name in "abc"}
    found = alternate(cases, budget_s=60, most=2)
    assert "".join(order) == "abc" + "abc" + "cba"  # warming up, forwards, backwards
    assert [spread.runs for spread in found.values()] == [2, 2, 2]
    order.clear()
    alternate({"slow": partial(time.sleep, 0.02)} | cases, budget_s=0)
    assert "".join(order) == "abc" * 2  # one round whatever it takes


@pytest.mark.slow
def test_engines_agree_and_absent_ones_are_reported(bundle: Bundle, tmp_path: Path) -> None:
    subject = of_bundle(bundle, tmp_path)
    engines = Engines(subject, threads=1)
    runs = engines.runs(2)
    assert {*runs, *engines.absent} == {EAGER, COMPILED, *SESSIONS}
    wanted = runs[EAGER]()[0]
    for name in set(runs) & set(SESSIONS):
        allowed = {"fp32": 1e-4, "bf16": 3e-2, "int8": 0.5}[PRECISION[name]]
        assert np.abs(runs[name]()[0] - wanted.numpy()).max() < allowed, name
    assert not np.array_equal(runs["ONNX Runtime CPU int8"]()[0], runs["ONNX Runtime CPU"]()[0])
    assert subject.gflop() == pytest.approx(0.51, abs=0.01)


@pytest.mark.slow
def test_engines_that_cannot_be_compiled_are_reported_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    engines = Engines(of_bundle(load_bundle(), tmp_path), threads=1, compiled=True)
    assert "No working C++ compiler" in engines.absent[COMPILED]
    assert COMPILED not in engines.runs(1)


@pytest.mark.slow
def test_a_row_states_speed_as_a_share_of_its_own_precision(bundle: Bundle, tmp_path: Path) -> None:
    subject = of_bundle(bundle, tmp_path)
    times = {name: Spread(10.0, 9.0, 12.0, 3) for name in ("OpenVINO fp32", "OpenVINO bf16", "OpenVINO int8")}
    fp32, bf16, int8 = rows_of(subject, 4, times, {"fp32": 400.0, "bf16": 800.0})
    assert fp32.gflops == pytest.approx(4 * subject.gflop() / 0.010)
    assert (fp32.share, bf16.share) == (pytest.approx(fp32.gflops / 400), pytest.approx(fp32.gflops / 800))
    assert int8.share is None
    text = as_markdown(EngineComparison("2 threads", [fp32, int8], {"torch.compile": "none"}, {"fp32": 400.0}))
    assert "| 4 | OpenVINO fp32 | 10.00 ms | 9.00–12.00 | 3 | 203 | 51% |" in text
    assert "| 4 | OpenVINO int8 | 10.00 ms | 9.00–12.00 | 3 | 203 | – |" in text
    assert "torch.compile: none" in text


@pytest.mark.slow
def test_the_time_of_the_recogniser_is_separate_from_that_of_the_session() -> None:
    found = overheads(load_bundle(), repeats=4)
    assert [0 < time.min_ms < 5 for time in found.values()] == [True] * 3


# --- reuse


def test_frames_near_the_edges_of_a_window_cannot_be_kept() -> None:
    frames = torch.arange(36.0).reshape(1, 1, 36, 1, 1)
    before = frames[:, :, :32]
    after = frames[:, :, 4:]
    assert kept_share(before, after) == 28 / 32
    padded = after.clone()
    padded[:, :, 0] = -1  # sees padding where the window before saw a frame
    assert kept_share(before, padded) == 27 / 32


def test_a_window_can_be_put_into_the_normalisation_of_the_one_before() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(36, 171, 4)).astype(np.float32)
    points[..., 3] = 1.0
    moved = points * 0.5
    moved[..., :2] += 0.25
    moved[..., 3] = 1.0
    found = in_normalisation_of(Window(points[:32], np.ones(32)), Window(moved[4:], np.ones(32)), 4)
    assert np.allclose(found.keypoints, points[4:], atol=1e-5)


def test_reuse_of_a_stream_is_bounded_and_not_exact(bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0.3, 0.7, (48, 171, 4)).astype(np.float32)
    found = measure(bundle, Clip(np.arange(48) * 62.5, keypoints, 1.0))
    assert (found.hops, found.unequal) == (3, 3)
    assert {layer.name: layer.kept for layer in found.layers}["slow_stem.0"] == 7 / 8
    assert 1 < found.model_saving < found.pose_saving < 8
    assert found.moved > 1e-4
    with pytest.raises(ValueError, match=r"2\.25 s or more"):
        measure(bundle, Clip(np.arange(20) * 62.5, keypoints[:20], 1.0))


# --- taught signs


def test_the_rule_is_measured_beside_the_model(teachable_folder: Path) -> None:
    times = rule_times(load_bundle(teachable_folder), budget_s=0.0)
    assert len(times) == 2 + 2 * len(SIZES)
    assert all(t.min_ms > 0 for t in times.values())
    text = describe_lexicon(times, Teaching(clips=4, signs=2, seconds=10.0, bytes=2**20))
    assert "| the rule with 1,000 signs | " in text
    assert "4 clips of 2 signs were taught in 10 s, 2.50 s each; the file has 1.0 MiB." in text


def test_a_folder_that_cannot_be_taught_is_said(teachable_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no clips"):
        teach_folder(load_bundle(teachable_folder), tmp_path)
