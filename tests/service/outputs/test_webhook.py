"""The webhook."""

import asyncio
import hmac
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from service.outputs.courier import OutputError
from service.outputs.webhook import SIGNATURE, TIMEOUT_S, Webhook, signature
from service.protocol import events
from tests.bundles import ASPECT
from tests.service.process import ROOT
from tests.service.serving import ROOMY, Client, free_port, serve, wait_until
from tests.service.test_views import sign

SECRET = b"0123456789abcdef0123456789abcdef"


class Receiver:
    """Takes requests; answers the given statuses first, and then 204."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.wait = threading.Event()
        self.wait.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                receiver.wait.wait(20)
                status, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/captions?key=hidden"

    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.wait.set()
    receiver.server.shutdown()
    receiver.server.server_close()


def send(url, event, secret=SECRET):
    async def run():
        webhook = Webhook(url, secret, clock=lambda: 1_700_000_000.4)
        try:
            await webhook.send(event)
        finally:
            await webhook.close()

    asyncio.run(run())


def test_a_caption_is_posted_and_signed(receiver, event):
    caption = event(events.Final)
    send(receiver.url, caption)
    ((headers, body),) = receiver.requests
    assert events.Final.model_validate_json(body) == caption
    assert headers["content-type"] == "application/json"
    parts = dict(part.split("=") for part in headers[SIGNATURE.lower()].split(","))
    expected = hmac.new(SECRET, b"1700000000." + body, "sha256").hexdigest()
    assert parts == {"t": "1700000000", "v1": expected}


def test_a_signature_depends_on_secret_time_and_body():
    one = signature(SECRET, 1, b"{}")
    assert len({one, signature(SECRET, 2, b"{}"), signature(SECRET, 1, b"[]"), signature(SECRET * 2, 1, b"{}")}) == 4
    assert one == "t=1,v1=" + hmac.new(SECRET, b"1.{}", "sha256").hexdigest()


def test_without_a_secret_nothing_is_signed(receiver, event):
    send(receiver.url, event(events.Final), secret=None)
    assert SIGNATURE.lower() not in receiver.requests[0][0]


@pytest.mark.parametrize(
    ("status", "headers", "retryable", "after_s"),
    [
        (500, {}, True, 0.0),
        (503, {"Retry-After": "3"}, True, 3.0),
        (429, {"Retry-After": "86400"}, True, 30.0),
        (429, {"Retry-After": "soon"}, True, 0.0),
        (400, {}, False, 0.0),
        (410, {}, False, 0.0),
        (302, {"Location": "/elsewhere"}, False, 0.0),
    ],
)
def test_what_the_receiver_answers(receiver, event, status, headers, retryable, after_s):
    receiver.answers = [(status, headers)]
    with pytest.raises(OutputError, match=f"^the receiver answered {status}$") as fault:
        send(receiver.url, event(events.Final))
    assert (fault.value.retryable, fault.value.after_s) == (retryable, after_s)
    assert len(receiver.requests) == 1  # a redirect is not followed


def test_a_receiver_that_is_down_or_hangs_is_tried_again(receiver, event, monkeypatch):
    with pytest.raises(OutputError, match=r"^ConnectError$") as fault:
        send("http://127.0.0.1:1/", event(events.Final))
    assert fault.value.retryable
    monkeypatch.setattr("service.outputs.webhook.TIMEOUT_S", 0.1)
    receiver.wait.clear()
    with pytest.raises(OutputError) as fault:
        send(receiver.url, event(events.Final))
    assert fault.value.retryable
    assert TIMEOUT_S > 0.1


def test_only_captions_starts_and_ends_are_of_interest(event):
    async def run():
        webhook = Webhook("http://127.0.0.1:1/", None)
        kinds = (events.Started, events.SignStarted, events.Final, events.NoSign, events.Ended)
        wanted = [kind for kind in kinds if webhook.wants(event(kind))]
        await webhook.close()
        assert wanted == [events.Started, events.Final, events.Ended]

    asyncio.run(run())


def test_the_captions_of_a_service_arrive(receiver, bundle_folder, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    receiver.answers = [(500, {})]  # the first one is sent again
    with serve(bundle_folder, webhook_url=receiver.url, webhook_secret_file=secret, **ROOMY) as address:
        with Client(address) as client:
            started = client.start(aspect=ASPECT)
            sign(client, "east", "rest", "west")
        wait_until(lambda: len(receiver.requests) == 5)
    bodies = receiver.bodies()[1:]
    assert [(body["type"], body.get("gloss")) for body in bodies] == [
        *(("started", None), ("final", "east"), ("final", "west"), ("ended", None)),
    ]
    assert {body["session"] for body in bodies} == {started["session"]}
    assert started["token"] not in str(receiver.requests)
    assert started["view"]["token"] not in str(receiver.requests)
    assert "hidden" not in caplog.text


def test_captions_never_wait_for_a_webhook_that_hangs(receiver, bundle_folder):
    receiver.wait.clear()
    with serve(bundle_folder, webhook_url=receiver.url, grace_s=1, **ROOMY) as address, Client(address) as client:
        client.start(aspect=ASPECT)
        sign(client, "east", "west")
        assert client.finals() == ["east", "west"]
        assert client.code == 1000


def test_the_receiver_in_the_documentation_takes_what_a_service_sends(bundle_folder, tmp_path):
    (program,) = re.findall(
        r"```python\n(import hmac\n.*?)```", (ROOT / "docs/how-to/outputs.md").read_text(encoding="utf-8"), re.DOTALL
    )
    secret, port = tmp_path / "secret", free_port()
    secret.write_bytes(SECRET + b"\n")
    with subprocess.Popen(
        [sys.executable, "-c", program, secret, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as receiver:
        url = f"http://127.0.0.1:{port}/captions"
        with serve(bundle_folder, webhook_url=url, webhook_secret_file=secret, **ROOMY) as address:
            with Client(address) as client:
                client.start(aspect=ASPECT)
                sign(client, "east")
            assert receiver.stdout is not None
            assert [receiver.stdout.readline().strip() for _ in range(3)] == ["started", "final east", "ended"]
            forged = {SIGNATURE: signature(b"x" * 32, int(time.time()), b"{}")}
            old = {SIGNATURE: signature(SECRET, int(time.time()) - 600, b"{}")}
            for headers in (forged, old, {}, {SIGNATURE: "t=x,v1=y"}):
                assert httpx.post(url, content=b"{}", headers=headers).status_code == 401
        receiver.kill()
