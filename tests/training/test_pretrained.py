import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.published import clip, logits, narrow, randomise
from tests.training.weights import CLASSES, HEAD, NARROW, blobs_of, model, write_pkl
from training.models.caffe2 import read, translate
from training.models.pretrained import PretrainedError, load
from training.models.slowfast import SlowFast


@torch.no_grad()
def test_a_pytorchvideo_file_gives_the_model_that_pytorchvideo_has(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = randomise(narrow(CLASSES))
    ours = model()
    torch.save({"model_state": theirs.state_dict()}, tmp_path / "SLOWFAST.pyth")
    report = load(ours, tmp_path / "SLOWFAST.pyth")
    assert set(report.matched) == set(ours.state_dict())
    assert report.fresh == report.unused == ()
    assert torch.allclose(ours(clip()), logits(theirs, clip()), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.slow
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


def test_optimiser_state_in_a_file_is_reported_as_unused(trained: SlowFast, tmp_path: Path) -> None:
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
