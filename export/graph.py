"""The torch module that a bundle must agree with, and its ONNX file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from glosscast.bundle import Array
from glosscast.clip import ClipSpec
from glosscast.keypoints import CHANNELS, POINTS, PRESENCE
from glosscast.manifest import TensorSpec
from training.config import Config
from training.models.checkpoint import Checkpoint
from training.models.recogniser import rows

OPSET = 17


class Graph(nn.Module):
    """The exported graph: named inputs of a static window to named outputs, for the vocabulary's glosses alone.

    Attributes:
        inputs: the inputs of the model's streams, in the order of `forward`.
        outputs: the outputs, likewise.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, as arrays."""
        with torch.inference_mode():
            values = self(*(torch.from_numpy(inputs[t.name]) for t in self.inputs))
        return {t.name: v.numpy() for t, v in zip(self.outputs, values, strict=True)}


class IsolatedGraph(Graph):
    """One sign a window: logits (B, vocabulary) and embedding (B, D).

    Args:
        checkpoint: a model of isolated signs.
        temperature: see `Manifest.temperature`.
        background: see `Manifest.background`.
    """

    def __init__(self, checkpoint: Checkpoint, temperature: float, background: float) -> None:
        super().__init__()
        config = checkpoint.config
        self.model = checkpoint.build_calibrated(temperature, background)
        self.inputs = input_specs(config)
        self.outputs = (
            TensorSpec(name="logits", shape=("batch", len(config.data.vocabulary))),
            TensorSpec(name="embedding", shape=("batch", config.model.embedding)),
        )
        self.eval()

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `Graph`."""
        given = dict(zip((t.name for t in self.inputs), tensors, strict=True))
        # A model of pixels alone is handed keypoints, but looks at none.
        keypoints = given["keypoints"] if "keypoints" in given else torch.zeros(0, POINTS, CHANNELS)
        output = self.model(keypoints, given["mask"], given.get("frames"))
        return output.logits, output.embedding


class ContinuousGraph(Graph):
    """A stretch of a sentence: logits (B, steps, vocabulary + 1), the CTC blank last."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        config = checkpoint.config
        classes = len(checkpoint.config.data.vocabulary)
        self.model = checkpoint.build_continuous()
        self.model.classify = rows(self.model.classify, [*range(classes), len(checkpoint.classes)])
        self.inputs = input_specs(config)
        steps = -(-config.clip.frames // self.model.stride)
        self.outputs = (TensorSpec(name="logits", shape=("batch", steps, classes + 1)),)
        self.eval()

    def forward(self, keypoints: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """See `Graph`."""
        return (self.model.read(keypoints, mask).logits,)


def graph_of(checkpoint: Checkpoint, temperature: float = 1.0, background: float = 0.0) -> Graph:
    """The torch module that a bundle of this checkpoint must agree with; of the numbers see `Manifest`."""
    if checkpoint.kind == "continuous":
        return ContinuousGraph(checkpoint)
    return IsolatedGraph(checkpoint, temperature, background)


def input_specs(config: Config) -> tuple[TensorSpec, ...]:
    """The inputs that a model's streams need."""
    frames, size = config.clip.frames, config.model.frame_size
    specs = []
    if size is not None:
        specs.append(TensorSpec(name="frames", shape=("batch", frames, size, size, 3), dtype="uint8"))
    if config.model.needs_signer:
        specs.append(TensorSpec(name="keypoints", shape=("batch", frames, POINTS, CHANNELS)))
    return (*specs, TensorSpec(name="mask", shape=("batch", frames)))


def write_graph(graph: Graph, path: Path, sample: Mapping[str, Array]) -> None:
    """Export to ONNX with a free batch dimension, standard operators and named tensors, and check the file."""
    inputs, outputs = ([t.name for t in side] for side in (graph.inputs, graph.outputs))
    torch.onnx.export(
        graph,
        tuple(torch.from_numpy(sample[name]) for name in inputs),
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
        opset_version=OPSET,
        do_constant_folding=True,
        dynamo=False,
    )
    onnx.checker.check_model(str(path), full_check=True)


def sample_inputs(specs: Sequence[TensorSpec], clip: ClipSpec, batch: int, seed: int) -> dict[str, Array]:
    """Random windows by input name: keypoints of which some are missing, a masked tail, noise for pictures."""
    rng = np.random.default_rng(seed)
    keypoints = rng.normal(0.0, 0.7, (batch, clip.frames, POINTS, CHANNELS)).astype(np.float32)
    keypoints[..., PRESENCE] = rng.random((batch, clip.frames, POINTS)) > 0.15
    keypoints *= keypoints[..., PRESENCE, None]
    mask = np.ones((batch, clip.frames), np.float32)
    mask[:, clip.frames - clip.frames // 8 :] = 0.0
    drawn: dict[str, Array] = {"keypoints": keypoints, "mask": mask}
    for spec in specs:
        if spec.name == "frames":
            shape = [batch, *map(int, spec.shape[1:])]
            drawn["frames"] = rng.integers(0, 256, shape).astype(np.uint8)
    return {spec.name: drawn[spec.name] for spec in specs}
