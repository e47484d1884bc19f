"""Signs taught over a stream, against a real server: what becomes an example, and what is said of it."""

import socket

import httpx
import pytest

from glosscast.lexicon.signs import MAX_EXAMPLES, MAX_GLOSS, MAX_LANGUAGE
from glosscast.protocol import pack_frame
from service.lexicons.store import LexiconStore, StoreError
from service.live import lexicon as live_lexicon
from tests.bundles import FRAME_MS, NO_SIGN
from tests.service.serving import NEAR, ROOMY, Client, CrowdTracker, colours, metric, picture, serve, wait_until
from tests.service.signer import LEXICON, UP, Signer, outcomes


def test_three_examples_are_read_from_the_next_sign_on(signer, known):
    assert signer.start()["config"]["lexicon"] == LEXICON
    assert signer.read("near", "far", "east") == [NO_SIGN, NO_SIGN, "east"]
    signer.teach(" tea ", language="ASL")
    taught = signer.taught("near", "near", "near")
    signer.done()
    assert signer.read("near", "far", "east", "near") == ["tea", NO_SIGN, "east", "tea"]
    signer.stop()

    assert [m["segment"] for m in taught] == [3, 4, 5]
    assert outcomes(taught) == [("tea", True, count, None) for count in (1, 2, 3)]
    assert taught[0]["consistency"] is None
    assert taught[2]["consistency"] > 0.9
    assert not any(m["outlier"] or m["look_alikes"] or m["warnings"] or m["message"] for m in taught)
    assert len({m["example"] for m in taught}) == 3
    assert known() == {"tea": 3}


def test_an_example_is_not_captioned(signer, lexicon_address):
    started = signer.start()
    signer.teach("sunrise")
    signer.taught("near", "near")
    signer.done()
    transcript = httpx.get(
        f"http://{lexicon_address}/v1/sessions/{started['session']}/captions.json",
        headers={"Authorization": f"Bearer {started['token']}"},
    ).json()
    signer.stop()

    assert transcript["captions"] == []
    kinds = [(m["type"], m.get("gloss")) for m in signer.received[1:-1]]
    assert kinds == [("sign_started", None), ("final", NO_SIGN), ("taught", "sunrise")] * 2
    assert signer.received[-1]["summary"]["signs"] == 2


def test_a_known_sign_is_no_caption_either_while_it_is_an_example(signer):
    signer.start()
    signer.teach("tea")
    signer.taught("near")
    final = signer.taught("near") and signer.of("final")[-1]

    assert (final["gloss"], final["reason"]) == (NO_SIGN, "example")
    assert final["alternatives"][0]["gloss"] == "tea"
    assert final["confusable_with"] == []


def test_a_sign_with_several_people_in_view_is_no_example(teachable_folder, lexicon_store, known):
    settings = {"lexicons": lexicon_store.path, **ROOMY}
    with serve(teachable_folder, CrowdTracker, **settings) as address, Client(address) as client:
        client.start(input="frames", lexicon=LEXICON)
        client.send({"type": "teach", "gloss": "tea"})
        client.pictures(colours(NEAR))
        taught = client.until("taught")
    assert outcomes([taught]) == [("tea", False, 0, "several_people")]
    assert known() == {}


def test_pictures_are_taught_as_well(lexicon_address, known):
    with Client(lexicon_address) as client:
        client.start(input="frames", lexicon=LEXICON)
        client.send({"type": "teach", "gloss": "tea"})
        client.pictures(colours(NEAR))
        assert client.until("taught")["accepted"]
        client.send({"type": "teach_done"})
        for index, colour in enumerate(colours(NEAR)):
            client.send(pack_frame(100 + index, (100 + index) * FRAME_MS, picture(colour)))
        assert client.until("final")["gloss"] == "tea"
        client.send({"type": "stop"})
        assert client.until_closed() == 1000
    assert known() == {"tea": 1}


