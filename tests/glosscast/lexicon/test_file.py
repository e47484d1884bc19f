import errno
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glosscast.lexicon import file as module
from glosscast.lexicon.file import load_lexicon, partials, read_lexicon, save_lexicon, write_lexicon
from glosscast.lexicon.signs import Lexicon, LexiconError
from tests.glosscast.lexicon.making import example, lexicon_of, same, sha

ROOT = Path(__file__).parents[3]
EXAMPLES = st.lists(
    st.builds(
        example,
        st.integers(0, 1000),
        st.tuples(st.floats(-1, 1, width=16), st.floats(0.5, 1, width=16)),
        frames=st.integers(1, 6),
        source=st.sampled_from(["", sha("a clip")]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda e: e.id,
)


def content(lexicon: Lexicon) -> bytes:
    out = io.BytesIO()
    write_lexicon(lexicon, out)
    return out.getvalue()


LEXICON = lexicon_of(tea=[example(0), example(1)], coffee=[example(2, frames=5)])
GOOD = content(LEXICON)


def parts() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=pickled)
    return out.getvalue()


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["tea", "שלום", "a b", "e\u0301t\u00e9", "no sign"]), EXAMPLES, max_size=4))
def test_what_is_written_is_read_again(signs) -> None:
    lexicon = lexicon_of(**signs)
    again = read_lexicon(io.BytesIO(content(lexicon)))
    assert (again.name, again.bundle, again.model) == (lexicon.name, lexicon.bundle, lexicon.model)
    assert [(s.gloss, s.language) for s in again] == [(s.gloss, s.language) for s in lexicon]
    for a, b in zip(again, lexicon, strict=True):
        assert all(same(x, y) for x, y in zip(a.examples, b.examples, strict=True))


def test_numpy_opens_it_and_nothing_in_it_is_pickled() -> None:
    with np.load(io.BytesIO(GOOD), allow_pickle=False) as file:
        assert file["keypoints"].shape == (3 + 3 + 5, 171, 4)
        assert file["embeddings"].shape == (3, 2)


def changed_json(change: Callable[[dict], object]) -> bytes:
    files = parts()
    about = json.loads(files["lexicon.json"])
    change(about)
    return packed(files | {"lexicon.json": json.dumps(about).encode()})


def changed_array(name: str, array: np.ndarray, pickled: bool = False) -> bytes:
    """An array in the place of another, with the hash that it should have."""
    files = parts()
    about = json.loads(files["lexicon.json"])
    about["sha256"][name] = module._sha256(array)
    return packed(files | {f"{name}.npy": npy(array, pickled), "lexicon.json": json.dumps(about).encode()})


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/glosscast-was-here",)


def arrays() -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(GOOD), allow_pickle=False) as file:
        return {name: file[name] for name in ("t_ms", "keypoints", "probabilities", "embeddings")}


def frames(count: int) -> dict[str, bytes]:
    """The JSON of one example of so many frames, and times for it."""
    about = json.loads(parts()["lexicon.json"])
    times = np.arange(count, dtype=np.float32)
    about["signs"] = [{"gloss": "tea", "examples": [{"frames": count, "start_ms": 0.0, "end_ms": 1.0}]}]
    about["sha256"]["t_ms"] = module._sha256(times)
    return {"lexicon.json": json.dumps(about).encode(), "t_ms.npy": npy(times)}


def with_nan(name: str) -> bytes:
    array = arrays()[name].copy()
    array.flat[0] = np.nan
    return changed_array(name, array)


