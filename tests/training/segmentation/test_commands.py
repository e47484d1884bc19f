"""From clips to a bundle that segments by what was learned and knows how sure it may be, as the docs have it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.__main__ import main as export_main
from glosscast.bundle import BundleError, load_bundle
from glosscast.decoding import Pipeline
from tests.training.synthetic import write
from training.__main__ import main
from training.segmentation import detections, evaluate
from training.segmentation.false_alarms import DetectionCounts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a config, and a model trained without cem."""
    folder = tmp_path_factory.mktemp("segmentation")
    config = write(folder, epochs=4)
    assert main(["train", "--config", str(config), "--out", str(folder / "run"), "--data", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def few_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "TAUGHT", 16)
    monkeypatch.setattr(evaluate, "TESTED", 3)
    monkeypatch.setattr(evaluate, "IDLE_HOURS", {"pausing": 1 / 60, "fidgeting": 1 / 60})
    monkeypatch.setattr(detections, "KNOWN", 4)
    monkeypatch.setattr(detections, "UNKNOWN", 5)


def command(folder: Path, name: str, *more: str) -> list[str]:
    return [name, "--config", str(folder / "tiny.toml"), "--data", str(folder), *more]


def fold(folder: Path, signers: str = "cem") -> list[str]:
    return ["--fold", signers, "--checkpoint", str(folder / "run" / "checkpoint.pt")]


@pytest.mark.slow
def test_both_segmenters_are_scored_on_every_kind_of_stream(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(made, "evaluate-segmenter", *fold(made), "--json")) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["streams"], row["segmenter"]) for row in rows} == {
        (kind, name) for kind in evaluate.RESTS for name in ("rule", "learned")
    }
    assert all(row["held_out"] == ["cem"] and row["scores"]["streams"] == 3 for row in rows)
    assert main(command(made, "evaluate-segmenter", *fold(made))) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 2 + 6
    (first,) = [row for row in rows if (row["streams"], row["segmenter"]) == ("direct", "rule")]
    assert any(line.startswith(f"| direct | rule | {first['scores']['f1']:.3f} |") for line in lines)


