import unicodedata
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from glosscast.lexicon import signs
from glosscast.lexicon.signs import MAX_EXAMPLES, MAX_GLOSS, LexiconError, checked_gloss, folded
from tests.glosscast.lexicon.making import example, lexicon_of

EXAMPLES = [example(seed) for seed in range(MAX_EXAMPLES + 1)]


def again(error: Exception) -> None:
    raise error


def refused(change, code: str) -> None:
    with pytest.raises(LexiconError) as error:
        change()
    assert error.value.code == code


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("tea", "tea"),
        ("  a  cup \u0020of   tea ", "a cup of tea"),
        ("cafe\u0301", "caf\u00e9"),  # one character, however it is written
        ("שלום", "שלום"),  # right to left by nature
        ("می‌خواهم", "می‌خواهم"),  # a joiner within a word
        ("👩‍🍳", "👩‍🍳"),
        ("10:30?", "10:30?"),
        ("tea\n", "tea"),
        ("x" * MAX_GLOSS, "x" * MAX_GLOSS),
    ],
)
def test_a_gloss_is_stored_in_one_form(written: str, stored: str) -> None:
    assert checked_gloss(written) == stored


@pytest.mark.parametrize(
    "gloss",
    [
        "",
        "   ",
        "\u200d",
        "x" * (MAX_GLOSS + 1),
        "te\na",
        "tea\ttime",
        "tea\0",
        "\u202etea",  # turns the direction of what follows
        "t\u200bea",  # has no width
        "\ud800",
        "\ufeffhello",
        "a\u2028b",
        ".",  # would be another address of the service
        "..",
    ],
)
def test_a_gloss_that_nobody_can_read_is_refused(gloss: str) -> None:
    refused(lambda: checked_gloss(gloss), "bad_gloss")
    refused(lambda: lexicon_of().with_examples(gloss, (EXAMPLES[0],)), "bad_gloss")


@given(st.text(max_size=80))
def test_a_checked_gloss_stays_as_it_is(text: str) -> None:
    try:
        gloss = checked_gloss(text)
    except LexiconError:
        return
    assert checked_gloss(gloss) == gloss
    assert 0 < len(gloss) <= MAX_GLOSS
    assert gloss == gloss.strip() == unicodedata.normalize("NFC", gloss)


NAMES = st.sampled_from(["tea", "Tea", "TEA", "coffee", "straße", "STRASSE", "ﬁsh", "fish"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES, st.integers(0, 5)),
        st.tuples(st.just("remove"), NAMES, st.none()),
        st.tuples(st.just("rename"), NAMES, NAMES),
        st.tuples(st.just("drop"), NAMES, st.integers(0, 5)),
    ),
    max_size=25,
)


@given(STEPS)
def test_a_lexicon_is_a_map_from_folded_names_to_sets_of_examples(steps) -> None:
    lexicon, model = lexicon_of(), {}
    for kind, gloss, extra in steps:
        before, name = lexicon, folded(gloss)
        try:
            match kind:
                case "add":
                    lexicon = lexicon.with_examples(gloss, (EXAMPLES[extra],))
                    model.setdefault(name, set()).add(EXAMPLES[extra].id)
                case "remove":
                    lexicon = lexicon.without(gloss)
                    del model[name]
                case "drop":
                    lexicon = lexicon.without_example(gloss, EXAMPLES[extra].id)
                    model[name].remove(EXAMPLES[extra].id)
                    if not model[name]:
                        del model[name]
                case "rename":
                    lexicon = lexicon.renamed(gloss, extra)
                    model[folded(extra)] = model.pop(name)
        except LexiconError as error:
            known = name in model and (kind != "drop" or EXAMPLES[extra].id in model[name])
            code = "gloss_taken" if kind == "rename" and known and folded(extra) in model else "unknown_gloss"
            refused(partial(again, error), code)
            assert lexicon is before
            assert code == "gloss_taken" or not known
        assert {folded(s.gloss): {e.id for e in s.examples} for s in lexicon} == model
        assert all(s.gloss == key for key, s in lexicon.signs.items())


def test_a_changed_lexicon_leaves_the_old_one_as_it_was() -> None:
    old = lexicon_of(tea=EXAMPLES[:1])
    new = old.with_examples("tea", (EXAMPLES[1],)).renamed("tea", "coffee")
    assert [(s.gloss, len(s.examples)) for s in old] == [("tea", 1)]
    assert [(s.gloss, len(s.examples)) for s in new] == [("coffee", 2)]
    assert old.find("coffee") is None
    assert new.find("COFFEE") is new.sign("coffee")


def test_the_same_example_counts_once() -> None:
    lexicon = lexicon_of(tea=[EXAMPLES[0], EXAMPLES[0]]).with_examples("TEA", (EXAMPLES[0],))
    assert len(lexicon) == 1
    assert len(lexicon.sign("tea").examples) == 1


def test_a_sign_that_is_renamed_keeps_its_place() -> None:
    lexicon = lexicon_of(a=EXAMPLES[:1], b=EXAMPLES[1:2], c=EXAMPLES[2:3]).renamed("b", "B2")
    assert list(lexicon.signs) == ["a", "B2", "c"]


def test_a_sign_can_be_given_other_capitals() -> None:
    assert list(lexicon_of(tea=EXAMPLES[:1]).renamed("tea", "Tea").signs) == ["Tea"]


def test_there_is_room_for_so_many_examples_and_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    full = lexicon_of(tea=EXAMPLES[:MAX_EXAMPLES])
    refused(lambda: full.with_examples("tea", (EXAMPLES[-1],)), "too_many")
    assert len(full.with_examples("tea", (EXAMPLES[0],)).sign("tea").examples) == MAX_EXAMPLES  # one that it has
    refused(lambda: full.with_examples("coffee", ()), "too_many")
    monkeypatch.setattr(signs, "MAX_SIGNS", 1)
    refused(lambda: full.with_examples("coffee", (EXAMPLES[0],)), "too_many")


def test_the_language_stays_until_another_is_named() -> None:
    one = lexicon_of().with_examples("tea", (EXAMPLES[0],), " ASL ")
    assert one.with_examples("tea", (EXAMPLES[1],)).sign("tea").language == "ASL"
    assert one.with_examples("tea", (EXAMPLES[1],), "BSL").sign("tea").language == "BSL"
    refused(lambda: one.with_examples("tea", (EXAMPLES[1],), "x" * 65), "bad_gloss")


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_ids_tell_examples_apart(a: int, b: int) -> None:
    assume(a != b)
    assert example(a).id == example(a).id != example(b).id
