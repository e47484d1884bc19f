"""Bundles of sentences, small enough for any test, and somebody who signs them: which glosses must come out is known.

Both look at the same as the bundle of `tests.bundles`: how far the right wrist is to the right or the left of the
shoulders' middle. Right of it is "east", left of it "west". The one with CTC looks at every step of its windows, and a
hand in between is the blank; the one of short windows looks at all of a window, and a hand in between is "rest".
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glosscast.bundle import sha256
from glosscast.clip import ClipSpec
from glosscast.keypoints import CHANNELS, POINTS, Pose, X
from glosscast.manifest import GOLDEN, LANGUAGE_MODEL, MANIFEST, MODEL, MODEL_CARD, REPORT
from tests.bundles import FRAME_MS, NO_SIGN, SPEC, manifest, pose

GLOSSES = ("east", "west")
STRIDE = 2  # frames of a step
SHORT = ClipSpec(window_ms=500, fps=16, alpha=4)
GAIN = 20.0  # logits per shoulder width
BETWEEN = 12.0  # logit of what is neither; with GAIN, 0.6 shoulder widths are the border
CHUNKS = {"kind": "chunks", "right": 2, "pause_ms": 900.0, "delay_ms": 1500.0}
WINDOWS = {"kind": "windows", "pause_ms": 900.0}
SIDES = {"east": 1.2, "west": -1.2}


def make_sentence_bundle(
    folder: Path, reader: dict[str, Any] | None = None, language_model: Path | None = None
) -> Path:
    """Write a bundle with CTC into `folder` and return it; `reader` has further settings of the reader."""
    content = _written(folder, GLOSSES, SPEC, STRIDE, {**CHUNKS, **(reader or {})})
    content |= {"no_sign": None, "ctc": {"blank": len(GLOSSES), "stride": STRIDE}}
    content["outputs"][0]["shape"] = ["batch", SPEC.frames // STRIDE, len(GLOSSES) + 1]
    if language_model is not None:
        (folder / LANGUAGE_MODEL).write_bytes(language_model.read_bytes())
        content["files"][LANGUAGE_MODEL] = sha256(folder / LANGUAGE_MODEL)
    (folder / MANIFEST).write_text(json.dumps(content))
    return folder


def make_window_bundle(folder: Path, reader: dict[str, Any] | None = None) -> Path:
    """Write a bundle of short windows into `folder` and return it."""
    content = _written(folder, (*GLOSSES, NO_SIGN), SHORT, SHORT.frames, {**WINDOWS, **(reader or {})})
    (folder / MANIFEST).write_text(json.dumps(content))
    return folder


def _written(
    folder: Path, vocabulary: tuple[str, ...], spec: ClipSpec, stride: int, reader: dict[str, Any]
) -> dict[str, Any]:
    """Write all files but the manifest, which comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = spec.frames // stride
    onnx.save(_graph(spec, stride, flat=steps == 1), str(folder / MODEL))
    window = np.zeros((1, spec.frames, POINTS, CHANNELS), np.float32)
    window[:, :, Pose.RIGHT_WRIST, X] = 0.25
    step = np.array([GAIN * 0.25, -GAIN * 0.25, BETWEEN], np.float32)
    logits = step[None] if steps == 1 else np.tile(step, (1, steps, 1))
    np.savez(folder / GOLDEN, keypoints=window, mask=np.ones((1, spec.frames), np.float32), logits=logits)
    report = {"metrics": {}, "glosses": {gloss: {"signers": 3} for gloss in vocabulary}, "confusable": []}
    (folder / REPORT).write_text(json.dumps(report))
    (folder / MODEL_CARD).write_text("# A bundle of sentences for tests\n")
    content = manifest(folder, vocabulary)
    content |= {"name": "needle", "task": "continuous", "reader": reader, "clip": spec.model_dump()}
    for tensor in content["inputs"]:
        tensor["shape"][1] = spec.frames
    return content


def _graph(spec: ClipSpec, stride: int, flat: bool) -> onnx.ModelProto:
    """logits of each step = mean over its unmasked frames of the wrist's x, times (GAIN, -GAIN, 0), plus BETWEEN."""
    steps = spec.frames // stride
    constants = {
        "point": np.array([Pose.RIGHT_WRIST]),
        "channel": np.array([X]),
        "both": np.array([2, 3]),
        "by_step": np.array([0, steps, stride]),
        "inner": np.array([2]),
        "one": np.ones(1, np.float32),
        "weight": np.array([[GAIN, -GAIN, 0.0]], np.float32),
        "bias": np.array([0.0, 0.0, BETWEEN], np.float32),
        "flat": np.array([1]),
    }
    nodes = [
        helper.make_node("Gather", ["keypoints", "point"], ["wrist"], axis=2),
        helper.make_node("Gather", ["wrist", "channel"], ["wrist_x"], axis=3),
        helper.make_node("Squeeze", ["wrist_x", "both"], ["x"]),
        helper.make_node("Mul", ["x", "mask"], ["inside"]),
        helper.make_node("Reshape", ["inside", "by_step"], ["steps"]),
        helper.make_node("Reshape", ["mask", "by_step"], ["masks"]),
        helper.make_node("ReduceSum", ["steps", "inner"], ["total"], keepdims=1),
        helper.make_node("ReduceSum", ["masks", "inner"], ["seen"], keepdims=1),
        helper.make_node("Max", ["seen", "one"], ["count"]),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "weight"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["all" if flat else "logits"]),
    ]
    if flat:
        nodes.append(helper.make_node("Squeeze", ["all", "flat"], ["logits"]))
    tensor, floats = helper.make_tensor_value_info, TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "needle",
        [
            tensor("keypoints", floats, ["batch", spec.frames, POINTS, CHANNELS]),
            tensor("mask", floats, ["batch", spec.frames]),
        ],
        [tensor("logits", floats, ["batch", 3] if flat else ["batch", steps, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def connected(
    *utterances: str, sign_frames: int = 12, between: int = 5, rest: int = 24
) -> list[tuple[float, np.ndarray]]:
    """(t_ms, keypoints) of someone who rests, signs an utterance such as "east west" with the hand up, rests …"""
    frames = [pose(None)] * rest
    for utterance in utterances:
        for gloss in utterance.split():
            frames += [pose((0.0, 0.2 + 0.2 * (i % 2))) for i in range(between)]
            frames += [pose((SIDES[gloss], 0.2 + 0.2 * (i % 2))) for i in range(sign_frames)]
        frames += [pose((0.0, 0.4))] * between + [pose(None)] * rest
    return [(i * FRAME_MS, frame) for i, frame in enumerate(frames)]