@pytest.mark.slow
def test_a_bundle_takes_both_and_verifies(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segmenter, calibration = tmp_path / "segmenter.npz", tmp_path / "calibration.json"
    assert main(command(made, "segmenter", "--out", str(segmenter))) == 0
    assert main(command(made, "calibrate", *fold(made), "--out", str(calibration))) == 0
    assert "reject below" in capsys.readouterr().out
    found = json.loads(calibration.read_text())
    plain, both = tmp_path / "plain", tmp_path / "both"
    export = ["onnx", "--checkpoint", str(made / "run" / "checkpoint.pt"), "--out"]
    assert export_main([*export, str(plain)]) == 0
    assert export_main([*export, str(both), "--segmenter", str(segmenter), "--calibration", str(calibration)]) == 0
    bundle = load_bundle(both)
    assert bundle.tagging is not None
    assert bundle.manifest.decoder.reject == pytest.approx(found["reject"])
    assert bundle.manifest.decoder.stable == max(0.5, bundle.manifest.decoder.reject)
    assert bundle.report.metrics["calibration_error"] == pytest.approx(found["ece"][1])
    cool = bundle.golden()["logits"]
    hot = load_bundle(plain).golden()["logits"]
    np.testing.assert_allclose(cool * found["temperature"], hot, rtol=1e-3, atol=1e-4)
    assert export_main(["verify", "--bundle", str(both)]) == 0
    assert load_bundle(plain).tagging is None
    (both / "segmenter.npz").unlink()
    with pytest.raises(BundleError, match=r"segmenter\.npz: missing"):
        load_bundle(both)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "one --checkpoint for each --fold and seed: got 0 for 0"),
        (["--fold", "cem", "--fold", "bea", "--checkpoint", "RUN", "RUN", "RUN"], "got 3 for 2"),
        (["--fold", "ann", "--checkpoint", "RUN"], "does not say that it left out ann"),
        (["--fold", "dora", "--checkpoint", "RUN"], "not in the data: dora"),
        (["--fold", "cem", "--checkpoint", "nowhere.pt"], "nowhere.pt: no such file"),
    ],
)
def test_signers_that_were_trained_on_are_not_evaluated(
    made: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    options = [str(made / "run" / "checkpoint.pt") if m == "RUN" else m for m in more]
    assert main(command(made, "evaluate-segmenter", *options)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_files_that_are_neither_are_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("{}")
    export = ["onnx", "--checkpoint", str(made / "run" / "checkpoint.pt"), "--out", str(tmp_path / "out")]
    wanted = ("--segmenter", "not an .npz of enter"), ("--calibration", "temperature"), ("--rejection", "config")
    for option, said in wanted:
        assert export_main([*export, option, str(wrong)]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_reports_and_rejections_are_measured_with_a_gloss_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_sign_ids: list[int | None] = []
    count_detections = detections.count_detections

    def count(streams: Any, pipeline: Pipeline, **more: Any) -> DetectionCounts:
        no_sign_ids.append(pipeline.no_sign)
        return count_detections(streams, pipeline, **more)

    monkeypatch.setattr(detections, "count_detections", count)
    path = write(tmp_path, epochs=4)
    wide = 'distractors = true\nbackground = true\nvocabulary_share = 0.5\nidle_clips = 20\nheld_out = ["cem"]\n'
    text = path.read_text().replace('vocabulary = ["high", "low", "no sign"]', 'vocabulary = ["high", "no sign"]')
    assert 'vocabulary = ["high", "no sign"]' in text
    path.write_text(text.replace("distractors = false\n", wide).replace('held_out = ["cem"]\nheld_out', "held_out"))
    folds, calibration = tmp_path / "folds.toml", tmp_path / "calibration.json"
    folds.write_text('[[fold]]\nuse = "report"\nsigners = ["cem"]\nglosses = ["low"]\n')
    assert main(["train", "--config", str(path), "--out", str(tmp_path / "run"), "--data", str(tmp_path)]) == 0
    held_out = ["--folds", str(folds), "--checkpoint", str(tmp_path / "run" / "checkpoint.pt")]
    assert main(command(tmp_path, "evaluate-rejection", *held_out, "--json")) == 2
    assert "does not say that it left out low" in capsys.readouterr().err
    path.write_text(path.read_text().replace("background = true", 'background = true\nheld_out_glosses = ["low"]'))
    assert main(["train", "--config", str(path), "--out", str(tmp_path / "run"), "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(command(tmp_path, "evaluate-rejection", *held_out, "--json")) == 0
    printed = capsys.readouterr().out
    ((scores,),) = json.loads(printed)["seeds"]
    assert set(scores) == {"background", "closed", "energy", "prototypes"}
    assert all(0 <= figure <= 1 for score in scores.values() for figure in score.values())
    assert main(command(tmp_path, "calibrate", *held_out, "--out", str(calibration))) == 0
    found = json.loads(calibration.read_text())
    assert found["unknown_clips"] == found["clips"] == 4
    capsys.readouterr()
    more = ["--calibration", str(calibration), "--hours", "0.02"]
    assert main(command(tmp_path, "evaluate-told", *held_out, *more, "--json")) == 0
    ((counts,),) = json.loads(capsys.readouterr().out)
    assert (counts["known"]["signs"], counts["unknown"]["signs"]) == (4, 5)
    assert set(no_sign_ids) == {1}  # streams are read with the same "no sign" as the service reads them
    assert set(counts["idle"]) == {"resting", "pausing", "fidgeting", "recorded"}
    twice = [*held_out, held_out[-1]]  # as if it were another seed
    assert main(command(tmp_path, "evaluate-told", *twice, *more)) == 0
    assert "| 8 of the vocabulary: told once and rightly |" in capsys.readouterr().out
    assert main(command(tmp_path, "evaluate-rejection", *twice)) == 0
    assert f"| {scores['background']['auroc']:.3f} ± 0.000 |" in capsys.readouterr().out
    assert main(command(tmp_path, "evaluate-invariance", *twice)) == 0
    assert " ± 0.0 | +0.0 |" in capsys.readouterr().out
    rejection, bundle = tmp_path / "rejection.json", tmp_path / "bundle"
    rejection.write_text(printed)
    export = ["onnx", "--checkpoint", held_out[-1], "--out", str(bundle), "--rejection", str(rejection)]
    assert export_main(export) == 0
    assert load_bundle(bundle).report.metrics["unknown_auroc"] == pytest.approx(scores["background"]["auroc"])
    rejection.write_text(printed.replace('"rotation": 3.0', '"rotation": 4.0'))
    assert export_main(export) == 2
    assert "another config" in capsys.readouterr().err
