import errno
import importlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glosscast.holistic import chosen, description
from tests.training.datasets.reading import items, read, watch
from training.__main__ import main
from training.data import DataError, load_npz, with_frames
from training.datasets import crops
from training.datasets.extract import (
    DiskFullError,
    _write_part,
    crops_path,
    extract_all,
    extractor_of,
    is_done,
    part_path,
)
from training.datasets.item import Item
from training.datasets.keypoints import read_unseen
from training.runtime.files import write_arrays


@pytest.mark.slow  # worker processes import everything anew
def test_clips_are_extracted_joined_and_read_back(tmp_path: Path) -> None:
    files, failed = extract_all(items(tmp_path, "30", "7", "bad", "31"), tmp_path / "out", 2, 15.0, read)
    assert [path.name for path in files] == ["all.npz", "train.npz"]
    assert list(failed) == ["c/2"]
    assert "nobody in it" in failed["c/2"]
    clips = load_npz(tmp_path / "out" / "train.npz", fps=99.0, aspect=9.0)
    assert [(c.gloss, c.signer, len(c.clip.t_ms), c.clip.aspect) for c in clips] == [
        ("gloss1", "signer1", 4, 1.5),
        ("gloss3", "signer3", 16, 1.5),
    ]
    assert clips[0].clip.t_ms[1] == pytest.approx(1000 / 15)


