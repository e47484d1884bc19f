"""`python -m service` in a process of its own, and where the recordings for it are."""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("GLOSSCAST_DATA", ROOT.parent / "shared" / "data"))
START_S = 180  # for the service to be ready, on a busy machine


def environment_of(**settings: object) -> dict[str, str]:
    """The environment of a service with these settings and no others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GLOSSCAST_")}
    return environment | {f"GLOSSCAST_{name.upper()}": str(value) for name, value in settings.items()}


def start_service(**settings: object) -> "subprocess.Popen[str]":
    """The service with these settings and no others."""
    return subprocess.Popen(
        [sys.executable, "-m", "service"], cwd=ROOT, env=environment_of(**settings), stderr=subprocess.PIPE, text=True
    )


def wait_for_address(process: "subprocess.Popen[str]") -> str:
    """Host and port of a service that has been started, once it is ready."""
    assert process.stderr is not None
    watchdog = Timer(START_S, process.kill)
    watchdog.start()
    said: deque[str] = deque(maxlen=20)
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.search(r'ready at http://([^\s"]+)', line):
                return found[1]
    finally:
        watchdog.cancel()
    raise AssertionError(f"the service did not start:\n{''.join(said)}")


@contextmanager
def running_service(**settings: object) -> Iterator[str]:
    """The service with these settings on a free port; its address, without a slash at the end."""
    process = start_service(PORT=0, **settings)
    try:
        address = wait_for_address(process)
        # What it says later is of no interest, but a full pipe would stop it.
        Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(60)
