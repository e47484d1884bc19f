"""Requests that get an error."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from tests.service.serving import (
    DOWN,
    FORM,
    HEAD,
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
        stream.width = 64
        stream.height = 48
        stream.pix_fmt = "yuv420p"
        target.start_encoding()
    return out.getvalue()


def jpeg():
    out = io.BytesIO()
    Image.new("RGB", (64, 48)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(b"", 422, "undecodable", id="empty"),
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
            {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            400, "malformed_form", id="broken form",
        ),
        pytest.param(
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400, "malformed_form", id="no boundary",
        ),
        pytest.param(
            {"content": HEAD + SIGN_EAST, "headers": FORM}, 400, "malformed_form", id="form cut off",
        ),
        pytest.param({"params": {"top_k": "0"}}, 422, "invalid_request", id="top_k 0"),
        pytest.param({"params": {"top_k": "many"}}, 422, "invalid_request", id="top_k no number"),
        pytest.param({"params": {"top_k": "101"}}, 422, "invalid_request", id="top_k too large"),
    ],
)  # fmt: skip
def test_bad_requests(client, request_options, status, code):
    assert_problem(client.post("/v1/classify", **request_options), status, code)


@pytest.mark.parametrize(
    ("request_options", "detail"),
    [
        pytest.param({"data": {"top_k": "3"}}, "'top_k'", id="top_k in the form"),
        pytest.param({"params": {"top-k": "3"}}, "query.top-k: ", id="misspelt query"),
        pytest.param({"files": [("file", ("a.mp4", b"a")), ("file", ("b.mp4", b"b"))]}, "one file", id="two files"),
        pytest.param({"files": [("file", ("a.mp4", b"a")), ("more", ("b.mp4", b"b"))]}, "'more'", id="another file"),
    ],
)
def test_unknown_settings_are_named(client, request_options, detail):
    request_options.setdefault("files", {"file": ("clip.mp4", SIGN_EAST)})
    answer = client.post("/v1/classify", **request_options)

    assert_problem(answer, 422, "invalid_request")
    assert detail in answer.json()["detail"]


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


def test_an_unexpected_error_reveals_nothing(bundle_folder):
    class Failing(ColourTracker):
        def track(self, rgb):
            raise RuntimeError("secret")

    with serve(bundle_folder, Failing) as address, browser(address) as client:
        answer = post(client, SIGN_EAST)

        assert_problem(answer, 500, "internal")
        assert "secret" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/readyz").status_code == 200
