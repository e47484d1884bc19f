import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.continuous.tiny import text, write
from training.__main__ import main
from training.comparison.bootstrap import DRAWS
from training.comparison.hypotheses import SentenceHypotheses
from training.comparison.plan import RunKey, make_plan
from training.comparison.sentence_report import paired_wer
from training.config import load_config
from training.evaluation.wer import error_rate

VARIANTS = ("keypoints+ctc", "keypoints+adaptive")


def command(folder: Path) -> list[str]:
    options = ["compare", "--config", str(folder / "tiny.toml"), "--out", str(folder / "report"), "--data", str(folder)]
    return [*options, "--fold", "ann", "--fold", "bea", "--seeds", "1,2", "--variants", ",".join(VARIANTS)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, config and a finished report."""
    folder = tmp_path_factory.mktemp("sentences")
    write(folder, text(epochs=1))
    assert main(command(folder)) == 0
    return folder


def readings(folder: Path, name: str) -> SentenceHypotheses:
    return SentenceHypotheses.model_validate_json((folder / "report" / "predictions" / f"{name}.json").read_text())


@pytest.mark.slow
def test_every_variant_reads_the_same_sentences_of_signers_left_out(made: Path) -> None:
    ours, theirs = (readings(made, f"{variant}.seed2.fold1") for variant in VARIANTS)
    assert ours.references == theirs.references
    assert len(ours.references) == 200
    assert set(ours.signers) == {"bea"}
    assert {gloss for glosses in ours.references for gloss in glosses} == {"high", "low"}


@pytest.mark.slow
def test_the_report_has_the_word_error_rates(made: Path) -> None:
    text = (made / "report" / "README.md").read_text()
    for variant in VARIANTS:
        by_seed = [
            np.mean([readings(made, f"{variant}.seed{s}.fold{f}").scores.rate.wer for f in (0, 1)]) for s in (1, 2)
        ]
        assert f"| {variant} | {100 * np.mean(by_seed):.1f} % ± {100 * np.std(by_seed, ddof=1):.1f} |" in text
    assert "| too few |" in text
    assert "](effects.png)" in text
    assert (made / "report" / "effects.png").stat().st_size > 5000
    assert f"--variants {','.join(VARIANTS)}" in text


@pytest.mark.slow
def test_finished_work_is_not_done_again(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    shutil.rmtree(copy / "report" / "checkpoints")
    monkeypatch.setattr("training.comparison.runs.fit", None)
    assert main(command(copy)) == 0


@pytest.mark.slow
def test_damaged_readings_are_named(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    path = copy / "report" / "predictions" / "keypoints+ctc.seed1.fold0.json"
    content = json.loads(path.read_text())
    for damaged, said in (("{", "not readable as JSON"), (json.dumps({**content, "seed": 9}), "of another run")):
        path.write_text(damaged)
        assert main(command(copy)) == 2
        assert f"{path.name}: {said}" in capsys.readouterr().err


def made_up(variant: str, seed: int, wrong: float) -> SentenceHypotheses:
    rng = np.random.default_rng(seed)
    references = tuple(("high", "low")[: 1 + i % 2] for i in range(40))
    hypotheses = tuple(("no sign",) if rng.random() < wrong else glosses for glosses in references)
    return SentenceHypotheses(
        variant=variant,
        seed=seed,
        held_out=("ann",),
        signers=tuple("abcdefgh") * 5,
        references=references,
        hypotheses=hypotheses,
    )


def test_the_paired_difference_against_a_count_by_hand(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, text()))
    plan = make_plan(config, tmp_path / "report", [["ann"]], [1, 2, 3], VARIANTS)
    runs = {
        RunKey(v, s, 0): made_up(v, s, wrong) for v, wrong in zip(VARIANTS, (0.6, 0.3), strict=True) for s in (1, 2, 3)
    }
    found = paired_wer(plan, runs, VARIANTS[1])
    wers = {}
    for variant in VARIANTS:
        of = [run for key, run in runs.items() if key.variant == variant]
        wers[variant] = np.mean([error_rate(zip(r.references, r.hypotheses, strict=True)).wer for r in of])
    assert found.value == pytest.approx(wers[VARIANTS[1]] - wers[VARIANTS[0]])
    assert found.relative == pytest.approx(wers[VARIANTS[1]] / wers[VARIANTS[0]] - 1)
    assert found.relative_interval is not None
    low, high = found.relative_interval
    assert -0.8 < low < found.relative < high < 0.0
    twins = {RunKey(VARIANTS[1], s, 0): runs[RunKey(VARIANTS[0], s, 0)] for s in (1, 2, 3)}
    same = paired_wer(plan, {**runs, **twins}, VARIANTS[1])
    assert same.relative_interval == (0.0, 0.0)
    assert DRAWS > 1000


def test_losses_of_isolated_signs_are_not_those_of_sentences(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, text()))
    for variant in ("keypoints+ce", "lstm+ce"):
        with pytest.raises(ValueError, match="LOSS one of ctc, "):
            make_plan(config, tmp_path / "report", [["ann"]], [1], [variant])
    assert make_plan(config, tmp_path / "report", [["ann"]], [1], VARIANTS[::-1]).baseline == "keypoints+ctc"
