import errno
import importlib
from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.reading import items, read
from training.data import DataError, load_npz
from training.datasets.extract import DiskFullError, extract_all, part_path, write_whole


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
def test_a_second_run_extracts_only_what_is_missing(tmp_path: Path) -> None:
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
def test_a_full_disk_ends_the_run_and_keeps_what_is_whole(tmp_path: Path) -> None:
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
        write_whole(tmp_path / "a.npz", {"x": np.zeros(3)})
    assert list(tmp_path.iterdir()) == []


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