def header_of(shape: tuple[int, ...], descr: str = "<f4", fortran: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": fortran, "shape": shape})
    return out.getvalue()


def with_file(name: str, data: bytes) -> bytes:
    return packed(parts() | {name: data})


def without_file(name: str) -> bytes:
    return packed({n: data for n, data in parts().items() if n != name})


def encrypted() -> bytes:
    data = bytearray(GOOD)
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    return bytes(data)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"just text",
    "truncated": lambda: GOOD[: len(GOOD) // 2],
    "without its end": lambda: GOOD[:-30],
    "encrypted": encrypted,
    "another .npz": lambda: packed({"x.npy": npy(np.zeros(3))}),
    "a pickle": lambda: pickle.dumps(Bomb()),
    "a pickled array": lambda: with_file("embeddings.npy", npy(np.array([Bomb()], object), pickled=True)),
    "an array of objects": lambda: with_file("t_ms.npy", header_of((11,), "|O")),
    "no embeddings": lambda: without_file("embeddings.npy"),
    "no json": lambda: without_file("lexicon.json"),
    "json that is none": lambda: with_file("lexicon.json", b"{"),
    "json that is deep": lambda: with_file("lexicon.json", b"[" * 100_000),
    "json of a list": lambda: with_file("lexicon.json", b"[]"),
    "json that is no text": lambda: with_file("lexicon.json", b"\xff\xfe\x00"),
    "a newer format": lambda: changed_json(lambda about: about.update(format="glosscast-lexicon-2")),
    "an unknown field": lambda: changed_json(lambda about: about.update(pixels="")),
    "no hashes": lambda: changed_json(lambda about: about.update(sha256={})),
    "a sign twice": lambda: changed_json(lambda about: about["signs"][1].update(gloss="TEA")),
    "a gloss that turns": lambda: changed_json(lambda about: about["signs"][0].update(gloss="\u202etea")),
    "a gloss with spaces": lambda: changed_json(lambda about: about["signs"][0].update(gloss=" tea")),
    "a sign without examples": lambda: changed_json(lambda about: about["signs"][0].update(examples=[])),
    "too many examples": lambda: changed_json(
        lambda about: about["signs"][0].update(examples=about["signs"][0]["examples"] * 20)
    ),
    "20,000 signs": lambda: changed_json(
        lambda about: about.update(signs=[{**about["signs"][0], "gloss": f"s{i}"} for i in range(20_000)])
    ),
    "a long language": lambda: changed_json(lambda about: about["signs"][0].update(language="x" * 65)),
    "no frames": lambda: changed_json(lambda about: about["signs"][0]["examples"][0].update(frames=0)),
    "more frames than there are": lambda: changed_json(lambda about: about["signs"][0]["examples"][0].update(frames=4)),
    "frames in words": lambda: changed_json(lambda about: about["signs"][0]["examples"][0].update(frames="3")),
    "a sign before it begins": lambda: changed_json(
        lambda about: about["signs"][0]["examples"][0].update(start_ms=50.0, end_ms=10.0)
    ),
    "a sign beyond its end": lambda: changed_json(lambda about: about["signs"][0]["examples"][0].update(end_ms=1e6)),
    "a time that is none": lambda: with_file(
        "lexicon.json", parts()["lexicon.json"].replace(b'"start_ms": 0.0', b'"start_ms": NaN', 1)
    ),
    "a path as source": lambda: changed_json(
        lambda about: about["signs"][0]["examples"][0].update(source="../../etc/passwd")
    ),
    "an embedding of another length": lambda: changed_array("embeddings", np.ones((2, 2), np.float32)),
    "keypoints of another shape": lambda: changed_array("keypoints", np.zeros((11, 170, 4), np.float16)),
    "keypoints of another type": lambda: changed_array("keypoints", np.zeros((11, 171, 4), np.float32)),
    "keypoints in columns": lambda: with_file("keypoints.npy", header_of((11, 171, 4), "<f2", fortran=True)),
    "keypoints far away": lambda: changed_array("keypoints", np.full((11, 171, 4), 1000, np.float16)),
    "times that stand still": lambda: changed_array("t_ms", np.zeros(11, np.float32)),
    "times of days": lambda: changed_array("t_ms", arrays()["t_ms"] * 1e6),
    "times that begin late": lambda: changed_array("t_ms", arrays()["t_ms"] + 1),
    "a header that promises terabytes": lambda: with_file("embeddings.npy", header_of((3, 2**40))),
    "a header that promises too much": lambda: with_file("embeddings.npy", header_of((3, 2**60))),
    "a shape below zero": lambda: with_file("embeddings.npy", header_of((3, -2))),
    "a header that is no header": lambda: with_file("embeddings.npy", b"\x93NUMPY\x01\x00\xff\xff"),
    "a newer array": lambda: with_file("embeddings.npy", b"\x93NUMPY\x02\x00" + b"\0" * 100),
    "less data than promised": lambda: with_file("embeddings.npy", parts()["embeddings.npy"][:-1]),
    "more data than promised": lambda: with_file("embeddings.npy", parts()["embeddings.npy"] + b"\0"),
    "another byte": lambda: with_file("embeddings.npy", parts()["embeddings.npy"][:-1] + b"\x01"),
    **{f"NaN in {name}": lambda name=name: with_nan(name) for name in arrays()},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_lexicon_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(HOSTILE[kind]())
    with pytest.raises(LexiconError) as error:
        load_lexicon(path)
    assert error.value.code in ("bad_file", "bad_gloss")
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value).splitlines()) == 1
    assert not Path("/tmp/glosscast-was-here").exists()


