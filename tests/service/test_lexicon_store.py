"""What the store of lexicons keeps, and what it refuses."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon import signs
from glosscast.lexicon.signs import Lexicon, LexiconError, SignExample, TaughtSign, checked_gloss
from service.lexicons.rows import FRAME_BYTES
from service.lexicons.schema import MIGRATIONS
from service.lexicons.store import LexiconStore, StoreError

ME, OTHER = "kiosk", "somebody"
BUNDLE, MODEL, NEXT_MODEL = "compass@1", "a" * 64, "b" * 64
ROOT = Path(__file__).parents[2]


def example(seed: int = 0, frames: int = 3, read: bool = True) -> SignExample:
    random = np.random.default_rng(seed)
    return SignExample(
        np.arange(frames, dtype=np.float32) * 40,
        random.standard_normal((frames, POINTS, CHANNELS)).astype(np.float16),
        10.5,
        80.0,
        random.random(3).astype(np.float32) if read else np.zeros(0, np.float32),
        random.random(2).astype(np.float32) if read else np.zeros(0, np.float32),
        "c" * 64,
    )


def sign(gloss: str, *seeds: int, language: str = "") -> TaughtSign:
    return TaughtSign(gloss, language, tuple(example(seed) for seed in seeds or (0,)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "lexicons.sqlite"


@pytest.fixture
def store(path: Path):
    store = LexiconStore(path)
    store.create(ME, "mine", BUNDLE)
    yield store
    store.close()


def teach(store: LexiconStore, taught: TaughtSign, name: str = "mine", owner: str = ME) -> tuple[str, list[str]]:
    return store.add(owner, name, BUNDLE, MODEL, taught)


def refused(code: str):
    return pytest.raises((LexiconError, StoreError), check=lambda error: error.code == code)


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


@pytest.mark.parametrize("how", ["delete", "remove", "remove_example"])
def test_what_is_forgotten_is_nowhere_in_the_files(store, path, how):
    teach(store, sign("secret", 1))
    assert traces_of(path, example(1))
    if how == "delete":
        store.delete(ME, "mine")
    elif how == "remove":
        store.remove(ME, "mine", "Secret")
    else:
        store.remove_example(ME, "mine", "secret", example(1).id)

    assert not traces_of(path, example(1))
    store.close()
    assert not traces_of(path, example(1))
    with refused("unknown_lexicon" if how == "delete" else "unknown_gloss"):
        LexiconStore(path).example(ME, "mine", "secret", example(1).id)


def traces_of(path: Path, of: SignExample) -> list[str]:
    piece = of.keypoints.tobytes()[1000:1200]
    return [file.name for file in path.parent.iterdir() if piece in file.read_bytes()]


def test_a_sign_without_an_example_goes(store):
    teach(store, sign("hello", 1, 2))

    store.remove_example(ME, "mine", "hello", example(1).id)
    assert store.summary(ME, "mine").signs == 1
    with refused("unknown_example"):
        store.remove_example(ME, "mine", "hello", example(1).id)
    store.remove_example(ME, "mine", "hello", example(2).id)
    assert store.summary(ME, "mine").signs == 0


def test_the_file_is_its_users_alone(store, path):
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_several_stores_and_threads_change_one_file(path):
    stores = [LexiconStore(path) for _ in range(2)]
    stores[0].create(ME, "mine", BUNDLE)
    faults = []

    def work(index: int) -> None:
        try:
            for i in range(10):
                teach(stores[index % 2], sign(f"{index} {i}", 100 * index + i))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert [store.summary(ME, "mine").signs for store in stores] == [60, 60]


OPENING = """
import sys; from pathlib import Path; from service.lexicons.store import LexiconStore
LexiconStore(Path(sys.argv[1])).create("kiosk", sys.argv[2], "b@1")
"""


@pytest.mark.slow
def test_processes_that_start_together_make_one_store(path):
    command = [sys.executable, "-c", OPENING, str(path)]
    started = [subprocess.Popen([*command, f"n{i}"], cwd=ROOT, stderr=subprocess.PIPE) for i in range(6)]

    assert [process.communicate()[1] for process in started] == [b""] * 6
    assert len(LexiconStore(path).summaries(ME)) == 6


TEACHING = """
import sys; from pathlib import Path
from tests.service.test_lexicon_store import BUNDLE, ME, LexiconStore, sign, teach
store = LexiconStore(Path(sys.argv[1]))
for i in range(10_000):
    teach(store, sign(f"sign {i}", i))
    print(i, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 7, 20])