@pytest.mark.slow
def test_a_second_run_extracts_only_missing_clips(tmp_path: Path) -> None:
    clips = items(tmp_path, "5", "bad")
    assert extract_all(clips, tmp_path / "out", 1, 15.0, read)[1].keys() == {"c/1"}
    before = part_path(tmp_path / "out", clips[0]).stat().st_mtime_ns
    clips[0].media.write_text("bad")
    clips[1].media.write_text("6")
    files, failed = extract_all(clips, tmp_path / "out", 1, 30.0, read)
    assert (failed, len(files)) == ({}, 2)
    assert part_path(tmp_path / "out", clips[0]).stat().st_mtime_ns == before
    assert len(load_npz(files[0], 1.0, 1.0)[0].clip.t_ms) == 5


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_keeps_complete_files(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"the disk is full. 1 of 2 clips are done") as error:
        extract_all(items(tmp_path, "5", "full"), tmp_path / "out", 1, 15.0, read)
    assert str(tmp_path / "out") in str(error.value)
    assert [path.suffix for path in (tmp_path / "out" / "parts").iterdir()] == [".npz"]


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(file: object, **arrays: np.ndarray) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    module = importlib.import_module("training.datasets.extract")
    monkeypatch.setattr(module.np, "savez", fill)
    with pytest.raises(OSError, match="No space"):
        write_arrays(tmp_path / "a.npz", {"x": np.zeros(3)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_damaged_part_and_a_set_without_clips_are_refused_by_name(tmp_path: Path) -> None:
    clips = items(tmp_path, "5")
    part = part_path(tmp_path / "out", clips[0])
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"c%2F0\.npz: damaged"):
        extract_all(clips, tmp_path / "out", 1, 15.0, read)
    bad = items(tmp_path, "bad")
    with pytest.raises(DataError, match=r"none of 1 clips could be read: .*nobody"):
        extract_all(bad, tmp_path / "other", 1, 15.0, read)


def photos(folder: Path, *lengths: int) -> list[Item]:
    """Folders of pictures at 30 a second, light on the left, the brighter the later."""
    made = []
    for index, length in enumerate(lengths):
        path = folder / f"clip{index}"
        path.mkdir(parents=True)
        for frame in range(length):
            picture = np.zeros((100, 200, 3), np.uint8)
            picture[:, :100] = 50 + 10 * frame
            Image.fromarray(picture).save(path / f"{frame:03}.png")
        made.append(Item(f"clip{index}", ("x",), path, fps=30.0))
    return made


def parts(items: list[Item], out: Path, *, keypoints: bool = True, rgb: int | None = 32) -> list[Path]:
    """Write the parts in this process: workers would import everything anew."""
    read = watch if keypoints else read_unseen
    paths = [part_path(out, item, read) for item in items]
    for item, path in zip(items, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        assert _write_part(item, path, read, rgb) is None
    return paths


def test_pictures_are_of_the_same_instants_as_keypoints(tmp_path: Path) -> None:
    items = photos(tmp_path, 7, 1)
    parts(items, tmp_path / "out")
    (npz,), failed = extract_all(items, tmp_path / "out", 1, 15.0, watch, 32)
    assert failed == {}
    clips = with_frames(load_npz(npz, 1.0, 1.0), tmp_path / "out" / "all.frames.zip", 32)
    assert [len(e.clip.t_ms) for e in clips] == [4, 1]
    first = clips[0].frames
    assert first is not None
    seen = first.read(np.arange(4))
    # Shoulders 20 px wide at (50, 40): the square is 72 px wide, from x = 14 to 86, and sees the left half only.
    np.testing.assert_allclose(seen[:, 16, 16, 0], [50, 70, 90, 110], atol=2)
    assert (seen[0] > 40).all()
    again = (tmp_path / "out" / "all.frames.zip").read_bytes()
    extract_all(items, tmp_path / "out", 1, 15.0, watch, 32)
    assert (tmp_path / "out" / "all.frames.zip").read_bytes() == again


def test_without_keypoints_the_middle_is_kept_and_nothing_passes_for_not_found(tmp_path: Path) -> None:
    items = photos(tmp_path, 2)
    (unseen,) = parts(items, tmp_path / "out", keypoints=False)
    (seen,) = parts(items, tmp_path / "out")
    assert unseen.parent != seen.parent
    (npz,), _ = extract_all(items, tmp_path / "out", 1, 30.0, read_unseen, 32)
    clips = with_frames(load_npz(npz, 1.0, 1.0), tmp_path / "out" / "all.frames.zip", 32)
    assert not clips[0].clip.keypoints.any()
    assert clips[0].frames is not None
    picture = clips[0].frames.read(np.array([0]))[0]
    assert picture[16, 2, 0] > 40
    assert picture[16, 29, 0] < 10


@pytest.mark.slow
def test_each_clip_names_its_extractor(tmp_path: Path) -> None:
    items = photos(tmp_path, 2)
    (npz,), _ = extract_all(items, tmp_path / "out", 1, 30.0, watch)
    assert [e.extractor for e in load_npz(npz, 1.0, 1.0)] == [description(chosen())]
    path = part_path(tmp_path / "out", items[0])
    with np.load(path) as part:
        write_arrays(path, {name: part[name] for name in part.files if name != "extractor"})
    (npz,), _ = extract_all(items, tmp_path / "out", 1, 30.0, watch)
    assert [e.extractor for e in load_npz(npz, 1.0, 1.0)] == ["mediapipe-holistic"]
    (npz,), _ = extract_all(items, tmp_path / "out", 1, 30.0, read_unseen, 32)
    assert [e.extractor for e in load_npz(npz, 1.0, 1.0)] == ["none"]
    assert extractor_of(replace(items[0], media=tmp_path / "a.pose"), watch) == "mediapipe-holistic"


def test_a_run_for_pictures_leaves_keypoints_that_are_there(tmp_path: Path) -> None:
    items = photos(tmp_path, 2)
    (path,) = parts(items, tmp_path / "out", rgb=None)
    before = path.stat().st_mtime_ns
    assert not is_done(path, 32)
    parts(items, tmp_path / "out", rgb=32)
    assert is_done(path, 32)
    assert not is_done(path, 48)
    assert path.stat().st_mtime_ns == before
    extract_all(items, tmp_path / "out", 1, 15.0, watch, 32)
    assert (tmp_path / "out" / "all.frames.zip").exists()
    # Pictures that are not made again may be of other clips.
    extract_all(items, tmp_path / "out", 1, 15.0, watch)
    assert not (tmp_path / "out" / "all.frames.zip").exists()


def test_damaged_and_changed_pictures_are_refused_by_name(tmp_path: Path) -> None:
    items = photos(tmp_path, 3)
    (path,) = parts(items, tmp_path / "out")
    for content in (b"PK", crops_path(path, 32).read_bytes()[:-30]):
        crops_path(path, 32).write_bytes(content)
        with pytest.raises(DataError, match=r"clip0\.rgb32\.zip: damaged; delete it"):
            extract_all(items, tmp_path / "out", 1, 15.0, watch, 32)
    crops_path(path, 32).unlink()
    (items[0].media / "002.png").unlink()
    reason = _write_part(items[0], path, watch, 32)
    assert reason is not None
    assert "clip0: 2 pictures, and keypoints of 3: the file has changed" in reason
    assert [p.name for p in path.parent.iterdir()] == [path.name]


class FullDisk(io.BytesIO):
    def write(self, content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_no_half_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = photos(tmp_path, 3)
    (path,) = parts(items, tmp_path / "out")
    monkeypatch.setattr(crops, "add", lambda *_: FullDisk().write(b""))
    with pytest.raises(DiskFullError, match=r"the disk is full. 1 of 1 clips are done and kept"):
        extract_all(items, tmp_path / "out", 1, 15.0, watch, 32)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"parts", "all.npz"}
    with pytest.raises(OSError, match="No space"):
        _write_part(items[0], path, watch, 48)
    assert {p.suffix for p in path.parent.iterdir()} == {".npz", ".zip"}
    assert not crops_path(path, 48).exists()


@pytest.mark.slow
def test_the_command_keeps_pictures_of_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for digit in range(10):
        (tmp_path / "in" / str(digit)).mkdir(parents=True)
        Image.new("RGB", (100, 100), (20 * digit,) * 3).save(tmp_path / "in" / str(digit) / f"IMG_{1000 + digit}.JPG")
    command = ["extract", "--dataset", "digits", "--root", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main([*command, "--rgb", "64", "--no-keypoints"]) == 0
    assert "10 clips extracted, 0 failed" in capsys.readouterr().out
    clips = with_frames(load_npz(tmp_path / "out" / "all.npz", 1.0, 1.0), tmp_path / "out" / "all.frames.zip", 64)
    assert {e.signer for e in clips} == {"student001"}
    for digit, example in enumerate(clips):
        assert example.gloss == str(digit)
        assert example.frames is not None
        np.testing.assert_allclose(example.frames.read(np.array([0])), 20 * digit, atol=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-keypoints"], "--no-keypoints leaves nothing to extract without --rgb"),
        (["--rgb", "8"], "--rgb must be 16 or more, got 8"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "--dataset", "digits", "--root", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*command, *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
