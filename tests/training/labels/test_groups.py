from itertools import product

import pytest

from training.data import DataError
from training.labels.groups import group_signers, judged_glosses


def test_every_group_has_some_signers_of_every_gloss() -> None:
    signers = [f"s{number:02d}" for number in range(12)]
    pairs = [*product(["hello"], signers), *product(["rare"], signers[:4]), *product(["pair"], signers[4:6])]
    groups = group_signers(pairs, 4)
    assert sorted(signer for group in groups for signer in group) == signers
    assert [len(group) for group in groups] == [3, 3, 3, 3]
    assert all(len(set(group) & set(signers[:4])) == 1 for group in groups)
    assert judged_glosses(pairs, groups) == (("hello", "pair", "rare"), {})
    assert group_signers(reversed(pairs), 4) == groups
    two = [("a", "ann"), ("a", "bea"), ("b", "ann"), ("b", "cem")]
    assert group_signers(two, 2) == (("ann",), ("bea", "cem"))


def test_glosses_of_one_signer_or_one_group_cannot_be_judged() -> None:
    pairs = [("a", "ann"), ("a", "bea"), ("b", "ann"), ("c", "ann"), ("c", "cem")]
    glosses, unjudged = judged_glosses(pairs, (("ann", "bea"), ("cem",)))
    assert glosses == ("c",)
    assert unjudged == {"a": "all its 2 signers are left out together", "b": "one signer"}


def test_one_signer_and_too_many_groups_are_refused() -> None:
    with pytest.raises(DataError, match="the data have one signer only"):
        group_signers([("a", "ann"), ("b", "ann")], 5)
    for count in (1, 4):
        with pytest.raises(DataError, match=f"{count} groups of 3 signers: there must be from 2 to 3 groups"):
            group_signers([("a", "ann"), ("a", "bea"), ("a", "cem")], count)