def test_what_was_acknowledged_survives_a_kill(store, path, after):
    with subprocess.Popen(
        [sys.executable, "-c", TEACHING, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        acknowledged = [process.stdout.readline() for _ in range(after)]  # type: ignore[union-attr]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.readlines()  # type: ignore[union-attr]

    found = list(LexiconStore(path).load(ME, "mine", BUNDLE, MODEL))
    assert len(found) - len(acknowledged) in (0, 1)  # one may have been stored and not reported any more
    for i, kept in enumerate(found):
        assert (kept.gloss, kept.examples[0].id) == (f"sign {i}", example(i).id)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


FILLING = """
import resource, sys; from pathlib import Path
from tests.service.test_lexicon_store import BUNDLE, ME, LexiconStore, StoreError, sign, teach
store = LexiconStore(Path(sys.argv[1]))
teach(store, sign("first", 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    for i in range(2, 1000):
        teach(store, sign(f"sign {i}", i))
except StoreError as error:
    print(error.code, i)
print(len(store.load(ME, "mine", BUNDLE, "a" * 64)))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
teach(store, sign("after", 5000))
print(len(store.load(ME, "mine", BUNDLE, "a" * 64)))
"""


@pytest.mark.slow
def test_a_disk_without_room_loses_nothing(store, path):
    output = subprocess.run(
        [sys.executable, "-c", FILLING, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    code, failed, kept, then = output[0], *map(int, output[1:])
    assert code == "disk_full"
    assert failed > 2
    assert (kept, then) == (failed - 1, failed)


def test_a_full_database_is_told_apart(store, monkeypatch):
    def small(path: str) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA max_page_count = 1")
        return db

    store.close()
    monkeypatch.setattr("service.lexicons.store.connect", small)
    with refused("disk_full"):
        teach(store, sign("hello", *range(20)))
    monkeypatch.undo()
    store.close()
    assert store.summary(ME, "mine").signs == 0


def test_somebody_who_keeps_the_file_is_named_busy(store, path, monkeypatch):
    monkeypatch.setattr("service.lexicons.schema.BUSY_MS", 50)
    store.close()
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        with refused("lexicons_busy"):
            teach(store, sign("hello"))
        assert store.summary(ME, "mine").signs == 0  # reading goes on
    db.close()
    teach(store, sign("hello"))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"no database at all, but long enough to be looked at" * 40, "lexicons_damaged", id="text"),
        pytest.param(b"SQLite format 3\0" + bytes(4080), "lexicons_damaged", id="a header alone"),
    ],
)
def test_a_file_that_is_no_store_is_refused_and_kept(path, content, code):
    path.parent.mkdir()
    path.write_bytes(content)
    with refused(code) as caught:
        LexiconStore(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_store_is_named(store, path):
    teach(store, sign("hello", *range(20)))
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(range(256)) * ((len(content) - 4096) // 256)
    path.write_bytes(content)

    with refused("lexicons_damaged"):
        LexiconStore(path).load(ME, "mine", BUNDLE, MODEL)


def test_a_store_of_a_later_version_or_of_something_else_is_refused(store, path, tmp_path):
    store.close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with refused("lexicons_damaged") as caught:
        LexiconStore(path)
    assert "later version" in str(caught.value)

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE photos (id)")
    db.close()
    with refused("lexicons_damaged") as caught:
        LexiconStore(other)
    assert "something else" in str(caught.value)


def test_a_file_that_was_deleted_is_made_anew(store, path):
    teach(store, sign("hello"))
    for file in path.parent.iterdir():
        file.unlink()

    assert store.summaries(ME) == []
    store.create(ME, "mine", BUNDLE)
    teach(store, sign("house"))
    assert [s.gloss for s in LexiconStore(path).load(ME, "mine", BUNDLE, MODEL)] == ["house"]


def test_a_copy_that_sqlite_makes_is_a_backup(store, path, tmp_path):
    teach(store, sign("hello", 1))
    copy = tmp_path / "copy.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("VACUUM INTO ?", (str(copy),))
    db.close()

    assert [s.gloss for s in LexiconStore(copy).load(ME, "mine", BUNDLE, MODEL)] == ["hello"]
