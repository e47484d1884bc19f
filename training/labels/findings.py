"""Contradictions between labels and the models' readings, for each gloss of each signer."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.data import Example
from training.labels.confident import suggestions, thresholds
from training.labels.out_of_sample import AuditPlan


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SuspectLabel(_Part):
    """A clip, by its index in its file, whose label is contradicted.

    `probability` is that of the suggested gloss, `own` that of the label.
    """

    clip: int
    suggested: str
    probability: float
    own: float
    renamed_from: str = ""


class Group(_Part):
    """The clips of one gloss by one signer.

    Attributes:
        source: where the recordings are from, or their file where it does not say.
        reading: the gloss that most of them are read as.
        own: the mean probability of their label.
        verdict: `renamed` where more than half of the clips are suspected to be the same other gloss, `wrong clips`
            where fewer are, `fine` where none is.
        suggested: the likely gloss of a renamed group.
        suspects: the clips whose label is contradicted.
        sure: the mean probability of their suggested glosses; 0 without suspects.
    """

    file: str
    source: str
    signer: str
    gloss: str
    clips: int
    reading: str
    own: float
    verdict: Literal["renamed", "wrong clips", "fine"]
    suggested: str | None
    suspects: tuple[SuspectLabel, ...]
    sure: float


class LabelAudit(_Part):
    """All findings.

    Attributes:
        has_sources: whether any file says its sources.
        left_out: the signers that no model but their own group's has learned from.
        thresholds: for each gloss that can be judged, how sure the models are of it on average.
        unjudged: gloss -> why it cannot be judged.
        groups: by verdict, those that the models are surest of first.
    """

    has_sources: bool
    left_out: tuple[tuple[str, ...], ...]
    thresholds: dict[str, float]
    unjudged: dict[str, str]
    groups: tuple[Group, ...]

    def of(self, verdict: str) -> list[Group]:
        """The groups of one verdict."""
        return [group for group in self.groups if group.verdict == verdict]


def find(plan: AuditPlan, examples: Sequence[Example], probabilities: NDArray[np.float32]) -> LabelAudit:
    """Judge all clips of the plan's glosses.

    Args:
        plan: the groups of signers and the glosses.
        examples: N clips; those of other glosses are not judged.
        probabilities: (N, C), see `read_everybody`.
    """
    judged = [index for index, example in enumerate(examples) if example.gloss in plan.glosses]
    labels = np.array([plan.glosses.index(examples[index].gloss) for index in judged])
    read = probabilities[judged]
    better = suggestions(read, labels)
    rows: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for row, example in enumerate(examples[index] for index in judged):
        rows[example.file, example.source or example.file, example.signer, example.gloss].append(row)
    groups = [
        _group(key, [examples[judged[row]] for row in of], read[of], labels[of[0]], better[of], plan.glosses)
        for key, of in rows.items()
    ]
    order = ("renamed", "wrong clips", "fine")
    return LabelAudit(
        has_sources=any(example.source for example in examples),
        left_out=plan.groups,
        thresholds=dict(zip(plan.glosses, thresholds(read, labels).tolist(), strict=True)),
        unjudged=plan.unjudged,
        groups=tuple(sorted(groups, key=lambda group: (order.index(group.verdict), -group.sure, group.own))),
    )


def _group(
    key: tuple[str, str, str, str],
    examples: Sequence[Example],
    read: NDArray[np.float32],
    label: int,
    better: NDArray[np.intp],
    glosses: Sequence[str],
) -> Group:
    """The findings about clips that share signer and gloss."""
    file, source, signer, gloss = key
    suspects = [
        SuspectLabel(
            clip=example.index,
            suggested=glosses[other],
            probability=float(row[other]),
            own=float(row[label]),
            renamed_from=example.renamed_from,
        )
        for example, row, other in zip(examples, read, better, strict=True)
        if other != label
    ]
    (suggested, most), *_ = Counter(suspect.suggested for suspect in suspects).most_common(1) or [("", 0)]
    renamed = 2 * most > len(examples)
    return Group(
        file=file,
        source=source,
        signer=signer,
        gloss=gloss,
        clips=len(examples),
        reading=glosses[Counter(read.argmax(axis=1).tolist()).most_common(1)[0][0]],
        own=float(read[:, label].mean()),
        verdict="renamed" if renamed else "wrong clips" if suspects else "fine",
        suggested=suggested if renamed else None,
        suspects=tuple(suspects),
        sure=float(np.mean([suspect.probability for suspect in suspects])) if suspects else 0.0,
    )
