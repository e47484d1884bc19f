"""The servers of `benchmarks.peer`, each in processes of its own, with the same settings."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
START_S = 300.0
STOP_S = 60.0
PLAIN, RAY, LITSERVE = "service", "ray", "litserve"
WORKERS = 2  # clips worked on at once, by every server
COMMANDS = {
    PLAIN: ["-m", "service"],
    RAY: ["-m", "service.ray", "--recognisers", "1"],
    LITSERVE: ["-m", "benchmarks.peer_litserve"],
}
READY = {PLAIN: "/readyz", RAY: "/readyz", LITSERVE: "/health"}


@dataclass(frozen=True)
class Server:
    """One that is ready: host and port, the path that tells so, and whether it takes live streams."""

    address: str
    ready: str
    streams: bool


@contextmanager
def start(name: str, python: str, clients: int, streams: int) -> Iterator[Server]:
    """A server of this name, with room for so many of each; `GLOSSCAST_` settings of the environment hold for all.

    Raises:
        RuntimeError: it does not start.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = {
        "PORT": port, "CLASSIFIERS": WORKERS, "MAX_UPLOADS": max(8, 2 * clients), "MAX_STREAMS": streams,
        "INFERENCE_THREADS": os.environ.get("GLOSSCAST_INFERENCE_THREADS", "1"),
    }  # fmt: skip
    environment = os.environ | {f"GLOSSCAST_{key}": str(value) for key, value in settings.items()}
    arguments = [str(port), str(WORKERS)] if name == LITSERVE else []
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [python, *COMMANDS[name], *arguments],
            cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            if not _ready(process, f"http://127.0.0.1:{port}{READY[name]}"):
                said.seek(0)
                raise RuntimeError(f"{name} does not start: {said.read()[-2000:]}")
            yield Server(f"127.0.0.1:{port}", READY[name], streams=name != LITSERVE)
        finally:
            _stop(process)


def _ready(process: "subprocess.Popen[bytes]", url: str) -> bool:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server in order, and then the rest of its session: LitServe leaves its workers behind."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
