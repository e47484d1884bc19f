import pytest

from glosscast.vocabulary import Vocabulary


def test_ids_are_positions_and_lead_back_to_glosses() -> None:
    vocabulary = Vocabulary(["hello", "yes", "no sign"], "no sign")
    assert [vocabulary.id(gloss) for gloss in vocabulary] == [0, 1, 2]
    assert [vocabulary.gloss(i) for i in range(len(vocabulary))] == ["hello", "yes", "no sign"]
    assert vocabulary.no_sign == "no sign"
    assert "yes" in vocabulary
    assert "maybe" not in vocabulary


@pytest.mark.parametrize(
    ("glosses", "no_sign", "message"),
    [
        (["a", "a"], None, "unique"),
        (["a", ""], None, "not empty"),
        (["a", "b"], "c", "no_sign 'c'"),
    ],
)
def test_a_faulty_vocabulary_is_refused(glosses: list[str], no_sign: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary(glosses, no_sign)


def test_an_unknown_gloss_has_no_id() -> None:
    with pytest.raises(KeyError):
        Vocabulary(["a", "b"]).id("c")
