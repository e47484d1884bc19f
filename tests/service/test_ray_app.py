"""The service on a Ray of its own: the same answers as the plain one gives, whatever dies."""

import signal
import subprocess
import sys
from collections import deque
from importlib import import_module
from threading import Thread

import httpx
import pytest

from service.inference.engine import bundle_of
from service.inference.remote import Facts
from service.ray import app as ray_app
from service.ray.app import ReplicaPlan, serving
from service.ray.deployments import _connect
from service.settings import Settings, StartError
from tests.bundles import NO_SIGN, signing
from tests.sentence_bundles import connected, make_sentence_bundle
from tests.service.process import ROOT, START_S, environment_of
from tests.service.serving import (
    DOWN,
    EAST,
    NOBODY,
    ROOMY,
    TIMEOUT_S,
    WEST,
    Client,
    ColourTracker,
    colours,
    free_port,
    post,
    send_all,
    serve,
    video,
)
from tests.service.signer import LEXICON, Signer

RECOGNISERS = 2
PATIENCE_S = 60
PRIVATE = {"session", "token", "expires_at", "latency_ms", "timings_ms", "duration_ms"}  # differ from run to run
BEGUN = {sign: signing(sign, rest_frames=5)[:-5] for sign in ("east", "west")}  # still with the hand up
SETTINGS = {"max_clip_s": 5, **ROOMY}


@pytest.fixture(scope="module")
def ray():
    pytest.importorskip("ray.serve", reason="Ray Serve is not installed: pip install --group scale")
    return import_module("ray")


@pytest.fixture(scope="module")
def on_ray(ray, teachable_folder, tmp_path_factory):
    lexicons = tmp_path_factory.mktemp("on_ray") / "lexicons.sqlite"
    settings = Settings(bundle=teachable_folder, port=free_port(), lexicons=lexicons, **SETTINGS)
    with serving(settings, ReplicaPlan(least=RECOGNISERS, most=RECOGNISERS), make_tracker=ColourTracker) as address:
        yield address


@pytest.fixture(scope="module")
def plain(teachable_folder, tmp_path_factory):
    lexicons = tmp_path_factory.mktemp("plain") / "lexicons.sqlite"
    with serve(teachable_folder, lexicons=lexicons, **SETTINGS) as address:
        yield address


def stable(value):
    """Without what differs from run to run."""
    if isinstance(value, dict):
        return {name: stable(part) for name, part in value.items() if name not in PRIVATE}
    return [stable(part) for part in value] if isinstance(value, list) else value


def client(address):
    return httpx.Client(base_url=f"http://{address}", timeout=PATIENCE_S)


CLIPS = {
    "east": video(colours(EAST)),
    "two signs": video(colours(EAST, WEST)),
    "rest alone": video([DOWN] * 30),
    "nobody": video([NOBODY] * 20),
    "no video": b"nothing that could be read",
    "too long": video([DOWN] * 100),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_gets_the_same_answer(on_ray, plain, name):
    answers = []
    for address in (on_ray, plain):
        with client(address) as asking:
            answers.append(post(asking, CLIPS[name], top_k=3))

    assert answers[0].status_code == answers[1].status_code
    assert answers[0].headers["content-type"] == answers[1].headers["content-type"]
    assert stable(answers[0].json()) == stable(answers[1].json())


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v1/bundle", "/readyz", "/openapi.json", "/nowhere", "/"])
def test_other_addresses_answer_the_same(on_ray, plain, path):
    one, other = (httpx.get(f"http://{address}{path}") for address in (on_ray, plain))

    assert (one.status_code, one.content) == (other.status_code, other.content)
    assert {n: one.headers.get(n) for n in SECURITY} == {n: other.headers.get(n) for n in SECURITY}


SECURITY = ("content-security-policy", "x-content-type-options", "referrer-policy")


def caption_keypoints(address):
    with Client(address) as asking:
        asking.start(aspect=4 / 3, interim=False)
        send_all(asking, signing("east", "west"))
        asking.send({"type": "stop"})
        assert asking.until_closed() == 1000
    return asking


def caption_pictures(address):
    with Client(address) as asking:
        asking.start(input="frames", interim=False)
        asking.pictures(colours(EAST, WEST))
        asking.send({"type": "stop"})
        assert asking.until_closed() == 1000
    return asking


@pytest.mark.slow
@pytest.mark.parametrize("caption", [caption_keypoints, caption_pictures])
def test_a_stream_gets_the_same_error(on_ray, plain, caption):
    one, other = caption(on_ray), caption(plain)

    assert one.finals() == ["east", "west"]
    assert stable(one.received) == stable(other.received)


def teach_and_read(address):
    with client(address) as asking:
        assert asking.post("/v1/lexicons", json={"name": LEXICON}).status_code == 201
    with Signer(address) as signer:
        signer.start(interim=False)
        signer.teach("tea")
        signer.taught("near", "near", "near")
        signer.done()
        assert signer.read("near", "far", "east") == ["tea", NO_SIGN, "east"]
        signer.stop()
    return signer.received


@pytest.mark.slow
def test_signs_are_taught_over_a_stream(on_ray, plain):
    assert stable(teach_and_read(on_ray)) == stable(teach_and_read(plain))


@pytest.mark.slow
def test_interims_come_and_a_session_goes_on_over_another_connection(on_ray):
    with Client(on_ray) as first:
        started = first.start(aspect=4 / 3)
        send_all(first, BEGUN["east"])
        assert first.until("interim")["gloss"] == "east"
        with Client(on_ray) as second:
            second.send({"type": "resume", "session": started["session"], "token": started["token"]})
            assert second.until("started")["resumed"] is True
            assert first.until_closed() == 4009
            second.send({"type": "stop"})
            assert second.until_closed() == 1000
            assert second.finals() == ["east"]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "status"), [({"subprotocols": None}, 400), ({"origin": "https://a.example"}, 403)])