def test_without_a_lexicon_nothing_is_taught_and_the_stream_goes_on(signer):
    assert signer.start(lexicon=None)["config"]["lexicon"] is None
    signer.teach("tea")
    error = signer.until("error")
    assert (error["code"], error["retryable"]) == ("lexicon_required", True)
    signer.done()
    assert signer.read("near", "east") == [NO_SIGN, "east"]
    signer.stop()
    assert signer.of("taught") == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"gloss": " "}, id="empty"),
        pytest.param({"gloss": "a" * (MAX_GLOSS + 1)}, id="too long"),
        pytest.param({"gloss": "a" * 3000}, id="much too long"),
        pytest.param({"gloss": "tea\u202eaet"}, id="turns the direction of text"),
        pytest.param({"gloss": "tea\nmug"}, id="a line break"),
        pytest.param({"gloss": NO_SIGN}, id="hands that sign nothing"),
        pytest.param({"gloss": "tea", "language": "a" * (MAX_LANGUAGE + 1)}, id="language"),
    ],
)
def test_a_bad_gloss_is_an_error_and_the_next_sign_no_example(signer, known, wrong):
    signer.start()
    signer.teach("coffee")
    signer.teach(**wrong)
    signer.sign("near")
    error = signer.until("error")
    assert (error["code"], error["retryable"]) == ("bad_gloss", True)
    assert signer.until("final")["gloss"] == NO_SIGN
    signer.teach("tea")
    assert outcomes(signer.taught("near")) == [("tea", True, 1, None)]
    signer.stop()
    assert known() == {"tea": 1}


def test_a_sign_without_hands_is_no_example(signer, known):
    signer.start()
    signer.teach("tea")
    (refused,) = signer.taught("east")  # only the wrist is seen
    assert outcomes([refused]) == [("tea", False, 0, "no_hands")]
    assert refused["message"]
    assert (refused["example"], refused["consistency"]) == (None, None)
    assert outcomes(signer.taught("near")) == [("tea", True, 1, None)]
    assert known() == {"tea": 1}


def test_a_sign_has_no_more_than_so_many_examples(signer, known):
    signer.start()
    signer.teach("tea")
    taught = signer.taught(*["near"] * (MAX_EXAMPLES + 1))

    assert [m["accepted"] for m in taught] == [True] * MAX_EXAMPLES + [False]
    assert outcomes(taught[-1:]) == [("tea", False, 0, "too_many")]
    signer.teach("coffee")
    assert outcomes(signer.taught("far")) == [("coffee", True, 1, None)]
    assert known() == {"tea": MAX_EXAMPLES, "coffee": 1}


def test_the_same_example_counts_once(signer, known):
    signer.steady = True
    signer.start()
    signer.teach("tea")
    first, second = signer.taught("near", "near")

    assert outcomes([first, second]) == [("tea", True, 1, None)] * 2
    assert first["example"] == second["example"]
    assert second["warnings"] == [live_lexicon.KNOWN]


def test_an_example_that_is_unlike_the_others_is_told(signer):
    signer.start()
    signer.teach("tea")
    *_, odd = signer.taught("near", "near", "near", "far")

    assert odd["accepted"]
    assert odd["outlier"]
    assert odd["warnings"] == [live_lexicon.UNLIKE]


def test_signs_that_look_alike_are_told_and_are_in_captions(signer):
    signer.start(top_k=50)
    signer.teach("tea")
    signer.taught("near", "near")
    signer.teach("mug")
    (mug,) = signer.taught("near")
    assert [(o["gloss"], o["taught"]) for o in mug["look_alikes"]] == [("tea", True)]
    assert 0.1 < mug["look_alikes"][0]["risk"] <= 1
    signer.done()
    signer.sign("near")
    final = signer.until("final")

    glosses = [final["gloss"], *(a["gloss"] for a in final["alternatives"])]
    assert set(glosses) == {"tea", "mug", "east", "west", NO_SIGN}
    assert set(glosses[:2]) == {"tea", "mug"}
    assert final["confusable_with"] == [glosses[1]]


# --- when a sign is an example


def test_one_gloss_after_another(signer, known):
    signer.start()
    signer.teach("tea")
    signer.taught("near")
    signer.teach("coffee")
    signer.teach("coffee")  # again changes nothing
    signer.taught("far")
    signer.teach("milk")
    signer.teach("tea")  # the last one counts
    signer.taught("near")
    signer.done()
    signer.done()

    assert signer.read("near", "far") == ["tea", "coffee"]
    assert known() == {"tea": 2, "coffee": 1}


@pytest.mark.parametrize(
    ("before", "during"),
    [
        pytest.param(None, {"type": "teach", "gloss": "tea"}, id="teach"),
        pytest.param({"type": "teach", "gloss": "tea"}, {"type": "teach_done"}, id="teach_done"),
        pytest.param({"type": "teach", "gloss": "tea"}, {"type": "teach", "gloss": "mug"}, id="another teach"),
    ],
)
def test_a_sign_under_way_is_no_example(signer, known, before, during):
    signer.start()
    if before:
        signer.send(before)
    signer.sign("near", last=UP)
    signer.until("sign_started")
    signer.send(during)
    signer.sign("near", first=UP)
    signer.until("final")
    signer.done()
    signer.stop()

    assert signer.of("taught") == []
    assert known() == {}


