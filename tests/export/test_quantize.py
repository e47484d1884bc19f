import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export import quantize
from export.__main__ import main
from export.to_onnx import export_bundle
from export.typed_graph import typed_graph
from glosscast.bundle import load_bundle, sha256
from glosscast.manifest import MANIFEST, MODEL
from glosscast.recogniser import Recogniser
from tests.export import models
from tests.training import synthetic
from training.models.checkpoint import load_checkpoint
from training.tasks.train import fit


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.npz and a bundle of a model that has learned from ann and bea, and never saw cem."""
    folder = tmp_path_factory.mktemp("quantize")
    config = synthetic.config(folder, epochs=8)
    checkpoint = fit(config, [e for e in synthetic.examples() if e.signer != "cem"], progress=False)
    export_bundle(checkpoint, folder / "bundle")
    return folder


def command(folder: Path, out: Path, precision: str = "int8", bundle: str = "bundle") -> list[str]:
    data = str(folder / "tiny.npz")
    where = ["--bundle", str(folder / bundle), "--out", str(out)]
    return ["quantize", *where, "--precision", precision, "--calibrate", data, "--evaluate", data]


@pytest.fixture(scope="module")
def int8(made: Path) -> Path:
    assert main(command(made, made / "int8")) == 0
    return made / "int8"


@pytest.mark.slow
def test_the_files_beside_the_model_come_along(made: Path) -> None:
    bundle = Path(shutil.copytree(made / "bundle", made / "with_more"))
    (bundle / "more.txt").write_text("a segmenter or examples")
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"]["more.txt"] = sha256(bundle / "more.txt")
    (bundle / MANIFEST).write_text(json.dumps(manifest))

    assert main(command(made, made / "int8_with_more", bundle="with_more")) == 0

    assert (made / "int8_with_more" / "more.txt").read_text() == "a segmenter or examples"
    assert load_bundle(made / "int8_with_more").manifest.files["more.txt"] == manifest["files"]["more.txt"]


@pytest.mark.slow
def test_an_int8_bundle_loads_and_reports_its_accuracy(made: Path, int8: Path) -> None:
    bundle, before = load_bundle(int8), load_bundle(made / "bundle")
    assert bundle.id == "tiny@1-int8"
    assert bundle.manifest.precision == "int8"
    judged = bundle.report.precision
    assert judged is not None
    assert (judged.signers, judged.clips) == (("cem",), 12)
    assert judged.calibrated == 48  # two windows of each clip of the two others
    assert judged.agreement >= 0.99
    assert judged.accuracy >= judged.accuracy_fp32 - 0.005 > 0.9
    assert before.report.precision is None
    assert bundle.report.glosses == before.report.glosses
    assert "computes in int8" in (int8 / "MODEL_CARD.md").read_text()
    assert bundle.model_path.stat().st_size < 0.5 * before.model_path.stat().st_size


def test_weights_have_a_scale_for_each_channel_and_all_scales_are_symmetric(int8: Path) -> None:
    graph = onnx.load(int8 / MODEL).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    assert not any(constants[node.input[2]].any() for node in pairs)
    matrices = [node for node in pairs if node.input[0] in constants and constants[node.input[0]].ndim > 1]
    assert all(constants[node.input[1]].size in constants[node.input[0]].shape for node in matrices)
    assert sum(constants[node.input[1]].size > 1 for node in matrices) > 10
    assert all(constants[node.input[0]].dtype == np.int8 for node in matrices)


def test_verify_judges_an_int8_bundle_by_its_readings(
    made: Path, int8: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--bundle", str(int8), "--provider", "cpu"]) == 2
    assert "--clips" in capsys.readouterr().err
    assert main(["verify", "--bundle", str(int8), "--provider", "cpu", "--clips", str(made / "tiny.npz")]) == 0


def test_biases_become_floats_for_tensorrt_and_nothing_else_changes(int8: Path, tmp_path: Path) -> None:
    bundle = load_bundle(int8)
    changed = typed_graph(bundle, "int8")
    types = {t.name: t.data_type for t in changed.graph.initializer}
    stored = [types[n.input[0]] for n in changed.graph.node if n.input and n.input[0] in types]
    assert onnx.TensorProto.INT8 in stored
    assert onnx.TensorProto.INT32 not in stored
    onnx.checker.check_model(changed, full_check=True)
    copy = Path(shutil.copytree(int8, tmp_path / "bundle"))
    onnx.save(changed, copy / MODEL)
    golden = bundle.golden()
    wanted = golden.pop("logits")
    session = quantize.InferenceSession(copy / MODEL, providers=["CPUExecutionProvider"])
    assert np.abs(session.run(["logits"], golden)[0] - wanted).max() < 1e-2


@pytest.mark.parametrize(("limit", "value"), [("MIN_AGREEMENT", 1.01), ("MAX_LOSS", -1.0)])
@pytest.mark.slow
def test_a_bundle_that_reads_too_much_otherwise_is_not_written(
    made: Path,
    tmp_path: Path,
    limit: str,
    value: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = Path(shutil.copytree(made / "bundle", tmp_path / "out"))
    monkeypatch.setattr(quantize, limit, value)
    assert main(command(made, out)) == 1
    assert "int8 refused: accuracy" in capsys.readouterr().err
    assert load_bundle(out).manifest.precision == "fp32"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_int8_of_a_model_that_it_ruins_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One huge activation leaves no steps for the others."""
    checkpoint = load_checkpoint(made / "bundle" / "checkpoint.pt")
    checkpoint.state["project.keypoints.1.bias"][0] = 1e5
    checkpoint.state["fuse.2.weight"][:, 0] = 0.0
    export_bundle(checkpoint, tmp_path / "bundle")
    shutil.copyfile(made / "tiny.npz", tmp_path / "tiny.npz")
    assert main(command(tmp_path, tmp_path / "int8")) == 1
    assert "int8 refused: accuracy" in capsys.readouterr().err
    assert not (tmp_path / "int8").exists()


