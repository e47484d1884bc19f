from pathlib import Path

import pytest

from tests.training.synthetic import config
from training.config.variants import variant_name
from training.evaluation.fold_report import FoldReport, Run, load_report, save
from training.evaluation.scores import tally

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def run(variant: str, seed: int, right: bool) -> Run:
    scores = tally(["high", "low"], ["ann", "ann"], [["high"], ["low" if right else "high"]])
    return Run(variant=variant, seed=seed, held_out=("ann",), scores=scores)


def test_a_fold_report_pools_the_main_variant(tmp_path: Path) -> None:
    recipe = config(tmp_path)
    main = variant_name(recipe)
    runs = (run(main, 1, True), run(main, 2, False), run("lstm+ce", 1, False))
    report = FoldReport(config=recipe, glosses=("high", "low"), runs=runs)
    assert report.main == main
    assert report.by_seed(main) == {1: 1.0, 2: 0.5}
    assert report.per_gloss["low"].accuracy == 0.5
    assert report.per_gloss["low"].n == 1  # one clip, seen by two seeds
    assert report.metrics["left_out_signers_accuracy"] == 0.75
    similarity = report.similarity(("high", "low", "no sign"))
    assert similarity[0, 1] == similarity[1, 0] == pytest.approx(0.25)
    save(report, tmp_path / "runs.json")
    assert load_report(tmp_path / "runs.json") == report


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text("{}")
    with pytest.raises(ValueError, match=r"folds\.json: config: "):
        load_report(tmp_path / "folds.json")


@pytest.mark.parametrize(("name", "runs"), [("folds", 18), ("words", 4)])
def test_published_results_still_load(name: str, runs: int) -> None:
    assert len(load_report(RESULTS / f"{name}.json").runs) == runs
