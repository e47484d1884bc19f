"""Clips of signs that can be taught, for a tracker that sees colours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.serving import ColourTracker, colours, video

Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Makes a clip: `record("tea/one.mp4", NEAR)`; other counts of frames make other clips of the same sign."""
    monkeypatch.setattr("glosscast.cli.recordings.new_tracker", lambda threads: ColourTracker())

    def make(name: str, *signs: tuple[int, int, int], **frames: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video(colours(*signs, **frames)))
        return path

    return make
