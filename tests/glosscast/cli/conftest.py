"""Clips of signs that can be taught, for a tracker that sees colours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from glosscast.cli import main
from glosscast.lexicon.file import load_lexicon
from tests.service.serving import ColourTracker, colours, video

Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Makes a clip: `record("tea/one.mp4", NEAR)`; other counts of frames make other clips of the same sign."""
    monkeypatch.setattr("glosscast.cli.recordings.new_tracker", lambda **of: ColourTracker())

    def make(name: str, *signs: tuple[int, int, int], **frames: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video(colours(*signs, **frames)))
        return path

    return make


@pytest.fixture
def teaching(teachable_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs `teach`: its exit code, stdout and stderr."""
    lexicon = tmp_path / "mine.npz"

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        options = ("--lexicon", lexicon, "--bundle", teachable_folder, "--workers", 1)
        code = main(["teach", *map(str, options), *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def lexicon(tmp_path: Path):
    return lambda: load_lexicon(tmp_path / "mine.npz")