def without_held_out(folder: Path) -> None:
    checkpoint = models.isolated(folder, "keypoints")
    data = checkpoint.config.data.model_copy(update={"held_out": ()})
    config = checkpoint.config.model_copy(update={"data": data})
    export_bundle(models.checkpoint_of(config), folder / "bundle")


def of_sentences(folder: Path) -> None:
    export_bundle(models.continuous(folder, "keypoints"), folder / "bundle")


def nobody_but_cem(folder: Path) -> None:
    export_bundle(models.isolated(folder, "keypoints"), folder / "bundle")
    arrays = synthetic.arrays()
    np.savez(folder / "tiny.npz", **{name: array[arrays["signer"] == "cem"] for name, array in arrays.items()})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (without_held_out, "no clip of a sign that the model knows by a signer that it was not trained on"),
        (of_sentences, "only fp32 bundles of isolated signs are quantised"),
        (nobody_but_cem, "all its signers or glosses were held out of training"),
    ],
)
@pytest.mark.slow
def test_bundles_that_cannot_be_quantised_are_refused(
    tmp_path: Path, make: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    assert main(command(tmp_path, tmp_path / "int8")) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "int8").exists()


def test_int8_of_int8_and_int8_without_training_clips_are_refused(
    made: Path, int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--evaluate", str(made / "tiny.npz"), "--out", str(tmp_path / "out"), "--precision", "int8"]
    assert main(["quantize", "--bundle", str(int8), "--calibrate", str(made / "tiny.npz"), *data]) == 2
    assert "only fp32 bundles" in capsys.readouterr().err
    assert main(["quantize", "--bundle", str(made / "bundle"), *data]) == 2
    assert "--calibrate" in capsys.readouterr().err


def test_bf16_is_refused_by_a_provider_that_cannot_do_it(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(made, tmp_path / "bf16", "bf16"), "--provider", "cpu"]) == 2
    assert "bf16" in capsys.readouterr().err
    assert not (tmp_path / "bf16").exists()


def test_an_older_report_has_no_precision(int8: Path, tmp_path: Path) -> None:
    report = json.loads((int8 / "report.json").read_text())
    del report["precision"]
    assert type(load_bundle(int8).report).model_validate(report).precision is None
    Recogniser(load_bundle(int8), threads=1)
