"""Checkpoint to bundle: the graph, its golden pair, the report, the model card and the manifest."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from export.graph import OPSET, Graph, graph_of, sample_inputs, write_graph
from export.model_card import model_card
from glosscast.bundle import load_bundle, sha256
from glosscast.clip import ClipSpec
from glosscast.decoding import DecoderSettings
from glosscast.faults import first_fault
from glosscast.holistic import model_hashes
from glosscast.keypoints import LAYOUT, NORMALISATION
from glosscast.manifest import (
    FILES,
    GOLDEN,
    LANGUAGE_MODEL,
    MANIFEST,
    MODEL,
    MODEL_CARD,
    REPORT,
    SEGMENTER,
    CtcSpec,
    KeypointSpec,
    Manifest,
    VisualStream,
)
from glosscast.recogniser import Recogniser
from glosscast.report import ConfusablePair, GlossReport, Report
from glosscast.sentences.language_model import load_language_model
from glosscast.sentences.settings import ChunkReader, LanguageModelSettings, ReaderSettings
from glosscast.tagger import load_weights
from training.config import Config, ModelConfig
from training.evaluation.calibration import Calibration
from training.evaluation.fold_report import FoldReport, without_seed
from training.evaluation.lexicon_calibration import LexiconCalibration
from training.evaluation.rejection import Rejection
from training.models.checkpoint import Checkpoint
from training.segmentation.learn import TAGGING

CONFUSABLE_FROM = 0.05  # similarity from which a pair is reported: one clip in twenty is taken for the other gloss
GOLDEN_SEED = 7
# Kept beside the bundle's own files, for `verify` and for training on; no service reads it, and it is not in the wheel.
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Fitted:
    """What was fitted beside the model.

    Attributes:
        segmenter: weights that `python -m training segmenter` wrote; without them the bundle segments by rule.
        calibration: temperature and threshold; None leaves the model's confidences as they are.
        lexicon: how taught signs are read; without it none can be taught to the bundle.
        language_model: file that `python -m training language-model` wrote, for the beam search of sentences.
    """

    segmenter: Path | None = None
    calibration: Calibration | None = None
    lexicon: LexiconCalibration | None = None
    language_model: Path | None = None


def export_bundle(
    checkpoint: Checkpoint,
    out: Path,
    folds: FoldReport | None = None,
    fitted: Fitted = Fitted(),
    rejection: Rejection | None = None,
) -> None:
    """Write a bundle folder; an existing one is replaced only once the new one is complete and loads.

    Args:
        checkpoint: a trained model.
        out: the bundle folder.
        folds: accuracy on left-out signers, measured with the same config; None leaves those figures out.
        fitted: segmenter, calibration and numbers of taught signs.
        rejection: how well other signs are distinguished, measured with the same config; None leaves those figures out.

    Raises:
        ValueError: the model is of an experiment, `out` is something else than a bundle, the folds or the rejection are
            of another config, folds are incomplete, or a model of sentences is to have something fitted for single
            signs.
        BundleError: the written bundle does not load.
    """
    if checkpoint.config.experiment is not None:
        raise ValueError(f"{checkpoint.config.name} is for an experiment, not for use: {checkpoint.config.experiment}")
    if folds is not None:
        check_folds(checkpoint, folds)
    if rejection is not None and rejection.config != without_seed(checkpoint.config):
        raise ValueError("the rejection was measured with another config than the checkpoint's")
    if checkpoint.kind == "continuous" and replace(fitted, language_model=None) != Fitted():
        raise ValueError("a model of sentences has no use for a segmenter, a calibration or taught signs")
    if checkpoint.kind != "continuous" and fitted.language_model is not None:
        raise ValueError("a language model is for the beam search of a model of sentences")
    metrics = {
        **(folds.metrics if folds else {}),
        **(fitted.calibration.metrics if fitted.calibration else {}),
        **(fitted.lexicon.metrics if fitted.lexicon else {}),
        **(rejection.metrics if rejection else {}),
    }
    with whole_bundle(out) as partial:
        write_bundle(checkpoint, partial, folds, fitted, metrics)


@contextmanager
def whole_bundle(out: Path) -> Iterator[Path]:
    """An empty folder to write a bundle into; it takes the place of `out` once the block is through without a fault.

    Raises:
        ValueError: `out` is something else than a bundle.
    """
    if out.exists() and not (out / MANIFEST).is_file():
        raise ValueError(f"{out}: exists and is not a bundle; it is left as it is")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def with_window(checkpoint: Checkpoint, window_ms: float) -> Checkpoint:
    """The same model of sentences for windows of another length.

    Raises:
        ValueError: it is one of isolated signs, which is trained on windows of one length, or there is no such window.
    """
    config = checkpoint.config
    if checkpoint.kind != "continuous":
        raise ValueError(f"{config.name} was trained on windows of {config.clip.window_ms:g} ms and reads no others")
    clip = ClipSpec.model_validate({**config.clip.model_dump(), "window_ms": window_ms})
    return replace(checkpoint, config=config.model_copy(update={"clip": clip}))


def check_folds(checkpoint: Checkpoint, folds: FoldReport) -> None:
    """The figures must be of this recipe, and none missing.

    Raises:
        ValueError: they are not.
    """
    if folds.config != without_seed(checkpoint.config):
        raise ValueError("the folds were measured with another config than the checkpoint's")
    runs = folds.of(folds.main)
    seeds, held_out = {run.seed for run in runs}, {run.held_out for run in runs}
    if not runs or len(runs) != len(seeds) * len(held_out):
        raise ValueError(f"the folds are not complete: {len(runs)} runs of {folds.main}")


def write_bundle(
    checkpoint: Checkpoint,
    partial: Path,
    folds: FoldReport | None,
    fitted: Fitted,
    metrics: dict[str, float],
) -> None:
    """Write a bundle's files into an empty folder, and load it as a service would.

    Raises:
        BundleError: it does not load or fails its golden check, as with weights that are no numbers.
    """
    calibration, segmenter = fitted.calibration, fitted.segmenter
    graph = graph_of(checkpoint, *((calibration.temperature, calibration.background) if calibration else ()))
    golden = sample_inputs(graph.inputs, checkpoint.config.clip, 1, GOLDEN_SEED)
    write_graph(graph, partial / MODEL, golden)
    np.savez(partial / GOLDEN, **golden, logits=graph.run(golden)["logits"])
    report = make_report(checkpoint, folds, metrics)
    (partial / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (partial / MODEL_CARD).write_text(model_card(checkpoint, graph, report, folds), encoding="utf-8")
    checkpoint.save(partial / CHECKPOINT)
    names = [*FILES, CHECKPOINT]
    if segmenter is not None:
        load_weights(segmenter)
        shutil.copyfile(segmenter, partial / SEGMENTER)
        names.append(SEGMENTER)
    if fitted.language_model is not None:
        load_language_model(fitted.language_model)
        shutil.copyfile(fitted.language_model, partial / LANGUAGE_MODEL)
        names.append(LANGUAGE_MODEL)
    manifest = make_manifest(checkpoint, graph, {name: sha256(partial / name) for name in names}, fitted)
    write_manifest(manifest, partial)
    Recogniser(load_bundle(partial))


def make_report(checkpoint: Checkpoint, folds: FoldReport | None, metrics: dict[str, float]) -> Report:
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
        metrics=metrics,
        glosses=glosses,
        confusable=tuple(sorted(pairs, key=lambda p: -p.similarity)),
    )


def make_manifest(checkpoint: Checkpoint, graph: Graph, files: dict[str, str], fitted: Fitted = Fitted()) -> Manifest:
    """The manifest of a bundle whose files have these hashes.

    Raises:
        ValueError: the config contradicts itself, as where a window is too short for its reader.
    """
    calibration = fitted.calibration
    config = checkpoint.config
    vocabulary = config.data.vocabulary
    continuous = config.continuous
    reader = reader_of(config, LANGUAGE_MODEL in files)
    try:
        return Manifest(
            schema_version=1,
            name=config.name,
            version=config.version,
            task="isolated" if reader is None else "continuous",
            reader=reader,
            ctc=None if continuous is None else CtcSpec(blank=len(vocabulary), stride=continuous.stride),
            temperature=calibration.temperature if calibration else 1.0,
            background=calibration.background if calibration else 0.0,
            clip=config.clip,
            visual=visual_stream(config.model),
            keypoints=KeypointSpec(
                layout=LAYOUT,
                normalisation=NORMALISATION,
                extractor=checkpoint.extractor,
                models=model_hashes(checkpoint.extractor),
                face=config.model.face and config.model.needs_signer,
            ),
            vocabulary=vocabulary,
            no_sign=config.data.no_sign,
            inputs=graph.inputs,
            outputs=graph.outputs,
            segmenter=config.segmenter,
            tagger=TAGGING if SEGMENTER in files else None,
            decoder=calibrated(config.decoder, calibration) if calibration else config.decoder,
            lexicon=fitted.lexicon.settings if fitted.lexicon else None,
            opset=OPSET,
            git_commit=git_commit(),
            files=files,
        )
    except ValidationError as error:
        raise ValueError(first_fault(error)) from error


def reader_of(config: Config, has_language_model: bool) -> ReaderSettings | None:
    """How sentences are read: by the config, and for CTC by default settings where that says nothing."""
    reader = config.sentence_reader
    if has_language_model and isinstance(reader, ChunkReader) and reader.language_model is None:
        return reader.model_copy(update={"language_model": LanguageModelSettings()})
    return reader


def calibrated(settings: DecoderSettings, calibration: Calibration) -> DecoderSettings:
    """Settings with the calibrated threshold; an interim that is shown is as sure as a final that is reported."""
    reject = calibration.reject
    return settings.model_copy(update={"reject": reject, "stable": max(settings.stable, reject)})


def visual_stream(model: ModelConfig) -> VisualStream:
    """The manifest's entry about a model's SlowFast."""
    if model.frame_size is not None:
        return VisualStream(kind="rgb", size=model.frame_size)
    if "pose" in model.streams:
        return VisualStream(kind="pose", size=model.heatmap_size)
    return VisualStream(kind="none", size=0)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest.json`."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


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
