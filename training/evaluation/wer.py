"""Gloss error rate of continuous recognition (WER): the edits that turn a hypothesis into its reference.

Hypotheses are aligned with the fewest edits (Levenshtein 1966). NIST's sclite weighs edits differently and can count
more of them; docs/explanation/continuous.md has the figures.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T", bound=Hashable)


class Edit(NamedTuple, Generic[T]):
    """One step of an alignment: a hit, a substitution, a deletion (no hypothesis) or an insertion (no reference)."""

    reference: T | None
    hypothesis: T | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Substitution(_Part):
    """The number of times that one gloss was recognised in the place of another."""

    reference: str
    hypothesis: str
    count: int


class ErrorRate(_Part):
    """Counts pooled over a corpus.

    Attributes:
        sentences: number of utterances.
        tokens: glosses of the references.
        wer: (substitutions + deletions + insertions) / tokens; above 1 where much is inserted.
        confusions: the substitutions, the most frequent first.
    """

    sentences: int
    tokens: int
    hits: int
    substitutions: int
    deletions: int
    insertions: int
    wer: float
    confusions: tuple[Substitution, ...]


def align(reference: Sequence[T], hypothesis: Sequence[T]) -> list[Edit[T]]:
    """An alignment with the fewest edits, and among those one with the most hits.

    The second rule makes the counts unique: (a b, b a) is one hit, one deletion and one insertion, not two
    substitutions. Swapping the arguments swaps deletions and insertions and changes no other count.

    Returns:
        The steps in order: their references, without None, are `reference`, and likewise for `hypothesis`.
    """
    # One integer holds both: edits count `gap`, and a substitution 1 more. Together all those 1s stay below an edit.
    gap = min(len(reference), len(hypothesis)) + 1
    table = [[gap * j for j in range(len(hypothesis) + 1)]]
    for i, wanted in enumerate(reference):
        row = [gap * (i + 1)]
        for j, got in enumerate(hypothesis):
            diagonal = table[i][j] + (0 if wanted == got else gap + 1)
            row.append(min(diagonal, table[i][j + 1] + gap, row[j] + gap))
        table.append(row)
    return _trace(reference, hypothesis, table, gap)


def _trace(reference: Sequence[T], hypothesis: Sequence[T], table: Sequence[Sequence[int]], gap: int) -> list[Edit[T]]:
    """The way back through a filled table, diagonal steps first."""
    steps: list[Edit[T]] = []
    i, j = len(reference), len(hypothesis)
    while i and j:
        step = 0 if reference[i - 1] == hypothesis[j - 1] else gap + 1
        if table[i][j] == table[i - 1][j - 1] + step:
            i, j = i - 1, j - 1
            steps.append(Edit(reference[i], hypothesis[j]))
        elif table[i][j] == table[i - 1][j] + gap:
            i -= 1
            steps.append(Edit(reference[i], None))
        else:
            j -= 1
            steps.append(Edit(None, hypothesis[j]))
    steps += [Edit(gloss, None) for gloss in reversed(reference[:i])]
    steps += [Edit(None, gloss) for gloss in reversed(hypothesis[:j])]
    return steps[::-1]


def error_rate(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> ErrorRate:
    """Score (reference, hypothesis) pairs; counts are summed over all of them before dividing.

    Raises:
        ValueError: no gloss in any reference, so there is nothing to divide by.
    """
    alignments = [align(reference, hypothesis) for reference, hypothesis in pairs]
    steps = Counter(step for alignment in alignments for step in alignment)
    deletions = sum(n for step, n in steps.items() if step.hypothesis is None)
    insertions = sum(n for step, n in steps.items() if step.reference is None)
    hits = sum(n for step, n in steps.items() if step.reference == step.hypothesis)
    substitutions = steps.total() - deletions - insertions - hits
    tokens = hits + substitutions + deletions
    if tokens == 0:
        raise ValueError("no gloss in any reference: an error rate needs at least one")
    return ErrorRate(
        sentences=len(alignments),
        tokens=tokens,
        hits=hits,
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        wer=(substitutions + deletions + insertions) / tokens,
        confusions=_confusions(steps),
    )


def _confusions(steps: Counter[Edit[str]]) -> tuple[Substitution, ...]:
    """Substitutions by falling count, then by name, so that their order does not change from run to run."""
    found = [
        Substitution(reference=step.reference, hypothesis=step.hypothesis, count=n)
        for step, n in steps.items()
        if step.reference is not None and step.hypothesis is not None and step.reference != step.hypothesis
    ]
    return tuple(sorted(found, key=lambda s: (-s.count, s.reference, s.hypothesis)))


def describe(rate: ErrorRate, most: int = 10) -> str:
    """The figures in words, with the `most` frequent substitutions."""
    lines = [
        f"WER {100 * rate.wer:.2f} % of {rate.tokens} glosses in {rate.sentences} sentences",
        f"  {rate.hits} hits, {rate.substitutions} substitutions, "
        f"{rate.deletions} deletions, {rate.insertions} insertions",
    ]
    lines += [f"  {c.reference} taken for {c.hypothesis}: {c.count}" for c in rate.confusions[:most]]
    return "\n".join(lines)
