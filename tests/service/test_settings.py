import json
import os
import re
import shutil
import signal
import urllib.request
from pathlib import Path

import pytest

from glosscast.bundle import EMBEDDED
from glosscast.holistic import serving
from service.inference.engine import Engine
from service.observe.metrics import Metrics
from service.settings import Settings, SettingsError, load_settings
from tests.bundles import learned_from, without_face
from tests.glosscast.trackers import CountingTracker, needs_litert
from tests.service.process import START_S, start_service, wait_for_address
from tests.service.serving import Client


@pytest.fixture
def environment(monkeypatch):
    """Sets GLOSSCAST_* variables; none is set before."""
    for name in [n for n in os.environ if n.upper().startswith("GLOSSCAST_")]:
        monkeypatch.delenv(name)
    return lambda **values: [monkeypatch.setenv(f"GLOSSCAST_{name}", value) for name, value in values.items()]


def test_defaults(environment):
    settings = load_settings()

    assert (settings.host, settings.port, settings.bundle) == ("127.0.0.1", 8000, EMBEDDED)
    assert (settings.providers, settings.precision, settings.inference_threads) == (None, None, 0)
    assert settings.allowed_origins == ()


def test_values_come_from_the_environment(environment):
    environment(
        PORT="9000",
        BUNDLE="/somewhere/else",
        PROVIDERS="OpenVINOExecutionProvider, CPUExecutionProvider",
        ALLOWED_ORIGINS="https://a.example/,https://b.example",
        IDLE_S="2.5",
        PRECISION="bf16",
        RUNTIME="openvino",  # for make
        DATA="/recordings",  # for training and tests, not for the service
    )
    settings = load_settings()

    assert (settings.port, settings.bundle, settings.idle_s) == (9000, Path("/somewhere/else"), 2.5)
    assert settings.providers == ("OpenVINOExecutionProvider", "CPUExecutionProvider")
    assert settings.precision == "bf16"
    assert settings.allowed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("PORT", ""),
        ("HOST", ""),
        ("EXTRACTOR", "openpose"),
        ("PROVIDERS", " , "),
        ("PRECISION", "fp16"),
        ("MAX_STREAMS", "0"),
        ("MAX_STREAMS", "1.5"),
        ("MAX_VIEWERS", "-1"),
        ("MQTT_TOPIC", ""),
        ("MQTT_TOPIC", "/home"),
        ("MQTT_TOPIC", "home/"),
        ("MQTT_TOPIC", "home/+"),
        ("MQTT_TOPIC", "a#"),
        ("MQTT_DISCOVERY", "#"),
        ("TRACKERS", "-1"),
        ("IDLE_S", "nan"),
        ("IDLE_S", "inf"),
        ("MAX_FPS", "0"),
        ("MAX_FRAME_BYTES", "1 MB"),
        ("QUEUE_FRAMES", "many"),
        ("MAX_CLIP_S", "-3"),
        ("PORTT", "8000"),
        ("max_stream", "3"),
    ],
)
def test_wrong_variables_are_named_in_one_line(environment, name, value):
    environment(**{name: value})
    with pytest.raises(SettingsError) as error:
        load_settings()

    assert str(error.value).startswith(f"GLOSSCAST_{name}: ")
    assert "\n" not in str(error.value)


def test_every_setting_is_described():
    assert all(field.description for field in Settings.model_fields.values())


# --- python -m service


def broken(folder, bundle_folder, file, change):
    shutil.copytree(bundle_folder, folder)
    path = folder / file
    path.write_bytes(change(path.read_bytes()))
    return folder


def without_opset(manifest):
    content = json.loads(manifest)
    del content["opset"]
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        pytest.param(lambda b, t: {"PORT": "eighty"}, "GLOSSCAST_PORT: ", id="wrong value"),
        pytest.param(lambda b, t: {"STREAMS": "8"}, "GLOSSCAST_STREAMS: ", id="unknown name"),
        pytest.param(lambda b, t: {"BUNDLE": t / "none"}, "GLOSSCAST_BUNDLE: .*manifest.json", id="no bundle"),
        pytest.param(
            lambda b, t: {"BUNDLE": broken(t / "x", b, "model.onnx", lambda data: data + b"!")},
            "GLOSSCAST_BUNDLE: .*model.onnx", id="damaged model",
        ),
        pytest.param(
            lambda b, t: {"BUNDLE": broken(t / "x", b, "manifest.json", without_opset)},
            "GLOSSCAST_BUNDLE: .*manifest.json: opset", id="manifest without a field",
        ),
        pytest.param(
            lambda b, t: {"BUNDLE": b, "PROVIDERS": "NoSuchExecutionProvider"},
            "GLOSSCAST_PROVIDERS: NoSuchExecutionProvider", id="no such provider",
        ),
        pytest.param(
            lambda b, t: {"BUNDLE": b, "PROVIDERS": "CPUExecutionProvider", "PRECISION": "bf16"},
            "GLOSSCAST_PROVIDERS: CPUExecutionProvider does not compute in bf16", id="no such precision",
        ),
        pytest.param(
            lambda b, t: {"BUNDLE": b, "EXTRACTOR": "litert", "MODELS": t},
            "GLOSSCAST_EXTRACTOR: .*(python -m glosscast.holistic|pip install)", id="no models",
        ),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_wrong_settings_stop_the_start_with_one_plain_line(bundle_folder, tmp_path, variables, says):
    process = start_service(**variables(bundle_folder, tmp_path))
    _, stderr = process.communicate(timeout=START_S)

    assert process.returncode == 2
    assert len(stderr.splitlines()) == 1
    assert re.match(says, stderr)


