"""The models whose inference is measured: the published SlowFast at two sizes, and a bundle's model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from export.graph import OPSET, graph_of
from export.quantize import write_int8_graph
from export.to_onnx import CHECKPOINT
from glosscast.bundle import Bundle
from training.models.checkpoint import load_checkpoint
from training.models.slowfast import build

BATCHES = (1, 4, 16)
FRAMES, CLASSES = 32, 400
SIZES = (224, 112)

Inputs = dict[str, Tensor]


class Subject(NamedTuple):
    """A model in torch and as a graph, with the same weights.

    Attributes:
        name: for the table.
        module: takes the inputs in their order.
        graph: the ONNX file.
        int8: the same, quantised on its own benchmark inputs: the speed of a graph does not depend on its scales.
        inputs: a batch of so many windows, by the graph's names.
        budgets_s: seconds of measuring, for each of `BATCHES`.
    """

    name: str
    module: nn.Module
    graph: Path
    int8: Path
    inputs: Callable[[int], Inputs]
    budgets_s: tuple[float, ...]

    def gflop(self) -> float:
        """Billions of operations of one window: two for each multiply-add of convolutions and linear layers."""
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.module(*self.inputs(1).values())
        return float(counter.get_total_flops()) / 1e9


@contextmanager
def subjects(bundle: Bundle, sizes: Sequence[int] = SIZES) -> Iterator[list[Subject]]:
    """SlowFast 8x8 R50 with fresh weights at each of the sizes, and the bundle where its checkpoint lies beside it."""
    with TemporaryDirectory() as folder:
        r50 = [slowfast(Path(folder), size) for size in sizes]
        yield r50 + ([of_bundle(bundle, Path(folder))] if (bundle.path / CHECKPOINT).is_file() else [])


def slowfast(folder: Path, size: int) -> Subject:
    """SlowFast 8x8 R50 on noise: its speed depends neither on weights nor on pictures."""
    torch.manual_seed(0)
    module = build("slowfast_8x8_r50", CLASSES).eval()
    graph = folder / f"r50_{size}.onnx"

    def inputs(batch: int) -> Inputs:
        return {"frames": torch.rand(batch, 3, FRAMES, size, size)}

    torch.onnx.export(
        module,
        tuple(inputs(1).values()),
        str(graph),
        input_names=["frames"],
        output_names=["logits"],
        dynamic_axes={"frames": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    budgets_s = (45, 80, 220) if size == 224 else (20, 30, 70)
    int8 = quantised(graph, inputs(1), folder)
    return Subject(f"slowfast_8x8_r50, {size}x{size}", module, graph, int8, inputs, budgets_s)


def of_bundle(bundle: Bundle, folder: Path) -> Subject:
    """The bundle's model on its golden window; exported graphs go into `folder`."""
    golden = bundle.golden()

    def inputs(batch: int) -> Inputs:
        return {
            name: torch.from_numpy(golden[name]).repeat(batch, *[1] * (golden[name].ndim - 1))
            for name in ("keypoints", "mask")
        }

    return Subject(
        f"bundle {bundle.id}",
        graph_of(load_checkpoint(bundle.path / CHECKPOINT)),
        bundle.model_path,
        quantised(bundle.model_path, inputs(1), folder),
        inputs,
        (10, 10, 20),
    )


def quantised(graph: Path, inputs: Inputs, folder: Path) -> Path:
    """An int8 graph in `folder`, made of `graph` and what these inputs do in it."""
    out = folder / f"{graph.stem}_int8.onnx"
    write_int8_graph(graph, out, [{name: tensor.numpy() for name, tensor in inputs.items()}])
    return out
