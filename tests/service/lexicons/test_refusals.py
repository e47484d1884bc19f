"""Lexicons over REST: what cannot be taught, stored or taken in changes nothing."""

import io
import json
import sqlite3
import zipfile

import numpy as np
import pytest

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon.signs import MAX_EXAMPLES, MAX_SIGNS, Lexicon, SignExample, TaughtSign
from service.lexicons.store import StoreError
from tests.service.lexicons.clips import HOME, SIGN_FAR, SIGN_NEAR, file_of, glosses, take_in, teach
from tests.service.serving import (
    DOWN,
    EAST,
    FAR,
    MAX_UPLOAD,
    NEAR,
    NOBODY,
    SIGN_EAST,
    CrowdTracker,
    assert_problem,
    browser,
    colours,
    post,
    serve,
    video,
)


@pytest.mark.parametrize(
    "gloss", ["", "   ", "x" * 65, "a\nb", "a\u202eb", "\u200b", "a\u0000b", "\u0301", ".", "..", "\ufeffa", "REST"]
)
def test_a_bad_name_is_refused_before_the_clip_is_read(client, name, gloss):
    assert_problem(teach(client, name, gloss, b"not even a clip"), 422, "bad_gloss")
    assert_problem(client.patch(f"{HOME}/{name}/signs/near", json={"gloss": gloss}), 422, "bad_gloss")
    assert glosses(client, name) == ["near"]


@pytest.mark.parametrize("bad", ["", ".", "..", ".hidden", "a b", "a/b", "x" * 65, "é", "a\n"])
def test_a_lexicon_has_a_plain_name(client, bad):
    assert_problem(client.post(HOME, json={"name": bad}), 422, "invalid_request")


@pytest.mark.parametrize(
    ("clip", "status", "code"),
    [
        pytest.param(b"", 422, "undecodable", id="empty"),
        pytest.param(b"hello", 415, "unsupported_media", id="no video"),
        pytest.param(SIGN_FAR[: len(SIGN_FAR) // 2], 422, "undecodable", id="cut off"),
        pytest.param(video([NEAR] * 100), 422, "too_long", id="too long"),
        pytest.param(video([NOBODY] * 30), 422, "no_signer", id="nobody"),
        pytest.param(video(colours(EAST)), 422, "no_hands", id="no hands"),
        pytest.param(video([DOWN] * 30), 422, "no_hands", id="nothing"),
    ],
)
def test_a_file_that_cannot_be_an_example_is_named_and_nothing_is_stored(client, name, clip, status, code):
    answer = teach(client, name, "far", SIGN_FAR, clip, SIGN_FAR)

    assert_problem(answer, status, code)
    assert answer.json()["detail"].startswith("File 2 ('clip2.mp4'): ")
    assert glosses(client, name) == ["near"]


def test_a_clip_of_several_people_is_no_example(teachable_folder, tmp_path):
    path = tmp_path / "lexicons.sqlite"
    with serve(teachable_folder, CrowdTracker, lexicons=path) as address, browser(address) as client:
        client.post(HOME, json={"name": "crowd"})
        assert_problem(teach(client, "crowd", "far", SIGN_FAR), 422, "several_people")


def test_a_file_that_is_too_large_or_too_many_are_refused(client, name):
    half = bytes(MAX_UPLOAD // 2 + 1)
    assert_problem(teach(client, name, "far", half, half), 413, "too_large")
    assert_problem(teach(client, name, "far", *[SIGN_FAR] * (MAX_EXAMPLES + 1)), 422, "too_many")
    assert_problem(teach(client, name, "far"), 415, "unsupported_media")  # without a file it is no multipart form
    assert glosses(client, name) == ["near"]


def test_20_files_are_taken_and_no_example_more(client, name):
    clips = [video([FAR] * (4 + i)) for i in range(MAX_EXAMPLES)]

    sign = teach(client, name, "far", *clips).json()
    assert len(sign["examples"]) == MAX_EXAMPLES
    assert sign["outliers"] == []
    assert_problem(teach(client, name, "far", video(colours(FAR, sign_frames=28))), 422, "too_many")
    assert len(client.get(f"{HOME}/{name}/signs/far").json()["examples"]) == MAX_EXAMPLES


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "invalid_request"),
        ({"gloss": "x", "sign": "x"}, "invalid_request"),
        ({"gloss": ["x", "y"]}, "invalid_request"),
        ({"gloss": "x" * 2000}, "invalid_request"),
        ({"gloss": "x", "language": "x" * 65}, "bad_gloss"),
    ],
)
def test_a_form_that_says_something_else_is_refused(client, name, fields, code):
    answer = client.post(f"{HOME}/{name}/signs", data=fields, files={"file": ("a.mp4", SIGN_FAR)})

    assert_problem(answer, 422, code)
    assert glosses(client, name) == ["near"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 422, "invalid_request", id="empty"),
        pytest.param(b"{", 422, "invalid_request", id="cut off"),
        pytest.param(b"[" * 4000, 422, "invalid_request", id="deep"),
        pytest.param(b'{"name": "a", "x": 1}', 422, "invalid_request", id="unknown field"),
        pytest.param(b'{"name": 5}', 422, "invalid_request", id="a number"),
        pytest.param(b'{"name": "' + b"x" * 5000 + b'"}', 413, "too_large", id="large"),
        pytest.param(b"\xff\xfe", 422, "invalid_request", id="no text"),
    ],
)
def test_bad_json_is_refused(client, body, status, code):
    answer = client.post(HOME, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, status, code)
    assert_problem(client.post(HOME, content=b'{"name": "a"}'), 415, "unsupported_media")


