"""A bundle small enough for any test, and keypoints for it: which gloss must come out is known beforehand.

The model looks at one thing: how far the right wrist is to the right or left of the shoulders' middle, on average over
the window. Right of it is "east", left of it "west", neither "rest".

A bundle to which signs can be taught looks at the wrist's depth as well, in its embedding: a hand between the two is
"rest" to it, whether it is near or far.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glosscast.bundle import EMBEDDED, sha256
from glosscast.clip import ClipSpec
from glosscast.decoding import DecoderSettings
from glosscast.keypoints import CHANNELS, POINTS, PRESENCE, RIGHT_HAND, Pose, X, Z, normalise
from glosscast.lexicon.file import save_lexicon
from glosscast.lexicon.settings import LexiconSettings
from glosscast.lexicon.signs import Lexicon, SignExample, TaughtSign
from glosscast.manifest import EXAMPLES, GOLDEN, MANIFEST, MODEL, MODEL_CARD, REPORT
from glosscast.segmentation import SegmenterSettings

NO_SIGN = "rest"
VOCABULARY = ("east", "west", NO_SIGN)
SPEC = ClipSpec(window_ms=2000, fps=16, alpha=4)
SEGMENTER = SegmenterSettings(
    enter_height=1.0,
    leave_height=1.2,
    enter_ms=120,
    leave_ms=250,
    still_speed=0.1,
    still_ms=1500,
    max_ms=6000,
    follow_ms=600,
    visible=0.5,
)
DECODER = DecoderSettings(interim_ms=250, hop_ms=500, stable=0.7, reject=0.0)
LEXICON = LexiconSettings(margin=0.8, temperature=0.05, typical=0.95)
EMBEDDING = 2  # numbers in an embedding
GAIN = 6.0  # logits per shoulder width
REST_LOGIT = 3.0  # of "rest", whatever is seen; with GAIN, half a shoulder width is the border
FRAME_MS = 62.5
THRESHOLD = 0.6  # of a strict bundle
UNSURE_FRAMES = 19  # of a sign that it is a little too unsure of; one of 20 frames is reported
ASPECT = 4 / 3
SHOULDERS = {Pose.LEFT_SHOULDER: (0.6, 0.5), Pose.RIGHT_SHOULDER: (0.4, 0.5)}
POISON = 90.0  # z of a keypoint, in frame widths
UNIT = 0.2  # shoulder width in frame widths


def make_bundle(
    folder: Path, vocabulary: tuple[str, ...] = VOCABULARY, fragile: bool = False, teachable: bool = False
) -> Path:
    """Write a whole bundle into `folder` and return it.

    A fragile model fails where it sees `POISON`. To a teachable bundle signs can be taught.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_graph(len(vocabulary), fragile, teachable), str(folder / MODEL))
    window = np.zeros((1, SPEC.frames, POINTS, CHANNELS), np.float32)
    window[:, :, Pose.RIGHT_WRIST, X] = 0.25
    mask = np.ones((1, SPEC.frames), np.float32)
    logits = np.array([[GAIN * 0.25, -GAIN * 0.25, REST_LOGIT]], np.float32)
    np.savez(folder / GOLDEN, keypoints=window, mask=mask, logits=logits)
    report = {
        "metrics": {"accuracy": 0.875},
        "glosses": {
            g: {"signers": 3, "accuracy": 0.9, "clips": 10} if g == "east" else {"signers": 0} for g in vocabulary
        },
        "confusable": [{"glosses": ["east", "west"], "similarity": 0.5}],
    }
    (folder / REPORT).write_text(json.dumps(report))
    (folder / MODEL_CARD).write_text("# A bundle for tests\n")
    content = manifest(folder, vocabulary)
    if teachable:
        content["outputs"].append({"name": "embedding", "shape": ["batch", EMBEDDING]})
        content["lexicon"] = LEXICON.model_dump()
    (folder / MANIFEST).write_text(json.dumps(content))
    return folder


def learned_from(extractor: str, bundle: Path, folder: Path) -> Path:
    """Copy a bundle into `folder`, as one that learned from this extractor's keypoints, and return it."""
    shutil.copytree(bundle, folder)
    content = json.loads((folder / MANIFEST).read_text())
    content["keypoints"]["extractor"] = extractor
    (folder / MANIFEST).write_text(json.dumps(content))
    return folder


