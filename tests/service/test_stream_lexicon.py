"""Streams that read with a lexicon, against a real server: whose it is, and what happens when it changes or fails."""

import threading
import time
from typing import get_args

import httpx
import pytest

from glosscast.lexicon.teaching import TeachingCode
from service.access.keys import Role, add_key
from service.lexicons.lexicons import Lexicons
from service.lexicons.store import LexiconStore, StoreError
from service.live import lexicon as live_lexicon
from service.protocol.codes import Refusal
from tests.bundles import NO_SIGN
from tests.service.serving import ROOMY, Client, serve, wait_until
from tests.service.signer import LEXICON, UP, Signer, outcomes

BUNDLE = "compass@1"


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch):
    """A stream looks for changes of its lexicon before every frame that is outside a sign."""
    monkeypatch.setattr(live_lexicon, "LOOK_S", 0.0)


@pytest.mark.parametrize("name", ["none", "", "a/b", "a" * 64])
def test_an_unknown_lexicon_ends_the_stream(lexicon_address, name):
    assert refused(lexicon_address, lexicon=name) == ("unknown_lexicon", False, 4000)


def test_a_name_that_no_lexicon_can_have_is_a_violation(lexicon_address):
    assert refused(lexicon_address, lexicon="a" * 65) == ("bad_message", False, 4000)


def refused(address, headers=None, **fields):
    with Client(address, additional_headers=headers or {}) as client:
        client.send({"type": "start", "input": "keypoints", **fields})
        code = client.until_closed()
        (error,) = client.received
    return error["code"], error["retryable"], code


def test_without_a_store_there_are_no_lexicons(teachable_folder, tmp_path):
    keys = tmp_path / "keys.toml"
    bearer = {"Authorization": f"Bearer {add_key(keys, 'me', [Role.STREAM, Role.TEACH])}"}
    with serve(teachable_folder, api_keys_file=keys) as address:
        assert refused(address, bearer, lexicon=LEXICON) == ("lexicons_off", False, 4000)


def test_a_bundle_without_an_embedding_reads_with_no_lexicon(bundle_folder, lexicon_store):
    with serve(bundle_folder, lexicons=lexicon_store.path) as address:
        assert refused(address, lexicon=LEXICON) == ("other_bundle", False, 4000)


def test_a_damaged_store_ends_the_stream(lexicon_address, monkeypatch, caplog):
    def fail(*_):
        raise StoreError("lexicons_damaged", "/secret/path: damaged")

    monkeypatch.setattr(Lexicons, "rule", fail)
    with Client(lexicon_address) as client:
        client.send({"type": "start", "input": "keypoints", "lexicon": LEXICON})
        assert client.until_closed() == 1011
        (error,) = client.received
    assert (error["code"], error["retryable"]) == ("lexicon_unreadable", False)
    assert "secret" not in error["message"]
    assert "/secret/path: damaged" in caplog.text


def test_keys_read_and_teach_their_own(teachable_folder, lexicon_store, tmp_path):
    keys = tmp_path / "keys.toml"
    lexicon_store.create("mine", "own", BUNDLE)
    bearers = {
        name: {"Authorization": f"Bearer {add_key(keys, name, roles)}"}
        for name, roles in {"mine": [Role.STREAM, Role.TEACH], "other": [Role.STREAM, Role.TEACH]}.items()
    }
    with serve(teachable_folder, lexicons=lexicon_store.path, api_keys_file=keys, **ROOMY) as address:
        none = refused(address, bearers["mine"], lexicon="none")
        assert refused(address, bearers["other"], lexicon="own") == none == ("unknown_lexicon", False, 4000)
        with Signer(address, additional_headers=bearers["mine"]) as signer:
            signer.start(lexicon="own")
            signer.teach("tea")
            assert outcomes(signer.taught("near")) == [("tea", True, 1, None)]
            signer.stop()


def test_a_key_without_the_role_reads_and_does_not_teach(teachable_folder, lexicon_store, tmp_path):
    keys = tmp_path / "keys.toml"
    lexicon_store.create("kiosk", LEXICON, BUNDLE)
    bearer = {"Authorization": f"Bearer {add_key(keys, 'kiosk', [Role.STREAM])}"}
    with (
        serve(teachable_folder, lexicons=lexicon_store.path, api_keys_file=keys, **ROOMY) as address,
        Signer(address, additional_headers=bearer) as signer,
    ):
        signer.start()
        signer.teach("tea")
        error = signer.until("error")
        assert (error["code"], error["retryable"]) == ("not_allowed", True)
        assert signer.read("near", "east") == [NO_SIGN, "east"]
        signer.stop()
        assert signer.of("taught") == []


