"""Bundles of sentences over REST and the websocket, with captions, resuming and recognisers elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from glosscast.bundle import load_bundle
from glosscast.clip import Clip
from glosscast.recogniser import Recogniser
from service.inference.batcher import unobserved
from service.inference.remote import Facts, Remote
from tests.bundles import ASPECT, FRAME_MS
from tests.sentence_bundles import connected, make_sentence_bundle, make_window_bundle
from tests.service.serving import (
    DOWN,
    EAST,
    NOBODY,
    ROOMY,
    WEST,
    Client,
    assert_problem,
    browser,
    post,
    send_all,
    serve,
    video,
)
from tests.service.test_resume import break_off, resume, send_from

SENTENCE = [DOWN] * 20 + [EAST] * 12 + [DOWN] * 6 + [WEST] * 12 + [DOWN] * 30
CLIP = video(SENTENCE)


@pytest.fixture(scope="module", params=[make_sentence_bundle, make_window_bundle], ids=["chunks", "windows"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return request.param(tmp_path_factory.mktemp("sentences") / "bundle")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serve(folder, **ROOMY) as address:
        yield address


def signed(address: str, *utterances: str, **start: object) -> Client:
    with Client(address) as client:
        client.start(aspect=ASPECT, **start)
        send_all(client, connected(*utterances))
        client.send({"type": "stop"})
        assert client.until_closed() == 1000
    return client


def test_each_gloss_is_a_final_of_its_utterance(address: str) -> None:
    client = signed(address, "east west", "west")

    finals = client.of("final")
    assert [(m["segment"], m["utterance"], m["gloss"]) for m in finals] == [
        (0, 0, "east"),
        (1, 0, "west"),
        (2, 1, "west"),
    ]
    assert [(m["segment"], m["utterance"]) for m in client.of("sign_started")] == [(0, 0), (1, 0), (2, 1)]
    assert client.received[-1]["summary"]["signs"] == 3
    for final in finals:
        assert final["start_ms"] < final["end_ms"]
        assert final["confidence"] > final["alternatives"][0]["confidence"]
    assert {m["segment"] for m in client.of("interim")} <= {0, 1, 2}


def test_the_messages_of_a_gloss_come_in_order(address: str) -> None:
    client = signed(address, "east west west")

    of_signs = [(m["segment"], m["type"]) for m in client.received if "segment" in m]
    for segment in range(3):
        kinds = [kind for number, kind in of_signs if number == segment]
        assert (kinds[0], kinds[-1]) == ("sign_started", "final")
        assert set(kinds[1:-1]) <= {"interim"}
    assert [number for number, _ in of_signs] == sorted(number for number, _ in of_signs)


def test_captions_have_one_cue_for_each_utterance(address: str) -> None:
    client = signed(address, "east west", "west")
    started = client.received[0]
    files = {
        form: httpx.get(
            f"http://{address}/v1/sessions/{started['session']}/captions.{form}",
            headers={"Authorization": f"Bearer {started['token']}"},
        )
        for form in ("vtt", "srt", "json")
    }

    assert [line for line in files["vtt"].text.splitlines() if line and "-->" not in line] == [
        "WEBVTT",
        "east west",
        "west",
    ]
    assert files["srt"].text.count("-->") == 2
    captions = files["json"].json()["captions"]
    assert [(c["gloss"], c["utterance"]) for c in captions] == [("east", 0), ("west", 0), ("west", 1)]


def test_a_clip_is_read_as_its_glosses(address: str) -> None:
    with browser(address) as client:
        answer = post(client, CLIP).json()

    assert answer["glosses"] == ["east", "west"]
    assert answer["predictions"] == []
    assert [(sign["gloss"], sign["utterance"]) for sign in answer["signs"]] == [("east", 0), ("west", 0)]
    east, west = answer["signs"]
    assert 20 * 62.5 - 200 <= east["start_ms"] < east["end_ms"] <= west["start_ms"] < west["end_ms"]


def test_a_clip_of_nobody_and_one_of_hands_at_rest(address: str) -> None:
    with browser(address) as client:
        assert_problem(post(client, video([NOBODY] * 20)), 422, "no_signer")
        answer = post(client, video([DOWN] * 40)).json()
    assert (answer["glosses"], answer["signs"], answer["predictions"]) == ([], [], [])


def test_the_bundle_says_what_it_reads(address: str) -> None:
    assert httpx.get(f"http://{address}/v1/bundle").json()["task"] == "continuous"


def test_finalize_ends_the_utterance(address: str) -> None:
    frames = connected("east west")
    with Client(address) as client:
        client.start(aspect=ASPECT)
        send_all(client, frames[:41])
        client.send({"type": "finalize"})
        assert client.until("final")["gloss"] == "east"
        for seq, (t_ms, keypoints) in enumerate(frames[41:], 41):
            client.keypoints(seq, t_ms, keypoints)
        client.send({"type": "stop"})
        client.until_closed()

    assert [(m["utterance"], m["gloss"]) for m in client.of("final")] == [(0, "east"), (1, "west")]


def test_a_stream_that_breaks_in_mid_sentence_goes_on_where_it_was(address: str) -> None:
    frames = connected("east west")
    first = Client(address)
    started = first.start(aspect=ASPECT)
    send_all(first, frames[:60])
    final = first.until("final")
    break_off(first)
    second, again = resume(address, started, final["segment"])
    with second:
        send_from(second, frames, round(again["last_t_ms"] / FRAME_MS) + 1)
        second.send({"type": "stop"})
        assert second.until_closed() == 1000

    assert first.finals() == ["east"]
    assert [(m["segment"], m["utterance"], m["gloss"]) for m in second.of("final")] == [(1, 0, "west")]


def test_a_stream_cannot_have_a_lexicon(address: str) -> None:
    httpx.post(f"http://{address}/v1/lexicons", json={"name": "family"})
    with Client(address) as client:
        client.send({"type": "start", "input": "keypoints", "lexicon": "family"})
        assert client.until_closed() == 4000
    assert client.received[-1]["message"] == "no sign can be taught to needle@1: its manifest has no `lexicon`"


def test_recognisers_elsewhere_read_the_same(folder: Path) -> None:
    bundle = load_bundle(folder)
    model = Recogniser(bundle)
    facts = Facts(bundle=bundle.id, sha256="", providers=model.providers, precision="fp32")
    frames = connected("east west")
    clip = Clip(np.array([t for t, _ in frames]), np.stack([k for _, k in frames]), ASPECT)
    here, there = (
        bundle.pipeline(c).read(clip).signs for c in (model.readout, Remote(model.readout, facts, 1, unobserved))
    )
    assert [(e.label, e.start_ms, e.end_ms) for e in here] == [(e.label, e.start_ms, e.end_ms) for e in there]
    assert len(here) == 2
