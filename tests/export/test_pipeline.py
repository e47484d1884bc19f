"""From clips to a verified bundle, with the commands that the README names."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from export.__main__ import main as export_main
from export.to_onnx import export_bundle
from glosscast.bundle import load_bundle
from tests.training.synthetic import write
from training.__main__ import main as training_main
from training.config import load_config
from training.evaluation.fold_report import FoldReport, without_seed
from training.models.checkpoint import load_checkpoint
from training.runtime.checkpoint_file import CheckpointError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["keypoints", "fusion"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder and a bundle trained from it."""
    folder = tmp_path_factory.mktemp("data")
    path = write(folder, fusion=request.param, epochs=8)
    assert training_main(["train", "--config", str(path), "--out", str(folder / "run"), "--data", str(folder)]) == 0
    bundle = folder / "bundle"
    assert export_main(["onnx", "--checkpoint", str(folder / "run" / "checkpoint.pt"), "--out", str(bundle)]) == 0
    return folder, bundle


@pytest.mark.slow
def test_the_bundle_loads_and_reports_its_number_of_signers(made: tuple[Path, Path]) -> None:
    bundle = load_bundle(made[1])
    assert {gloss: figure.signers for gloss, figure in bundle.report.glosses.items()} == dict.fromkeys(
        bundle.vocabulary, 2
    )
    card = (made[1] / "MODEL_CARD.md").read_text()
    assert "| high | 2 | not measured |" in card
    assert "not good for" in card
    assert "isolated signs of Height Sign Language" in card
    assert "- `tiny`: three made-up people, public domain." in card


def test_verify_passes_and_prints_the_difference(made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert export_main(["verify", "--bundle", str(made[1])]) == 0
    assert "largest difference" in capsys.readouterr().out


def test_verify_fails_for_other_weights(made: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint = load_checkpoint(made[1] / "checkpoint.pt")
    checkpoint.state["classify.bias"] += 0.01
    checkpoint.save(tmp_path / "other.pt")
    assert export_main(["verify", "--bundle", str(made[1]), "--checkpoint", str(tmp_path / "other.pt")]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fps", "0"], "--fps"),
        (["--aspect", "nan"], "--aspect"),
        (["--alias", "high"], "must be GLOSS=NAME"),
        (["--alias", "hihg=low"], "no clip has the gloss hihg"),
        (["--alias", "high=lwo"], "lwo is not in the bundle's vocabulary"),
        (["--alias", "high=low", "--alias", "high=high"], "high has a name already"),
    ],
)
def test_evaluate_refuses_options_that_mean_nothing(
    made: tuple[Path, Path], options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bundle = made
    command = ["evaluate", "--bundle", str(bundle), "--data", str(folder / "tiny.npz"), *options]
    try:
        code = training_main(command)
    except SystemExit as exit_:  # argparse
        code = int(str(exit_.code))
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_bundle_that_would_not_load_does_not_replace_one_that_does(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(made[1], tmp_path / "bundle"))
    checkpoint = load_checkpoint(bundle / "checkpoint.pt")
    checkpoint.state["classify.bias"] *= torch.nan
    checkpoint.save(tmp_path / "nan.pt")
    assert export_main(["onnx", "--checkpoint", str(tmp_path / "nan.pt"), "--out", str(bundle)]) == 2
    assert "golden check failed" in capsys.readouterr().err
    load_bundle(bundle)
    assert [path.name for path in tmp_path.iterdir() if path.name != "nan.pt"] == ["bundle"]


def test_folds_of_another_config_or_incomplete_ones_are_not_published(made: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint = load_checkpoint(made[1] / "checkpoint.pt")
    other = checkpoint.config.model_copy(update={"name": "other"})
    for config, said in ((other, "another config"), (without_seed(checkpoint.config), "not complete")):
        with pytest.raises(ValueError, match=said):
            export_bundle(checkpoint, tmp_path / "bundle", FoldReport(config=config, glosses=("high",), runs=()))
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_without_one_of_its_weights_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint = load_checkpoint(made[1] / "checkpoint.pt")
    del checkpoint.state["classify.bias"]
    checkpoint.save(tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match=r"less\.pt"):
        load_checkpoint(tmp_path / "less.pt")


def test_a_place_that_cannot_be_written_is_found_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    (tmp_path / "checkpoint.partial").mkdir()
    assert training_main(["train", "--config", str(path), "--out", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "checkpoint.partial" in capsys.readouterr().err


def test_evaluate_prints_all_figures_for_a_signer_never_seen(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bundle = made
    assert training_main(["evaluate", "--bundle", str(bundle), "--data", str(folder / "tiny.npz"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert set(scores) == {"n", "accuracy", "macro_f1", "top5", "per_gloss", "per_signer", "confusions"}
    assert scores["n"] == 36
    assert scores["per_signer"]["cem"]["accuracy"] >= 0.9


@pytest.mark.slow
def test_training_again_gives_the_same_weights(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder = made[0]
    assert (
        training_main(["train", "--config", str(folder / "tiny.toml"), "--out", str(tmp_path), "--data", str(folder)])
        == 0
    )
    first, second = load_checkpoint(folder / "run" / "checkpoint.pt"), load_checkpoint(tmp_path / "checkpoint.pt")
    assert first.state.keys() == second.state.keys()
    assert all(torch.equal(value, second.state[name]) for name, value in first.state.items())


def test_an_unknown_key_stops_training_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("seed = 1", "seed = 1\nsede = 2"))
    assert training_main(["train", "--config", str(path), "--out", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "sede" in capsys.readouterr().err


def test_missing_data_stops_training_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path)
    (tmp_path / "tiny.npz").unlink()
    assert training_main(["train", "--config", str(path), "--out", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "tiny.npz: no such file" in capsys.readouterr().err
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no weights here")
    with pytest.raises(CheckpointError, match=r"text\.pt"):
        load_checkpoint(tmp_path / "text.pt")
    assert export_main(["onnx", "--checkpoint", str(tmp_path / "text.pt"), "--out", str(tmp_path / "b")]) == 2
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_the_embedded_bundle_agrees_with_its_checkpoint() -> None:
    assert export_main(["verify"]) == 0
    bundle = load_bundle()
    assert sum(file.stat().st_size for file in bundle.path.iterdir()) <= 12e6
    config = load_checkpoint(bundle.path / "checkpoint.pt").config
    assert config == load_config(ROOT / "training" / "configs" / "asl_demo.toml")  # so that it can be made again
    assert not bundle.manifest.git_commit.endswith("+changes")
    assert config.data.vocabulary == tuple(bundle.vocabulary)
    assert set(bundle.vocabulary) >= {"hello", "thanks", "yes", "no", "help", "please", "iloveyou", "no sign"}
