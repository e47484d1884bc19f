"""Checkpoint to bundle: the graph, its golden pair, the report, the model card and the manifest."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from export.model_card import model_card
from glosscast.bundle import (
    FILES,
    GOLDEN,
    MANIFEST,
    MODEL,
    MODEL_CARD,
    REPORT,
    ConfusablePair,
    GlossReport,
    KeypointSpec,
    Manifest,
    Report,
    TensorSpec,
    VisualStream,
    load_bundle,
    sha256,
)
from glosscast.holistic import chosen, description, model_hashes
from glosscast.keypoints import CHANNELS, LAYOUT, NORMALISATION, POINTS, PRESENCE
from glosscast.recogniser import Recogniser
from training.checkpoint import Checkpoint
from training.folds import MAIN_VARIANT, FoldReport, without_seed
from training.model import Recogniser as TorchRecogniser

OPSET = 17
CONFUSABLE_FROM = 0.05  # similarity from which a pair is reported: one clip in twenty is taken for the other gloss
GOLDEN_SEED = 7
# Kept beside the bundle's own files, for `verify` and for training on; no service reads it, and it is not in the wheel.
CHECKPOINT = "checkpoint.pt"


class ExportGraph(nn.Module):
    """What is exported: the model with its head cut down to the vocabulary."""

    def __init__(self, model: TorchRecogniser, vocabulary: int) -> None:
        super().__init__()
        self.model = model
        head = nn.Linear(model.classify.in_features, vocabulary)
        with torch.no_grad():
            head.weight.copy_(model.classify.weight[:vocabulary])
            head.bias.copy_(model.classify.bias[:vocabulary])
        self.model.classify = head
        self.eval()

    def forward(self, keypoints: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 171, 4) and (B, T) to logits (B, vocabulary) and embedding (B, D)."""
        output = self.model(keypoints, mask)
        return output.logits, output.embedding


def graph_of(checkpoint: Checkpoint) -> ExportGraph:
    """The torch module that a bundle of this checkpoint must agree with."""
    return ExportGraph(checkpoint.build(), len(checkpoint.config.data.vocabulary))


def export_bundle(checkpoint: Checkpoint, out: Path, folds: FoldReport | None = None) -> None:
    """Write a bundle folder; an existing one is replaced only once the new one is complete and loads.

    Args:
        checkpoint: a trained model.
        out: the bundle folder.
        folds: accuracy on left-out signers, measured with the same config; None leaves those figures out.

    Raises:
        ValueError: the model has an rgb stream, `out` is something else than a bundle, or the folds are of another
            config or incomplete.
        BundleError: what came out does not load.
    """
    if "rgb" in checkpoint.config.model.streams:
        raise ValueError("the checkpoint has an rgb stream: a bundle holds models of keypoints only, so far")
    if out.exists() and not (out / MANIFEST).is_file():
        raise ValueError(f"{out}: exists and is not a bundle; it is left as it is")
    if folds is not None:
        check_folds(checkpoint, folds)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write_bundle(checkpoint, partial, folds)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_folds(checkpoint: Checkpoint, folds: FoldReport) -> None:
    """The figures must be of this recipe, and none missing.

    Raises:
        ValueError: they are not.
    """
    if folds.config != without_seed(checkpoint.config):
        raise ValueError("the folds were measured with another config than the checkpoint's")
    runs = folds.of(MAIN_VARIANT)
    seeds, held_out = {run.seed for run in runs}, {run.held_out for run in runs}
    if not runs or len(runs) != len(seeds) * len(held_out):
        raise ValueError(f"the folds are not complete: {len(runs)} runs of {MAIN_VARIANT}")


