import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from tests.training.synthetic import write_frames
from training.data.frames import FramesError, frames_path, open_frames
from training.datasets.crops import add, encode

SIZE = 32
LENGTHS = (3, 1, 2)


def clips() -> list[np.ndarray]:
    """Flat pictures: the brightness is 40 for each clip and 10 for each frame, red is the lightest."""
    made = []
    for index, length in enumerate(LENGTHS):
        frames = np.zeros((length, SIZE, SIZE, 3), np.uint8)
        frames[:] = 40 * index + 10 * np.arange(length)[:, None, None, None]
        frames[..., 0] += 50
        made.append(frames)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_frames(frames_path(tmp_path / "train.npz"), clips())


def test_the_zip_lies_beside_the_npz() -> None:
    assert frames_path(Path("a/train.npz")) == Path("a/train.frames.zip")


def test_frames_come_back_in_the_order_asked_for(path: Path) -> None:
    sources = open_frames(path, LENGTHS, SIZE)
    assert [source.clip for source in sources] == [0, 1, 2]
    frames = sources[0].read(np.array([2, 0, 0, 1, 2]))
    assert (frames.shape, frames.dtype) == ((5, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_allclose(frames, clips()[0][[2, 0, 0, 1, 2]], atol=2)
    np.testing.assert_allclose(sources[2].read(np.array([1])), clips()[2][1:], atol=2)


def test_a_frame_asked_for_often_is_decoded_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    source = open_frames(path, LENGTHS, SIZE)[0]
    decoded = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *args: decoded.append(1) or decode(*args))
    source.read(np.array([1, 1, 1, 2, 1]))
    assert len(decoded) == 2


def test_a_source_can_be_sent_to_another_process(path: Path) -> None:
    source = open_frames(path, LENGTHS, SIZE)[1]
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read(np.array([0])), source.read(np.array([0])))


def without(path: Path, name: str) -> None:
    with ZipFile(path) as file:
        kept = {entry: file.read(entry) for entry in file.namelist() if entry != name}
    with ZipFile(path, "w") as out:
        for entry, content in kept.items():
            add(out, entry, content)


def more(name: str, kind: int = 0) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with ZipFile(path, "a", kind) as out:
            out.writestr(name, b"x" * 100)

    return write


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "no such file: extract the data set with --rgb 32"),
        (lambda path: path.write_bytes(b"PK no zip"), "not a readable zip"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "not a readable zip"),
        (lambda path: without(path, "0/1.jpg"), "1 frames of clip 0 are missing, the first is 0/1.jpg"),
        (lambda path: without(path, "1/0.jpg"), "pictures of 2 clips, and the .npz has 3"),
        (more("3/0.jpg"), "pictures of 4 clips, and the .npz has 3"),
        (more("1/1.jpg"), "7 pictures for 6 frames"),
        (more("notes.txt"), "something else than stored CLIP/FRAME.jpg"),
        (more("1/01.jpg"), "something else than stored CLIP/FRAME.jpg"),
        (more("1/1.jpg", ZIP_DEFLATED), "something else than stored CLIP/FRAME.jpg"),
        (lambda path: write_frames(path, [c[:, :16, :16] for c in clips()]), "0/0.jpg is 16x16 px, .* --rgb 32"),
    ],
)
def test_a_wrong_zip_is_refused_by_name(path: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(path)
    with pytest.raises(FramesError, match=said) as error:
        open_frames(path, LENGTHS, SIZE)
    assert str(error.value).startswith(str(path))


def test_a_damaged_picture_is_found_when_it_is_read_and_named(path: Path) -> None:
    source = open_frames(path, LENGTHS, SIZE)[2]
    content = bytearray(path.read_bytes())
    content[int(source.entries[1, 0]) + 200] ^= 0xFF
    path.write_bytes(content)
    source.read(np.array([0]))
    with pytest.raises(FramesError, match=r"train\.frames\.zip: 2/1\.jpg is damaged"):
        source.read(np.array([0, 1]))
    path.unlink()
    with pytest.raises(FramesError, match=r"train\.frames\.zip: cannot be read: No such file"):
        source.read(np.array([0]))


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_complete_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.frames.zip"
    with ZipFile(path, "w") as out:
        add(out, "0/0.jpg", encode(clips()[0][0]))
        add(out, "0/1.jpg", content)
    source = open_frames(path, [2], SIZE)[0]
    assert source.entries[1, 2] == zlib.crc32(content)
    with pytest.raises(FramesError, match=r"0/1\.jpg is damaged"):
        source.read(np.array([1]))
