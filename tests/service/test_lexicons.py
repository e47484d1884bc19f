"""Lexicons over REST: signs are taught from clips, read, changed, handed out and taken in."""

import gc
import io
import json
import shutil
import sqlite3
import threading
import weakref
import zipfile
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from glosscast.bundle import load_bundle, sha256
from glosscast.keypoints import CHANNELS, POINTS, UPPER_BODY
from glosscast.lexicon.file import read_lexicon, write_lexicon
from glosscast.lexicon.signs import MAX_EXAMPLES, MAX_SIGNS, Lexicon, SignExample, TaughtSign
from glosscast.manifest import MANIFEST, MODEL
from service.access.keys import Role, add_key
from service.lexicons.lexicons import default_file, lexicons_of
from service.lexicons.store import StoreError
from service.observe.metrics import Metrics
from service.problems import CLIENT_GONE
from service.settings import Settings, StartError
from tests.service.serving import (
    DOWN,
    EAST,
    FAR,
    MAX_UPLOAD,
    NEAR,
    NOBODY,
    SIGN_EAST,
    ColourTracker,
    assert_problem,
    browser,
    colours,
    metric,
    post,
    serve,
    video,
)

SIGN_NEAR = video(colours(NEAR))
SIGN_NEAR_LONG = video(colours(NEAR, sign_frames=24))
SIGN_FAR = video(colours(FAR))
HOME = "/v1/lexicons"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("lexicons") / "lexicons.sqlite"


@pytest.fixture(scope="module")
def client(teachable_folder, path):
    with (
        serve(teachable_folder, max_upload_bytes=MAX_UPLOAD, max_clip_s=5, lexicons=path) as address,
        browser(address) as client,
    ):
        client.timeout = 120  # of 20 clips, on a busy machine
        yield client


@pytest.fixture
def name(client, request):
    """A lexicon of this test alone, with the sign "near"."""
    name = f"lexicon-{abs(hash(request.node.name))}"
    assert client.post(HOME, json={"name": name}).status_code == 201
    assert teach(client, name, "near", SIGN_NEAR).status_code == 201
    yield name
    client.delete(f"{HOME}/{name}")


def teach(client, name, gloss, *clips, **fields):
    files = [("file", (f"clip{i}.mp4", clip)) for i, clip in enumerate(clips, 1)]
    return client.post(f"{HOME}/{name}/signs", data={"gloss": gloss, **fields}, files=files)


def glosses(client, name):
    return [sign["gloss"] for sign in client.get(f"{HOME}/{name}/signs").json()["signs"]]


def test_a_taught_sign_is_read_in_a_clip(client, name):
    assert post(client, SIGN_NEAR).json()["predictions"][0]["gloss"] == "rest"

    answer = post(client, SIGN_NEAR_LONG, lexicon=name).json()

    assert answer["predictions"][0]["gloss"] == "near"
    assert [sign["gloss"] for sign in answer["signs"]] == ["near"]
    assert {p["gloss"] for p in answer["predictions"]} == {"east", "west", "rest", "near"}
    assert post(client, SIGN_FAR, lexicon=name).json()["predictions"][0]["gloss"] == "rest"
    assert post(client, SIGN_EAST, lexicon=name).json()["predictions"][0]["gloss"] == "east"


def test_teaching_answers_what_is_known_of_the_sign(client, name):
    answer = teach(client, name, "Far", SIGN_FAR, SIGN_NEAR, language="mine")

    assert answer.status_code == 201
    sign = answer.json()
    assert set(sign) == {
        *("gloss", "language", "examples", "consistency", "outliers", "look_alikes", "added", "warnings"),
    }
    assert (sign["gloss"], sign["language"], len(sign["examples"])) == ("Far", "mine", 2)
    assert sign["added"] == [example["id"] for example in sign["examples"]]
    assert sign["examples"][0]["duration_ms"] == pytest.approx(20 * 62.5, abs=300)
    assert sign["consistency"] < 0.5
    assert set(sign["outliers"]) == set(sign["added"])
    assert [(o["gloss"], o["taught"]) for o in sign["look_alikes"]] == [("near", True)]
    assert 0.1 <= sign["look_alikes"][0]["risk"] <= 1
    assert [w for w in sign["warnings"] if "unlike" in w and w.startswith("File 1 ('clip1.mp4')")]
    assert client.get(f"{HOME}/{name}/signs/far").json() == {
        key: value for key, value in sign.items() if key not in ("added", "warnings")
    }