def many_signs(count):
    one = SignExample(
        np.zeros(1, np.float32),
        np.zeros((1, POINTS, CHANNELS), np.float16),
        0.0,
        0.0,
        np.zeros(0, np.float32),
        np.zeros(0, np.float32),
    )
    return Lexicon("many", "x@1", "f" * 64, {f"sign {i}": TaughtSign(f"sign {i}", "", (one,)) for i in range(count)})


def test_a_hostile_or_damaged_file_changes_nothing(client, name, monkeypatch):
    good = client.get(f"{HOME}/{name}/export").content
    middle = len(good) // 2
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lexicon.json", b"[" * 30_000_000)
    for content in (
        b"",
        b"PK\x03\x04 not quite",
        good[:middle],
        good[:middle] + bytes(64) + good[middle + 64 :],
        SIGN_NEAR,
        bomb.getvalue(),
    ):
        assert_problem(take_in(client, name, content), 422, "bad_file")
        assert_problem(take_in(client, "never", content), 422, "bad_file")
    assert glosses(client, name) == ["near"]
    assert "never" not in [entry["name"] for entry in client.get(HOME).json()["lexicons"]]


def test_20000_signs_are_too_many(client, name, monkeypatch):
    file = file_of(many_signs(MAX_SIGNS))
    forged = _with_json(file, lambda about: about["signs"].extend(about["signs"][:1] * 15_000))
    assert_problem(take_in(client, name, forged), 422, "bad_file")
    monkeypatch.setattr("service.lexicons.rows.MAX_SIGNS", 100)
    answer = take_in(client, name, file_of(many_signs(100)))
    assert_problem(answer, 422, "too_many")
    assert "100" in answer.json()["detail"]
    assert glosses(client, name) == ["near"]


def _with_json(file, change):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            content = old.read(entry)
            if entry == "lexicon.json":
                about = json.loads(content)
                change(about)
                content = json.dumps(about).encode()
            new.writestr(entry, content)
    return out.getvalue()


def test_a_full_disk_loses_nothing(client, name, monkeypatch, database):
    def full(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr("service.lexicons.rows._insert", full)
    answer = teach(client, name, "far", SIGN_FAR)
    assert_problem(answer, 507, "disk_full")
    assert str(database) not in answer.text
    monkeypatch.undo()
    assert glosses(client, name) == ["near"]
    assert teach(client, name, "far", SIGN_FAR).status_code == 201


@pytest.mark.parametrize(
    ("code", "status"), [("lexicons_busy", 503), ("lexicons_damaged", 500), ("lexicons_failed", 500)]
)
def test_a_store_that_fails_is_a_problem_of_its_own(client, name, monkeypatch, code, status):
    def fail(*_):
        raise StoreError(code, "/secret/path: broken")

    monkeypatch.setattr("service.lexicons.store.LexiconStore.version", fail)
    for answer in (client.get(f"{HOME}/{name}/signs"), post(client, SIGN_NEAR, lexicon=name)):
        assert_problem(answer, status, code)
        assert "secret" not in answer.text
        assert ("Retry-After" in answer.headers) == (status == 503)
    assert post(client, SIGN_EAST).json()["predictions"][0]["gloss"] == "east"