def test_the_same_teach_again_leaves_a_sign_under_way_an_example(signer, known):
    signer.start()
    signer.teach("tea")
    signer.sign("near", last=UP)
    signer.until("sign_started")
    signer.teach("tea")
    signer.sign("near", first=UP)
    assert signer.until("taught")["accepted"]
    assert known() == {"tea": 1}


@pytest.mark.parametrize("ending", [["finalize", "teach_done"], ["stop"]])
def test_a_sign_that_its_client_closes_is_an_example(signer, known, ending):
    signer.start()
    signer.teach("tea")
    signer.sign("near", last=UP)
    for kind in ending:
        signer.send({"type": kind})
    assert signer.until("taught")["accepted"]
    if ending == ["stop"]:
        assert signer.until_closed() == 1000
        assert signer.received[-1]["type"] == "ended"
    assert known() == {"tea": 1}


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_sign_that_is_cut_off_is_no_example(teachable_folder, lexicon_store, known, code):
    with serve(teachable_folder, lexicons=lexicon_store.path, resume_s=0.2, **ROOMY) as address:
        with Signer(address) as signer:
            signer.start()
            signer.teach("tea")
            signer.taught("near")
            signer.sign("near", last=UP)
            signer.until("sign_started")
            signer.socket.close(code)
        wait_until(lambda: metric(address, "glosscast_active_streams") == 0)
    assert known() == {"tea": 1}


@pytest.mark.parametrize(
    ("code", "reason"), [("disk_full", "disk_full"), ("lexicons_busy", "not_stored"), ("lexicons_failed", "not_stored")]
)
def test_an_example_that_cannot_be_stored_is_none(signer, known, monkeypatch, code, reason):
    def fail(*_):
        raise StoreError(code, "/secret/path: no room")

    signer.start()
    signer.teach("tea")
    with monkeypatch.context() as failing:
        failing.setattr(LexiconStore, "add", fail)
        (refused,) = signer.taught("near")
    assert outcomes([refused]) == [("tea", False, 0, reason)]
    assert "secret" not in refused["message"]
    assert outcomes(signer.taught("near")) == [("tea", True, 1, None)]
    assert known() == {"tea": 1}


# --- a session that goes on over another connection


def break_off(client):
    client.socket.socket.shutdown(socket.SHUT_RDWR)


def resume(before, lexicon_address, started, last_segment):
    again = Signer(lexicon_address)
    again.seq, again.random = before.seq, before.random
    own = {"session": started["session"], "token": started["token"], "last_segment": last_segment}
    again.send({"type": "resume", **own})
    assert again.receive()["resumed"]
    return again


def test_a_session_goes_on_teaching(signer, lexicon_address, known):
    started = signer.start()
    signer.teach("tea")
    (first,) = signer.taught("near")
    signer.sign("near", last=UP)
    signer.until("sign_started")
    break_off(signer)
    with resume(signer, lexicon_address, started, first["segment"]) as again:
        again.sign("near", first=UP)
        second = again.until("taught")
        while second["segment"] == first["segment"]:
            second = again.until("taught")
        assert outcomes([second]) == [("tea", True, 2, None)]
        assert outcomes(again.taught("near")) == [("tea", True, 3, None)]
        again.done()
        assert again.read("near") == ["tea"]
        again.stop()
    assert known() == {"tea": 3}


@pytest.mark.parametrize(
    ("last_segment", "missed"),
    [
        (None, ["final 0", "taught 0", "final 1", "taught 1"]),
        (0, ["taught 0", "final 1", "taught 1"]),
        (1, ["taught 1"]),
    ],
)
def test_what_was_said_of_examples_is_sent_again(signer, lexicon_address, last_segment, missed):
    started = signer.start()
    signer.teach("tea")
    taught = signer.taught("near", "near")
    break_off(signer)
    with resume(signer, lexicon_address, started, last_segment) as again:
        again.stop()
    kept = [m for m in again.received if m["type"] in ("final", "taught")]
    assert [f"{m['type']} {m['segment']}" for m in kept] == missed
    assert again.of("taught") == [m for m in taught if f"taught {m['segment']}" in missed]
