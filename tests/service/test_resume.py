"""Sessions that go on over another connection, and their captions."""

import json
import socket

import httpx
import pytest

from tests.bundles import ASPECT, FRAME_MS, signing
from tests.service.serving import ROOMY, Client, assert_problem, metric, send_all, serve, wait_until

ACTIVE = "glosscast_active_streams"


def break_off(client):
    """The network goes: no close, nothing read."""
    client.socket.socket.shutdown(socket.SHUT_RDWR)


def resume(address, started, last_segment=None, **changes):
    """A connection that goes on with a session, and the first message it hears."""
    client = Client(address)
    said = {"type": "resume", "session": started["session"], "token": started["token"], "last_segment": last_segment}
    client.send(said | changes)
    return client, client.receive()


def send_from(client, frames, first):
    for seq, (t_ms, keypoints) in enumerate(frames[first:], first):
        client.keypoints(seq, t_ms, keypoints)


def test_a_session_goes_on_where_its_connection_broke(address):
    frames = signing("east", "west", "east")
    first = Client(address)
    started = first.start(aspect=ASPECT, interim=False)
    for seq, (t_ms, keypoints) in enumerate(frames[:55]):
        first.keypoints(seq, t_ms, keypoints)
    received = first.until("final")
    first.until("sign_started")  # the second sign is under way
    break_off(first)
    second, again = resume(address, started, received["segment"])
    with second:
        assert (again["type"], again["resumed"], again["last_t_ms"]) == ("started", True, 54 * FRAME_MS)
        assert {k: again[k] for k in ("session", "token", "config")} == {
            k: started[k] for k in ("session", "token", "config")
        }
        send_from(second, frames, 55)
        second.send({"type": "stop"})
        assert second.until_closed() == 1000
    assert [(m["type"], m.get("segment")) for m in second.received[1:]] == [
        *[("sign_started", 1), ("final", 1)],
        *[("sign_started", 2), ("final", 2)],
        ("ended", None),
    ]
    assert second.finals() == ["west", "east"]
    summary = second.received[-1]["summary"]
    assert (summary["frames"], summary["signs"], summary["faulty"]) == (len(frames), 3, 0)


@pytest.mark.parametrize(("last_segment", "replayed"), [(None, [0, 1]), (0, [1]), (1, [])])
def test_missed_finals_are_sent_again(address, last_segment, replayed):
    first = Client(address)
    started = first.start(aspect=ASPECT)
    send_all(first, signing("east", "west"))
    first.until("final")
    first.until("final")
    break_off(first)
    second, _ = resume(address, started, last_segment)
    with second:
        second.send({"type": "stop"})
        second.until_closed()
    assert [m["segment"] for m in second.of("final")] == replayed
    assert second.of("final") == [m for m in first.of("final") if m["segment"] in replayed]


def test_the_older_connection_is_closed(address):
    with Client(address) as older:
        started = older.start()
        newer, again = resume(address, started)
        with newer:
            assert again["resumed"]
            assert older.until_closed() == 4009
            assert older.received[-1]["code"] == "resumed"
            newer.send({"type": "stop"})
            assert newer.until_closed() == 1000


@pytest.mark.parametrize(
    "changes", [{"token": "x" * 43}, {"token": ""}, {"session": "x" * 16}, {"session": ""}], ids=json.dumps
)
def test_a_wrong_token_resumes_nothing(address, changes):
    with Client(address) as own:
        started = own.start()
        other, received = resume(address, started, **changes)
        with other:
            assert other.until_closed() == 4008
            assert (received["type"], received["code"]) == ("error", "no_session")
        own.send({"type": "stop"})
        assert own.until_closed() == 1000


def test_a_session_outlives_a_proxy_that_is_stopped(address):
    first = Client(address)
    started = first.start()
    first.socket.close(1001)  # as Caddy does on behalf of the client
    again, received = resume(address, started)
    with again:
        assert received.get("resumed"), received


@pytest.mark.parametrize("goodbye", ["stop", "close"])
def test_a_client_that_closed_in_order_cannot_resume(bundle_folder, goodbye):
    with serve(bundle_folder) as address:
        with Client(address) as client:
            started = client.start()
            if goodbye == "stop":
                client.send({"type": "stop"})
                client.until_closed()
        wait_until(lambda: metric(address, ACTIVE) == 0)
        late, received = resume(address, started)
        with late:
            assert received["code"] == "no_session"


def test_a_session_waits_so_long_and_keeps_its_place(bundle_folder):
    with serve(bundle_folder, max_streams=1, resume_s=0.5, **ROOMY) as address:
        client = Client(address)
        started = client.start()
        break_off(client)
        with Client(address) as other:  # the place is kept
            other.send({"type": "start", "input": "keypoints"})
            assert other.until_closed() == 1013
        wait_until(lambda: metric(address, ACTIVE) == 0)
        late, received = resume(address, started)
        with late:
            assert late.until_closed() == 4008
            assert (received["code"], received["retryable"]) == ("no_session", True)
        with Client(address) as other:
            other.start()


