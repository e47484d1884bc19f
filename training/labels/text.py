"""The findings in Markdown, and the proposed corrections in TOML."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.config import Correction
from training.labels.findings import Group, LabelAudit

HOW = """\
Every clip was read by a model that has not seen its signer ({groups} groups of signers, each left out once). A clip is
suspect where confident learning contradicts its label: another gloss is more probable than the label, and at least as
probable as it is on average over the clips that are labelled so. Look-alike signs come out as suspects, too, and a sign
that two communities make differently is not a wrong label: the pictures are there to decide by. "own" is the mean
probability of the label, "sure" that of what the suspects are suspected to be."""


def report(audit: LabelAudit, pictures: dict[Group, Path]) -> str:
    """Tables of suspect groups, by verdict, source and gloss.

    Args:
        audit: the findings.
        pictures: where the pictures of each suspect group are, relative to the report.
    """
    parts = ["# Labels that are likely wrong", HOW.format(groups=len(audit.left_out))]
    if not audit.has_sources:
        parts.append("No file says its sources: the tables are by file and signer.")
    for verdict, title in (("renamed", "Likely another gloss"), ("wrong clips", "Likely wrong clips")):
        parts += [f"## {title}", _groups(audit.of(verdict), pictures)]
    parts += ["## By source", _totals(audit, "source"), "## By gloss", _totals(audit, "gloss")]
    reasons = Counter(audit.unjudged.values())
    for reason, count in reasons.most_common():
        glosses = ", ".join(gloss for gloss, of in audit.unjudged.items() if of == reason)
        parts += [f"## Cannot be judged: {reason} ({count})", glosses]
    return "\n\n".join(parts) + "\n"


def _groups(groups: Sequence[Group], pictures: dict[Group, Path]) -> str:
    rows = []
    for group in groups:
        found = Counter(suspect.suggested for suspect in group.suspects).most_common()
        suggested = ", ".join(f"{gloss} {count}" for gloss, count in found)
        look = f"[look]({pictures[group].as_posix()})" if group in pictures else ""
        who = (group.source, group.signer, group.gloss, group.clips)
        rows.append((*who, suggested, _share(group.sure), group.reading, _share(group.own), look))
    return _table(("source", "signer", "gloss", "clips", "suspected to be", "sure", "read as", "own", ""), rows)


def _totals(audit: LabelAudit, column: str) -> str:
    """One row for each value of a column of the groups, those with the largest share of suspects first."""
    rows = []
    for value in sorted({str(getattr(group, column)) for group in audit.groups}):
        groups = [group for group in audit.groups if getattr(group, column) == value]
        clips = sum(g.clips for g in groups)
        suspects = sum(len(g.suspects) for g in groups)
        taken = Counter((g.gloss, s.suggested) for g in groups for s in g.suspects).most_common(1)
        most = f"{taken[0][0][0]} → {taken[0][0][1]}, {taken[0][1]}" if taken else ""
        own = sum(g.own * g.clips for g in groups) / clips
        rows.append((value, len({g.signer for g in groups}), clips, suspects, most, _share(own)))
    rows.sort(key=lambda row: (-row[3] / row[2], row[0]))
    return _table((column, "signers", "clips", "suspects", "most often", "own"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _share(value: float) -> str:
    return f"{value:.2f}"


def propose(audit: LabelAudit) -> list[Correction]:
    """Corrections to be looked at by a person: a likely renamed gloss gets the other name, other clips are left out.

    Clips that a correction of the config has renamed are passed over: there is a table about them, which would have to
    be changed.
    """
    proposals = []
    for group in audit.groups:
        suspects = [suspect for suspect in group.suspects if not suspect.renamed_from]
        if not suspects:
            continue
        read = Counter(suspect.suggested for suspect in suspects)
        found = ", ".join(f"{count} as {gloss}" for gloss, count in read.most_common())
        proposals.append(
            Correction(
                file=group.file,
                signer=group.signer,
                gloss=group.gloss,
                clips=None if group.suggested else tuple(suspect.clip for suspect in suspects),
                to=group.suggested,
                why=f"Of {group.clips} clips, models that did not see the signer read {found} ({_share(group.sure)}).",
            )
        )
    return proposals


def to_toml(corrections: Iterable[Correction]) -> str:
    """A correction file."""
    tables = ["# Proposed by `training audit --labels`: to be looked at, one by one."]
    for correction in corrections:
        values = correction.model_dump(mode="json", exclude_none=True)
        # A JSON string is a TOML string, and so are lists of whole numbers.
        tables.append(
            "\n".join(["[[corrections]]", *(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in values.items())])
        )
    return "\n\n".join(tables) + "\n"
