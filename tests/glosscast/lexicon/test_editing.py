import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from glosscast.lexicon import editing
from glosscast.lexicon.editing import LexiconFile
from glosscast.lexicon.file import load_lexicon, partials, save_lexicon
from glosscast.lexicon.signs import Lexicon, LexiconError
from tests.glosscast.lexicon.making import example, lexicon_of

ROOT = Path(__file__).parents[3]


def adding(gloss: str, seed: int):
    return lambda lexicon: lexicon.with_examples(gloss, (example(seed),))


def test_a_file_is_made_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    file = LexiconFile(path, lexicon_of)
    assert len(file.read()) == 0
    assert not path.exists()
    file.change(adding("tea", 0))
    LexiconFile(path, lexicon_of).change(adding("coffee", 1))
    assert list(file.change(adding("tea", 2)).signs) == ["tea", "coffee"]
    assert len(load_lexicon(path).sign("tea").examples) == 2


def test_without_a_file_there_is_nothing_to_change(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LexiconFile(tmp_path / "mine.npz").read()


def test_it_is_read_again_only_where_somebody_changed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.npz"
    save_lexicon(lexicon_of(tea=[example(0)]), path)
    read: list[Path] = []
    monkeypatch.setattr(editing, "load_lexicon", lambda p: read.append(p) or load_lexicon(p))
    file = LexiconFile(path)
    for seed in range(1, 4):
        file.change(adding("tea", seed))
    assert len(read) == 1
    LexiconFile(path).change(adding("tea", 9))
    assert len(file.read().sign("tea").examples) == 5
    assert len(read) == 3


def test_a_change_that_fails_leaves_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.npz"
    save_lexicon(lexicon_of(tea=[example(0)]), path)
    before = path.read_bytes()
    file = LexiconFile(path)
    with pytest.raises(LexiconError):
        file.change(lambda lexicon: lexicon.without("coffee"))

    def full(lexicon: Lexicon, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(editing, "save_lexicon", full)
        with pytest.raises(OSError, match="No space left"):
            file.change(adding("coffee", 1))
    assert path.read_bytes() == before
    assert list(file.change(adding("coffee", 1)).signs) == ["tea", "coffee"]


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(b"precious, though no lexicon")
    with pytest.raises(LexiconError):
        LexiconFile(path, lexicon_of).change(adding("tea", 0))
    assert path.read_bytes() == b"precious, though no lexicon"


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "mi[n]e.npz"
    (tmp_path / f".{path.name}.abc.partial").write_bytes(b"half")
    assert len(partials(path)) == 1
    LexiconFile(path, lexicon_of).change(adding("tea", 0))
    assert partials(path) == []


def test_a_link_stays_one(tmp_path: Path) -> None:
    path, link = tmp_path / "mine.npz", tmp_path / "link.npz"
    link.symlink_to(path)
    LexiconFile(link, lexicon_of).change(adding("tea", 0))
    assert link.is_symlink()
    assert len(load_lexicon(path)) == 1


def test_threads_do_not_lose_each_others_examples(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    threads = [
        threading.Thread(target=lambda i=i: LexiconFile(path, lexicon_of).change(adding(f"s{i}", i))) for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(load_lexicon(path)) == 12


@pytest.mark.slow
def test_processes_do_not_lose_each_others_examples(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    code = (
        "import sys; from pathlib import Path; from glosscast.lexicon.editing import LexiconFile\n"
        "from tests.glosscast.lexicon.making import example, lexicon_of\n"
        "file = LexiconFile(Path(sys.argv[1]), lexicon_of); first = int(sys.argv[2])\n"
        "for i in range(first, first + 10): file.change(lambda l: l.with_examples(f's{i}', (example(i),)))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(10 * i)], cwd=ROOT) for i in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert {sign.gloss for sign in load_lexicon(path)} == {f"s{i}" for i in range(30)}