@pytest.mark.slow
def test_it_starts_serves_and_ends_streams_when_it_is_stopped(bundle_folder):
    process = start_service(BUNDLE=bundle_folder, PORT=0)
    try:
        address = wait_for_address(process)
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=20) as answer:
            assert json.load(answer)["status"] == "ready"
        with Client(address) as client:
            client.start()
            process.send_signal(signal.SIGTERM)
            assert client.until_closed() == 1001
        _, stderr = process.communicate(timeout=START_S)
    finally:
        process.kill()

    assert process.returncode in (0, -signal.SIGTERM)  # uvicorn raises the signal again after a clean end
    assert "Traceback" not in stderr
    assert [m["type"] for m in client.received] == ["started", "error", "ended"]


@needs_litert
def test_trackers_do_the_work_that_the_bundle_needs_and_those_of_clips_take_more_threads(bundle_folder, monkeypatch):
    made = []
    monkeypatch.setattr("service.inference.engine.require", lambda extractor: None)
    monkeypatch.setattr(
        "service.inference.engine.new_tracker", lambda *told, **named: made.append((told, named)) or CountingTracker()
    )
    settings = Settings(bundle=bundle_folder, extractor="litert", clip_threads=3, extractor_processes=False)
    engine = Engine(settings, Metrics(), None)
    for pool in (engine.stream_trackers, engine.clip_trackers):
        pool.release(pool.acquire())
    engine.close()
    assert made == [(("litert", serving(face=True)), {}), (("litert", serving(face=True), 3), {})]


@needs_litert
def test_a_bundle_that_needs_the_face_gets_it_also_where_it_replaces_one_that_does_not(
    bundle_folder, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr("service.inference.engine.require", lambda extractor: None)
    monkeypatch.setattr(
        "service.inference.engine.new_tracker", lambda name, effort, *more: made.append(effort) or CountingTracker()
    )

    def engine(bundle, replaced=None):
        settings = Settings(bundle=bundle, extractor="litert", extractor_processes=False)
        return Engine(settings, Metrics(), None, replaced=replaced)

    without = engine(without_face(bundle_folder, tmp_path / "without"))
    tracker = without.stream_trackers.acquire()
    needing = engine(bundle_folder, replaced=without)
    without.stream_trackers.release(tracker)
    needing.stream_trackers.release(needing.stream_trackers.acquire())
    assert [effort.face for effort in made] == [False, True]

    again = engine(bundle_folder, replaced=needing)
    assert again.stream_trackers is needing.stream_trackers
    without.retire()
    assert tracker.closed
    needing.retire()
    again.stream_trackers.release(again.stream_trackers.acquire())  # they are still open
    again.close()


@needs_litert
@pytest.mark.parametrize(
    ("trained", "level", "says"),
    [
        pytest.param("mediapipe-holistic 0.10.21", "INFO", "% of hand size", id="measured"),
        pytest.param("openpose 1.7", "WARNING", "not measured", id="not measured"),
    ],
)
def test_a_bundle_of_another_extractors_keypoints_is_reported_in_one_line(
    bundle_folder, tmp_path, monkeypatch, caplog, trained, level, says
):
    monkeypatch.setattr("service.inference.engine.require", lambda extractor: None)
    bundle = learned_from(trained, bundle_folder, tmp_path / "bundle")
    caplog.set_level("INFO", "glosscast.service")
    Engine(Settings(bundle=bundle, extractor="litert", extractor_processes=False), Metrics(), None).close()
    assert [(r.levelname, says in r.getMessage()) for r in caplog.records] == [(level, True)]
