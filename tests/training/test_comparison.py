import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.synthetic import ADAPTIVE, arrays, config, write, write_rgb
from training.__main__ import main
from training.comparison import runs
from training.comparison.plan import RunKey, make_plan
from training.comparison.predictions import load_predictions
from training.comparison.robustness import conditions_for
from training.data import load_sets
from training.evaluation.fold_report import load_report
from training.evaluation.scores import TorchClassifier, score
from training.models.checkpoint import load_checkpoint

FOLDS = (("ann",), ("bea", "cem"))
VARIANTS = "keypoints+ce,keypoints+adaptive,lstm+ce"


def command(folder: Path, *more: str) -> list[str]:
    options = ["compare", "--config", str(folder / "tiny.toml"), "--out", str(folder / "report"), "--data", str(folder)]
    for fold in FOLDS:
        options += ["--fold", ",".join(fold)]
    return [*options, "--seeds", "1,2,3", "--variants", VARIANTS, *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, config and a finished report."""
    folder = tmp_path_factory.mktemp("compare")
    path = write(folder, epochs=1)
    path.write_text(path.read_text() + ADAPTIVE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.models.lstm.fit_lstm.__defaults__", (2,))
        assert main(command(folder)) == 0
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def no_training(*args: object, **named: object) -> None:
    raise AssertionError("trained again")


@pytest.mark.slow
def test_every_variant_seed_and_fold_is_kept_and_scored_on_signers_left_out(made: Path) -> None:
    report = load_report(made / "report" / "runs.json")
    assert {(r.variant, r.seed, r.held_out) for r in report.runs} == {
        (v, s, f) for v in VARIANTS.split(",") for s in (1, 2, 3) for f in FOLDS
    }
    for run in report.runs:
        assert set(run.scores.per_signer) == set(run.held_out)
        assert set(run.scores.per_gloss) == {"high", "low"}  # not "no sign"
        assert run.scores.n == 8 * len(run.held_out)
    checkpoint = load_checkpoint(made / "report" / "checkpoints" / "keypoints+adaptive.seed2.fold1.pt")
    assert (checkpoint.config.seed, checkpoint.config.data.held_out) == (2, FOLDS[1])
    assert checkpoint.config.loss.adaptive is not None
    found = load_predictions(made / "report" / "predictions" / "lstm+ce.seed3.fold0.npz")
    assert (found.key, found.held_out) == (RunKey("lstm+ce", 3, 0), ("ann",))
    assert found.embeddings.shape == (8, 32)
    conditions = conditions_for(checkpoint.config.model)
    assert list(found.perturbed) == [condition.name for condition in conditions]


@pytest.mark.slow
def test_the_report_holds_the_numbers_and_the_pictures(made: Path) -> None:
    text = (made / "report" / "README.md").read_text()
    report = load_report(made / "report" / "runs.json")
    for variant in VARIANTS.split(","):
        seeds = list(report.by_seed(variant).values())
        accuracy = f"{100 * np.mean(seeds):.1f} % ± {100 * np.std(seeds, ddof=1):.1f}"
        assert f"| {variant} | {accuracy} | " in text
        f1 = np.mean([[r.scores.macro_f1 for r in report.of(variant) if r.seed == s] for s in (1, 2, 3)], axis=1)
        assert f" | {100 * f1.mean():.1f} % ± {100 * f1.std(ddof=1):.1f} | " in text
    difference = np.mean(list(report.by_seed("lstm+ce").values())) - np.mean(
        list(report.by_seed("keypoints+ce").values())
    )
    assert f"- **lstm+ce**: accuracy {100 * difference:+.1f} points: too few seeds or signers to say" in text
    assert "24 clips of 2 glosses by 3 signers from tiny.npz, 2 folds, 3 seeds (1, 2, 3)" in text
    assert "--fold ann --fold bea,cem --seeds 1,2,3 --glosses high,low --variants" in text
    for picture in ("confusions", "differences", "embeddings", "robustness", "signers"):
        assert f"]({picture}.png)" in text
        assert (made / "report" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_finished_runs_are_neither_trained_nor_read_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (copy / "report" / "README.md").read_text()
    for name in ("fit", "fit_lstm", "window_clips"):
        monkeypatch.setattr(runs, name, no_training)
    shutil.rmtree(copy / "report" / "checkpoints")  # predictions are enough
    (copy / "report" / "README.md").unlink()
    assert main(command(copy)) == 0
    assert (copy / "report" / "README.md").read_text().split("    python")[0] == before.split("    python")[0]


@pytest.mark.slow
def test_a_model_that_is_there_is_read_but_not_trained(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy / "report" / "predictions" / "keypoints+ce.seed2.fold1.npz"
    before = load_predictions(path)
    path.unlink()
    monkeypatch.setattr(runs, "fit", no_training)
    assert main(command(copy)) == 0
    np.testing.assert_allclose(load_predictions(path).probabilities, before.probabilities, atol=1e-5)


@pytest.mark.slow
def test_a_run_that_is_missing_is_trained(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, ending in (("checkpoints", "pt"), ("predictions", "npz")):
        (copy / "report" / part / f"keypoints+ce.seed2.fold1.{ending}").unlink()
    trained = []
    fit = runs.fit
    monkeypatch.setattr(
        runs, "fit", lambda config, *rest, **named: (trained.append(config), fit(config, *rest, **named))[1]
    )
    assert main(command(copy)) == 0
    assert [(c.seed, c.data.held_out) for c in trained] == [(2, FOLDS[1])]


@pytest.mark.slow
def test_several_processes_give_the_same_as_one(copy: Path) -> None:
    names = [f"keypoints+ce.seed{seed}.fold{fold}" for seed in (1, 2) for fold in (0, 1)]
    paths = [copy / "report" / "predictions" / f"{name}.npz" for name in names]
    before = [load_predictions(path) for path in paths]
    for name, path in zip(names, paths, strict=True):
        path.unlink()
        (copy / "report" / "checkpoints" / f"{name}.pt").unlink()
    assert main(command(copy, "--jobs", "2")) == 0
    for path, old in zip(paths, before, strict=True):
        np.testing.assert_allclose(load_predictions(path).probabilities, old.probabilities, atol=1e-3)


@pytest.mark.parametrize(
    ("part", "name", "said"),
    [
        ("checkpoints", "keypoints+ce.seed2.fold1.pt", "not a Glosscast checkpoint"),
        ("checkpoints", "lstm+ce.seed2.fold1.pt", "not a checkpoint of the LSTM"),
        ("predictions", "keypoints+ce.seed2.fold1.npz", "damaged"),
    ],
)
@pytest.mark.slow
def test_a_damaged_file_is_named_and_left_alone(
    copy: Path, capsys: pytest.CaptureFixture[str], part: str, name: str, said: str
) -> None:
    (copy / "report" / "predictions" / "keypoints+ce.seed1.fold0.npz").unlink()
    (copy / "report" / "checkpoints" / "keypoints+ce.seed1.fold0.pt").unlink()
    path = copy / "report" / part / name
    path.write_bytes(path.read_bytes()[:500])
    if part == "checkpoints":
        (copy / "report" / "predictions" / name).with_suffix(".npz").unlink()
    assert main(command(copy)) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert said in error
    assert path.stat().st_size == 500
    assert not (copy / "report" / "checkpoints" / "keypoints+ce.seed1.fold0.pt").exists()  # found before training


@pytest.mark.slow
def test_files_of_other_runs_are_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, ending in (("predictions", "npz"), ("checkpoints", "pt")):
        files = copy / "report" / part
        shutil.copy(files / f"keypoints+ce.seed1.fold0.{ending}", files / f"keypoints+ce.seed2.fold0.{ending}")
        assert main(command(copy)) == 2
        assert f"keypoints+ce.seed2.fold0.{ending}: made" in capsys.readouterr().err
        (copy / "report" / "predictions" / "keypoints+ce.seed2.fold0.npz").unlink(missing_ok=True)


@pytest.mark.slow
def test_a_folder_of_another_config_or_other_glosses_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(copy, "--glosses", "high")) == 2
    assert "runs.json: made with another config or other glosses" in capsys.readouterr().err
    path = copy / "tiny.toml"
    path.write_text(path.read_text().replace("epochs = 1\n", "epochs = 2\n", 1))
    assert main(command(copy)) == 2
    assert "runs.json: made with another config or other glosses" in capsys.readouterr().err


@pytest.mark.slow
def test_two_at_once_do_not_share_a_folder(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with runs.locked(copy / "report"):
        assert main(command(copy)) == 2
    assert "another comparison is at work here" in capsys.readouterr().err


@pytest.mark.slow
def test_with_too_few_seeds_the_report_says_so(copy: Path) -> None:
    assert main(command(copy, "--seeds", "1,2")) == 0
    text = (copy / "report" / "README.md").read_text()
    assert "There are no intervals: a bootstrap needs 3 seeds or more, and here are 2 seeds." in text
    assert "too few seeds or signers to say" in text


@pytest.mark.slow
def test_one_seed_and_one_fold_still_make_a_report(copy: Path) -> None:
    out = copy / "one"
    shutil.copytree(copy / "report", out)
    options = ["compare", "--config", str(copy / "tiny.toml"), "--out", str(out), "--data", str(copy), "--fold", "ann"]
    assert main([*options, "--seeds", "1", "--variants", "keypoints+ce"]) == 0
    text = (out / "README.md").read_text()
    assert "There is one variant, so nothing is compared." in text
    assert "differences.png" not in text
    assert "There are none." in text


def with_roles(folder: Path) -> Path:
    """cem's clips in a file of their own, with the role test."""
    path = write(folder, epochs=1)
    data = arrays()
    for name, chosen in (("tiny", data["signer"] != "cem"), ("test", data["signer"] == "cem")):
        np.savez(folder / f"{name}.npz", **{key: value[chosen] for key, value in data.items()})
    text = path.read_text().replace('held_out = ["cem"]', "")
    another = '[[data.sets]]\nfile = "test.npz"\nrole = "test"\nabout = "cem"\nfps = 15.0\naspect = 1.3333\n[model]'
    path.write_text(text.replace("[model]", another))
    return path


@pytest.mark.slow
def test_without_folds_the_test_sets_are_the_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_roles(tmp_path)
    options = ["compare", "--config", str(path), "--out", str(tmp_path / "out"), "--data", str(tmp_path)]
    options += ["--seeds", "1", "--variants", "keypoints+ce,keypoints+focal"]
    assert main(options) == 0
    for run in load_report(tmp_path / "out" / "runs.json").runs:
        assert run.held_out == ()
        assert set(run.scores.per_signer) == {"cem"}
    assert "| test sets | 8 |" in (tmp_path / "out" / "README.md").read_text()
    assert set(load_checkpoint(tmp_path / "out/checkpoints/keypoints+ce.seed1.fold0.pt").signers.values()) == {2}
    write(tmp_path)
    assert main(options) == 2
    assert "nothing to test on: give --fold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--variants", "smell+ce"], "unknown variant 'smell+ce'"),
        (["--fold", "dora"], "held-out signers not in the data: dora"),
        (["--fold", "ann"], "signer in folds given twice: ann"),
        (["--seeds", "1,1"], "seed given twice: 1"),
        (["--glosses", "high,higher"], "not in the vocabulary: higher"),
        (["--baseline", "pose+ce"], "the baseline 'pose+ce' is not among the variants"),
        (["--jobs", "0"], "--jobs must be 1 or more"),
        (["--variants", "keypoints+ce,pose+magic"], "unknown variant 'pose+magic'"),
    ],
)
def test_a_faulty_plan_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    path = write(tmp_path, epochs=1)
    path.write_text(path.read_text() + ADAPTIVE)
    assert main(command(tmp_path, *more)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "report").exists()


