"""Clips that are read in several processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glosscast.cli import recordings, teach
from glosscast.cli.recordings import Recording, Unusable, read_all
from tests.glosscast.cli.conftest import Record
from tests.service.serving import NEAR

ROOT = Path(__file__).parents[3]


def a_reading(path: Path, fps: float) -> Recording | Unusable:
    """What a process does with a path here; it has to be found by its name."""
    match path.name:
        case "kills":
            os._exit(9)
        case "waits":
            time.sleep(60)
    return Unusable("code", f"{path.name} {os.getpid()}")


@pytest.mark.slow
def test_many_clips_are_read_in_processes() -> None:
    items = [(i, Path(f"clip{i}")) for i in range(9)]
    taken: list[int] = []

    def wanted():
        for item in items:
            taken.append(item[0])
            yield item

    outcomes = read_all(wanted(), 16, 2, a_reading)
    first = next(outcomes)
    assert len(taken) <= 2 * recordings.AHEAD
    found = [first, *outcomes]
    assert sorted(i for i, _ in found) == list(range(9))
    assert all(isinstance(o, Unusable) and o.reason.startswith(f"clip{i} ") for i, o in found)
    assert str(os.getpid()) not in {o.reason.split()[1] for _, o in found if isinstance(o, Unusable)}


@pytest.mark.slow
def test_a_process_that_is_killed_ends_it_in_one_line(teaching, record: Record, monkeypatch) -> None:
    def reading(items, fps, workers):
        return read_all(((item, path.with_suffix("")) for item, path in items), fps, workers, a_reading)

    monkeypatch.setattr(teach, "read_all", reading)
    folder = record("set/a/kills.mp4", NEAR).parents[1]
    record("set/b/other.mp4", NEAR)
    code, _, err = teaching("--folder", folder, "--workers", 2)
    assert code == 2
    assert "was killed" in err.splitlines()[-1]


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them() -> None:
    code = (
        "from pathlib import Path; from glosscast.cli.recordings import read_all\n"
        "from tests.glosscast.cli.test_recordings import a_reading\n"
        "if __name__ == '__main__':\n"
        "    for _, o in read_all([(0, Path('a')), (1, Path('waits'))], 16, 2, a_reading): print(o.reason, flush=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline().split()[1])
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
