"""From clips to a verified bundle, with the commands that the README names."""

import json
from pathlib import Path

import pytest
import torch

from export.__main__ import main as export_main
from glosscast.bundle import load_bundle
from tests.training.synthetic import write
from training.__main__ import main as training_main
from training.checkpoint import CheckpointError, load_checkpoint

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


def test_the_bundle_loads_and_says_from_how_many_signers_it_learned(made: tuple[Path, Path]) -> None:
    bundle = load_bundle(made[1])
    assert {gloss: figure.signers for gloss, figure in bundle.report.glosses.items()} == dict.fromkeys(
        bundle.vocabulary, 2
    )
    card = (made[1] / "MODEL_CARD.md").read_text()
    assert "| high | 2 | not measured |" in card
    assert "not good for" in card


def test_verify_passes_and_prints_the_difference(made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert export_main(["verify", "--bundle", str(made[1])]) == 0
    assert "largest difference" in capsys.readouterr().out


def test_verify_fails_for_other_weights(made: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint = load_checkpoint(made[1] / "checkpoint.pt")
    checkpoint.state["classify.bias"] += 0.01
    checkpoint.save(tmp_path / "other.pt")
    assert export_main(["verify", "--bundle", str(made[1]), "--checkpoint", str(tmp_path / "other.pt")]) == 1


def test_evaluate_prints_all_figures_for_a_signer_never_seen(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bundle = made
    assert training_main(["evaluate", "--bundle", str(bundle), "--data", str(folder / "tiny.npz"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert set(scores) == {"n", "accuracy", "macro_f1", "top5", "per_gloss", "per_signer", "confusions"}
    assert scores["n"] == 36
    assert scores["per_signer"]["cem"]["accuracy"] >= 0.9


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


def test_the_embedded_bundle_is_what_its_checkpoint_says() -> None:
    assert export_main(["verify"]) == 0
    bundle = load_bundle()
    assert sum(file.stat().st_size for file in bundle.path.iterdir()) <= 12e6
    config = load_checkpoint(bundle.path / "checkpoint.pt").config
    assert config.data.vocabulary == tuple(bundle.vocabulary)
    assert set(bundle.vocabulary) >= {"hello", "thanks", "yes", "no", "help", "please", "iloveyou", "no sign"}