def test_handshakes_are_refused_by_http(on_ray, options, status):
    with pytest.raises(Exception, match=str(status)) as refused:
        Client(on_ray, **options)
    assert refused.value.response.headers["content-type"] == "application/problem+json"


@pytest.mark.slow
def test_a_stream_goes_on_when_the_recognisers_have_died(on_ray, ray):
    with Client(on_ray) as asking:
        asking.start(aspect=4 / 3, interim=False)
        signed = signing("west")
        send_all(asking, signed[:20])
        names = [named["name"] for named in ray.util.list_named_actors(all_namespaces=True)]
        recognisers = [name for name in names if "#Recognisers#" in name]
        for name in recognisers:
            ray.kill(ray.get_actor(name, namespace="serve"))
        for seq, (t_ms, keypoints) in enumerate(signed[20:], 20):
            asking.keypoints(seq, t_ms, keypoints)
        asking.until("final")
        asking.send({"type": "stop"})
        assert asking.until_closed() == 1000

    assert len(recognisers) == RECOGNISERS
    assert asking.finals() == ["west"]


@pytest.mark.slow
def test_ray_reports_to_nobody(on_ray, ray):
    def enabled():
        from ray._common.usage.usage_lib import usage_stats_enabled

        return usage_stats_enabled()

    assert enabled() is False
    assert ray.get(ray.remote(num_cpus=0)(enabled).remote()) is False


def start(bundle, *arguments, **settings):
    return subprocess.Popen(
        [sys.executable, "-m", "service.ray", *arguments],
        cwd=ROOT,
        env=environment_of(**settings | {"BUNDLE": bundle}),
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_sentences_are_read_and_a_signal_lets_their_streams_end_in_order(ray, tmp_path):
    port = free_port()
    settings = {"PORT": port, "EXTRACTOR": Settings().extractor} | {
        name.upper(): value for name, value in ROOMY.items()
    }
    process = start(make_sentence_bundle(tmp_path / "bundle"), "--recognisers", "1", **settings)
    try:
        said = []
        while f"ready at http://127.0.0.1:{port}" not in "".join(said[-1:]):
            said.append(process.stderr.readline())
            assert said[-1], "".join(said)
        last = deque(maxlen=50)
        reader = Thread(target=last.extend, args=(process.stderr,), daemon=True)  # a full pipe would stop it
        reader.start()
        with Client(f"127.0.0.1:{port}") as asking:
            asking.start(aspect=4 / 3)
            send_all(asking, connected("east west")[:56])  # the hand is still up for "west"
            assert asking.until("final")["gloss"] == "east"
            process.send_signal(signal.SIGTERM)
            assert asking.until_closed() == 1001
        assert asking.finals() == ["east", "west"]
        assert {final["utterance"] for final in asking.of("final")} == {0}
        assert asking.received[-1]["type"] == "ended"
        if code := process.wait(START_S):
            reader.join(TIMEOUT_S)
            pytest.fail(f"it ended with {code}:\n{''.join(last)}")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["--recognisers", "3:1"], {}, "--recognisers 3:1: must be MIN:MAX"),
        (["--recognisers", "some"], {}, "--recognisers some: must be MIN:MAX"),
        (["--front-ends", "0"], {}, "--front-ends must be at least 1"),
        ([], {"HOST": "0.0.0.0"}, "GLOSSCAST_API_KEYS_FILE: without keys"),
        ([], {"BUNDLE": "/nowhere"}, "GLOSSCAST_BUNDLE: /nowhere"),
        ([], {"PORT": "0"}, "GLOSSCAST_PORT: 0 does not work on Ray"),
        (["--front-ends", "2"], {"KEYS": "yes"}, "GLOSSCAST_TOKEN_SECRET_FILE"),
    ],
)
def test_faults_of_the_input_are_reported_in_one_line(
    tmp_path, bundle_folder, monkeypatch, capsys, arguments, settings, said
):
    settings = {"BUNDLE": str(bundle_folder)} | settings
    if settings.pop("KEYS", None):
        settings["API_KEYS_FILE"] = str(tmp_path / "keys.toml")
        (tmp_path / "keys.toml").write_text("")
    for name, value in settings.items():
        monkeypatch.setenv(f"GLOSSCAST_{name}", value)
    monkeypatch.setattr(sys, "argv", ["service.ray", *arguments])

    assert ray_app.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_without_ray_the_group_is_named(bundle_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.serve", None)
    with (
        pytest.raises(StartError, match="pip install --group scale"),
        serving(Settings(bundle=bundle_folder), ReplicaPlan()),
    ):
        pass


def test_front_ends_and_recognisers_must_have_one_bundle(bundle_folder):
    settings = Settings(bundle=bundle_folder)
    facts = Facts(bundle="compass@0", sha256="0" * 64, providers=("CPUExecutionProvider",), precision="fp32")
    with pytest.raises(StartError, match=r"compass@1, other than the recognisers' compass@0"):
        _connect(settings, None, facts, bundle_of(settings), lambda windows, seconds: None)


def test_the_deployments_do_without_ray():
    code = "import sys, service.ray.app, service.ray.deployments; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
