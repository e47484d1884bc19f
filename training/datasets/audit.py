"""The audit of a data set: faults that make its scores meaningless.

A signer on both sides of a split, clips that are there twice, and clips that look exactly like ones of another gloss
make scores that mean nothing; glosses of one signer and clips without hands teach nothing that holds elsewhere.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import PRESENCE
from training.data import Example
from training.datasets.item import Item, frame_paths
from training.datasets.neighbours import HANDS, NEAR, SuspectClip, find_suspects

FEW_SIGNERS = 3  # below: one to train on, one to choose by and one to test on is not possible


@dataclass(frozen=True)
class Source:
    """The clips of one source; `languages` are those that the file says, `without_hands` how many show no hand."""

    clips: int
    glosses: int
    signers: int
    languages: list[str]
    without_hands: int


@dataclass(frozen=True)
class Audit:
    """The findings; names of clips are `FILE#INDEX`, or those of the data set.

    Attributes:
        signers_in_splits: signer -> the splits or files that share them.
        duplicates: groups of clips with the same content, hands in view.
        suspects: nearest first.
        few_signers: gloss -> number of signers, where below `FEW_SIGNERS`.
        without_hands: gloss and signer -> clips in which no hand was ever detected.
        unsigned: clips that do not say who signs.
        sources: source -> its clips, those with most first; clips whose file does not say are not among them.
    """

    clips: int
    glosses: int
    signers: int
    signers_in_splits: dict[str, list[str]]
    few_signers: dict[str, int]
    unsigned: int
    duplicates: list[list[str]] = field(default_factory=list)
    suspects: list[SuspectClip] = field(default_factory=list)
    without_hands: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)


def audit_files(files: Mapping[Path, Sequence[Example]], near: float = NEAR) -> Audit:
    """Look through .npz files; more than one are taken for the splits of one data set.

    Args:
        files: path -> its clips.
        near: distance below which clips of two glosses are suspect, in shoulder widths.
    """
    names = [f"{path.name}#{index}" for path, clips in files.items() for index in range(len(clips))]
    examples = [example for clips in files.values() for example in clips]
    splits = [path.name for path, clips in files.items() for _ in clips]
    who = [(example.gloss, example.signer) for example in examples]
    hands = np.array([bool((e.clip.keypoints[:, HANDS, PRESENCE] > 0).any()) for e in examples], bool)
    chosen = np.flatnonzero(hands)  # where nothing was detected, clips are alike for that alone
    return replace(
        _of_labels(who, splits),
        duplicates=_groups(
            [names[index] for index in chosen],
            (hashlib.sha256(examples[index].clip.keypoints.tobytes()).digest() for index in chosen),
        ),
        suspects=find_suspects(names, examples, chosen, near),
        without_hands=_without_hands(names, examples, hands),
        sources=_by_source(examples, hands),
    )


def audit_items(items: Sequence[Item]) -> Audit:
    """Look through a data set as it is on disk: its tables, and which files are the same byte for byte."""
    who = [(item.label, item.signer) for item in items]
    return replace(_of_labels(who, [item.split or "" for item in items]), duplicates=_same_files(items))


def _of_labels(who: Sequence[tuple[str, str | None]], splits: Sequence[str]) -> Audit:
    """The findings that need labels only."""
    of_gloss: dict[str, set[str]] = defaultdict(set)
    of_signer: dict[str, set[str]] = defaultdict(set)
    for (gloss, signer), split in zip(who, splits, strict=True):
        of_gloss[gloss].update([] if signer is None else [signer])
        if signer is not None:
            of_signer[signer].add(split)
    return Audit(
        clips=len(who),
        glosses=len(of_gloss),
        signers=len(of_signer),
        signers_in_splits={name: sorted(seen) for name, seen in sorted(of_signer.items()) if len(seen) > 1},
        few_signers={name: len(seen) for name, seen in sorted(of_gloss.items()) if len(seen) < FEW_SIGNERS},
        unsigned=sum(signer is None for _, signer in who),
    )


def _without_hands(names: Sequence[str], examples: Sequence[Example], hands: NDArray[np.bool_]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, example, seen in zip(names, examples, hands, strict=True):
        if not seen:
            found[f"{example.gloss} by {example.signer}"].append(name)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def _by_source(examples: Sequence[Example], hands: NDArray[np.bool_]) -> dict[str, Source]:
    of: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        if example.source:
            of[example.source].append(index)
    return {
        source: Source(
            clips=len(indices),
            glosses=len({examples[i].gloss for i in indices}),
            signers=len({examples[i].signer for i in indices}),
            languages=sorted({examples[i].language for i in indices} - {""}),
            without_hands=int((~hands[indices]).sum()),
        )
        for source, indices in sorted(of.items(), key=lambda pair: -len(pair[1]))
    }


def _groups(names: Iterable[str], keys: Iterable[Hashable]) -> list[list[str]]:
    """Names that share a key, where there are two or more."""
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for name, key in zip(names, keys, strict=True):
        groups[key].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _same_files(items: Sequence[Item]) -> list[list[str]]:
    """Clips with the same stretch of the same content; only files of the same size are read."""
    by_name = {item.name: item for item in items}

    def same(names: Iterable[str], key: Callable[[Item], Hashable]) -> list[list[str]]:
        names = list(names)
        return _groups(names, ((key(by_name[n]), by_name[n].start_s, by_name[n].end_s) for n in names))

    sized = same(by_name, lambda item: tuple(path.stat().st_size for path in _paths(item)))
    return [group for names in sized for group in same(names, lambda item: tuple(map(_digest, _paths(item))))]


def _paths(item: Item) -> list[Path]:
    return frame_paths(item.media) or [item.media]


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def text(audit: Audit, most: int = 10) -> str:
    """The findings in words, at most `most` lines of each."""
    lists = [
        ("signers in more than one split", [f"{k}: {', '.join(v)}" for k, v in audit.signers_in_splits.items()]),
        (f"glosses of fewer than {FEW_SIGNERS} signers", [f"{k}: {v}" for k, v in audit.few_signers.items()]),
        (
            "groups of clips with the same content",
            [f"{len(group)}: {', '.join(group[:3])}" for group in audit.duplicates],
        ),
        (
            "clips that look like one of another gloss",
            [f"{s.clip} ({s.gloss}) like {s.nearest} ({s.nearest_gloss}): {s.distance}" for s in audit.suspects],
        ),
        ("glosses and signers with clips without hands", [f"{k}: {len(v)}" for k, v in audit.without_hands.items()]),
    ]
    if audit.sources:
        lists.append(("sources", [_of_source(name, source) for name, source in audit.sources.items()]))
    lines = [f"{audit.clips} clips, {audit.glosses} glosses, {audit.signers} signers; {audit.unsigned} clips unsigned"]
    for title, found in lists:
        lines.append(f"{title}: {len(found)}")
        lines += [f"  {line}" for line in found[:most]]
        lines += [f"  and {len(found) - most} more; --json lists them all"] if len(found) > most else []
    return "\n".join(lines)


def _of_source(name: str, source: Source) -> str:
    said = f"{source.clips} clips, {source.glosses} glosses, {source.signers} signers"
    hands = f", {source.without_hands} clips without hands" if source.without_hands else ""
    return f"{name}: {said}{hands}{''.join(f', {language}' for language in source.languages)}"