def test_running_streams_take_a_change_at_the_next_sign(signer, lexicon_address, lexicon_store):
    with Signer(lexicon_address, seed=1) as teacher:
        teacher.start()
        signer.start()
        assert signer.read("near") == [NO_SIGN]
        teacher.teach("tea")
        teacher.taught("near", "near")
        assert signer.read("near") == ["tea"]
        lexicon_store.rename("", LEXICON, "tea", "mug")
        assert signer.read("near") == ["mug"]
        lexicon_store.remove("", LEXICON, "mug")
        assert signer.read("near") == [NO_SIGN]


def test_a_sign_under_way_is_read_with_the_lexicon_that_it_began_with(signer, lexicon_store):
    signer.start()
    signer.teach("tea")
    signer.taught("near")
    signer.done()
    signer.sign("near", last=UP)
    signer.until("sign_started")
    lexicon_store.rename("", LEXICON, "tea", "mug")
    signer.sign("near", first=UP)
    assert signer.until("final")["gloss"] == "tea"
    assert signer.read("near") == ["mug"]


def test_a_stream_looks_at_the_store_at_most_once_a_second(signer, monkeypatch):
    monkeypatch.undo()
    asked = []
    began_s = time.monotonic()
    version = Lexicons.version
    monkeypatch.setattr(Lexicons, "version", lambda *args: (asked.append(args), version(*args))[1])
    signer.start()
    signer.read("near", "near", "near")
    assert len(asked) <= time.monotonic() - began_s


def test_a_lexicon_that_is_deleted_is_forgotten_by_streams(signer, lexicon_store):
    signer.start()
    signer.teach("tea")
    signer.taught("near")
    signer.done()
    assert signer.read("near") == ["tea"]
    lexicon_store.delete("", LEXICON)
    assert signer.read("near", "east") == [NO_SIGN, "east"]
    (error,) = signer.of("error")
    assert (error["code"], error["retryable"]) == ("unknown_lexicon", True)
    signer.teach("tea")
    assert outcomes(signer.taught("near")) == [("tea", False, 0, "unknown_lexicon")]
    lexicon_store.create("", LEXICON, BUNDLE)
    assert outcomes(signer.taught("near")) == [("tea", True, 1, None)]
    signer.done()
    assert signer.read("near") == ["tea"]
    signer.stop()
    assert len(signer.of("error")) == 1


def test_a_store_that_fails_leaves_a_stream_its_lexicon(signer, monkeypatch):
    def fail(*_):
        raise StoreError("lexicons_failed", "/secret/path: gone")

    signer.start()
    signer.teach("tea")
    signer.taught("near")
    signer.done()
    with monkeypatch.context() as failing:
        failing.setattr(LexiconStore, "version", fail)
        assert signer.read("near", "near") == ["tea", "tea"]
    (error,) = signer.of("error")  # once, however often it fails
    assert (error["code"], error["retryable"]) == ("lexicon_unreadable", True)
    assert "secret" not in error["message"]
    assert signer.read("near") == ["tea"]


def test_nobody_waits_for_another_ones_store(signer, lexicon_address, monkeypatch):
    """Neither the event loop nor other streams, also not for their turn."""
    stuck, go_on = threading.Event(), threading.Event()
    add = LexiconStore.add

    def slow(*args):
        stuck.set()
        assert go_on.wait(20)
        return add(*args)

    monkeypatch.setattr(LexiconStore, "add", slow)
    signer.start()
    signer.teach("tea")
    signer.sign("near")
    assert stuck.wait(20)
    assert httpx.get(f"http://{lexicon_address}/healthz").status_code == 200
    with Signer(lexicon_address) as other:
        other.start()
        assert other.read("east") == ["east"]
    go_on.set()
    assert signer.until("taught")["accepted"]


def test_no_gloss_and_no_lexicon_are_logged(signer, caplog):
    caplog.set_level("DEBUG", logger="glosscast")
    signer.start()
    signer.teach("sunrise")
    signer.taught("near", "east")
    signer.teach("sun\nrise")
    signer.stop()
    wait_until(lambda: any("stream " in r.getMessage() for r in caplog.records))
    assert not any("sunrise" in r.getMessage() or LEXICON in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize("code", get_args(TeachingCode))
def test_every_reason_for_which_a_clip_is_no_example_has_a_name_in_the_protocol(code):
    assert Refusal[code.upper()].meaning
