"""The service under load, in a process of its own, and what the kernel says about that process (Linux)."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Self

import httpx

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
END_S = 60.0  # for streams to end after a run
STATS_AFTER_NAME = slice(11, 13)  # of /proc/PID/stat behind the process's name: user and system time, in ticks


@dataclass(frozen=True)
class Reading:
    """A moment of the service's process."""

    cpu_s: float
    memory_mib: float
    threads: int


class Service:
    """Runs `python -m service` with room for so many streams, as a context."""

    def __init__(self, streams: int) -> None:
        settings = {"PORT": 0, "MAX_STREAMS": streams, "TRACKERS": min(streams, 256)}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GLOSSCAST_MAX")}
        environment |= {f"GLOSSCAST_{name}": str(value) for name, value in settings.items()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service"], env=environment, stderr=subprocess.PIPE, text=True
        )
        self._said: list[str] = []

    def __enter__(self) -> Self:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"ready at http://(\S+)", line):
                self._address = found[1]
                break
        else:
            raise RuntimeError("the service did not start")
        self.url = f"ws://{self._address}/v1/stream"
        Thread(target=self._said.extend, args=(self._process.stderr,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(END_S)

    def reading(self) -> Reading:
        """What it has used so far."""
        folder = Path(f"/proc/{self._process.pid}")
        user, system = (folder / "stat").read_text().rpartition(")")[2].split()[STATS_AFTER_NAME]
        pages = int((folder / "statm").read_text().split()[1])
        threads = len(list((folder / "task").iterdir()))
        return Reading((int(user) + int(system)) / TICKS, round(pages * PAGE_MIB, 1), threads)

    def left_behind(self) -> dict[str, Any]:
        """Streams and threads that are left when all clients have gone, and errors in the log."""
        deadline = time.monotonic() + END_S
        while self._open_streams() and time.monotonic() < deadline:
            time.sleep(0.1)
        errors = [line for line in self._said if " ERROR " in line or "Traceback" in line]
        return {"streams": self._open_streams(), "threads": self.reading().threads, "errors": len(errors)}

    def _open_streams(self) -> int:
        text = httpx.get(f"http://{self._address}/metrics").text
        found = re.search(r"^glosscast_active_streams (\S+)$", text, re.MULTILINE)
        assert found is not None
        return int(float(found[1]))
