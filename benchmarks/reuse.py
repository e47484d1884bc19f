"""The common part of consecutive windows of a stream, and the saving if it were computed once.

Windows a hop apart share 7 of 8 frames. A feature map of the pose stream can be kept for the next window where it is
the same there: in frames that both windows hold, far enough from their edges, where convolutions see padding instead
of frames. How far that is, is measured: two windows go through the model and their frames are compared.

That holds as long as both windows are normalised alike. Each has a normalisation of its own, though, so it is also
measured how often that differs, and what it does to the logits to read a window in the one of the window before.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from export.to_onnx import CHECKPOINT
from glosscast.bundle import Bundle
from glosscast.clip import Clip, Window, cut_window, sample_recording
from glosscast.keypoints import PRESENCE, X, Y, Z
from training.models.checkpoint import load_checkpoint
from training.models.recogniser import IsolatedRecogniser

HOP = 8  # a window is so many hops long: 250 ms of 2 s, as interim results come
EQUAL = 1e-5  # of a feature map's largest value; sums are not always taken in the same order


class Layer(NamedTuple):
    """A convolution of the pose stream: its share of the model's operations, and of its frames that can be kept."""

    name: str
    share: float
    kept: float


class Reuse(NamedTuple):
    """The figures.

    Attributes:
        layers: the pose stream's convolutions.
        pose_saving: operations of the pose stream over the remaining ones; the limit of any reuse.
        model_saving: the same for the whole model.
        hops: pairs of windows that were compared.
        unequal: of them, those whose normalisations differ.
        moved: largest difference of logits between a window and the same in the normalisation of the one before.
    """

    layers: list[Layer]
    pose_saving: float
    model_saving: float
    hops: int
    unequal: int
    moved: float


def measure(bundle: Bundle, clip: Clip) -> Reuse:
    """Read a recording's windows with the checkpoint beside a bundle.

    Raises:
        ValueError: the recording is shorter than a window and a hop, or the model has no pose stream.
    """
    spec = bundle.manifest.clip
    model: nn.Module = load_checkpoint(bundle.path / CHECKPOINT).build().eval()
    hop_ms = spec.window_ms / HOP
    starts = np.arange(clip.t_ms[0], clip.t_ms[-1] - spec.window_ms + 1, hop_ms)
    if len(starts) < 2 or not isinstance(model, IsolatedRecogniser) or "pose" not in model.encoders:
        raise ValueError(f"reuse needs a pose stream and a recording of {(spec.window_ms + hop_ms) / 1000:g} s or more")
    layers, pose_saving, model_saving = limits(model, sample_recording(clip, spec.fps), spec.frames)
    windows = [cut_window(clip, float(start), spec) for start in starts]
    pairs = list(pairwise(windows))
    shift = spec.frames // HOP
    unequal = sum(not np.array_equal(a.keypoints[shift:], b.keypoints[:-shift]) for a, b in pairs)
    with torch.inference_mode():
        moved = max(difference(model, b, in_normalisation_of(a, b, shift)) for a, b in pairs)
    return Reuse(layers, pose_saving, model_saving, len(pairs), unequal, moved)


def limits(model: IsolatedRecogniser, frames: NDArray[np.float32], window: int) -> tuple[list[Layer], float, float]:
    """The pose stream's layers, and how many times fewer operations it and the model would need with all reuse."""
    hop = window // HOP
    first, second = torch.from_numpy(frames[None, :window]), torch.from_numpy(frames[None, hop : window + hop])
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(first, torch.ones(1, window))
    whole = counter.get_total_flops()
    before, after = feature_maps(model, first), feature_maps(model, second)
    flops = {name: 2 * after[name].numel() * conv.weight[0].numel() for name, conv in convolutions(model)}
    kept = {name: kept_share(before[name], after[name]) for name in after}
    pose = sum(flops.values())
    saved = sum(flops[name] * kept[name] for name in flops)
    layers = [Layer(name, flops[name] / whole, kept[name]) for name in flops]
    return layers, pose / (pose - saved), whole / (whole - saved)


def convolutions(model: IsolatedRecogniser) -> Iterator[tuple[str, nn.Conv3d]]:
    """The pose stream's convolutions, which are all of its operations that count."""
    for name, module in model.encoders["pose"].named_modules():
        if isinstance(module, nn.Conv3d):
            yield name, module


def feature_maps(model: IsolatedRecogniser, keypoints: Tensor) -> dict[str, Tensor]:
    """The output (1, C, T', H, W) of each convolution for a window (1, T, 171, 4)."""
    found: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[name] = output

    hooks = [conv.register_forward_hook(partial(keep, name)) for name, conv in convolutions(model)]
    with torch.inference_mode():
        model(keypoints, torch.ones(keypoints.shape[:2]))
    for hook in hooks:
        hook.remove()
    return found


def kept_share(before: Tensor, after: Tensor) -> float:
    """Share of the frames of (1, C, T, H, W) that the map of the window before holds already, a hop later in it."""
    hop = after.shape[2] // HOP
    distance = (before[:, :, hop:] - after[:, :, :-hop]).abs().amax(dim=(0, 1, 3, 4))
    return float((distance <= EQUAL * after.abs().max()).sum()) / after.shape[2]


def in_normalisation_of(earlier: Window, window: Window, shift: int) -> Window:
    """A window as it would look in the normalisation of an earlier one, known from the frames that both hold."""
    a = earlier.keypoints[shift:]
    b = window.keypoints[:-shift]
    seen = (a[..., PRESENCE] > 0) & (b[..., PRESENCE] > 0)
    points = window.keypoints.copy()
    for channel in (X, Y):
        scale, offset = np.polyfit(b[seen][:, channel], a[seen][:, channel], 1)
        points[..., channel] = points[..., channel] * scale + offset
    points[..., Z] *= scale
    points[points[..., PRESENCE] == 0] = 0.0
    return Window(points, window.mask)


def difference(model: IsolatedRecogniser, *windows: Window) -> float:
    """Largest difference between the logits of two windows."""
    keypoints, masks = (np.stack(arrays) for arrays in zip(*((w.keypoints, w.mask) for w in windows), strict=True))
    one, other = model(torch.from_numpy(keypoints), torch.from_numpy(masks)).logits
    return float((one - other).abs().max())


def as_markdown(reuse: Reuse) -> str:
    """A table of the layers, and the findings in words."""
    lines = ["| convolution | share of the model's operations | frames that could be kept |", "|---|---|---|"]
    lines += [f"| {layer.name} | {layer.share:.1%} | {layer.kept:.0%} |" for layer in reuse.layers]
    lines.append(
        f"\nAll of this reuse: {reuse.pose_saving:.2f} times fewer operations in the pose stream, "
        f"{reuse.model_saving:.2f} in the model. After {reuse.unequal} of {reuse.hops} hops the normalisation is "
        f"another; with that of the window before, logits move by up to {reuse.moved:.2g}."
    )
    return "\n".join(lines)
