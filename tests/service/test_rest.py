"""Requests that get what they ask for."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from glosscast import __version__
from glosscast.protocol import CloseCode
from service.app import create_app
from service.problems import CODES
from service.protocol.codes import ErrorCode
from service.settings import Settings
from tests.bundles import SPEC, THRESHOLD, UNSURE_FRAMES, VOCABULARY, strict
from tests.service.serving import (
    DOWN,
    EAST,
    MAX_UPLOAD,
    NOBODY,
    SIGN_EAST,
    WEST,
    ColourTracker,
    CrowdTracker,
    assert_problem,
    browser,
    colours,
    post,
    serve,
    video,
)


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


def test_a_clip_of_several_people_is_read_with_a_warning(client, bundle_folder):
    alone = post(client, SIGN_EAST).json()
    with serve(bundle_folder, CrowdTracker) as address, browser(address) as other:
        crowded = post(other, SIGN_EAST).json()
    assert (alone["warnings"], crowded["warnings"]) == ([], ["several_people"])
    assert crowded["predictions"] == alone["predictions"]


def test_each_sign_of_a_clip_is_reported_with_its_times(client):
    answer = post(client, video(colours(EAST, WEST))).json()

    signs = answer["signs"]
    assert [sign["gloss"] for sign in signs] == answer["glosses"] == ["east", "west"]
    assert [sign["utterance"] for sign in signs] == [None, None]
    # 12 frames of rest, 20 of a sign, 12, 20, 12; found within a few frames
    assert [(sign["start_ms"], sign["end_ms"]) for sign in signs] == [
        pytest.approx((12 * 62.5, 32 * 62.5), abs=250),
        pytest.approx((44 * 62.5, 64 * 62.5), abs=250),
    ]
    assert post(client, video([DOWN] * 40)).json()["signs"] == []


def test_the_answer_has_all_that_is_promised(client):
    answer = post(client, SIGN_EAST).json()

    assert set(answer) == {
        *("bundle", "duration_ms", "frames", "known", "threshold", "no_sign"),
        *("predictions", "signs", "glosses", "warnings", "timings_ms"),
    }
    assert (answer["known"], answer["threshold"]) == (True, 0.0)
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
        "gloss": "east", "signers": 3, "accuracy": 0.9, "clips": 10, "confusable_with": ["west"],
        "example": False,
    }  # fmt: skip
    assert answer["vocabulary"][2]["accuracy"] is None  # not measured
    assert answer["confusable"] == [{"glosses": ["east", "west"], "similarity": 0.5}]
    assert answer["clip"] == SPEC.model_dump()
    assert answer["keypoints"]["points"] == 171
    assert answer["limits"] == {"max_upload_bytes": MAX_UPLOAD, "max_clip_s": 5}
    assert answer["inputs"] == ["frames", "keypoints"]
    assert answer["providers"][-1] == "CPUExecutionProvider"
    assert answer["precision"] == "fp32"


def test_alive_and_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "bundle": "compass@1"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_monitors_may_ask_for_the_headers_alone(client, path):
    answer = client.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


def test_alive_but_not_ready_before_the_start(bundle_folder):
    transport = httpx.ASGITransport(create_app(Settings(bundle=bundle_folder), ColourTracker))  # it runs no lifespan

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
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
    client.request("SCAN1", "/healthz")
    client.request("SCAN2", "/some/scan")
    text = client.get("/metrics").text

    for series in (
        'glosscast_requests_total{method="POST",route="/v1/classify",status="200"}',
        'glosscast_requests_total{method="GET",route="(none)",status="404"}',
        'glosscast_requests_total{method="(other)",route="/healthz",status="405"}',
        'glosscast_requests_total{method="(other)",route="(none)",status="404"}',
        'glosscast_stage_seconds_count{stage="decode"}',
        'glosscast_stage_seconds_count{stage="keypoints"}',
        'glosscast_stage_seconds_count{stage="inference"}',
        f'glosscast_bundle_info{{bundle="compass@1",glosscast="{__version__}",precision="fp32",provider="',
        "glosscast_active_streams 0.0",
        "glosscast_inferences_total",
        'glosscast_batch_windows_bucket{le="1.0"}',
    ):
        assert series in text, series
    assert "scan" not in text.lower()


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/nothing"])
def test_nothing_comes_from_elsewhere(client, path):
    headers = client.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "http" not in headers["content-security-policy"]
    assert headers["permissions-policy"].startswith("camera=(self)")
    assert headers["x-content-type-options"] == "nosniff"


def test_answers_of_the_api_are_kept_by_nobody(client):
    kept = {path: client.get(path).headers["cache-control"] for path in ("/v1/bundle", "/v1/nothing", "/docs")}

    assert post(client, SIGN_EAST).headers["cache-control"] == "no-store"
    assert kept == {"/v1/bundle": "no-store", "/v1/nothing": "no-store", "/docs": "no-cache"}


def test_the_docs_work_offline_and_cover_both_interfaces(client):
    answer = client.get("/docs")

    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert set(re.findall(r"\b(?:https?|wss?)://([^/&]+)", answer.text)) == {client.base_url.netloc.decode()}
    words = "/v1/classify top_k sign_started keepalive 4031 frames_dropped max_frame_bytes session"
    for word in words.split():
        assert word in answer.text, word
    for code in CODES:
        assert f'id="{code}"' in answer.text
    for word in (*ErrorCode, *(f"<code>{code}</code>" for code in CloseCode), "uint32, little-endian"):
        assert word in answer.text, word
    assert "service.protocol.wire" not in answer.text  # who reads this has no source code


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


def test_a_clip_without_a_sure_sign_says_so(bundle_folder, tmp_path):
    with serve(strict(bundle_folder, tmp_path / "strict")) as address, browser(address) as client:
        unsure = post(client, video(colours(EAST, sign_frames=UNSURE_FRAMES))).json()
        nothing = post(client, video([DOWN] * 30)).json()
        sure = post(client, SIGN_EAST).json()

    assert (unsure["known"], unsure["threshold"], unsure["signs"]) == (False, THRESHOLD, [])
    assert unsure["predictions"][0]["gloss"] == "east"
    assert unsure["predictions"][0]["confidence"] < THRESHOLD
    assert nothing["known"] is False
    assert sure["known"] is True
