"""A healthy stream against a real server; what a session says about signs is tested in test_session.py."""

from datetime import UTC, datetime, timedelta

import pytest

from glosscast.bundle import load_bundle
from glosscast.protocol import pack_frame
from glosscast.recogniser import Recogniser
from service.live.reader import SignReader, effective_config
from service.protocol.messages import Start
from tests.bundles import ASPECT, FRAME_MS, signing
from tests.service.serving import (
    EAST,
    ROOMY,
    WEST,
    Client,
    CrowdTracker,
    colours,
    picture,
    send_all,
    serve,
    wait_until,
)


def test_keypoints_from_start_to_end(address, bundle_folder):
    with Client(address) as client:
        before = datetime.now(UTC)
        started = client.start(top_k=2, aspect=ASPECT)
        send_all(client, signing("east", "west"))
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    fields = {"type", "session", "token", "resumed", "last_t_ms", "expires_at", "config", "bundle", "no_sign", "limits"}
    assert set(started) == fields | {"view"}
    assert (started["resumed"], started["last_t_ms"]) == (False, None)
    assert started["bundle"] == "compass@1"
    assert started["config"] == {
        "input": "keypoints", "interim": True, "top_k": 2, "landmarks": False, "aspect": ASPECT, "lexicon": None
    }  # fmt: skip
    assert started["limits"] == {"max_fps": 1000.0, "max_frame_bytes": 100_000, "resume_s": 30.0}
    expires = datetime.fromisoformat(started["expires_at"])
    assert abs(expires - before - timedelta(hours=1)) < timedelta(seconds=10)
    assert client.finals() == ["east", "west"]
    assert [m["segment"] for m in client.of("sign_started")] == [m["segment"] for m in client.of("final")] == [0, 1]
    assert client.received[-1]["type"] == "ended"
    summary = client.received[-1]["summary"]
    assert summary["duration_ms"] > 0
    assert summary == {**summary, "frames": 76, "dropped": 0, "faulty": 0, "signs": 2}


def test_the_fields_are_those_of_the_protocol(address):
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east"))
        client.send({"type": "stop"})
        client.until_closed()

    assert set(client.of("sign_started")[0]) == {"type", "segment", "t_ms", "utterance"}
    guess = {"type", "segment", "gloss", "confidence", "start_ms", "end_ms"}
    assert set(client.of("final")[0]) == guess | {
        "reason",
        "utterance",
        "alternatives",
        "confusable_with",
        "latency_ms",
    }
    assert set(client.of("final")[0]["alternatives"][0]) == {"gloss", "confidence"}
    assert set(client.of("ended")[0]) == {"type", "summary"}
    for interim in client.of("interim"):
        assert set(interim) == guess | {"revision", "stable"}


def test_the_wire_changes_nothing(address, bundle_folder):
    """The same messages as from a session without a server, but for interims overtaken on their way."""
    frames = signing("west", "rest", "east")
    bundle = load_bundle(bundle_folder)
    config = effective_config(Start(type="start", input="keypoints", interim=False), bundle)
    session = SignReader(bundle, Recogniser(bundle), config)
    expected = [m.model_dump() for t, k in frames for m in session.push(t, k, ASPECT, 0.0)]
    with Client(address) as client:
        client.start(interim=False, aspect=ASPECT)
        send_all(client, frames)
        client.send({"type": "stop"})
        client.until_closed()

    def comparable(messages):
        return [{k: v for k, v in m.items() if k != "latency_ms"} for m in messages]

    assert comparable(client.received[1:-1]) == comparable(expected)


def test_pictures_from_start_to_end(address):
    with Client(address) as client:
        config = client.start(input="frames")["config"]
        client.pictures(colours(WEST, EAST))
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert config["aspect"] is None
    assert client.finals() == ["west", "east"]
    assert client.of("landmarks") == []


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_pictures_of_other_kinds(address, kind):
    with Client(address) as client:
        client.start(input="frames")
        for index, colour in enumerate(colours(EAST)):
            client.send(pack_frame(index, index * FRAME_MS, picture(colour, kind=kind)))
        client.send({"type": "stop"})
        client.until_closed()

    assert client.finals() == ["east"]


def test_landmarks_where_wanted(address):
    with Client(address) as client:
        assert client.start(input="frames", landmarks=True)["config"]["landmarks"] is True
        client.send(pack_frame(0, 5.0, picture(EAST)))
        message = client.until("landmarks")

    assert set(message) == {"type", "t_ms", "pose", "left_hand", "right_hand", "people"}
    assert message["t_ms"] == 5.0
    assert len(message["pose"]) == 25
    assert message["pose"][11] == [0.6, 0.5]
    assert message["left_hand"] is None
    assert message["people"] == 1


def test_landmarks_say_how_many_people_are_in_view(bundle_folder):
    with serve(bundle_folder, CrowdTracker) as address, Client(address) as client:
        client.start(input="frames", landmarks=True)
        client.pictures([EAST])
        assert client.until("landmarks")["people"] == 2


def test_no_interims_unless_wanted(address):
    with Client(address) as client:
        client.start(interim=False, aspect=ASPECT)
        send_all(client, signing("east"))
        client.send({"type": "stop"})
        client.until_closed()

    assert [m["type"] for m in client.received] == ["started", "sign_started", "final", "ended"]


def test_finalize_gives_the_final_now(address):
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east", sign_frames=60)[:45])
        client.until("sign_started")
        client.send({"type": "finalize"})
        assert client.until("final")["gloss"] == "east"
        client.send({"type": "finalize"})  # nothing is open: nothing is said
        client.send({"type": "stop"})
        assert client.until("ended")["summary"]["signs"] == 1


def test_stop_closes_the_open_sign(address):
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("west", sign_frames=60)[:45])
        client.send({"type": "stop"})

        assert client.until_closed() == 1000
    assert client.finals() == ["west"]
    assert client.received[-1]["summary"]["frames"] == 45


def test_streams_are_batched_together(bundle_folder):
    """Many streams at once give each its own signs."""
    with serve(bundle_folder, **ROOMY) as address:
        clients = [Client(address) for _ in range(8)]
        signs = [("east", "west")[i % 2] for i in range(len(clients))]
        frames = [signing(sign) for sign in signs]
        for client in clients:
            client.start(aspect=ASPECT)
        for seq in range(len(frames[0])):
            for client, own in zip(clients, frames, strict=True):
                client.keypoints(seq, *own[seq])
        for client in clients:
            client.send({"type": "stop"})
        for client, sign in zip(clients, signs, strict=True):
            assert client.until_closed() == 1000
            assert client.finals() == [sign]


def test_nothing_personal_is_logged(bundle_folder, caplog):
    caplog.set_level("DEBUG", logger="glosscast")
    with serve(bundle_folder, **ROOMY) as address, Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, signing("east"))
        client.send({"type": "stop"})
        client.until_closed()
        wait_until(lambda: any("stream " in r.getMessage() for r in caplog.records))
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("glosscast")]

    (line,) = [line for line in lines if line.startswith("stream ")]
    assert "44 frames" in line
    assert line.endswith(", 1 sign")
    assert not any("east" in line or "127.0.0.1" in line.partition("ready at")[0] for line in lines)
