"""Uploads that are too large, too slow or too many, and what becomes of them."""

import asyncio
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from python_multipart import MultipartParser
from starlette.requests import Request

from service.problems import ProblemError
from service.rest.uploads import MAX_FRAMING, read_upload
from tests.service.serving import (
    FORM,
    HEAD,
    MAX_UPLOAD,
    SIGN_EAST,
    TIMEOUT_S,
    ColourTracker,
    assert_problem,
    browser,
    form,
    post,
    serve,
    wait_until,
)


def test_a_body_without_a_length_is_read_no_further_than_the_limit():
    received = 0

    async def receive():
        nonlocal received
        head = HEAD if received == 0 else b""
        received += 100_000
        assert received < 10_000_000
        return {"type": "http.request", "body": head + bytes(100_000), "more_body": True}

    headers = [(b"content-type", FORM["content-type"].encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(ProblemError) as problem:
        asyncio.run(read_upload(request, max_bytes=1_000_000, max_s=20))

    assert problem.value.code == "too_large"
    assert received <= 1_000_000 + MAX_FRAMING + 100_000


def test_a_body_beyond_the_limit_is_answered_though_it_goes_on(client):
    endless = (bytes(100_000) for _ in range(200))

    assert_problem(client.post("/v1/classify", content=form(endless), headers=FORM), 413, "too_large")


def test_a_length_beyond_the_limit_is_refused_unread(client):
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        answer = b""
        while b"too_large" not in answer:
            answer += connection.recv(10_000) or pytest.fail(f"closed after {answer!r}")

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_upload_just_within_the_limit_passes(client):
    padding = MAX_UPLOAD - len(SIGN_EAST)

    assert post(client, SIGN_EAST + bytes(padding)).status_code == 200
    assert_problem(post(client, SIGN_EAST + bytes(padding + 1)), 413, "too_large")


def test_uploads_touch_no_disk(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a file was opened")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)

    assert post(client, SIGN_EAST + bytes(2_500_000)).status_code == 200


def test_forms_are_taken_apart_beside_the_event_loop(monkeypatch):
    """What is in them is the client's choice, and some of it takes long."""
    body = b"".join(form([b"\r\n--" * 100_000]))
    loops = []

    class Watched(MultipartParser):
        def write(self, data):
            loops.append(asyncio._get_running_loop())
            return super().write(data)

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    monkeypatch.setattr("service.rest.uploads.MultipartParser", Watched)
    headers = [(b"content-type", FORM["content-type"].encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    content = asyncio.run(read_upload(request, max_bytes=1_000_000, max_s=20))

    assert content == b"\r\n--" * 100_000
    assert set(loops) == {None}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(1.0, id="while the clip is read"),
        pytest.param(0.5, id="while the clip is sent"),
    ],
)
def test_work_ends_when_the_client_goes(bundle_folder, sent):
    frames = []

    class Slow(ColourTracker):
        def track(self, rgb):
            frames.append(rgb)
            time.sleep(0.05)
            return super().track(rgb)

    body = b"".join(form([SIGN_EAST]))
    head = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    gone = 'glosscast_requests_total{method="POST",route="/v1/classify",status="499"}'
    with serve(bundle_folder, Slow, classifiers=1) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
            connection.sendall(head % (FORM["content-type"].encode(), len(body)) + body[: int(sent * len(body))])
            wait_until(lambda: frames or sent < 1)
        wait_until(lambda: gone in httpx.get(f"http://{address}/metrics").text)

    assert len(frames) < 44  # of the clip


def test_a_slow_upload_ends(bundle_folder):
    stop = threading.Event()

    def slow():
        yield b"some bytes"
        stop.wait(20)

    with serve(bundle_folder, max_upload_s=0.3) as address, ThreadPoolExecutor() as pool:
        future = pool.submit(
            httpx.post, f"http://{address}/v1/classify", content=form(slow()), headers=FORM, timeout=20
        )
        wait_until(lambda: 'status="408"' in httpx.get(f"http://{address}/metrics").text)
        stop.set()
        with suppress(httpx.NetworkError):  # the answer can get lost where the server closes while we still send
            assert_problem(future.result(20), 408, "upload_timeout")


def test_too_many_clips_are_turned_away_and_the_others_finish(bundle_folder):
    hold, entered = threading.Event(), threading.Event()
    with (
        serve(bundle_folder, lambda: ColourTracker(hold, entered), max_uploads=1, classifiers=1) as address,
        browser(address) as client,
        ThreadPoolExecutor() as pool,
    ):
        try:
            taken = pool.submit(post, client, SIGN_EAST)
            assert entered.wait(20)
            refused = post(client, SIGN_EAST)
        finally:
            hold.set()

        assert_problem(refused, 429, "too_many_requests")
        assert int(refused.headers["retry-after"]) > 0
        assert taken.result(20).json()["predictions"][0]["gloss"] == "east"
        assert post(client, SIGN_EAST).status_code == 200


def test_clips_wait_for_one_another_where_there_is_room(bundle_folder):
    hold, entered = threading.Event(), threading.Event()
    with (
        serve(bundle_folder, lambda: ColourTracker(hold, entered), max_uploads=3, classifiers=1) as address,
        browser(address) as client,
        ThreadPoolExecutor() as pool,
    ):
        try:
            clips = [pool.submit(post, client, SIGN_EAST) for _ in range(3)]
            assert entered.wait(20)
        finally:
            hold.set()

        assert [clip.result(20).status_code for clip in clips] == [200] * 3
