import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch

from tests.training.synthetic import write_rgb
from tests.training.weights import NARROW, blobs_of, model
from training.__main__ import main
from training.config import ModelConfig
from training.models import pretrained, slowfast
from training.models.checkpoint import load_checkpoint
from training.models.pretrained import PretrainedError, k400, load, load_stream, stream_weights
from training.models.recogniser import IsolatedRecogniser
from training.models.slowfast import LAYOUTS, initialise


class Zoo:
    """A server of one file; `body` is what it sends, `length` what it claims."""

    def __init__(self) -> None:
        self.body = b""
        self.length = 0
        self.requests = 0

    def serve(self, body: bytes) -> None:
        self.body = body
        self.length = len(body)


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """The model `narrow`, for which there are Kinetics-400 weights on a server of our own."""
    state = Zoo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", str(state.length))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setitem(LAYOUTS, "narrow", NARROW)
    monkeypatch.setitem(pretrained.K400, "narrow", f"http://127.0.0.1:{server.server_port}/zoo/NARROW.pkl")
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def weights(num_classes: int) -> bytes:
    net = model(num_classes)
    initialise(net)
    return pickle.dumps({"blobs": blobs_of(net)})


def test_kinetics_weights_are_fetched_once(zoo: Zoo, tmp_path: Path) -> None:
    zoo.serve(weights(400))
    path = k400("narrow", tmp_path / "cache")
    assert path == tmp_path / "cache" / "NARROW.pkl"
    assert path.read_bytes() == zoo.body
    assert k400("narrow", tmp_path / "cache") == path
    assert zoo.requests == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_page_in_place_of_the_weights_is_not_kept(zoo: Zoo, tmp_path: Path) -> None:
    zoo.serve(b"<html>not here</html>")
    with pytest.raises(PretrainedError, match=r"http://.*NARROW\.pkl: not the weights of narrow"):
        k400("narrow", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_for_other_classes_are_not_kept(zoo: Zoo, tmp_path: Path) -> None:
    zoo.serve(weights(399))
    with pytest.raises(PretrainedError, match="not the weights of narrow"):
        k400("narrow", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_cut_short_are_not_kept(zoo: Zoo, tmp_path: Path) -> None:
    zoo.serve(weights(400))
    zoo.length += 1
    with pytest.raises(PretrainedError, match=r"http://.*NARROW\.pkl: ended after \d+ of \d+ bytes"):
        k400("narrow", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_command_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port  # nobody listens on it once the server is closed
    monkeypatch.setitem(pretrained.K400, "slowfast_8x8_r50", f"http://127.0.0.1:{port}/R50.pyth")
    monkeypatch.setattr(pretrained, "CACHE", tmp_path)
    assert main(["inspect", "--model", "slowfast_8x8_r50", "--size", "32", "--pretrained", "k400"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"http://127.0.0.1:{port}/R50.pyth: cannot be downloaded: [Errno 111] Connection refused\n"
    assert list(tmp_path.iterdir()) == []


def test_there_are_none_for_the_tiny_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--model", "slowfast_tiny", "--pretrained", "k400"]) == 2
    assert capsys.readouterr().err.startswith("no Kinetics-400 weights for slowfast_tiny, only for slowfast_8x8_r50")


@pytest.mark.slow
def test_inspect_reports_which_weights_of_a_file_matched(
    monkeypatch: pytest.MonkeyPatch, pkl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(LAYOUTS, "slowfast_8x8_r50", NARROW)
    command = ["inspect", "--model", "slowfast_8x8_r50", "--size", "32", "--classes", "3", "--pretrained", str(pkl)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{pkl}: ")
    assert lines[1].endswith(" weights matched, 2 in the file unused")
    assert lines[2] == "  fresh: head.1.weight, head.1.bias"
    assert main([*command, "--json"]) == 0
    assert '"fresh": ["head.1.weight", "head.1.bias"]' in capsys.readouterr().out


def rgb_config(visual: str = "slowfast_8x8_r50", *streams: str) -> ModelConfig:
    return ModelConfig(
        streams=streams or ("rgb", "keypoints"),
        embedding=8,
        dropout=0.0,
        modality_dropout=0.0,
        heatmap_size=16,
        heatmap_sigma=0.1,
        visual=visual,
    )


def test_an_rgb_stream_starts_from_the_file(monkeypatch: pytest.MonkeyPatch, pkl: Path) -> None:
    monkeypatch.setitem(LAYOUTS, "slowfast_8x8_r50", NARROW)
    recogniser = IsolatedRecogniser(rgb_config(), 3, alpha=4)
    alone = slowfast.build("slowfast_8x8_r50")
    load(alone, pkl)
    report = load_stream(recogniser, pkl)
    assert report.fresh == ()
    stream = recogniser.encoders["rgb"].state_dict()
    assert all(torch.equal(value, stream[name]) for name, value in alone.state_dict().items())
    assert report.describe(pkl).startswith(f"{pkl}: {len(report.matched)} weights matched, ")
    with pytest.raises(PretrainedError, match="no rgb stream"):
        load_stream(IsolatedRecogniser(rgb_config("slowfast_tiny", "keypoints"), 3, alpha=4), pkl)


def test_weights_that_a_config_cannot_use_are_refused_before_anything_else(pkl: Path) -> None:
    assert stream_weights(rgb_config(), str(pkl)) == pkl
    with pytest.raises(PretrainedError, match="visual is slowfast_tiny; weights are for slowfast_8x8_r50 and"):
        stream_weights(rgb_config("slowfast_tiny"), "k400")
    with pytest.raises(PretrainedError, match=r"\[model\] streams has none"):
        stream_weights(rgb_config("slowfast_8x8_r50", "pose"), str(pkl))
    with pytest.raises(PretrainedError, match=r"gone\.pyth: no such file"):
        stream_weights(rgb_config(), "gone.pyth")


@pytest.mark.slow
def test_training_starts_from_the_file_and_reports_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pkl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(LAYOUTS, "slowfast_8x8_r50", NARROW)
    path = write_rgb(tmp_path, epochs=1)
    command = ["train", "--config", str(path), "--out", str(tmp_path / "run"), "--data", str(tmp_path)]
    assert main([*command, "--pretrained", str(pkl)]) == 2
    assert "visual is slowfast_tiny" in capsys.readouterr().err
    # So slow a training leaves the weights all but where they began.
    text = path.read_text().replace("rgb_size = 32", 'rgb_size = 32\nvisual = "slowfast_8x8_r50"')
    path.write_text(text.replace("lr = 3e-3", "lr = 1e-9"))
    assert main([*command, "--pretrained", str(pkl)]) == 0
    assert f"{pkl}: " in capsys.readouterr().out
    started = load_checkpoint(tmp_path / "run" / "checkpoint.pt").state["encoders.rgb.slow_stem.0.weight"]
    alone = slowfast.build("slowfast_8x8_r50")
    load(alone, pkl)
    assert torch.allclose(started, alone.state_dict()["slow_stem.0.weight"], atol=1e-5)