def test_captions_name_what_a_taught_sign_is_confused_with(client, name):
    teach(client, name, "nearby", SIGN_NEAR_LONG)

    best, second = post(client, SIGN_NEAR, lexicon=name).json()["predictions"][:2]

    assert {best["gloss"], second["gloss"]} == {"near", "nearby"}
    assert second["gloss"] in best["confusable_with"]


def test_two_signs_in_a_clip_give_a_warning_and_the_longest(client, name):
    sign = teach(
        client, name, "far", video([*colours(NEAR, sign_frames=14, rest_frames=8), *colours(FAR, rest_frames=9)])
    ).json()

    assert [w for w in sign["warnings"] if "2 signs" in w]
    assert post(client, SIGN_FAR, lexicon=name).json()["predictions"][0]["gloss"] == "far"


def test_the_same_clip_is_one_example(client, name):
    sign = teach(client, name, "NEAR", SIGN_NEAR).json()

    assert (sign["gloss"], len(sign["examples"]), sign["added"]) == ("near", 1, [])
    assert sign["warnings"] == ["File 1 ('clip1.mp4'): this example was there already."]
    assert len(teach(client, name, "near", SIGN_NEAR_LONG, SIGN_NEAR_LONG).json()["added"]) == 1


def test_the_list_of_lexicons_is_up_to_date(client, name):
    (found,) = [entry for entry in client.get(HOME).json()["lexicons"] if entry["name"] == name]

    assert found | {"changed_at": ""} == {
        "name": name,
        "signs": 1,
        "examples": 1,
        "bundle": "compass@1",
        "changed_at": "",
    }
    assert found["changed_at"].endswith("Z")
    assert_problem(client.post(HOME, json={"name": name}), 409, "lexicon_exists")


def test_an_example_is_handed_out_as_a_skeleton(client, name):
    sign = client.get(f"{HOME}/{name}/signs/near").json()
    motion = client.get(f"{HOME}/{name}/signs/near/examples/{sign['examples'][0]['id']}").json()

    frames = len(motion["t_ms"])
    assert motion["t_ms"][0] == 0
    assert 0 <= motion["start_ms"] < motion["end_ms"] <= motion["t_ms"][-1]
    assert {len(motion[part]) for part in ("pose", "left_hand", "right_hand")} == {frames}
    assert {len(points) for points in motion["pose"]} == {UPPER_BODY.stop}
    shoulders = np.array([motion["pose"][0][11], motion["pose"][0][12]])
    np.testing.assert_allclose(shoulders, [[0.5, 0], [-0.5, 0]], atol=0.01)  # from the middle, in their own width
    assert motion["pose"][0][0] is None  # not seen
    assert_problem(client.get(f"{HOME}/{name}/signs/near/examples/none"), 404, "unknown_example")


def test_signs_and_examples_are_renamed_and_forgotten(client, name, path):
    sign = teach(client, name, "near", SIGN_NEAR_LONG).json()
    teach(client, name, "far", SIGN_FAR)
    first, second = (example["id"] for example in sign["examples"])
    here = f"{HOME}/{name}/signs"

    assert client.delete(f"{here}/near/examples/{first}").status_code == 204
    assert_problem(client.delete(f"{here}/near/examples/{first}"), 404, "unknown_example")
    assert_problem(client.patch(f"{here}/near", json={"gloss": "FAR"}), 409, "gloss_taken")
    renamed = client.patch(f"{here}/near", json={"gloss": " close  by "})
    assert (renamed.json()["gloss"], renamed.json()["examples"][0]["id"]) == ("close by", second)
    assert glosses(client, name) == ["close by", "far"]
    assert post(client, SIGN_NEAR, lexicon=name).json()["predictions"][0]["gloss"] == "close by"
    assert client.delete(f"{here}/close by/examples/{second}").status_code == 204
    assert glosses(client, name) == ["far"]
    assert client.delete(f"{here}/far").status_code == 204
    assert_problem(client.get(f"{here}/far"), 404, "unknown_gloss")
    assert client.delete(f"{HOME}/{name}").status_code == 204
    assert_problem(client.get(here), 404, "unknown_lexicon")
    assert_problem(post(client, SIGN_NEAR, lexicon=name), 404, "unknown_lexicon")


