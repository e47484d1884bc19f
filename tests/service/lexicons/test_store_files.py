"""The store's file: what is in it, who changes it, and what happens where it fails."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from glosscast.lexicon.signs import SignExample
from service.lexicons.schema import MIGRATIONS
from service.lexicons.store import LexiconStore
from tests.service.lexicons.stored import BUNDLE, ME, MODEL, ROOT, example, refused, sign, teach


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
from tests.service.lexicons.stored import BUNDLE, ME, LexiconStore, sign, teach
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
from tests.service.lexicons.stored import BUNDLE, ME, LexiconStore, StoreError, sign, teach
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
