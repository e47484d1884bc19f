"""Processes of a pool."""

import os
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 60.0
PARENT = """
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from training.runtime.workers import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""


def test_processes_of_a_pool_end_when_the_one_that_has_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    until_s = time.monotonic() + PATIENCE_S
    while running(worker):
        assert time.monotonic() < until_s, "it works on"
        time.sleep(0.05)


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
