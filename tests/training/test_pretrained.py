import os
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.published import clip, logits, narrow, randomise
from tests.training.synthetic import write_rgb
from training import pretrained, slowfast
from training.__main__ import main
from training.caffe2 import read, translate
from training.checkpoint import load_checkpoint
from training.model import ModelConfig, Recogniser
from training.pretrained import PretrainedError, k400, load, load_stream, stream_weights
from training.slowfast import LAYOUTS, Block, SlowFast, initialise

R50 = LAYOUTS["slowfast_8x8_r50"]
NARROW = replace(R50, slow=(16, 64, 128, 256, 512), fast=(2, 8, 16, 32, 64))  # what `published.narrow` builds
CLASSES = 5
HEAD = ("head.1.weight", "head.1.bias")


def model(num_classes: int | None = CLASSES, layout: slowfast.Layout = NARROW) -> SlowFast:
    return SlowFast(layout, num_classes, inputs=3, alpha=4).eval()


def blobs_of(source: SlowFast) -> dict[str, np.ndarray]:
    """The Caffe2 names of a model's weights, spelled out from the modules' places."""
    blobs: dict[str, np.ndarray] = {}

    def put(conv_name: str, norm_name: str, layers: nn.Module) -> None:
        conv, norm = layers[0], layers[1]
        blobs[f"{conv_name}_w"] = conv.weight.detach().numpy()
        blobs[f"{norm_name}_s"] = norm.weight.detach().numpy()
        blobs[f"{norm_name}_b"] = norm.bias.detach().numpy()
        blobs[f"{norm_name}_rm"] = norm.running_mean.numpy()
        blobs[f"{norm_name}_riv"] = norm.running_var.numpy()

    for t, stem, stages in (("", source.slow_stem, source.slow_stages), ("t_", source.fast_stem, source.fast_stages)):
        put(f"{t}conv1", f"{t}res_conv1_bn", stem)
        for i, blocks in enumerate(stages):
            for j, block in enumerate(blocks):
                assert isinstance(block, Block)
                base = f"{t}res{i + 2}_{j}_branch"
                if j == 0:
                    put(f"{base}1", f"{base}1_bn", block.shortcut)
                for letter, layers in zip("abc", (block.temporal, block.spatial, block.expand), strict=True):
                    put(f"{base}2{letter}", f"{base}2{letter}_bn", layers)
    laterals = ("t_pool1", "t_res2_2_branch2c_bn", "t_res3_3_branch2c_bn", "t_res4_5_branch2c_bn")
    for name, lateral in zip(laterals, source.laterals, strict=True):
        put(f"{name}_subsample", f"{name}_subsample_bn", lateral)
    blobs["pred_w"], blobs["pred_b"] = (p.detach().numpy() for p in source.head[1].parameters())
    return blobs


def write_pkl(path: Path, blobs: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=protocol))
    return path


@pytest.fixture(scope="module")
def trained() -> SlowFast:
    torch.manual_seed(0)
    return randomise(model())