@pytest.mark.parametrize(
    "gloss", ["שלום", "مرحبا", "и/или", "what?", "a#b", "50 %", "🙂", "nein\u00a0danke", "examples"]
)
def test_a_sign_can_have_any_name_that_people_can_read(client, name, gloss):
    assert teach(client, name, gloss, SIGN_FAR).json()["gloss"] == gloss
    here = httpx.URL(f"http://x{HOME}/{name}/signs/").raw_path.decode() + _encoded(gloss)

    assert client.get(here).json()["gloss"] == gloss
    assert post(client, SIGN_FAR, lexicon=name).json()["predictions"][0]["gloss"] == gloss
    example = client.get(here).json()["examples"][0]["id"]
    assert client.get(f"{here}/examples/{example}").status_code == 200
    assert client.patch(here, json={"gloss": f"{gloss}2"}).json()["gloss"] == f"{gloss}2"
    assert client.delete(here + "2").status_code == 204
    assert glosses(client, name) == ["near"]


def _encoded(gloss):
    return "".join(f"%{byte:02X}" for byte in gloss.encode())


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


def test_a_lexicon_is_handed_out_and_taken_in(client, name):
    teach(client, name, "far", SIGN_FAR, language="mine")
    answer = client.get(f"{HOME}/{name}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.lexicon.npz"'

    lexicon = read_lexicon(io.BytesIO(answer.content))
    assert (lexicon.name, lexicon.bundle) == (name, "compass@1")
    assert [(s.gloss, s.language) for s in lexicon] == [("near", ""), ("far", "mine")]
    made = take_in(client, "copy", answer.content)
    assert (made.status_code, made.json()["name"], made.json()["signs"]) == (200, "copy", 2)
    assert take_in(client, "copy", answer.content).json()["examples"] == 2  # each counts once
    assert client.get(f"{HOME}/copy/signs").json() == client.get(f"{HOME}/{name}/signs").json()
    assert post(client, SIGN_FAR, lexicon="copy").json()["predictions"][0]["gloss"] == "far"
    client.delete(f"{HOME}/copy")


def take_in(client, name, content):
    return client.post(f"{HOME}/{name}/import", files={"file": ("a.npz", content)})


def test_a_lexicon_of_another_bundle_is_read_anew(client, name):
    own = read_lexicon(io.BytesIO(client.get(f"{HOME}/{name}/export").content))
    (example,) = own.sign("near").examples
    wrong = example_like(example, np.ones(9, np.float32), np.ones(7, np.float32))
    for lexicon in (
        Lexicon("other", "other@1", "f" * 64, {"close": TaughtSign("close", "", (wrong,))}),
        Lexicon("forged", own.bundle, own.model, {"close": TaughtSign("close", "", (wrong,))}),
    ):
        assert take_in(client, "foreign", file_of(lexicon)).status_code == 200
        assert post(client, SIGN_NEAR_LONG, lexicon="foreign").json()["predictions"][0]["gloss"] == "close"
        back = read_lexicon(io.BytesIO(client.get(f"{HOME}/foreign/export").content))
        np.testing.assert_allclose(back.sign("close").examples[0].embedding, example.embedding, atol=1e-5)
        client.delete(f"{HOME}/foreign")


def example_like(example, probabilities, embedding):
    return SignExample(example.t_ms, example.keypoints, example.start_ms, example.end_ms, probabilities, embedding)


def file_of(lexicon):
    file = io.BytesIO()
    write_lexicon(lexicon, file)
    return file.getvalue()


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


def test_a_full_disk_loses_nothing(client, name, monkeypatch, path):
    def full(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr("service.lexicons.rows._insert", full)
    answer = teach(client, name, "far", SIGN_FAR)
    assert_problem(answer, 507, "disk_full")
    assert str(path) not in answer.text
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


def test_changes_are_counted(client, name):
    before = metric(client.base_url.netloc.decode(), 'glosscast_lexicon_changes_total{change="taught"}')
    teach(client, name, "far", SIGN_FAR)
    assert metric(client.base_url.netloc.decode(), 'glosscast_lexicon_changes_total{change="taught"}') == before + 1


def test_each_key_has_its_own_lexicons(teachable_folder, tmp_path):
    keys = tmp_path / "keys.toml"
    roles = [Role.CLASSIFY, Role.TEACH]
    mine, other = (add_key(keys, name, roles) for name in ("mine", "other"))
    reader = add_key(keys, "reader", [Role.CLASSIFY])
    with (
        serve(teachable_folder, api_keys_file=keys, lexicons=tmp_path / "l.sqlite") as address,
        browser(address) as client,
    ):
        assert_problem(client.get(HOME), 401, "not_authenticated")
        client.headers["Authorization"] = f"Bearer {mine}"
        assert client.post(HOME, json={"name": "a"}).status_code == 201
        example = teach(client, "a", "near", SIGN_NEAR).json()["added"][0]
        export = client.get(f"{HOME}/a/export").content

        client.headers["Authorization"] = f"Bearer {other}"
        assert client.get(HOME).json() == {"lexicons": []}
        attempts = [
            lambda name: client.get(f"{HOME}/{name}/signs"),
            lambda name: client.get(f"{HOME}/{name}/signs/near"),
            lambda name: client.get(f"{HOME}/{name}/signs/near/examples/{example}"),
            lambda name: client.get(f"{HOME}/{name}/export"),
            lambda name: client.delete(f"{HOME}/{name}"),
            lambda name: client.delete(f"{HOME}/{name}/signs/near"),
            lambda name: client.delete(f"{HOME}/{name}/signs/near/examples/{example}"),
            lambda name: client.patch(f"{HOME}/{name}/signs/near", json={"gloss": "x"}),
            lambda name: teach(client, name, "near", SIGN_NEAR),
            lambda name: post(client, SIGN_NEAR, lexicon=name),
        ]
        for attempt in attempts:
            assert_problem(attempt("a"), 404, "unknown_lexicon")
            assert attempt("a").json()["detail"].replace(" a.", " z.") == attempt("z").json()["detail"]
        assert client.post(HOME, json={"name": "a"}).status_code == 201  # a name of theirs, too
        assert glosses(client, "a") == []

        client.headers["Authorization"] = f"Bearer {reader}"
        for attempt in (*attempts[4:9], lambda name: take_in(client, name, export)):
            assert_problem(attempt("a"), 403, "not_allowed")
        assert_problem(client.post(HOME, json={"name": "a"}), 403, "not_allowed")
        assert client.get(HOME).json() == {"lexicons": []}

        client.headers["Authorization"] = f"Bearer {mine}"
        assert glosses(client, "a") == ["near"]


def test_a_service_with_keys_keeps_none_unless_it_is_told_where(teachable_folder, tmp_path):
    keys = tmp_path / "keys.toml"
    key = add_key(keys, "mine", list(Role))
    with serve(teachable_folder, api_keys_file=keys) as address, browser(address) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        for answer in (
            client.get(HOME),
            client.post(HOME, json={"name": "a"}),
            client.get(f"{HOME}/a/signs"),
            take_in(client, "a", b"x"),
            teach(client, "a", "near", SIGN_NEAR),
            post(client, SIGN_NEAR, lexicon="a"),
        ):
            assert_problem(answer, 404, "lexicons_off")
        assert post(client, SIGN_EAST).status_code == 200


def test_without_keys_they_are_in_the_folder_of_the_user(teachable_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with serve(teachable_folder) as address, browser(address) as client:
        assert client.post(HOME, json={"name": "a"}).status_code == 201
    assert (tmp_path / "glosscast" / "lexicons.sqlite").exists()
    with serve(teachable_folder) as address, browser(address) as client:
        assert [entry["name"] for entry in client.get(HOME).json()["lexicons"]] == ["a"]
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # is to be ignored
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_file() == tmp_path / ".local" / "share" / "glosscast" / "lexicons.sqlite"


def test_a_file_that_cannot_be_used_is_named_at_the_start(tmp_path, monkeypatch):
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"this is no database" * 100)
    file = tmp_path / "file"
    file.touch()
    for path in (damaged, tmp_path, file / "lexicons.sqlite"):
        with pytest.raises(StartError, match=r"^GLOSSCAST_LEXICONS: [^\n]+$") as caught:
            lexicons_of(Settings(lexicons=path), Metrics())
        assert str(path) in str(caught.value)
    # A user without a folder can caption all the same; lexicons that are damaged must not vanish without a word.
    monkeypatch.setenv("XDG_DATA_HOME", str(file))
    assert lexicons_of(Settings(), Metrics()) is None
    (tmp_path / "glosscast").mkdir()
    damaged.rename(tmp_path / "glosscast" / "lexicons.sqlite")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(StartError, match="not a file that this version can read"):
        lexicons_of(Settings(), Metrics())


def test_nothing_can_be_taught_to_a_bundle_without_an_embedding(bundle_folder, tmp_path):
    with serve(bundle_folder, lexicons=tmp_path / "l.sqlite") as address, browser(address) as client:
        assert client.post(HOME, json={"name": "a"}).status_code == 201
        assert_problem(teach(client, "a", "near", SIGN_NEAR), 409, "other_bundle")
        assert_problem(client.get(f"{HOME}/a/signs"), 409, "other_bundle")
        assert client.get(HOME).json()["lexicons"][0]["name"] == "a"


def test_a_new_bundle_reads_the_examples_anew(teachable_folder, tmp_path):
    path = tmp_path / "l.sqlite"
    with serve(teachable_folder, lexicons=path) as address, browser(address) as client:
        client.post(HOME, json={"name": "a"})
        taught = teach(client, "a", "near", SIGN_NEAR, SIGN_NEAR_LONG).json()
    new = shutil.copytree(teachable_folder, tmp_path / "new")
    (new / MODEL).write_bytes((new / MODEL).read_bytes() + b"\x72\x00")  # one more, empty string of the graph's file
    manifest = json.loads((new / MANIFEST).read_text())
    manifest |= {"version": "2", "files": manifest["files"] | {MODEL: sha256(new / MODEL)}}
    (new / MANIFEST).write_text(json.dumps(manifest))
    assert load_bundle(new).manifest.files != load_bundle(teachable_folder).manifest.files

    with serve(new, lexicons=path) as address, browser(address) as client:
        assert post(client, SIGN_NEAR, lexicon="a").json()["predictions"][0]["gloss"] == "near"
        sign = client.get(f"{HOME}/a/signs/near").json()
        assert sign["consistency"] == pytest.approx(taught["consistency"], abs=1e-3)
        back = read_lexicon(io.BytesIO(client.get(f"{HOME}/a/export").content))
        assert (back.bundle, back.model) == ("compass@2", manifest["files"][MODEL])
    with serve(teachable_folder, lexicons=path) as address, browser(address) as client:  # and the old one still can
        assert client.get(f"{HOME}/a/signs/near").json()["consistency"] == taught["consistency"]


def test_a_client_that_leaves_while_it_teaches_has_taught_nothing(teachable_folder, tmp_path, monkeypatch):
    gone = threading.Event()

    @asynccontextmanager
    async def disconnect_of(request):
        yield gone

    class LeavingTracker(ColourTracker):
        def track(self, rgb):
            if self.frames == 10:
                gone.set()
            return super().track(rgb)

    monkeypatch.setattr("service.rest.lexicons.disconnect_of", disconnect_of)
    with (
        serve(teachable_folder, LeavingTracker, lexicons=tmp_path / "l.sqlite") as address,
        browser(address) as client,
    ):
        client.post(HOME, json={"name": "a"})
        assert teach(client, "a", "near", SIGN_NEAR, SIGN_FAR).status_code == CLIENT_GONE
        assert glosses(client, "a") == []


def test_a_page_of_another_site_changes_nothing(client, name):
    for attempt in (
        client.delete(f"{HOME}/{name}", headers={"Origin": "http://evil.example"}),
        client.post(HOME, json={"name": "x"}, headers={"Origin": "http://evil.example"}),
    ):
        assert_problem(attempt, 403, "origin_not_allowed")
    assert glosses(client, name) == ["near"]


def test_docs_describe_forms_and_bodies(client):
    page = client.get("/docs").text

    for word in ("/v1/lexicons/{name}/signs", "look_alikes[].risk", "right_hand", "language", "changed_at", "added"):
        assert word in page, word


def test_a_deleted_lexicon_leaves_nothing_in_memory(teachable_folder, tmp_path):
    engine = SimpleNamespace(bundle=load_bundle(teachable_folder), classify=None)
    lexicons = lexicons_of(Settings(lexicons=tmp_path / "l.sqlite"), Metrics())
    lexicons.store.create("me", "mine", engine.bundle.id)
    rule = weakref.ref(lexicons.rule("me", "mine", engine)[0])
    gc.collect()
    assert rule() is not None  # kept for the next request

    lexicons.delete("me", "mine")

    gc.collect()
    assert rule() is None
    lexicons.close()
