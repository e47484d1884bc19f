"""Requests that get an error."""

import asyncio
import io
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from service.problems import ProblemError
from service.upload import MAX_FRAMING, read_upload
from tests.service.serving import (
    DOWN,
    MAX_UPLOAD,
    NOBODY,
    SIGN_EAST,
    ColourTracker,
    assert_problem,
    browser,
    post,
    serve,
    video,
)


def audio_only():
    out = io.BytesIO()
    with av.open(out, mode="w", format="mp4") as target:
        stream = target.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return out.getvalue()


def no_frames():
    out = io.BytesIO()
    with av.open(out, mode="w", format="matroska") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        target.start_encoding()
    return out.getvalue()


def jpeg():
    out = io.BytesIO()
    Image.new("RGB", (64, 48)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(b"", 415, "unsupported_media", id="empty"),
        pytest.param(b"This is a text.\n" * 50, 415, "unsupported_media", id="text named .mp4"),
        pytest.param(jpeg(), 415, "unsupported_media", id="picture named .mp4"),
        pytest.param(SIGN_EAST[: len(SIGN_EAST) // 2], 422, "undecodable", id="truncated mp4"),
        pytest.param(audio_only(), 422, "undecodable", id="audio only"),
        pytest.param(no_frames(), 422, "undecodable", id="no frames"),
        pytest.param(video([DOWN] * 10, step_ms=600), 422, "too_long", id="too long"),
        pytest.param(video([DOWN] * 10, step_ms=4 * 3600_000 / 9), 422, "too_long", id="four hours"),
        pytest.param(video([NOBODY] * 40), 422, "no_signer", id="nobody in view"),
        pytest.param(SIGN_EAST + bytes(MAX_UPLOAD), 413, "too_large", id="too many bytes"),
    ],
)
def test_bad_clips(client, data, status, code):
    answer = post(client, data)

    assert_problem(answer, status, code)
    assert post(client, SIGN_EAST).json()["predictions"][0]["gloss"] == "east"  # and the service goes on


@pytest.mark.parametrize(
    ("request_options", "status", "code"),
    [
        pytest.param({"json": {"file": "x"}}, 415, "unsupported_media", id="JSON"),
        pytest.param({"content": SIGN_EAST}, 415, "unsupported_media", id="bare body"),
        pytest.param({"files": {"clip": ("a.mp4", SIGN_EAST)}}, 422, "invalid_request", id="another field"),
        pytest.param({"files": {"file": (None, "text")}}, 422, "invalid_request", id="a field without a file"),
        pytest.param(
            {"files": [("file", ("a.mp4", SIGN_EAST)), ("file", ("b.mp4", SIGN_EAST))]},
            400, "malformed_form", id="two files",
        ),
        pytest.param(
            {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            400, "malformed_form", id="broken form",
        ),
        pytest.param(
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400, "malformed_form", id="no boundary",
        ),
        pytest.param({"params": {"top_k": "0"}}, 422, "invalid_request", id="top_k 0"),
        pytest.param({"params": {"top_k": "many"}}, 422, "invalid_request", id="top_k no number"),
        pytest.param({"params": {"top_k": "101"}}, 422, "invalid_request", id="top_k too large"),
    ],
)  # fmt: skip
def test_bad_requests(client, request_options, status, code):
    assert_problem(client.post("/v1/classify", **request_options), status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/nothing", 404, "not_found"),
        ("GET", "/../../pyproject.toml", 404, "not_found"),
        ("GET", "/%2e%2e/app.py", 404, "not_found"),
        ("GET", "/v1/classify", 405, "method_not_allowed"),
        ("DELETE", "/v1/bundle", 405, "method_not_allowed"),
        ("POST", "/docs", 405, "method_not_allowed"),
    ],
)
def test_wrong_addresses(client, method, path, status, code):
    assert_problem(client.request(method, path), status, code)


def test_an_unexpected_error_tells_nothing(bundle_folder):
    class Failing(ColourTracker):
        def track(self, rgb):
            raise RuntimeError("secret")

    with serve(bundle_folder, Failing) as address, browser(address) as client:
        answer = post(client, SIGN_EAST)

        assert_problem(answer, 500, "internal")
        assert "secret" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/readyz").status_code == 200


FORM = {"content-type": "multipart/form-data; boundary=x"}


def form(chunks):
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    yield from chunks
    yield b"\r\n--x--\r\n"


def test_a_body_without_a_length_is_read_no_further_than_the_limit():
    received = 0

    async def receive():
        nonlocal received
        head = next(form([])) if received == 0 else b""
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
            b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n"
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


def test_a_slow_upload_ends(bundle_folder):
    stop = threading.Event()

    def slow():
        yield b"some bytes"
        stop.wait(20)

    with serve(bundle_folder, max_upload_s=0.3) as address, ThreadPoolExecutor() as pool:
        future = pool.submit(
            httpx.post, f"http://{address}/v1/classify", content=form(slow()), headers=FORM, timeout=20
        )
        stop.wait(1.0)
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
