"""A viewer of captions for tests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.service.serving import TIMEOUT_S, wait_until


def headers_of(view, **more):
    return {"Authorization": f"Bearer {view['token']}", **more}


def events_url(address, view):
    return f"http://{address}/v1/sessions/{view['session']}/events"


class Watching:
    """Reads the events of a view in a thread."""

    def __init__(self) -> None:
        self.events: list[dict] = []  # each with its `id` and `name`
        self.comments: list[str] = []
        self.status = 0
        self.ended = threading.Event()

    def read(self, response: httpx.Response) -> None:
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(value)
            elif line:
                fields[name] = value
            elif fields:
                self.events.append({**json.loads(fields["data"]), "id": fields.get("id"), "name": fields["event"]})
                fields = {}

    def names(self) -> list[str]:
        return [event["name"] for event in self.events if event["name"] != "interim"]

    def glosses(self) -> list[str]:
        return [event["gloss"] for event in self.events if event["name"] == "final"]

    def until(self, *names: str) -> None:
        wait_until(lambda: self.names()[-len(names) :] == list(names))


@contextmanager
def watching(address: str, view: dict, **headers: str) -> Iterator[Watching]:
    viewer = Watching()
    ready = threading.Event()
    client = httpx.Client(timeout=TIMEOUT_S)

    def run() -> None:
        try:
            with client.stream("GET", events_url(address, view), headers=headers_of(view, **headers)) as response:
                viewer.status = response.status_code
                ready.set()
                viewer.read(response)
        except httpx.HTTPError:
            pass  # the test has closed the client, or the service has been stopped
        finally:
            ready.set()
            viewer.ended.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(TIMEOUT_S)
    try:
        yield viewer
    finally:
        client.close()
