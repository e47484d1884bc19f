import asyncio
import io
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from service.app import create_app
from service.problems import CODES, MEDIA_TYPE, ProblemError
from service.settings import Settings
from service.upload import MAX_FRAMING, read_upload
from tests.bundles import SPEC, VOCABULARY
from tests.service.serving import DOWN, EAST, NOBODY, WEST, ColourTracker, colours, serve, video

MAX_UPLOAD = 3_000_000
SIGN_EAST = video(colours(EAST))


@pytest.fixture(scope="module")
def client(bundle_folder):
    with serve(bundle_folder, max_upload_bytes=MAX_UPLOAD, max_clip_s=5) as address, browser(address) as client:
        yield client


def browser(address):
    return httpx.Client(base_url=f"http://{address}", timeout=20)


def post(client, data, name="clip.mp4", **params):
    return client.post("/v1/classify", files={"file": (name, data)}, params=params)


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


# --- a clip's gloss


@pytest.mark.parametrize(
    ("frames", "kind", "expected"),
    [
        pytest.param(colours(EAST), "mp4", "east", id="mp4"),
        pytest.param(colours(WEST), "mov", "west", id="mov"),
        pytest.param(colours(WEST), "matroska", "west", id="mkv"),
        pytest.param(colours(EAST), "avi", "east", id="avi"),
        pytest.param([DOWN] * 40, "mp4", "rest", id="no sign is an answer like any other"),
        pytest.param([EAST] * 6, "mp4", "east", id="shorter than a window"),
        pytest.param([NOBODY] * 10 + colours(WEST), "mp4", "west", id="a signer who walks in"),
    ],
)
def test_a_clip_gives_its_gloss(client, frames, kind, expected):
    answer = post(client, video(frames, kind=kind))

    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["gloss"] == expected


def test_the_answer_has_all_that_is_promised(client):
    answer = post(client, SIGN_EAST).json()

    assert set(answer) == {"bundle", "duration_ms", "frames", "predictions", "timings_ms"}
    assert (answer["bundle"], answer["frames"]) == ("compass@1", 44)
    assert answer["duration_ms"] == pytest.approx(43 * 62.5, abs=1)
    assert [p["gloss"] for p in answer["predictions"]] == ["east", "rest", "west"]
    confidences = [p["confidence"] for p in answer["predictions"]]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(1, abs=1e-3)
    assert answer["predictions"][0]["confusable_with"] == ["west"]
    assert answer["predictions"][1]["confusable_with"] == []
    assert set(answer["timings_ms"]) == {"decode", "keypoints", "inference"}
    assert all(ms > 0 for ms in answer["timings_ms"].values())


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (2, 2), (100, len(VOCABULARY))])
def test_top_k(client, top_k, count):
    assert len(post(client, SIGN_EAST, top_k=top_k).json()["predictions"]) == count


def test_the_same_clip_twice_gives_the_same(client):
    first, second = (post(client, SIGN_EAST).json() for _ in range(2))

    assert first["predictions"] == second["predictions"]


# --- what cannot be read


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


def assert_problem(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code"}
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs#{code}")
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert code in CODES


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


# --- limits


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


# --- the bundle, monitoring, the page


def test_the_bundle_is_described(client):
    answer = client.get("/v1/bundle").json()

    assert (answer["name"], answer["version"], answer["task"], answer["no_sign"]) == (
        "compass",
        "1",
        "isolated",
        "rest",
    )
    assert [g["gloss"] for g in answer["vocabulary"]] == list(VOCABULARY)
    assert answer["vocabulary"][0] == {
        "gloss": "east", "signers": 3, "accuracy": 0.9, "clips": 10, "confusable_with": ["west"]
    }  # fmt: skip
    assert answer["vocabulary"][2]["signers"] is None
    assert answer["confusable"] == [{"glosses": ["east", "west"], "similarity": 0.5}]
    assert answer["clip"] == SPEC.model_dump()
    assert answer["keypoints"]["points"] == 171
    assert answer["providers"] == ["CPUExecutionProvider"]


def test_alive_and_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "bundle": "compass@1"}


def test_alive_but_not_ready_before_the_start(bundle_folder):
    transport = httpx.ASGITransport(create_app(Settings(bundle=bundle_folder), ColourTracker))  # it runs no lifespan

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/healthz")).status_code == 200
            upload = {"file": ("a.mp4", SIGN_EAST)}
            return [
                await client.get("/readyz"),
                await client.get("/v1/bundle"),
                await client.post("/v1/classify", files=upload),
            ]

    for answer in asyncio.run(ask()):
        assert_problem(answer, 503, "not_ready")
        assert int(answer.headers["retry-after"]) > 0


def test_metrics(client):
    post(client, SIGN_EAST)
    client.get("/some/scan")
    text = client.get("/metrics").text

    for series in (
        'glosscast_requests_total{method="POST",route="/v1/classify",status="200"}',
        'glosscast_requests_total{method="(any)",route="(none)",status="404"}',
        'glosscast_stage_seconds_count{stage="decode"}',
        'glosscast_stage_seconds_count{stage="keypoints"}',
        'glosscast_stage_seconds_count{stage="inference"}',
        'glosscast_bundle_info{bundle="compass@1",glosscast="0.1.0",provider="CPUExecutionProvider"} 1.0',
        "glosscast_active_streams 0.0",
        "glosscast_inferences_total",
        'glosscast_batch_windows_bucket{le="1.0"}',
    ):
        assert series in text, series
    assert "scan" not in text


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/nothing"])
def test_nothing_comes_from_elsewhere(client, path):
    headers = client.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "http" not in headers["content-security-policy"]
    assert headers["permissions-policy"].startswith("camera=(self)")
    assert headers["x-content-type-options"] == "nosniff"


def test_the_docs_work_offline_and_cover_both_interfaces(client):
    answer = client.get("/docs")

    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    words = "/v1/classify top_k sign_started keepalive 4031 frames_dropped max_frame_bytes session"
    for word in words.split():
        assert word in answer.text, word
    for code in CODES:
        assert f'id="{code}"' in answer.text


def test_openapi_describes_the_upload_and_its_problems(client):
    api = client.get("/openapi.json").json()
    classify = api["paths"]["/v1/classify"]["post"]

    assert classify["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
    assert {"200", "400", "408", "413", "415", "422", "429", "503"} <= set(classify["responses"])
    assert classify["responses"]["429"]["content"]["application/problem+json"]["schema"]["properties"]["code"]


def test_the_page_is_served_where_it_exists(client):
    index = Path(__file__).parents[2] / "service" / "web" / "index.html"
    if not index.exists():
        pytest.skip("there is no page in this checkout")
    answer = client.get("/")

    assert answer.content == index.read_bytes()
    assert answer.headers["content-type"].startswith("text/html")
    assert client.head("/").status_code == 200