def test_the_baseline_is_the_first_variant_with_cross_entropy(tmp_path: Path) -> None:
    base = config(tmp_path, fusion=True)

    def baseline(*variants: str) -> str:
        return make_plan(base, tmp_path, FOLDS, (1,), variants).baseline

    assert baseline("lstm+ce", "fusion+adaptive", "pose+ce", "keypoints+ce") == "pose+ce"
    assert baseline("fusion", "pose") == "fusion"
    assert baseline("lstm+ce") == "lstm+ce"


@pytest.mark.slow
def test_a_model_of_pixels_is_compared_on_pictures_kept_beside_the_clips(tmp_path: Path) -> None:
    write_rgb(tmp_path, "keypoints", epochs=2)
    options = command(tmp_path)[:-4]
    assert main([*options, "--seeds", "1", "--variants", "rgb+ce,keypoints-noface+ce"]) == 0
    found = load_predictions(tmp_path / "report" / "predictions" / "rgb+ce.seed1.fold0.npz")
    assert any(name.startswith("motion blur") for name in found.perturbed)
    assert (
        load_checkpoint(tmp_path / "report" / "checkpoints" / "keypoints-noface+ce.seed1.fold0.pt").config.model.face
        is False
    )
    checkpoint = load_checkpoint(tmp_path / "report" / "checkpoints" / "rgb+ce.seed1.fold0.pt")
    c = checkpoint.config
    clips = [e for e in load_sets(c.data, tmp_path, c.model) if e.signer == "ann" and e.gloss != "no sign"]
    scores = score(clips, c.data.vocabulary, c.pipeline(TorchClassifier(checkpoint.build(), 3)))
    run = next(
        r
        for r in load_report(tmp_path / "report" / "runs.json").runs
        if r.variant == "rgb+ce" and r.held_out == ("ann",)
    )
    assert run.scores.per_gloss == scores.per_gloss


def test_a_variant_of_pixels_needs_a_config_with_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    assert main([*command(tmp_path)[:-4], "--seeds", "1", "--variants", "rgb+ce"]) == 2
    assert "an rgb stream need a config with one" in capsys.readouterr().err
