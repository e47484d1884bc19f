"""Every kind of model becomes a bundle that computes the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.__main__ import main
from export.graph import graph_of, sample_inputs
from export.to_onnx import CHECKPOINT, export_bundle, with_window
from export.verify import verify
from glosscast.bundle import BundleError, load_bundle
from glosscast.clip import Clip
from glosscast.recogniser import Recogniser
from glosscast.sentences.settings import WindowReader
from service.inference.engine import Engine
from service.observe.metrics import Metrics
from service.settings import Settings
from tests.bundles import ASPECT
from tests.export import models
from tests.sentence_bundles import connected
from tests.service.serving import ColourTracker
from training.config import Config
from training.models.checkpoint import Checkpoint

TOLERANCE = 1e-4


def exported(checkpoint: Checkpoint, folder: Path, batch: int = 3) -> Recogniser:
    """The bundle, loaded; its graph gives what torch gives, also for more windows than it was traced with."""
    export_bundle(checkpoint, folder / "bundle")
    recogniser = Recogniser(load_bundle(folder / "bundle"), threads=1)
    manifest = recogniser.bundle.manifest
    inputs = sample_inputs(manifest.inputs, manifest.clip, batch, seed=1)
    wanted = graph_of(checkpoint).run(inputs)
    got = recogniser.outputs(inputs, [t.name for t in manifest.outputs])
    assert got.keys() == wanted.keys()
    for name, value in got.items():
        assert value.std(axis=0).max() > 1e-4  # the inputs matter
        assert np.abs(value - wanted[name]).max() <= TOLERANCE
    return recogniser


@pytest.mark.parametrize(
    ("streams", "inputs", "visual"),
    [
        (("keypoints",), ("keypoints", "mask"), ("none", 0)),
        (("pose", "keypoints"), ("keypoints", "mask"), ("pose", 16)),
        (("rgb",), ("frames", "mask"), ("rgb", 32)),
        (("rgb", "keypoints"), ("frames", "keypoints", "mask"), ("rgb", 32)),
        pytest.param(
            ("rgb", "pose", "keypoints"), ("frames", "keypoints", "mask"), ("rgb", 32), marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.slow
def test_a_model_takes_the_inputs_of_its_streams_and_computes_the_same(
    tmp_path: Path, streams: tuple[str, ...], inputs: tuple[str, ...], visual: tuple[str, int]
) -> None:
    manifest = exported(models.isolated(tmp_path, *streams), tmp_path).bundle.manifest
    assert tuple(t.name for t in manifest.inputs) == inputs
    assert (manifest.visual.kind, manifest.visual.size) == visual
    assert manifest.task == "isolated"
    if "frames" in inputs:
        assert manifest.inputs[0].shape == ("batch", 16, 32, 32, 3)
        assert manifest.inputs[0].dtype == "uint8"
    graph = onnx.load(tmp_path / "bundle" / "model.onnx").graph
    assert {node.domain for node in graph.node} == {""}
    assert [node.name for node in graph.input] == list(inputs)


def test_heatmaps_are_one_product_in_the_graph(tmp_path: Path) -> None:
    exported(models.isolated(tmp_path, "pose"), tmp_path)
    nodes = onnx.load(tmp_path / "bundle" / "model.onnx").graph.node
    assert [n.op_type for n in nodes].count("Exp") == 2
    assert [n.op_type for n in nodes].count("MatMul") == 1


def test_pixels_are_scaled_in_the_graph(tmp_path: Path) -> None:
    recogniser = exported(models.isolated(tmp_path, "rgb"), tmp_path)
    inputs = sample_inputs(recogniser.bundle.manifest.inputs, recogniser.bundle.manifest.clip, 1, seed=0)
    floats = {**inputs, "frames": inputs["frames"].astype(np.float32)}
    with pytest.raises(Exception, match="uint8"):
        recogniser.logits(floats)


@pytest.mark.parametrize("streams", [("keypoints",), ("pose", "keypoints")])
@pytest.mark.slow
def test_a_model_of_sentences_gives_logits_of_each_step_with_the_blank_last(
    tmp_path: Path, streams: tuple[str, ...]
) -> None:
    checkpoint = with_window(models.continuous(tmp_path, *streams), 1125.0)
    recogniser = exported(checkpoint, tmp_path)
    manifest = recogniser.bundle.manifest
    assert manifest.task == "continuous"
    assert manifest.clip.frames == 18
    assert manifest.ctc is not None
    assert (manifest.ctc.blank, manifest.ctc.stride) == (3, 2)
    assert manifest.outputs[0].shape == ("batch", 9, 4)
    # With every frame inside, it is what training reads; the distractors between the glosses and the blank are gone.
    inputs = sample_inputs(manifest.inputs, manifest.clip, 2, seed=3) | {"mask": np.ones((2, 18), np.float32)}
    with torch.no_grad():
        read = checkpoint.build_continuous()(torch.from_numpy(inputs["keypoints"]), torch.tensor([18, 18]))
    assert np.abs(recogniser.logits(inputs) - read.logits[..., [0, 1, 2, 5]].numpy()).max() <= TOLERANCE


def test_a_window_that_is_no_whole_number_of_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clip: the 17 frames of a window must be whole steps of 2 frames"):
        export_bundle(with_window(models.continuous(tmp_path, "keypoints"), 1050.0), tmp_path / "bundle")


def test_windows_of_another_length_are_for_sentences_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trained on windows of 1000 ms"):
        with_window(models.isolated(tmp_path, "keypoints"), 2000.0)


@pytest.mark.slow
def test_the_published_slowfast_computes_the_same(tmp_path: Path) -> None:
    exported(models.isolated(tmp_path, "rgb", visual="slowfast_8x8_r50", size=64), tmp_path)


def test_an_exported_model_of_sentences_is_served_and_reads_no_single_signs(tmp_path: Path) -> None:
    export_bundle(models.continuous(tmp_path, "keypoints"), tmp_path / "bundle")
    engine = Engine(Settings(bundle=tmp_path / "bundle"), Metrics(), ColourTracker)
    try:
        frames = connected("east")
        clip = Clip(np.array([t for t, _ in frames]), np.stack([k for _, k in frames]), ASPECT)
        reading = engine.bundle.pipeline(engine.classify).read(clip)
        assert all(sign.utterance == 0 for sign in reading.signs)
    finally:
        engine.close()
    with pytest.raises(BundleError, match="reads sentences"):
        engine.bundle.require_isolated()


def test_an_exported_model_of_isolated_signs_reads_sentences_in_windows(tmp_path: Path) -> None:
    checkpoint = models.isolated(tmp_path, "keypoints")
    config = Config.model_validate({**checkpoint.config.model_dump(), "reader": {"kind": "windows", "stride": 1}})
    export_bundle(replace(checkpoint, config=config), tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.manifest.task, bundle.manifest.ctc) == ("continuous", None)
    assert isinstance(bundle.manifest.reader, WindowReader)
    comparisons, _ = verify(tmp_path / "bundle", tmp_path / "bundle" / CHECKPOINT, "cpu")
    assert all(comparison.passed for comparison in comparisons)


def test_a_reader_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    for checkpoint, kind in (
        (models.isolated(tmp_path, "keypoints"), "chunks"),
        (models.continuous(tmp_path, "keypoints"), "windows"),
    ):
        with pytest.raises(ValueError, match=r"reader: chunks go with a \[continuous\] table"):
            Config.model_validate({**checkpoint.config.model_dump(exclude_unset=True), "reader": {"kind": kind}})


def test_the_card_describes_the_inputs_of_a_model_of_pictures(tmp_path: Path) -> None:
    checkpoint = models.isolated(tmp_path, "rgb")
    checkpoint.save(tmp_path / "checkpoint.pt")
    assert main(["onnx", "--checkpoint", str(tmp_path / "checkpoint.pt"), "--out", str(tmp_path / "bundle")]) == 0
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "from pictures" in card
    assert "Pictures of people were used in training" in card
    assert "Keypoints only" not in card
