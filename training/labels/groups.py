"""Signers in groups that are left out together, each with some of the signers of every gloss."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from training.data import DataError


def group_signers(pairs: Iterable[tuple[str, str]], count: int) -> tuple[tuple[str, ...], ...]:
    """Deal signers out, those of the rarest gloss first.

    This is iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) with signers as samples and their glosses
    as labels: whoever signs a gloss goes to the group that has the fewest signers of it, and of equal ones to the
    smallest.

    Args:
        pairs: (gloss, signer) of every clip.
        count: number of groups.

    Returns:
        The groups, none of them empty, with their signers in alphabetical order.

    Raises:
        DataError: there is one signer only, or there are more groups than signers.
    """
    signers_of: dict[str, set[str]] = defaultdict(set)
    glosses_of: dict[str, set[str]] = defaultdict(set)
    for gloss, signer in pairs:
        signers_of[gloss].add(signer)
        glosses_of[signer].add(gloss)
    if len(glosses_of) < 2:
        raise DataError("labels are judged by models that have not seen the signer: the data have one signer only")
    if not 2 <= count <= len(glosses_of):
        raise DataError(
            f"{count} groups of {len(glosses_of)} signers: there must be from 2 to {len(glosses_of)} groups"
        )
    groups: list[list[str]] = [[] for _ in range(count)]
    waiting = set(glosses_of)
    while waiting:
        gloss = min(
            (g for g, of in signers_of.items() if of & waiting), key=lambda g: (len(signers_of[g] & waiting), g)
        )
        for signer in sorted(signers_of[gloss] & waiting):
            min(groups, key=lambda group: (len(signers_of[gloss].intersection(group)), len(group))).append(signer)
            waiting.remove(signer)
    return tuple(tuple(sorted(group)) for group in groups)


def judged_glosses(
    pairs: Iterable[tuple[str, str]], groups: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Glosses that every model has learned whose signers were left out, and why the other ones cannot be judged.

    Args:
        pairs: (gloss, signer) of every clip.
        groups: as `group_signers` makes them.

    Returns:
        The glosses that have signers in two groups or more, in alphabetical order; and gloss -> reason.
    """
    number = {signer: index for index, group in enumerate(groups) for signer in group}
    signers_of: dict[str, set[str]] = defaultdict(set)
    for gloss, signer in pairs:
        signers_of[gloss].add(signer)
    judged = [gloss for gloss, signers in signers_of.items() if len({number[signer] for signer in signers}) > 1]
    return tuple(sorted(judged)), {
        gloss: "one signer" if len(signers) == 1 else f"all its {len(signers)} signers are left out together"
        for gloss, signers in sorted(signers_of.items())
        if gloss not in judged
    }
