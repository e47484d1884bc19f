"""The stack of docker/compose.yaml under a name, a port and secrets of its own, and a client of it."""

import io
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from glosscast.protocol import STREAM_PATH, SUBPROTOCOL, pack_frame
from glosscast.video import decode_video

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker" / "compose.yaml"
STANDINS = Path(__file__).parent / "standins"
PROJECT = "glosscast-test"
FPS = 16
# What a container of the service runs to print its own figures.
METRICS = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8000/metrics').read().decode())"
PATIENCE_S = 120
# What the tests need to be free of: clips are sent as fast as they can be read.
SETTINGS = {
    "GLOSSCAST_KEY_REQUESTS_PER_MINUTE": "100000",
    "GLOSSCAST_QUEUE_FRAMES": "1000",
    "GLOSSCAST_MAX_FPS": "1000",
    "GLOSSCAST_IDLE_S": str(PATIENCE_S),
}


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (env or {}), check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def compose_command() -> tuple[str, ...]:
    """Compose v2 where there is one, else docker-compose."""
    v2 = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    return ("docker", "compose") if v2 else ("docker-compose",)


def wait_until(holds, what: str) -> float:
    """Seconds until something holds; fails after `PATIENCE_S`."""
    began = monotonic()
    while not holds():
        assert monotonic() - began < PATIENCE_S, f"still not so: {what}"
        sleep(0.1)
    return monotonic() - began


class Stack:
    """A running stack; `folder` takes its settings and secrets."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.port = _free_port()
        self.prometheus_port = _free_port()
        self.secrets = folder / "secrets"
        settings = settings | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "HTTPS_PORT": str(self.port),
            "PROMETHEUS_PORT": str(self.prometheus_port),
            "SECRETS": str(self.secrets),
        }
        if os.environ.get("STANDINS"):
            settings |= {f"{name.upper()}_IMAGE": f"glosscast/standin-{name}" for name in ("caddy", "prometheus")}
        self._env_file = folder / "env"
        self._env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        run(ROOT / "docker" / "secrets.sh", env={"SECRETS": str(self.secrets)})
        self.key = self._new_key("tests", "classify", "stream")
        self.tls = ssl.create_default_context(cafile=str(self.secrets / "tls_certificate"))
        self.address = f"https://localhost:{self.port}"

    def _new_key(self, name: str, *roles: str) -> str:
        mounted = f"{self.secrets}/keys:/run/keys"
        chosen = [part for role in roles for part in ("--role", role)]
        key = ("keys", "add", name, *chosen, "--file", "/run/keys/keys.toml")
        return run("docker", "run", "--rm", "--user", "0", "-v", mounted, "glosscast/service", *key)

    def compose(self, *arguments: str) -> str:
        """Run Compose on the stack."""
        return run(*compose_command(), "--env-file", self._env_file, "-f", COMPOSE_FILE, *arguments)

    def containers(self, service: str = "service") -> list[str]:
        """Ids of the running containers of a service."""
        project = ("--filter", f"label=com.docker.compose.project={PROJECT}")
        of_service = ("--filter", f"label=com.docker.compose.service={service}")
        return run("docker", "ps", "-q", *project, *of_service).split()

    def inside(self, container: str, code: str) -> str:
        """What a line of Python prints in a container of the service."""
        return run("docker", "exec", container, "python", "-c", code)

    def metric(self, container: str, name: str) -> float:
        """The sum of a series of one replica; 0 where there is none yet."""
        text = self.inside(container, METRICS)
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    def get(self, path: str, **more) -> httpx.Response:
        """One request on a connection of its own, without cookies."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.get(self.address + path, verify=self.tls, headers=headers, timeout=PATIENCE_S, **more)

    def post(self, path: str, **more) -> httpx.Response:
        """The same with a body."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.post(self.address + path, verify=self.tls, headers=headers, timeout=PATIENCE_S, **more)

    def is_ready(self) -> bool:
        """Whether a request reaches a replica that is ready."""
        try:
            return self.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @contextmanager
    def stream(
        self, token: str | None = None, cookie: str | None = None, origin: str | None = None
    ) -> Iterator["Stream"]:
        """A stream of pictures: with the key, or as a page with a token."""
        offered = [SUBPROTOCOL] + ([f"bearer.{token}"] if token else [])
        headers = {} if token else {"Authorization": f"Bearer {self.key}"}
        if cookie:
            headers["Cookie"] = cookie
        address = self.address.replace("https", "wss") + STREAM_PATH
        with connect(
            address, ssl=self.tls, subprotocols=offered, additional_headers=headers, origin=origin
        ) as connection:
            yield Stream(connection)


class Stream:
    """One websocket that has been started; `received` are the messages so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._seq = 0
        self._begin_ms = 0.0
        assert connection.response is not None
        # Each replica that was tried sets one, and as with browsers the last one counts.
        cookies = connection.response.headers.get_all("Set-Cookie")
        self.cookie = cookies[-1].partition(";")[0] if cookies else ""
        self.received: list[dict] = []
        connection.send(json.dumps({"type": "start", "input": "frames", "interim": True, "top_k": 3}))
        self.until("started")

    def sign(self, clip: Path) -> None:
        """Send a clip, and a second of rest after it."""
        frames = list(decode_video(clip, FPS))
        stills = [frames[-1]] * FPS
        for number, frame in enumerate([*frames, *stills]):
            out = io.BytesIO()
            Image.fromarray(frame.rgb).save(out, "JPEG", quality=90)
            t_ms = self._begin_ms + number * 1000 / FPS
            self._connection.send(pack_frame(self._seq, t_ms, out.getvalue()))
            self._seq += 1
        self._begin_ms += (len(frames) + len(stills)) * 1000 / FPS

    def stop(self) -> None:
        """Ask for the end."""
        self._connection.send(json.dumps({"type": "stop"}))

    def until(self, kind: str) -> dict:
        """The next message of a type."""
        while True:
            self.received.append(json.loads(self._connection.recv(PATIENCE_S)))
            if self.received[-1]["type"] == kind:
                return self.received[-1]

    def until_closed(self) -> int | None:
        """Hear all that comes; the close code."""
        for message in self._connection:
            self.received.append(json.loads(message))
        return self._connection.close_code


@contextmanager
def running_stack(folder: Path, settings: dict[str, str] = SETTINGS) -> Iterator[Stack]:
    """Brought up, ready, and brought down again with its volumes."""
    assert shutil.which("docker"), "docker is not installed"
    stack = Stack(folder, settings)
    try:
        stack.compose("up", "-d", "--no-build")
        wait_until(stack.is_ready, "the stack is ready")
        yield stack
    finally:
        stack.compose("--profile", "observability", "down", "--volumes", "--timeout", "30")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