@pytest.fixture(scope="module")
def pkl(trained: SlowFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pkl(tmp_path_factory.mktemp("weights") / "SLOWFAST.pkl", blobs_of(trained))


@torch.no_grad()
def test_a_pytorchvideo_file_gives_the_model_that_pytorchvideo_has(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs, ours = randomise(narrow(CLASSES)), model()
    torch.save({"model_state": theirs.state_dict()}, tmp_path / "SLOWFAST.pyth")
    report = load(ours, tmp_path / "SLOWFAST.pyth")
    assert set(report.matched) == set(ours.state_dict())
    assert report.fresh == report.unused == ()
    assert torch.allclose(ours(clip()), logits(theirs, clip()), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_caffe2_file_gives_the_model_that_it_holds(trained: SlowFast, tmp_path: Path, protocol: int) -> None:
    ours = model()
    report = load(ours, write_pkl(tmp_path / "SLOWFAST.pkl", blobs_of(trained), protocol))
    weights = {name: value for name, value in trained.state_dict().items() if "num_batches" not in name}
    assert set(report.matched) == set(weights)
    assert report.fresh == report.unused == ()
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in weights.items())


@pytest.mark.parametrize(
    ("blob", "name"),
    [
        ("conv1_w", "slow_stem.0.weight"),
        ("res_conv1_bn_s", "slow_stem.1.weight"),
        ("res_conv1_bn_riv", "slow_stem.1.running_var"),
        ("t_conv1_w", "fast_stem.0.weight"),
        ("t_res_conv1_bn_rm", "fast_stem.1.running_mean"),
        ("t_pool1_subsample_w", "laterals.0.0.weight"),
        ("t_pool1_subsample_bn_b", "laterals.0.1.bias"),
        ("t_res2_2_branch2c_bn_subsample_w", "laterals.1.0.weight"),
        ("t_res3_3_branch2c_bn_subsample_bn_riv", "laterals.2.1.running_var"),
        ("t_res4_22_branch2c_bn_subsample_bn_s", "laterals.3.1.weight"),
        ("res2_0_branch1_w", "slow_stages.0.0.shortcut.0.weight"),
        ("res2_0_branch1_bn_s", "slow_stages.0.0.shortcut.1.weight"),
        ("res2_0_branch2a_w", "slow_stages.0.0.temporal.0.weight"),
        ("t_res2_0_branch2a_bn_b", "fast_stages.0.0.temporal.1.bias"),
        ("res4_22_branch2b_bn_rm", "slow_stages.2.22.spatial.1.running_mean"),
        ("t_res5_2_branch2c_bn_riv", "fast_stages.3.2.expand.1.running_var"),
        ("pred_w", "head.1.weight"),
        ("pred_b", "head.1.bias"),
        ("conv1_w_momentum", None),
        ("res2_0_branch2a_bn_s_momentum", None),
        ("nonlocal_conv4_1_theta_w", None),
        ("lr", None),
        ("model_iter", None),
    ],
)
def test_caffe2_names(blob: str, name: str | None) -> None:
    assert translate(blob) == name


def test_the_head_of_other_classes_is_left_fresh_and_reported(pkl: Path) -> None:
    ours = model(num_classes=3)
    before = {name: ours.state_dict()[name].clone() for name in HEAD}
    report = load(ours, pkl)
    assert report.fresh == HEAD
    assert report.unused == ("pred_w", "pred_b")
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in before.items())


def test_an_encoder_takes_all_but_the_head(pkl: Path) -> None:
    report = load(model(num_classes=None), pkl)
    assert report.fresh == ()
    assert report.unused == ("pred_w", "pred_b")


def test_what_the_optimiser_left_in_a_file_is_reported_as_unused(trained: SlowFast, tmp_path: Path) -> None:
    extra = {"conv1_w_momentum": np.zeros(3), "lr": np.float32(0.1), "model_iter": np.array(7), "note": "by hand"}
    report = load(model(), write_pkl(tmp_path / "x.pkl", blobs_of(trained) | extra))
    assert set(report.unused) == set(extra)


def test_column_order_and_big_endian_arrays_are_read(trained: SlowFast, tmp_path: Path) -> None:
    blobs = blobs_of(trained)
    blobs["pred_w"] = np.asfortranarray(blobs["pred_w"])
    blobs["pred_b"] = blobs["pred_b"].astype(">f4")
    ours = model()
    load(ours, write_pkl(tmp_path / "x.pkl", blobs))
    assert all(torch.equal(ours.state_dict()[name], trained.state_dict()[name]) for name in HEAD)


def test_arrays_as_python_2_wrote_them_are_read(tmp_path: Path) -> None:
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"  # an empty one, then its state
        b"(K\x01(K\x02t"  # version, shape
        b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08\x00\x00\xc0\xbf\x00\x00\x20\x41tb"  # not column order, bytes
    )
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02}U\x05blobs}U\x06pred_b" + array + b"ss.")
    assert read(tmp_path / "x.pkl")["pred_b"].tolist() == [-1.5, 10.0]


def test_a_file_that_matches_nothing_is_refused_by_name(tmp_path: Path) -> None:
    write_pkl(tmp_path / "other.pkl", {"conv1_w": np.zeros((2, 2), np.float32), "fc_w": np.zeros(3)})
    torch.save({"model_state": {"blocks.0.multipathway_blocks.0.conv.weight": torch.zeros(2)}}, tmp_path / "other.pyth")
    for ending in ("pkl", "pyth"):
        with pytest.raises(PretrainedError, match=rf"other\.{ending}: nothing in it matches the model"):
            load(model(), tmp_path / f"other.{ending}")


