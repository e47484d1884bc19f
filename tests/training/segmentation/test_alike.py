import json
from pathlib import Path

import pytest

from tests.training.continuous import tiny
from training.__main__ import main
from training.evaluation.wer import error_rate
from training.segmentation import alike, readers
from training.segmentation.alike import AlikeScores, alike_table
from training.segmentation.detections import FoldDetections
from training.segmentation.false_alarms import DetectionCounts, FalseAlarms


def counts(signs: int, right: int, wrong: int, missed: int) -> DetectionCounts:
    return DetectionCounts(signs=signs, right=right, missed=missed, wrong=wrong, repeated=0, stray=0)


def test_the_table_counts_folds_together_and_seeds_apart() -> None:
    def scores(seed: int, fold: str, right: int, idle: int) -> AlikeScores:
        told = FoldDetections(
            known=counts(10, right, 1, 9 - right),
            unknown=counts(20, 0, 1, 19),
            idle={
                "resting": FalseAlarms(hours=0.5, told=idle, glosses={}),
                "pausing": FalseAlarms(hours=1.5, told=0, glosses={}),
            },
        )
        rates = dict.fromkeys(readers.KINDS, error_rate([(["a", "b"], ["a"])]))
        return AlikeScores(
            held_out=(fold,), seed=seed, reader="windows", reject=0.5 + seed / 10, told=told, rates=rates
        )

    rows = [scores(0, "ann", 8, 1), scores(0, "bea", 6, 3), scores(1, "ann", 9, 0), scores(1, "bea", 9, 4)]
    # 14 and 18 of 20 right; 4 alarms in 4 hours with either seed
    expected = "| windows | 0.55 | 80.0 ± 14.1 | 10.0 ± 0.0 | 10.0 ± 14.1 | 5.0 ± 0.0 | 1.0 ± 0.0 | 50.0 ± 0.0 |"
    assert expected in alike_table(rows)


@pytest.mark.slow
def test_the_threshold_is_the_one_at_which_no_more_other_signs_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readers, "TESTED", 4)
    monkeypatch.setattr(alike, "SIGNS", 24)
    monkeypatch.setattr(alike, "HOURS", 0.1)
    monkeypatch.setattr(alike, "MAX_UNKNOWN", 0.25)
    config = tiny.write(tmp_path, tiny.text(epochs=3))
    text = config.read_text().replace('vocabulary = ["high", "low", "no sign"]', 'vocabulary = ["high", "no sign"]')
    config.write_text(text.replace("distractors = false", "distractors = true"))  # so that "low" is another sign
    options = ["--config", str(config), "--data", str(tmp_path)]
    assert main(["train", *options, "--out", str(tmp_path)]) == 0
    scored = ["evaluate-readers", *options, "--fold", "cem", "--checkpoint", str(tmp_path / "checkpoint.pt")]
    capsys.readouterr()
    assert main([*scored, "--json"]) == 0
    (of,) = json.loads(capsys.readouterr().out)["alike"]
    unknown = of["told"]["unknown"]
    assert unknown["signs"] == 24
    assert unknown["signs"] - unknown["missed"] <= 6
    assert 0 < of["reject"] < 1
    assert set(of["rates"]) == set(readers.KINDS)
    assert main(scored) == 0
    assert "| CTC streaming | 0." in capsys.readouterr().out