def without_face(bundle: Path, folder: Path) -> Path:
    """Copy a bundle into `folder`, as one whose model does not see the face mesh, and return it."""
    shutil.copytree(bundle, folder)
    content = json.loads((folder / MANIFEST).read_text())
    content["keypoints"]["face"] = False
    (folder / MANIFEST).write_text(json.dumps(content))
    return folder


def showing(bundle: Path, folder: Path, *glosses: str) -> Path:
    """Copy a bundle into `folder`, as one that has an example of each of these glosses, and return it."""
    shutil.copytree(bundle, folder)
    signs = {gloss: TaughtSign(gloss, examples=(example_of(gloss),)) for gloss in glosses}
    save_lexicon(Lexicon("examples", "compass@1", sha256(folder / MODEL), signs), folder / EXAMPLES)
    content = json.loads((folder / MANIFEST).read_text())
    content["examples"] = [{"gloss": gloss, "source": "a test", "licence": "MIT"} for gloss in glosses]
    content["files"][EXAMPLES] = sha256(folder / EXAMPLES)
    (folder / MANIFEST).write_text(json.dumps(content))
    return folder


def example_of(gloss: str) -> SignExample:
    """Somebody who signs it once."""
    t_ms, keypoints = zip(*signing(gloss), strict=True)
    normalised = normalise(np.stack(keypoints), ASPECT).astype(np.float16)
    unread = np.zeros(0, np.float32)
    return SignExample(np.array(t_ms, np.float32), normalised, 12 * FRAME_MS, 32 * FRAME_MS, unread, unread)


def manifest(folder: Path, vocabulary: tuple[str, ...] = VOCABULARY) -> dict:
    shape = ["batch", SPEC.frames]
    return {
        "schema_version": 1,
        "name": "compass",
        "version": "1",
        "task": "isolated",
        "clip": SPEC.model_dump(),
        "visual": {"kind": "none", "size": 0},
        "keypoints": {
            "layout": "holistic-171",
            "normalisation": "mid-shoulder-per-window",
            "extractor": "none",
        },
        "vocabulary": vocabulary,
        "no_sign": NO_SIGN,
        "inputs": [
            {"name": "keypoints", "shape": [*shape, POINTS, CHANNELS]},
            {"name": "mask", "shape": shape},
        ],
        "outputs": [{"name": "logits", "shape": ["batch", len(vocabulary)]}],
        "segmenter": SEGMENTER.model_dump(),
        "decoder": DECODER.model_dump(),
        "opset": 17,
        "git_commit": "none",
        "files": {name: sha256(folder / name) for name in (MODEL, GOLDEN, REPORT, MODEL_CARD)},
    }


