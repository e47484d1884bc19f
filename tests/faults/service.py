"""`python -m service`, to be hurt."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from benchmarks.processes import family
from tests.service.process import environment_of

START_S = 120.0


class Service:
    """Runs as a context, with these settings; what it logs goes to a file."""

    def __init__(self, bundle: Path, log: str, **settings: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        environment = environment_of(bundle=bundle, port=port, **settings)
        with Path(log).open("w") as stderr:
            self._process = subprocess.Popen([sys.executable, "-m", "service"], env=environment, stderr=stderr)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_S
        while True:
            try:
                httpx.get(f"http://{self.address}/readyz").raise_for_status()
                return self
            except httpx.HTTPError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError("the service did not start") from None
                time.sleep(0.1)

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def tracker(self) -> int:
        """The process of the one tracker there is: the last and largest that came from the service."""
        return int(max(family(self.pid)[1:], key=_resident).name)

    def upload(self, data: bytes) -> int:
        """Status of the answer to a clip."""
        return httpx.post(f"http://{self.address}/v1/classify", files={"file": ("a.mp4", data)}).status_code


def _resident(folder: Path) -> int:
    return int((folder / "statm").read_text().split()[1])