def write_bundle(checkpoint: Checkpoint, partial: Path, folds: FoldReport | None) -> None:
    """Write a bundle's files into an empty folder, and load it as a service would.

    Raises:
        BundleError: it does not load or fails its golden check, as with weights that are no numbers.
    """
    graph = graph_of(checkpoint)
    keypoints, mask = sample_input(1, checkpoint.config.clip.frames, GOLDEN_SEED)
    write_graph(graph, partial / MODEL, keypoints, mask)
    with torch.no_grad():
        logits, _ = graph(keypoints, mask)
    np.savez(partial / GOLDEN, keypoints=keypoints.numpy(), mask=mask.numpy(), logits=logits.numpy())
    report = make_report(checkpoint, folds)
    (partial / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (partial / MODEL_CARD).write_text(model_card(checkpoint, graph, report, folds), encoding="utf-8")
    checkpoint.save(partial / CHECKPOINT)
    manifest = make_manifest(checkpoint, graph, {name: sha256(partial / name) for name in (*FILES, CHECKPOINT)})
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    (partial / MANIFEST).write_text(text, encoding="utf-8")
    Recogniser(load_bundle(partial))


def write_graph(graph: nn.Module, path: Path, keypoints: Tensor, mask: Tensor) -> None:
    """Export to ONNX with a free batch dimension, standard operators and named tensors, and check the file."""
    torch.onnx.export(
        graph,
        (keypoints, mask),
        str(path),
        input_names=["keypoints", "mask"],
        output_names=["logits", "embedding"],
        dynamic_axes={name: {0: "batch"} for name in ("keypoints", "mask", "logits", "embedding")},
        opset_version=OPSET,
        do_constant_folding=True,
        dynamo=False,
    )
    onnx.checker.check_model(str(path), full_check=True)


def sample_input(batch: int, frames: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random windows with missing points and a masked tail: (B, T, 171, 4) and (B, T)."""
    rng = np.random.default_rng(seed)
    keypoints = rng.normal(0.0, 0.7, (batch, frames, POINTS, CHANNELS)).astype(np.float32)
    keypoints[..., PRESENCE] = rng.random((batch, frames, POINTS)) > 0.15
    keypoints *= keypoints[..., PRESENCE, None]
    mask = np.ones((batch, frames), np.float32)
    mask[:, frames - frames // 8 :] = 0.0
    return torch.from_numpy(keypoints), torch.from_numpy(mask)


def make_report(checkpoint: Checkpoint, folds: FoldReport | None) -> Report:
    """Per-gloss figures and confusable pairs.

    Confusions counted on left-out signers are what a stranger meets; those of the adaptive loss's mining clips are
    there for every gloss. The larger of the two is taken.
    """
    vocabulary = checkpoint.config.data.vocabulary
    per_gloss = folds.per_gloss if folds else {}
    glosses = {
        gloss: GlossReport(
            signers=checkpoint.signers[gloss],
            accuracy=per_gloss[gloss].accuracy if gloss in per_gloss else None,
            clips=per_gloss[gloss].n if gloss in per_gloss else 0,
        )
        for gloss in vocabulary
    }
    similarity = np.zeros((len(vocabulary), len(vocabulary)))
    if checkpoint.confusion is not None:
        similarity = checkpoint.confusion.numpy()[: len(vocabulary), : len(vocabulary)].astype(np.float64)
    if folds is not None:
        similarity = np.maximum(similarity, folds.similarity(vocabulary))
    pairs = [
        ConfusablePair(glosses=(vocabulary[i], vocabulary[j]), similarity=min(1.0, float(similarity[i, j])))
        for i in range(len(vocabulary))
        for j in range(i + 1, len(vocabulary))
        if similarity[i, j] >= CONFUSABLE_FROM and checkpoint.config.data.no_sign not in (vocabulary[i], vocabulary[j])
    ]
    return Report(
        metrics=folds.metrics if folds else {},
        glosses=glosses,
        confusable=tuple(sorted(pairs, key=lambda p: -p.similarity)),
    )


def make_manifest(checkpoint: Checkpoint, graph: ExportGraph, files: dict[str, str]) -> Manifest:
    """The manifest of a bundle whose files have these hashes."""
    config = checkpoint.config
    frames, vocabulary = config.clip.frames, config.data.vocabulary
    has_pose = "pose" in config.model.streams
    return Manifest(
        schema_version=1,
        name=config.name,
        version=config.version,
        task="isolated",
        clip=config.clip,
        visual=VisualStream(kind="pose" if has_pose else "none", size=config.model.heatmap_size if has_pose else 0),
        keypoints=KeypointSpec(
            layout=LAYOUT,
            normalisation=NORMALISATION,
            extractor=description(chosen()),
            models=model_hashes(chosen()),
        ),
        vocabulary=vocabulary,
        no_sign=config.data.no_sign,
        inputs=(
            TensorSpec(name="keypoints", shape=("batch", frames, POINTS, CHANNELS)),
            TensorSpec(name="mask", shape=("batch", frames)),
        ),
        outputs=(
            TensorSpec(name="logits", shape=("batch", len(vocabulary))),
            TensorSpec(name="embedding", shape=("batch", config.model.embedding)),
        ),
        segmenter=config.segmenter,
        decoder=config.decoder,
        opset=OPSET,
        git_commit=git_commit(),
        files=files,
    )


def git_commit() -> str:
    """The commit that the code is at, marked "+changes" where the work tree differs, or "unknown" outside git."""
    root = Path(__file__).parent.parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "glosscast/*.py", "training", "export"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if changed else "")
