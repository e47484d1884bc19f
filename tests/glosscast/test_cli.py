import json
from pathlib import Path

import pytest

from glosscast.cli import main


def test_info_lists_every_gloss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert "iloveyou" in capsys.readouterr().out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["manifest"]["name"] == "asl-demo"


@pytest.mark.parametrize("content", [None, b"", b"just text"])
def test_a_clip_that_cannot_be_read_ends_in_one_line(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    assert main(["classify", str(path)]) == 2
    error = capsys.readouterr().err
    assert "clip.mp4" in error
    assert len(error.strip().splitlines()) == 1


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--bundle", str(tmp_path)]) == 2
    assert "manifest.json: missing" in capsys.readouterr().err
