"""A running service that is told to stop or to load another bundle, and what it tells about itself."""

import asyncio
import json
import shutil
import signal
import threading

import httpx
import pytest

from glosscast.protocol import pack_frame
from service.app import create_app
from service.server import server
from service.settings import Settings
from tests.bundles import signing
from tests.service.process import START_S, start_service, wait_for_address
from tests.service.serving import (
    EAST,
    Client,
    ColourTracker,
    assert_problem,
    browser,
    metric,
    picture,
    running,
    send_all,
    serve,
    wait_until,
)


@pytest.fixture
def bundle(bundle_folder, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(bundle_folder, tmp_path / "bundle")


def say_version(bundle, version):
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))


def version(address):
    return httpx.get(f"http://{address}/readyz").json()["bundle"].partition("@")[2]


def stop(client):
    client.send({"type": "stop"})
    assert client.until_closed() == 1000


@pytest.fixture
def service(bundle):
    """A service in a process of its own that logs JSON: its process and address."""
    process = start_service(BUNDLE=bundle, PORT=0, LOG="json", MAX_FPS=1000, QUEUE_FRAMES=1000)
    try:
        yield process, wait_for_address(process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_new_sessions_take_a_new_bundle_and_running_ones_finish_on_theirs(bundle, service):
    process, address = service
    before = version(address)
    with Client(address) as early, Client(address) as late:
        early.start()
        say_version(bundle, "99")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: version(address) == "99")

        assert late.start()["bundle"].endswith("@99")
        for client, sign in ((early, "east"), (late, "west")):
            send_all(client, signing(sign))
            stop(client)
            assert client.finals() == [sign]
    process.terminate()
    _, said = process.communicate(timeout=START_S)
    ended = [line for line in map(json.loads, said.splitlines()) if line.get("code") == "1000"]
    assert [line["bundle"].partition("@")[2] for line in ended] == [before, "99"]
    assert all(line["session"] and line["frames"] == 44 and line["signs"] == 1 for line in ended)


@pytest.mark.slow
def test_a_bad_bundle_is_refused_and_the_old_one_stays(bundle, service):
    process, address = service
    before = version(address)
    (bundle / "model.onnx").write_bytes(b"no model")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: 'glosscast_bundle_loads_total{outcome="refused"} 1.0' in metrics(address))

    assert version(address) == before
    with Client(address) as client:
        client.start()
        send_all(client, signing("east"))
        stop(client)
        assert client.finals() == ["east"]
    process.terminate()
    _, said = process.communicate(timeout=START_S)
    (refusal,) = [line for line in map(json.loads, said.splitlines()) if line["level"] == "error"]
    assert "model.onnx: its sha256" in refusal["message"]


def test_a_model_goes_when_its_last_user_has_gone(bundle):
    async def run():
        state = create_app(Settings(bundle=bundle), ColourTracker).state.glosscast
        state.open()
        old = state.engine
        with old.used():
            await state.reload()
            assert state.engine is not old
            assert old.classify._thread.is_alive()
        assert not old.classify._thread.is_alive()
        assert state.engine.classify._thread.is_alive()
        assert state.engine.stream_trackers is old.stream_trackers
        state.close()
        await state.reload()
        assert state.engine is None

    asyncio.run(run())


def test_a_service_that_stops_is_not_ready_and_lets_streams_finish(bundle):
    hold, entered = threading.Event(), threading.Event()
    service = server(Settings(bundle=bundle, port=0), lambda: ColourTracker(hold, entered))
    with running(service) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Client(address) as client, browser(address) as rest:
            client.start(input="frames")
            client.send(pack_frame(0, 0, picture(EAST)))
            assert entered.wait(START_S)
            service.should_exit = True
            client.until("error")

            assert_problem(rest.get("/readyz"), 503, "not_ready")
            assert rest.get("/healthz").status_code == 200
            with Client(address) as late:
                assert late.until_closed() == 1001
                assert [m["code"] for m in late.of("error")] == ["shutting_down"]
            hold.set()
            assert client.until_closed() == 1001
            assert client.received[-1]["type"] == "ended"


def test_figures_show_whether_it_keeps_up(bundle):
    with serve(bundle, max_fps=1000, queue_frames=1000) as address, Client(address) as client:
        client.start()
        send_all(client, signing("east"))
        stop(client)

        assert metric(address, 'glosscast_frames_processed_total{input="keypoints"}') == 44
        assert metric(address, 'glosscast_stage_seconds_count{stage="queue"}') == 44
        assert metric(address, "glosscast_windows_waiting") == 0
        assert metric(address, "glosscast_uploads") == 0
        assert metric(address, 'glosscast_bundle_loads_total{outcome="used"}') == 1


def metrics(address):
    return httpx.get(f"http://{address}/metrics").text
