"""The benchmark that makes the blank less likely."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.blank_penalty import PENALTIES, main, penalties_of, plan_of, read, wrong_words
from tests.training.continuous.tiny import text, write
from training.__main__ import main as train
from training.comparison.hypotheses import SentenceHypotheses, load_hypotheses
from training.comparison.plan import Clips, RunKey, make_plan
from training.config import load_config

CTC = "keypoints+ctc"
SIGNERS = ("ann", "bea", "cem")


def reading(key: RunKey, missed: int, wrong: int) -> SentenceHypotheses:
    """Ten sentences of one sign: some are not read, and some of the others are read as something else."""
    hypotheses = [() if i < missed else ("low",) if i < missed + wrong else ("high",) for i in range(10)]
    return SentenceHypotheses(
        variant=key.variant,
        seed=key.seed,
        held_out=(SIGNERS[key.fold],),
        signers=(SIGNERS[key.fold],) * 10,
        references=(("high",),) * 10,
        hypotheses=tuple(hypotheses),
    )


def with_errors(key: RunKey, errors: Mapping[float, int]) -> list[SentenceHypotheses]:
    """The signs missed at some penalties, 9 of ten at the others."""
    return [reading(key, errors.get(penalty, 9), 0) for penalty in PENALTIES]


def test_the_penalty_of_a_fold_is_chosen_on_the_others(tmp_path: Path) -> None:
    plan = make_plan(load_config(write(tmp_path, text())), tmp_path, [[s] for s in SIGNERS], [1], [CTC])
    # At 1.0, at 2.0: fold 0 has 0 and 8 errors, fold 1 has 5 and 4, fold 2 has 5 and 2.
    errors = [{1.0: 0, 2.0: 8}, {1.0: 5, 2.0: 4}, {1.0: 5, 2.0: 2}]
    readings = {key: with_errors(key, errors[key.fold]) for key in plan.keys}
    assert penalties_of(plan, readings) == {CTC: [2.0, 1.0, 1.0]}
    equal = {key: with_errors(key, {1.5: 3, 2.5: 3}) for key in readings}
    assert penalties_of(plan, equal) == {CTC: [1.5, 1.5, 1.5]}


def test_wrong_words_are_counted_where_as_many_signs_are_missed(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, text()))
    plan = make_plan(config, tmp_path, [["ann"], ["bea"]], [1], [CTC, "keypoints+adaptive"])
    # Of ten signs, CTC misses 4 without a penalty, and has 1 wrong.
    by_ctc = [(4, 1) if p == 0 else (6, 0) if p < 0 else (2, 3) for p in PENALTIES]
    readings = {key: [reading(key, *parts) for parts in by_ctc] for key in plan.keys if key.variant == CTC}
    # Of the rival's, 9 minus twice the penalty are missed; 4 at a penalty of 2.5, where 5 are wrong.
    for key in set(plan.keys) - set(readings):
        readings[key] = [reading(key, max(0, round(9 - 2 * p)), min(10, round(2 * p))) for p in PENALTIES]
    found = wrong_words(plan, readings)
    assert found[CTC] == pytest.approx([0.1])
    assert found["keypoints+adaptive"] == pytest.approx([0.5])
    for key in set(readings):
        if key.variant != CTC:
            readings[key] = [reading(key, 9, 0) for _ in PENALTIES]
    assert np.isnan(wrong_words(plan, readings)["keypoints+adaptive"]).all()


@pytest.mark.slow
def test_a_comparison_is_read_with_a_less_likely_blank(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(tmp_path, text(epochs=1))
    report = tmp_path / "report"
    options = ["--config", str(config), "--data", str(tmp_path), "--out", str(report), "--seeds", "1"]
    variants = f"{CTC},keypoints+adaptive"
    assert train(["compare", *options, "--fold", "ann", "--fold", "bea", "--variants", variants]) == 0
    plan = plan_of(report, None)
    assert (plan.baseline, plan.folds) == (CTC, (("ann",), ("bea",)))
    key = RunKey(CTC, 1, 0)
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.blank_penalty.PENALTIES", (0.0, -100.0))
        plain, only_blank = read(key, Clips(plan, tmp_path))
    assert plain == load_hypotheses(plan, key)
    assert set(only_blank.hypotheses) == {()} != set(plain.hypotheses)
    capsys.readouterr()
    assert main([str(report), "--data", str(tmp_path)]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    named = {row[0]: row[1:] for row in rows}
    assert set(named) >= {f"| {CTC}", "| keypoints+adaptive", "| penalty", "| variant"}
    for path in (report / "checkpoints").glob("*.fold1.pt"):
        path.unlink()
    assert main([str(report), "--data", str(tmp_path)]) == 1
    assert "needs every variant with every seed in two folds or more" in capsys.readouterr().err
    assert main([str(tmp_path), "--data", str(tmp_path)]) == 1
    assert "no checkpoints of a comparison" in capsys.readouterr().err
