"""The service under load, in a process of its own, and what the kernel says about it and its trackers' (Linux)."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from threading import Thread
from typing import Any, Self

import httpx

from benchmarks import processes
from glosscast.protocol import STREAM_PATH

END_S = 60.0  # for streams to end after a run


@dataclass(frozen=True)
class Usage:
    """The resources of the service and of its trackers' processes at one moment."""

    cpu_s: float
    memory_mib: float
    threads: int


class Service:
    """Runs `python -m service` with room for so many streams, as a context.

    Attributes:
        url: of its websocket.
        http: its address, with the scheme.
        start_s: what it took until it was ready.
    """

    def __init__(self, streams: int, **further: str) -> None:
        settings = {"PORT": 0, "MAX_STREAMS": streams, "TRACKERS": min(streams, 256), **further}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GLOSSCAST_MAX")}
        environment |= {f"GLOSSCAST_{name}": str(value) for name, value in settings.items()}
        self._began_s = time.monotonic()
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
        self.start_s = time.monotonic() - self._began_s
        self.url = f"ws://{self._address}{STREAM_PATH}"
        self.http = f"http://{self._address}"
        Thread(target=self._said.extend, args=(self._process.stderr,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(END_S)

    def usage(self) -> Usage:
        """The resources that it has used so far."""
        pid = self._process.pid
        return Usage(processes.cpu_s(pid), round(processes.memory_mib(pid), 1), processes.threads(pid))

    def left_behind(self) -> dict[str, Any]:
        """Streams and threads that are left when all clients have gone, and errors in the log."""
        deadline = time.monotonic() + END_S
        while self._open_streams() and time.monotonic() < deadline:
            time.sleep(0.1)
        errors = [line for line in self._said if " ERROR " in line or "Traceback" in line]
        return {"streams": self._open_streams(), "threads": self.usage().threads, "errors": len(errors)}

    def _open_streams(self) -> int:
        text = httpx.get(f"{self.http}/metrics").text
        found = re.search(r"^glosscast_active_streams (\S+)$", text, re.MULTILINE)
        assert found is not None
        return int(float(found[1]))
