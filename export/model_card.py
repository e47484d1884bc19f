"""The model card: a bundle's training data and its limits, in plain words."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from glosscast.report import Report
from training.config import Config
from training.evaluation.fold_report import FoldReport
from training.models.checkpoint import Checkpoint

TEXT = """# {name} {version}

{intro}

## What it is not good for

- **It is a demonstration.** Each sign was learned from {people} people. On signers it has never seen it is at times
  wrong, and some people will find that it hardly reads them at all.
- It knows {count} signs and no other. {unknown}
- {scope}
- It must not be used where a mistake can harm anyone: medicine, police, courts, contracts, emergencies. It does not
  replace an interpreter.
- It has seen {seen}, in one language. Nothing is known of other angles, of children, of people who sign with one
  hand or with tremor, or of signers of other regions, beyond that.
- How well it does for people of different skin colour, age or sex was not measured: the data does not say who the
  signers are. {sees}

## Signs

"Signers" is how many people each sign was learned from. "On strangers" is the share of clips recognised when the
people in them had been left out of training ({folds_note}).

| sign | signers | on strangers |
|---|---|---|
{signs}

{metrics}

## Data

{material}

{sets}

The recordings' frame rate and frame shape are taken as {timing}; training varies both.

## Model

{streams}, {parameters:,} parameters, {window:.1f} s windows at {fps:g} frames a second, loss: {loss}. Trained for
{epochs} epochs with seed {seed}; the whole config is in `checkpoint.pt`.
"""


ISOLATED_SCOPE = """It does not read sentences, grammar, fingerspelling, facial grammar or the use of space. Glosses are
  labels, not a translation."""
SENTENCE_SCOPE = """It reads glosses, not grammar, fingerspelling, facial grammar or the use of space. They are labels,
  not a translation."""
KEYPOINTS_ONLY = """It sees keypoints only, yet the keypoints come from MediaPipe, which may itself find some
  people less well."""
PIXELS = "It sees pictures, so skin, clothes, light and background may all change what it reads."


def model_card(checkpoint: Checkpoint, graph: nn.Module, report: Report, folds: FoldReport | None) -> str:
    """The card's Markdown text; `graph` is the exported graph."""
    config = checkpoint.config
    rows = []
    for gloss in config.data.vocabulary:
        figure = report.glosses[gloss]
        strangers = "not measured" if figure.accuracy is None else f"{100 * figure.accuracy:.0f} %"
        rows.append(f"| {gloss} | {figure.signers} | {strangers} |")
    measured = ""
    if folds is not None:
        m = report.metrics
        measured = (
            f"On left-out signers, glosses with a figure above: accuracy {100 * m['left_out_signers_accuracy']:.1f} %, "
            f"macro F1 {m['left_out_signers_macro_f1']:.3f}, with the whole vocabulary in play."
        )
    streams = {
        "rgb": f"{config.model.visual} on pictures of {config.model.rgb_size} px",
        "pose": "SlowFast on pose heatmaps",
        "keypoints": "a keypoint encoder",
    }
    rgb = config.model.frame_size is not None
    seen = " and ".join(["pictures"] * rgb + ["MediaPipe Holistic keypoints"] * config.model.needs_signer)
    count = len(config.data.vocabulary) - (config.data.no_sign is not None)
    language = config.card.language
    continuous = config.continuous
    return TEXT.format(
        name=config.name,
        version=config.version,
        intro=f"Recognises {count} isolated signs of {language} from {seen}, one sign at a time."
        if continuous is None
        else f"Reads sentences of {count} signs of {language} from {seen}.",
        scope=ISOLATED_SCOPE if continuous is None else SENTENCE_SCOPE,
        sees=PIXELS if rgb else KEYPOINTS_ONLY,
        material="Pictures of people were used in training; none is part of this bundle."
        if rgb
        else "Keypoints only; no picture or video of anyone was used in training, and none is part of this bundle.",
        seen=config.card.seen,
        sets="\n".join(f"- `{Path(s.file).stem}`: {s.about}" for s in config.data.sets),
        timing=", ".join(
            f"{s.fps:g} frames a second and {s.aspect:.4g} ({Path(s.file).stem})" for s in config.data.sets
        ),
        count=count,
        people=_range([report.glosses[g].signers for g in config.data.vocabulary if g != config.data.no_sign]),
        unknown=_unknown(config.data.no_sign, report.metrics.get("unknown_told")),
        folds_note="mean over folds and seeds" if folds else "not measured for this bundle",
        signs="\n".join(rows),
        metrics=measured,
        streams=" fused with ".join(streams[s] for s in config.model.streams),
        parameters=sum(parameter.numel() for parameter in graph.parameters()),
        window=config.clip.window_ms / 1000,
        fps=config.clip.fps,
        loss=loss_of(config),
        epochs=config.optimiser.epochs,
        seed=config.seed,
    )


def _range(numbers: Sequence[int]) -> str:
    """The least and the most, once where they are the same."""
    return " to ".join(str(number) for number in sorted({min(numbers), max(numbers)}))


def _unknown(no_sign: str | None, reported: float | None) -> str:
    """The reading of signs outside the vocabulary."""
    if no_sign is None:
        return "Any other sign is read as one of these."
    if reported is None:
        return f'Any other sign is read as one of these or as "{no_sign}"; how often was not measured.'
    return (
        f'Any other sign should be told as "{no_sign}". Of signs that it had not learned, by people whom it had not\n'
        f"  seen, {100 * reported:.0f} % were told as one of these."
    )


def loss_of(config: Config) -> str:
    """The loss in words."""
    if config.continuous is not None:
        return "CTC and what the continuous loss adds to it"
    return "adaptive" if config.loss.adaptive else "cross-entropy"
