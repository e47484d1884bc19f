"""What a shell is told where a line is to be completed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glosscast.cli import main
from glosscast.cli.completion import SHELLS
from glosscast.lexicon.file import save_lexicon
from tests.glosscast.lexicon.making import example, lexicon_of

SEPARATOR = "\v"


@pytest.fixture
def completed(tmp_path: Path):
    """What a line that ends with the cursor can go on with, in this folder."""

    def ask(line: str) -> list[str]:
        out = tmp_path / ".completions"
        shell = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": SEPARATOR, "_ARGCOMPLETE_STDOUT_FILENAME": str(out)}
        position = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
        environment = {**os.environ, **shell, **position, "PYTHONPATH": str(Path(__file__).parents[3])}
        subprocess.run([sys.executable, "-m", "glosscast.cli"], cwd=tmp_path, env=environment, check=True)
        return [text.strip() for text in out.read_text(encoding="utf-8").split(SEPARATOR)]

    return ask


@pytest.mark.slow
def test_commands_options_and_their_values_are_completed(completed) -> None:
    assert {"classify", "live", "teach", "lexicon", "completion"} <= set(completed("glosscast "))
    assert completed("glosscast classify --form") == ["--format"]
    assert completed("glosscast classify --format ") == ["table", "json", "csv", "vtt"]
    assert completed("glosscast completion ") == list(SHELLS)


@pytest.mark.slow
def test_files_are_completed_by_what_the_command_reads(completed, tmp_path: Path) -> None:
    for name in ("a.mp4", "a.txt", "a.npz"):
        (tmp_path / name).touch()
    (tmp_path / "album").mkdir()
    assert set(completed("glosscast classify a")) == {"a.mp4", "album/"}
    assert set(completed("glosscast classify a.mp4 --lexicon a")) == {"a.npz", "album/"}
    assert completed("glosscast classify a.mp4 --format vtt --out a") == ["album/"]


@pytest.mark.slow
def test_signs_are_completed_by_those_in_the_lexicon(completed, tmp_path: Path) -> None:
    save_lexicon(lexicon_of(tea=[example(1)], coffee=[example(2)]), tmp_path / "mine.npz")
    assert completed("glosscast lexicon remove mine.npz co") == ["coffee"]
    (tmp_path / "mine.npz").write_text("damaged")
    assert completed("glosscast lexicon remove mine.npz co") == [""]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_reads_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "glosscast" in script
    if (program := shutil.which(shell)) is None:
        return
    subprocess.run([program, "-n"], input=script, text=True, check=True)
