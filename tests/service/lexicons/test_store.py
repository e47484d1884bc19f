"""What the store of lexicons keeps, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glosscast.lexicon import signs
from glosscast.lexicon.signs import Lexicon, LexiconError, TaughtSign, checked_gloss
from service.lexicons.rows import FRAME_BYTES
from service.lexicons.store import LexiconStore
from tests.service.lexicons.stored import BUNDLE, ME, MODEL, NEXT_MODEL, OTHER, example, refused, sign, teach


def test_what_was_taught_is_there_after_the_service_starts_again(store, path):
    assert teach(store, sign("Hello", 1, 2, language="ASL")) == ("Hello", [example(1).id, example(2).id])
    teach(store, sign("house", 3))
    store.close()

    found = LexiconStore(path).load(ME, "mine", BUNDLE, MODEL)

    assert (found.name, found.bundle, found.model) == ("mine", BUNDLE, MODEL)
    assert [(s.gloss, s.language, len(s.examples)) for s in found] == [("Hello", "ASL", 2), ("house", "", 1)]
    (kept, wanted) = (found.sign("hello").examples[0], example(1))
    assert (kept.id, kept.start_ms, kept.end_ms, kept.source) == (wanted.id, 10.5, 80.0, "c" * 64)
    for field in ("t_ms", "keypoints", "probabilities", "embedding"):
        np.testing.assert_array_equal(getattr(kept, field), getattr(wanted, field))
        assert getattr(kept, field).dtype == getattr(wanted, field).dtype


def test_reading_needs_no_frames(store):
    teach(store, sign("hello", 1, 2))

    found = store.readings(ME, "mine", MODEL)

    assert (found.unread, found.version) == (0, store.version(ME, "mine"))
    assert [e.id for e in found.lexicon.sign("hello").examples] == [example(1).id, example(2).id]
    np.testing.assert_array_equal(found.lexicon.sign("hello").examples[1].embedding, example(2).embedding)
    assert all(len(e.keypoints) == 0 for e in found.lexicon.sign("hello").examples)
    np.testing.assert_array_equal(store.example(ME, "mine", "hello", example(2).id).keypoints, example(2).keypoints)


def test_nobody_else_reads_or_changes_a_lexicon(store):
    teach(store, sign("hello"))
    attempts = [
        lambda name: store.summary(OTHER, name),
        lambda name: store.version(OTHER, name),
        lambda name: store.load(OTHER, name, BUNDLE, MODEL),
        lambda name: store.readings(OTHER, name, MODEL),
        lambda name: store.unread(OTHER, name, NEXT_MODEL, 9),
        lambda name: store.example(OTHER, name, "hello", example().id),
        lambda name: teach(store, sign("house"), name, OTHER),
        lambda name: store.rename(OTHER, name, "hello", "house"),
        lambda name: store.remove_example(OTHER, name, "hello", example().id),
        lambda name: store.remove(OTHER, name, "hello"),
        lambda name: store.delete(OTHER, name),
    ]
    for attempt in attempts:
        told = []
        for name in ("mine", "none"):  # as if it were not there
            with refused("unknown_lexicon") as caught:
                attempt(name)
            told.append(str(caught.value).replace(name, ""))
        assert told[0] == told[1]

    assert store.summaries(OTHER) == []
    assert [s.gloss for s in store.load(ME, "mine", BUNDLE, MODEL)] == ["hello"]
    store.create(OTHER, "mine", BUNDLE)
    assert store.summary(OTHER, "mine").signs == 0


def test_every_change_has_a_version_of_its_own(store):
    versions = [store.version(ME, "mine")]

    def changed() -> None:
        versions.append(store.version(ME, "mine"))

    teach(store, sign("hello", 1, 2, 3))
    changed()
    store.rename(ME, "mine", "hello", "Hello")
    changed()
    store.remove_example(ME, "mine", "hello", example(2).id)
    changed()
    store.remove(ME, "mine", "hello")
    changed()
    store.merge(ME, "mine", Lexicon("x", BUNDLE, MODEL, {"a": sign("a")}))
    changed()
    store.delete(ME, "mine")
    store.create(ME, "mine", BUNDLE)  # a stream must not take it for the one before
    changed()

    assert versions == sorted(set(versions))


def test_the_list_says_how_much_there_is(store):
    store.create(ME, "another", "old@1")
    teach(store, sign("hello", 1, 2))
    teach(store, sign("house", 3), "another")

    assert [(s.name, s.signs, s.examples, s.bundle) for s in store.summaries(ME)] == [
        ("another", 1, 1, BUNDLE),
        ("mine", 1, 2, BUNDLE),
    ]
    assert store.summary(ME, "mine").changed_at.tzinfo is not None


def test_a_sign_of_other_capitals_is_the_same_sign(store):
    teach(store, sign("Hello", 1, language="ASL"))

    assert teach(store, sign("HELLO", 1, 2)) == ("Hello", [example(2).id])
    assert [(s.gloss, s.language) for s in store.load(ME, "mine", BUNDLE, MODEL)] == [("Hello", "ASL")]


def test_a_name_is_given_once(store):
    teach(store, sign("hello", 1))
    teach(store, sign("house", 2))

    with refused("gloss_taken"):
        store.rename(ME, "mine", "house", "HELLO")
    assert store.rename(ME, "mine", "hello", " HELLO ") == "HELLO"
    assert [s.gloss for s in store.load(ME, "mine", BUNDLE, MODEL)] == ["HELLO", "house"]
    with refused("lexicon_exists"):
        store.create(ME, "mine", BUNDLE)


@pytest.mark.parametrize("gloss", ["", "  ", "x" * 65, "a\u202eb", "a\nb", "\u200b", "\u0301"])
def test_a_bad_name_changes_nothing(store, gloss):
    teach(store, sign("hello"))
    before = store.version(ME, "mine")

    with refused("bad_gloss"):
        teach(store, sign(gloss, 5))
    with refused("bad_gloss"):
        store.rename(ME, "mine", "hello", gloss)
    assert store.version(ME, "mine") == before


@given(st.text(max_size=70))
def test_any_name_is_refused_or_found_again(tmp_path_factory, gloss):
    store = LexiconStore(tmp_path_factory.mktemp("store") / "l.sqlite")
    store.create(ME, "mine", BUNDLE)
    try:
        stored, _ = teach(store, sign(gloss))
    except LexiconError:
        with refused("bad_gloss"):
            checked_gloss(gloss)
        return
    assert store.load(ME, "mine", BUNDLE, MODEL).sign(stored).gloss == stored
    assert teach(store, sign(gloss)) == (stored, [])
    store.remove(ME, "mine", stored)
    assert store.summary(ME, "mine").signs == 0
    store.close()


def test_limits_are_kept(store, monkeypatch):
    teach(store, sign("hello", *range(20)))
    with refused("too_many"):
        teach(store, sign("hello", 20))
    monkeypatch.setattr("service.lexicons.rows.MAX_SIGNS", 2)
    teach(store, sign("house", 21))
    with refused("too_many"):
        teach(store, sign("tree", 22))
    monkeypatch.setattr("service.lexicons.rows.MAX_LEXICONS", 2)
    store.create(ME, "second", BUNDLE)
    with refused("too_many"):
        store.create(ME, "third", BUNDLE)
    store.create(OTHER, "third", BUNDLE)
    assert (store.summary(ME, "mine").signs, store.summary(ME, "mine").examples) == (2, 21)


def test_20000_signs_are_refused_as_a_whole(store):
    few = (example(),)
    many = Lexicon("x", BUNDLE, MODEL, {f"sign {i}": TaughtSign(f"sign {i}", "", few) for i in range(20_000)})

    with refused("too_many") as caught:
        store.merge(ME, "mine", many)
    assert str(signs.MAX_SIGNS) in str(caught.value)
    assert store.summary(ME, "mine").signs == 0


def test_an_owner_has_a_share_of_the_disk(path):
    store = LexiconStore(path, max_bytes=5 * FRAME_BYTES)
    for owner in (ME, OTHER):
        store.create(owner, "mine", BUNDLE)
        teach(store, sign("hello", 1), owner=owner)  # 3 frames
        with refused("too_many"):
            teach(store, sign("house", 2), owner=owner)
        assert store.summary(owner, "mine").signs == 1


def test_an_import_makes_a_lexicon_or_adds_to_one_or_does_nothing(store):
    file = Lexicon("other name", "old@1", NEXT_MODEL, {"hello": sign("hello", 1, 2), "tree": sign("tree", 4)})
    teach(store, sign("Hello", 1))
    store.merge(ME, "mine", file)
    store.merge(ME, "new", file)
    store.merge(ME, "new", file)  # examples count once

    assert [(s.name, s.signs, s.examples, s.bundle) for s in store.summaries(ME)] == [
        ("mine", 2, 3, "old@1"),
        ("new", 2, 3, "old@1"),
    ]
    bad = Lexicon("x", BUNDLE, MODEL, {"fine": sign("fine", 7), "x" * 65: sign("x" * 65, 8)})
    for name in ("mine", "never"):
        with refused("bad_gloss"):
            store.merge(ME, name, bad)
    assert [(s.name, s.signs) for s in store.summaries(ME)] == [("mine", 2), ("new", 2)]


def test_each_model_has_its_own_readings(store):
    teach(store, sign("hello", 1, 2))
    assert store.readings(ME, "mine", NEXT_MODEL).unread == 2
    with refused("other_bundle"):
        store.load(ME, "mine", "next@2", NEXT_MODEL)

    unread = store.unread(ME, "mine", NEXT_MODEL, 10)
    np.testing.assert_array_equal(unread[0][1].keypoints, example(1).keypoints)
    store.remove_example(ME, "mine", "hello", example(2).id)  # meanwhile
    teach(store, sign("house", 3))
    store.keep(NEXT_MODEL, [(number, example(5)) for number, _ in unread])

    found = store.readings(ME, "mine", NEXT_MODEL)
    assert (found.unread, list(found.lexicon.signs)) == (1, ["hello"])
    np.testing.assert_array_equal(found.lexicon.sign("hello").examples[0].embedding, example(5).embedding)
    again = store.load(ME, "mine", BUNDLE, MODEL)  # the model before reads as before
    np.testing.assert_array_equal(again.sign("hello").examples[0].embedding, example(1).embedding)
    assert len(store.unread(ME, "mine", NEXT_MODEL, 10)) == 1


def test_a_sign_without_an_example_goes(store):
    teach(store, sign("hello", 1, 2))

    store.remove_example(ME, "mine", "hello", example(1).id)
    assert store.summary(ME, "mine").signs == 1
    with refused("unknown_example"):
        store.remove_example(ME, "mine", "hello", example(1).id)
    store.remove_example(ME, "mine", "hello", example(2).id)
    assert store.summary(ME, "mine").signs == 0
