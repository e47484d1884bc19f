import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glosscast import __version__
from glosscast.cli import main
from glosscast.cli.command_line import parsed, parser
from tests.bundles import learned_from
from tests.glosscast.cli.conftest import Record
from tests.glosscast.trackers import needs_litert
from tests.service.serving import EAST


def test_info_lists_every_gloss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "iloveyou" in out
    assert "examples of 9 signs" in out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["manifest"]["name"] == "asl-demo"


def test_it_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"glosscast {__version__}\n"


@pytest.mark.parametrize("command", [["info"], ["info", "--json"]])
@pytest.mark.parametrize("buffered", [True, False])  # whether it fails when it ends, or at the first line
def test_a_reader_that_has_read_enough_ends_it_quietly(command: list[str], buffered: bool) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, *([] if buffered else ["-u"]), "-m", "glosscast.cli", *command],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(write)
    assert done.stderr == ""
    assert done.returncode == 141


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


@needs_litert
@pytest.mark.parametrize(
    ("trained", "warned"),
    [
        pytest.param("mediapipe-holistic 0.10.21", False, id="measured"),
        pytest.param("openpose 1.7", True, id="not measured"),
    ],
)
def test_only_an_extractor_of_unknown_effect_is_reported(
    record: Record,
    bundle_folder: Path,
    tmp_path: Path,
    trained: str,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GLOSSCAST_EXTRACTOR", "litert")
    bundle = learned_from(trained, bundle_folder, tmp_path / "bundle")
    assert main(["classify", str(record("east.mp4", EAST)), "--bundle", str(bundle)]) == 0
    assert ("keypoints of" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_a_count_that_is_none_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["classify", "clip.mp4", "--top-k", count])
    assert "is not a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "dest", "clips"),
    [
        (["teach", "tea", "--lexicon", "x.npz", "a.mp4", "b.mp4"], "clips", ["a.mp4", "b.mp4"]),
        (["teach", "tea", "a.mp4", "--lexicon", "x.npz", "b.mp4", "--json"], "clips", ["a.mp4", "b.mp4"]),
        (["classify", "a.mp4", "--json", "b.mp4"], "paths", ["a.mp4", "b.mp4"]),
    ],
)
def test_clips_may_stand_before_and_after_options(command: list[str], dest: str, clips: list[str]) -> None:
    args = parsed(parser(), command)
    assert [str(path) for path in getattr(args, dest)] == clips


@pytest.mark.parametrize(
    "command", [["classify", "a.mp4", "--jason", "b.mp4"], ["find", "a.mp4", "b.mp4"], ["info", "x"]]
)
def test_what_no_command_takes_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: glosscast")
