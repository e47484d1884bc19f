import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.__main__ import main
from export.to_onnx import export_bundle
from glosscast.bundle import sha256
from glosscast.manifest import MANIFEST, MODEL
from glosscast.providers import available_providers
from tests.export import models
from tests.training import synthetic


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a model of keypoints; beside it, tiny.npz. Shared: copy it before changing anything."""
    folder = tmp_path_factory.mktemp("verify")
    export_bundle(models.isolated(folder, "keypoints"), folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def own(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


def rehash(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_golden_random_and_real_windows_are_compared(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = bundle.parent / "tiny.npz"
    assert main(["verify", "--bundle", str(bundle), "--provider", "cpu", "--clips", str(clips)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("  ")[0] for row in rows[1:3]] == ["stored", "CPUExecutionProvider"]
    assert [row.split()[2] for row in rows if " clips " in row] == ["72"]
    assert rows[-1] == "passed"
    assert all("100.0%" in row for row in rows[1:-1])


@pytest.mark.parametrize("kind", ["rgb", "continuous"])
@pytest.mark.slow
def test_pictures_and_sentences_are_compared_too(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "rgb":
        checkpoint = models.isolated(tmp_path, "rgb", "keypoints")
        glosses = synthetic.arrays()["gloss"]
        synthetic.write_frames(tmp_path / "tiny.frames.zip", [synthetic.pictures(str(g)) for g in glosses])
    else:
        checkpoint = models.continuous(tmp_path, "keypoints")
    export_bundle(checkpoint, tmp_path / "bundle")
    assert main(["verify", "--bundle", str(tmp_path / "bundle"), "--clips", str(tmp_path / "tiny.npz")]) == 0
    rows = [row for row in capsys.readouterr().out.splitlines() if " clips " in row]
    assert [(row.split()[0], int(row.split()[2])) for row in rows] == [(name, 72) for name in available_providers()]


def test_another_graph_than_torchs_fails(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By more than verify allows, and less than the check at load does."""
    model = onnx.load(own / MODEL)
    (bias,) = (t for t in model.graph.initializer if "classify" in t.name and "bias" in t.name)
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(5e-4), bias.name))
    onnx.save(model, own / MODEL)
    rehash(own)
    assert main(["verify", "--bundle", str(own)]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert "FAILED" not in rows[1]  # the stored pair is still torch's
    assert all("FAILED" in row for row in rows[2:])


def test_a_checkpoint_of_another_model_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {
        "inputs": models.isolated(tmp_path, "rgb"),
        "outputs": models.isolated(tmp_path, "keypoints"),
        "task": models.continuous(tmp_path, "keypoints"),
    }
    config = others["outputs"].config
    wider = config.model_copy(update={"model": config.model.model_copy(update={"embedding": 24})})
    others["outputs"] = models.checkpoint_of(wider)
    for what, other in others.items():
        other.save(tmp_path / "other.pt")
        assert main(["verify", "--bundle", str(bundle), "--checkpoint", str(tmp_path / "other.pt")]) == 2
        assert f"of another model than {bundle}: its {what} differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--provider", "abacus"], "abacus not available; this ONNX Runtime has "),
        (["--clips", "none.npz"], "none.npz: no such file"),
    ],
)
def test_missing_files_are_refused(
    bundle: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--bundle", str(bundle), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_corrupted_graph_is_refused(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = (own / MODEL).read_bytes()
    (own / MODEL).write_bytes(graph[: len(graph) // 2])
    assert main(["verify", "--bundle", str(own)]) == 2
    assert "sha256" in capsys.readouterr().err
    rehash(own)
    assert main(["verify", "--bundle", str(own)]) == 2
    error = capsys.readouterr().err
    assert re.search(r"model.onnx: ONNX Runtime \S+ cannot load it", error)
    assert "export the bundle again" in error


def test_an_opset_that_onnx_runtime_does_not_know_is_named(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(own / MODEL)
    model.opset_import[0].version = 99
    onnx.save(model, own / MODEL)
    rehash(own, opset=99)
    assert main(["verify", "--bundle", str(own)]) == 2
    error = capsys.readouterr().err
    assert "the graph has a newer one" in error
    assert len(error.splitlines()) == 1
