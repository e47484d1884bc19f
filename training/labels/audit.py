"""A whole audit of labels: train, read, judge, and write a report for the person who decides."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import Config
from training.data import Example
from training.labels.findings import Group, LabelAudit, SuspectLabel, find
from training.labels.out_of_sample import AuditPlan, load_everybody, plan_audit, read_everybody
from training.labels.text import propose, report, to_toml
from training.runtime.files import write_text

SHOWN = 4  # suspect clips on a sheet


def audit_labels(config: Config, data: Path, out: Path, groups: int) -> LabelAudit:
    """Find likely wrong labels; `out` gets labels.json, labels.md, corrections.toml and pictures.

    Args:
        config: the sets, and the recipe that the models' configs are derived from.
        data: the data folder.
        out: where the models are kept, too: those that it holds are not trained again.
        groups: how many groups the signers are left out in.

    Raises:
        DataError: the data cannot be used, or do not suffice to judge labels.
        CheckpointError: a model that `out` holds is damaged.
        ValueError: what draws is not installed, the config is of sentences, or a model was made with another config.
        OSError: a file cannot be written.
    """
    if find_spec("matplotlib") is None:
        raise ValueError("matplotlib not installed: pip install --group report")
    examples = load_everybody(config, data)
    plan = plan_audit(config, examples, groups)
    for folder in ("models", "pictures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    probabilities = read_everybody(plan, examples, out / "models")
    audit = find(plan, examples, probabilities)
    write_text(out / "labels.json", audit.model_dump_json(indent=1) + "\n")
    write_text(out / "corrections.toml", to_toml(propose(audit)))
    pictures = draw_groups(audit, plan, examples, probabilities, out / "pictures")
    write_text(out / "labels.md", report(audit, {group: path.relative_to(out) for group, path in pictures.items()}))
    return audit


def draw_groups(
    audit: LabelAudit, plan: AuditPlan, examples: Sequence[Example], probabilities: NDArray[np.float32], folder: Path
) -> dict[Group, Path]:
    """Draw a sheet for each group with suspects; pictures of an earlier audit are removed."""
    from training.evaluation.sheets import Strip, draw_sheet  # needs packages that may not be installed

    for old in folder.glob("*.png"):
        old.unlink()
    by_place = {(e.file, e.index): e for e in examples}
    paths = {}
    for number, group in enumerate(g for g in audit.groups if g.suspects):
        chosen = sorted(group.suspects, key=lambda s: s.own - s.probability)[:SHOWN]
        strips = [Strip(by_place[group.file, s.clip].clip, _said(s)) for s in chosen]
        for gloss in (group.gloss, group.suggested or chosen[0].suggested):
            if best := _well_read(gloss, group.signer, plan, examples, probabilities):
                strips.append(Strip(best.clip, f"a well-read {gloss}, by {best.signer}"))
        paths[group] = folder / f"{number:03d}-{_slug(group.signer)}-{_slug(group.gloss)}.png"
        draw_sheet(f"{group.signer}: {group.gloss} ({group.source})", strips, paths[group])
    return paths


def _said(suspect: SuspectLabel) -> str:
    return f"clip {suspect.clip}: {suspect.suggested} {suspect.probability:.2f}, as labelled {suspect.own:.2f}"


def _well_read(
    gloss: str,
    signer: str,
    plan: AuditPlan,
    examples: Sequence[Example],
    probabilities: NDArray[np.float32],
) -> Example | None:
    """The clip of a gloss, by somebody else, that the models read so and are surest of, if there is any."""
    column = plan.glosses.index(gloss)
    others = [
        index
        for index, e in enumerate(examples)
        if e.gloss == gloss and e.signer != signer and probabilities[index].argmax() == column
    ]
    return examples[max(others, key=lambda index: probabilities[index, column])] if others else None


def _slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"\W+", "_", name)
