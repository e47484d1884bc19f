"""Every kind of model becomes a bundle that computes the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.__main__ import main
from export.graph import graph_of, sample_inputs
from export.to_onnx import export_bundle, with_window
from glosscast.bundle import BundleError, load_bundle
from glosscast.recogniser import Recogniser
from service.inference.engine import Engine
from service.observe.metrics import Metrics
from service.settings import Settings, StartError
from tests.export import models
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


def test_bundles_that_cannot_be_served_are_refused_at_the_start(tmp_path: Path) -> None:
    export_bundle(models.continuous(tmp_path, "keypoints"), tmp_path / "bundle")
    with pytest.raises(StartError, match=r"GLOSSCAST_BUNDLE: .*reads sentences"):
        Engine(Settings(bundle=tmp_path / "bundle"), Metrics(), None)
    with pytest.raises(BundleError, match="reads sentences"):
        load_bundle(tmp_path / "bundle").require_isolated()


def test_the_card_describes_the_inputs_of_a_model_of_pictures(tmp_path: Path) -> None:
    checkpoint = models.isolated(tmp_path, "rgb")
    checkpoint.save(tmp_path / "checkpoint.pt")
    assert main(["onnx", "--checkpoint", str(tmp_path / "checkpoint.pt"), "--out", str(tmp_path / "bundle")]) == 0
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "from pictures" in card
    assert "Pictures of people were used in training" in card
    assert "Keypoints only" not in card