def test_a_file_for_another_depth_is_refused_and_changes_nothing(pkl: Path) -> None:
    ours = model(layout=replace(NARROW, depths=(3, 4, 7, 3)))
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(PretrainedError, match=r"weights of another model: .* first is slow_stages\.2\.6\.temporal"):
        load(ours, pkl)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("where", ["around", "inside"])
@pytest.mark.parametrize("ending", [".pkl", ".pyth"])
def test_a_hostile_file_runs_nothing(tmp_path: Path, where: str, ending: str) -> None:
    hostile = Hostile(tmp_path / "made")
    content = hostile if where == "around" else {"blobs": {"conv1_w": hostile}, "model_state": {"x": hostile}}
    path = tmp_path / f"hostile{ending}"
    if ending == ".pyth":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(PretrainedError, match=f"hostile{ending}: not a checkpoint of this kind"):
        load(model(), path)
    assert not (tmp_path / "made").exists()


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    """numpy would take object pointers from the file, and follow them."""
    for value in (np.array([{}], dtype=object), np.zeros(1, dtype=[("a", "O")]), np.zeros(1, dtype="S8")):
        with pytest.raises(PretrainedError, match="not a checkpoint of this kind"):
            load(model(), write_pkl(tmp_path / "x.pkl", {"conv1_w": value}))


@pytest.mark.parametrize("ending", [".pkl", ".pyth"])
@pytest.mark.parametrize(
    "content", [b"", b"garbage", pickle.dumps([1], 2), pickle.dumps({"blobs": 3, "model_state": 3}, 2)]
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    with pytest.raises(PretrainedError, match=f"x{ending}: not a checkpoint of this kind"):
        load(model(), path)


def test_a_missing_file_and_an_unknown_ending_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match=r"gone\.pyth: no such file"):
        load(model(), tmp_path / "gone.pyth")
    with pytest.raises(PretrainedError, match=r"weights\.zip: neither \.pyth"):
        load(model(), tmp_path / "weights.zip")


class Zoo:
    """A server of one file; `body` is what it sends, `length` what it claims."""

    def __init__(self) -> None:
        self.body, self.length, self.requests = b"", 0, 0

    def serve(self, body: bytes) -> None:
        self.body, self.length = body, len(body)


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


def test_inspect_says_what_became_of_a_file(
    monkeypatch: pytest.MonkeyPatch, pkl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(LAYOUTS, "narrow", NARROW)
    command = ["inspect", "--model", "narrow", "--size", "32", "--classes", "3", "--pretrained", str(pkl)]
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
    recogniser = Recogniser(rgb_config(), 3, alpha=4)
    alone = slowfast.build("slowfast_8x8_r50")
    load(alone, pkl)
    report = load_stream(recogniser, pkl)
    assert report.fresh == ()
    stream = recogniser.encoders["rgb"].state_dict()
    assert all(torch.equal(value, stream[name]) for name, value in alone.state_dict().items())
    assert report.describe(pkl).startswith(f"{pkl}: {len(report.matched)} weights matched, ")
    with pytest.raises(PretrainedError, match="no rgb stream"):
        load_stream(Recogniser(rgb_config("slowfast_tiny", "keypoints"), 3, alpha=4), pkl)


def test_weights_that_a_config_cannot_use_are_refused_before_anything_else(pkl: Path) -> None:
    assert stream_weights(rgb_config(), str(pkl)) == pkl
    with pytest.raises(PretrainedError, match="visual is slowfast_tiny; weights are for slowfast_8x8_r50 and"):
        stream_weights(rgb_config("slowfast_tiny"), "k400")
    with pytest.raises(PretrainedError, match=r"\[model\] streams has none"):
        stream_weights(rgb_config("slowfast_8x8_r50", "pose"), str(pkl))
    with pytest.raises(PretrainedError, match=r"gone\.pyth: no such file"):
        stream_weights(rgb_config(), "gone.pyth")


def test_training_starts_from_the_file_and_says_so(
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