def _graph(classes: int, fragile: bool, teachable: bool) -> onnx.ModelProto:
    """logits = mean over unmasked frames of the right wrist's x, times (GAIN, -GAIN, 0), plus (0, 0, REST_LOGIT).

    embedding = the same mean of its x and z.
    """
    weight = np.zeros((1, classes), np.float32)
    bias = np.zeros(classes, np.float32)
    weight[0, :2], bias[2] = (GAIN, -GAIN), REST_LOGIT
    constants = {
        "point": np.array([Pose.RIGHT_WRIST]),
        "channel": np.array([X]),
        "both": np.array([2, 3]),
        "frames": np.array([1]),
        "weight": weight,
        "bias": bias,
    }
    nodes = [
        helper.make_node("Gather", ["keypoints", "point"], ["wrist"], axis=2),
        helper.make_node("Gather", ["wrist", "channel"], ["wrist_x"], axis=3),
        helper.make_node("Squeeze", ["wrist_x", "both"], ["x"]),
        helper.make_node("Mul", ["x", "mask"], ["inside"]),
        helper.make_node("ReduceSum", ["inside", "frames"], ["total"], keepdims=1),
        helper.make_node("ReduceSum", ["mask", "frames"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("Gemm", ["mean", "weight", "bias"], ["logits"]),
    ]
    if fragile:
        # Whether any z is deeper than POISON / 2 is an index into a list of one.
        constants |= {"depth": np.array([Z]), "border": np.float32(POISON / 2), "nothing": np.zeros(1, np.float32)}
        nodes[-1].output[0] = "sound"
        nodes += [
            helper.make_node("Gather", ["keypoints", "depth"], ["z"], axis=3),
            helper.make_node("ReduceMax", ["z"], ["deepest"], keepdims=0),
            helper.make_node("Greater", ["deepest", "border"], ["poisoned"]),
            helper.make_node("Cast", ["poisoned"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["nothing", "index"], ["zero"]),
            helper.make_node("Add", ["sound", "zero"], ["logits"]),
        ]
    if teachable:
        constants |= {"place": np.array([X, Z]), "last": np.array([2])}
        nodes += [
            helper.make_node("Gather", ["wrist", "place"], ["places"], axis=3),
            helper.make_node("Squeeze", ["places", "last"], ["path"]),
            helper.make_node("Unsqueeze", ["mask", "last"], ["kept"]),
            helper.make_node("Mul", ["path", "kept"], ["seen"]),
            helper.make_node("ReduceSum", ["seen", "frames"], ["way"], keepdims=0),
            helper.make_node("Div", ["way", "count"], ["embedding"]),
        ]
    tensor, floats = helper.make_tensor_value_info, TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "compass",
        [
            tensor("keypoints", floats, ["batch", SPEC.frames, POINTS, CHANNELS]),
            tensor("mask", floats, ["batch", SPEC.frames]),
        ],
        [
            tensor("logits", floats, ["batch", classes]),
            *([tensor("embedding", floats, ["batch", EMBEDDING])] if teachable else []),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def pose(wrist: tuple[float, float] | None, depth: float = 0.0) -> np.ndarray:
    """Keypoints (171, 4) of a signer whose right wrist is at (right, below) the shoulders' middle, in shoulder widths.

    None: the arms hang down. With a depth, in shoulder widths, the hand is found as well.
    """
    right, below = wrist or (-0.4, 2.0)
    keypoints = np.zeros((POINTS, CHANNELS), np.float32)
    places = {
        **SHOULDERS,
        Pose.RIGHT_WRIST: (0.5 + right * UNIT, 0.5 + below * UNIT * ASPECT),
        Pose.LEFT_WRIST: (0.58, 0.5 + 2.0 * UNIT * ASPECT),
    }
    for point, place in places.items():
        keypoints[point, :2] = place
        keypoints[point, PRESENCE] = 1.0
    if depth:
        keypoints[Pose.RIGHT_WRIST, Z] = depth * UNIT
        keypoints[RIGHT_HAND.start] = keypoints[Pose.RIGHT_WRIST]
    return keypoints


def signing(*signs: str, sign_frames: int = 20, rest_frames: int = 12) -> list[tuple[float, np.ndarray]]:
    """(t_ms, keypoints) of someone who rests, signs, rests, signs …, rests.

    Signs are the glosses of the vocabulary, and "near" and "far", which can be taught.
    """
    frames: list[np.ndarray] = [pose(None)] * rest_frames
    for sign in signs:
        side = {"east": 1.2, "west": -1.2}.get(sign, 0.0)
        depth = {"near": -1.0, "far": 1.0}.get(sign, 0.0)
        frames += [pose((side, 0.2 + 0.2 * (i % 2)), depth) for i in range(sign_frames)]
        frames += [pose(None)] * rest_frames
    return [(i * FRAME_MS, frame) for i, frame in enumerate(frames)]


def strict(bundle: Path, folder: Path) -> Path:
    """Copy a bundle into `folder`, as one that reports signs from `THRESHOLD` on, and return it."""
    shutil.copytree(bundle, folder)
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    content["decoder"] |= {"reject": THRESHOLD, "stable": THRESHOLD}
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    return folder


def lenient(folder: Path) -> Path:
    """A copy of the embedded bundle that reports signs of which it is half as sure as usual.

    For tests of what happens to a sign that was read, for which any that is read rightly will do.
    """
    copy = folder / "lenient"
    shutil.copytree(EMBEDDED, copy)
    manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    manifest["decoder"] |= {"reject": 0.4, "stable": 0.4}
    (copy / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return copy