def test_resume_finds_its_place_in_a_full_service(bundle_folder):
    with serve(bundle_folder, max_streams=1, trackers=1) as address:
        client = Client(address)
        started = client.start(input="frames")
        break_off(client)
        again, received = resume(address, started)
        with again:
            assert received["type"] == "started"
            assert metric(address, ACTIVE) == 1


def test_a_second_first_message_is_a_violation(address):
    with Client(address) as client:
        started = client.start()
        client.send({"type": "resume", "session": started["session"], "token": started["token"]})
        assert client.until_closed() == 4000


def test_silent_connections_are_bounded(bundle_folder):
    with serve(bundle_folder, max_streams=2) as address:
        with Client(address), Client(address), Client(address) as third:
            assert third.until_closed() == 1013
        wait_until(lambda: started_at(address))


def started_at(address):
    with Client(address) as client:
        client.send({"type": "start", "input": "keypoints"})
        return client.receive()["type"] == "started"


# --- captions


def captions(address, started, form, token=None):
    headers = {"Authorization": f"Bearer {token or started['token']}"}
    return httpx.get(f"http://{address}/v1/sessions/{started['session']}/captions.{form}", headers=headers)


def test_captions_live_and_after_the_end(address):
    with Client(address) as client:
        started = client.start(aspect=ASPECT)
        send_all(client, [(t_ms + 5000, k) for t_ms, k in signing("east", "rest", "west")])
        for _ in range(2):
            client.until("final")
        live = captions(address, started, "json").json()
        client.send({"type": "stop"})
        client.until_closed()
    wait_until(lambda: captions(address, started, "json").json()["ended"])
    after = captions(address, started, "json").json()
    finals = [m for m in client.of("final") if m["gloss"] != "rest"]

    assert (live["ended"], live["session"], live["origin_ms"]) == (False, started["session"], 5000)
    assert after["captions"] == [
        {k: m[k] for k in ("start_ms", "end_ms", "gloss", "confidence", "utterance")} for m in finals
    ]
    assert [c["gloss"] for c in after["captions"]] == ["east", "west"]
    vtt, srt = captions(address, started, "vtt"), captions(address, started, "srt")
    assert vtt.text == "WEBVTT\n\n00:00:00.750 --> 00:00:01.938\neast\n\n00:00:04.750 --> 00:00:05.938\nwest\n"
    assert srt.text == "1\n00:00:00,750 --> 00:00:01,938\neast\n\n2\n00:00:04,750 --> 00:00:05,938\nwest\n"
    assert vtt.headers["content-type"] == "text/vtt; charset=utf-8"
    assert srt.headers["content-type"] == "application/x-subrip; charset=utf-8"
    assert vtt.headers["cache-control"] == "no-store"


def test_captions_need_the_token(address):
    with Client(address) as one, Client(address) as two:
        started, other = one.start(), two.start()
        path = f"http://{address}/v1/sessions/{started['session']}/captions.vtt"

        assert_problem(httpx.get(path), 401, "not_authenticated")
        assert_problem(httpx.get(path, params={"token": started["token"]}), 401, "not_authenticated")
        assert_problem(captions(address, started, "vtt", other["token"]), 404, "no_session")
        assert_problem(captions(address, {**started, "session": "none"}, "vtt"), 404, "no_session")
        assert_problem(captions(address, started, "txt"), 422, "invalid_request")
        evil = {"Authorization": f"Bearer {started['token']}", "Origin": "https://evil.example"}
        assert_problem(httpx.get(path, headers=evil), 403, "origin_not_allowed")
        assert captions(address, started, "vtt").text == "WEBVTT\n"


def test_captions_are_forgotten(bundle_folder):
    with serve(bundle_folder, captions_s=0.3, **ROOMY) as address:
        with Client(address) as client:
            started = client.start(aspect=ASPECT)
            send_all(client, signing("east"))
            client.send({"type": "stop"})
            client.until_closed()
        wait_until(lambda: captions(address, started, "srt").status_code == 404)


def test_the_sign_under_way_when_the_client_vanished_is_in_the_captions(bundle_folder):
    with serve(bundle_folder, resume_s=0.1, **ROOMY) as address:
        client = Client(address)
        started = client.start(aspect=ASPECT)
        send_all(client, signing("west", sign_frames=60)[:45])
        client.until("sign_started")
        break_off(client)
        wait_until(lambda: captions(address, started, "json").json()["ended"])
        assert [c["gloss"] for c in captions(address, started, "json").json()["captions"]] == ["west"]
