"""Lexicons over REST: whose they are, where they are kept, and other bundles."""

import gc
import io
import json
import shutil
import threading
import weakref
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from glosscast.bundle import load_bundle, sha256
from glosscast.lexicon.file import read_lexicon
from glosscast.manifest import MANIFEST, MODEL
from service.access.keys import Role, add_key
from service.lexicons.lexicons import default_file, lexicons_of
from service.observe.metrics import Metrics
from service.problems import CLIENT_GONE
from service.settings import Settings, StartError
from tests.service.lexicons.clips import HOME, SIGN_FAR, SIGN_NEAR, SIGN_NEAR_LONG, glosses, take_in, teach
from tests.service.serving import (
    SIGN_EAST,
    ColourTracker,
    assert_problem,
    browser,
    post,
    serve,
)


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