def test_the_good_file_is_none_of_these(tmp_path: Path) -> None:
    assert len(read_lexicon(io.BytesIO(packed(parts())))) == 2
    assert len(read_lexicon(io.BytesIO(changed_json(lambda about: None)))) == 2
    assert len(read_lexicon(io.BytesIO(changed_array("t_ms", arrays()["t_ms"])))) == 2


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    files = parts()
    bomb = packed(files | {"embeddings.npy": header_of((3, 2)) + bytes(200 * 2**20)})
    assert len(bomb) < 2**20
    read = []
    original = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: read.append(len(data := original(self, n))) or data
    )
    with pytest.raises(LexiconError, match=r"embeddings\.npy: damaged"):
        read_lexicon(io.BytesIO(bomb))
    assert sum(read) < 2**20


def test_json_of_many_megabytes_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_JSON", 1000)
    with pytest.raises(LexiconError, match=r"no lexicon\.json"):
        read_lexicon(io.BytesIO(packed(parts() | {"lexicon.json": b" " * 1001})))


def test_a_lexicon_that_takes_more_than_it_may_is_refused() -> None:
    size = 11 * 171 * 4 * 2
    assert len(read_lexicon(io.BytesIO(GOOD), size)) == 2
    with pytest.raises(LexiconError, match="more than a lexicon may have"):
        read_lexicon(io.BytesIO(GOOD), size - 1)
    wide = packed(parts() | {"probabilities.npy": header_of((3, 60_000))})
    with pytest.raises(LexiconError, match="too large"):
        read_lexicon(io.BytesIO(wide), size)
    with pytest.raises(LexiconError, match="packed more densely"):
        read_lexicon(io.BytesIO(packed(parts() | {"keypoints.npy": header_of((2000, 171, 4), "<f2")} | frames(2000))))


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_is_noticed_or_harmless(at: int, value: int) -> None:
    data = bytearray(GOOD)
    data[at] = value
    try:
        again = read_lexicon(io.BytesIO(bytes(data)))
    except LexiconError:
        return
    for a, b in zip(again, LEXICON, strict=True):  # what is not keypoints is metadata of the archive
        assert all(same(x, y) for x, y in zip(a.examples, b.examples, strict=True))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        load_lexicon(tmp_path / "mine.npz")
    assert error.value.filename == str(tmp_path / "mine.npz")


class FullDisk(io.RawIOBase):
    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)


@pytest.mark.parametrize("room", [0, 100, len(GOOD) - 1])
def test_on_a_full_disk_the_old_file_stays(tmp_path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.npz"
    save_lexicon(lexicon_of(tea=[example(0)]), path)
    before = path.read_bytes()
    original = module.write_lexicon
    monkeypatch.setattr(module, "write_lexicon", lambda lexicon, file: original(lexicon, FullDisk(room)))
    with pytest.raises(OSError, match="No space left on device") as error:
        save_lexicon(LEXICON, path)
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert partials(path) == []


@pytest.mark.slow
def test_killed_in_the_middle_of_a_write_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    save_lexicon(LEXICON, path)
    before = path.read_bytes()
    code = (
        "import sys, time; from pathlib import Path; from glosscast.lexicon import file as module\n"
        "module.write_lexicon = lambda lexicon, out: (out.write(b'x' * 1000), out.flush(), time.sleep(60))\n"
        "path = Path(sys.argv[1]); module.save_lexicon(module.load_lexicon(path), path)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT)
    try:
        until = time.monotonic() + 30
        while not any(p.stat().st_size for p in partials(path)):
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert path.read_bytes() == before
    assert len(load_lexicon(path)) == 2


def test_only_the_owner_can_read_a_new_file_and_later_ones_keep_their_mode(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    save_lexicon(LEXICON, path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    save_lexicon(LEXICON, path)
    assert path.stat().st_mode & 0o777 == 0o640
