import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.synthetic import arrays, config, write, write_rgb
from training.__main__ import main
from training.config import load_config
from training.folds import FoldReport, Run, load_report, run_folds
from training.report import markdown


def run_tiny(folder: Path, seeds: tuple[int, ...], folds: tuple[tuple[str, ...], ...]) -> FoldReport:
    return run_folds(
        config(folder, epochs=4), folder, folder / "folds.json", folds, seeds, ("high", "low"), ("keypoints+ce",)
    )


def test_every_fold_and_seed_is_scored_on_the_signers_left_out(tmp_path: Path) -> None:
    report = run_tiny(tmp_path, (1, 2), (("ann",), ("bea",)))
    assert [(r.seed, r.held_out) for r in report.runs] == [(1, ("ann",)), (1, ("bea",)), (2, ("ann",)), (2, ("bea",))]
    for run in report.runs:
        assert set(run.scores.per_signer) == set(run.held_out)
        assert set(run.scores.per_gloss) == {"high", "low"}
        assert run.scores.n == 8
    assert FoldReport.model_validate_json((tmp_path / "folds.json").read_text()) == report


def test_an_interrupted_evaluation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = run_tiny(tmp_path, (1,), (("ann",),))
    kept = json.loads((tmp_path / "folds.json").read_text())
    kept["runs"][0]["scores"]["accuracy"] = 0.123  # would be overwritten by training it again
    (tmp_path / "folds.json").write_text(json.dumps(kept))
    report = run_tiny(tmp_path, (1,), (("ann",), ("bea",)))
    assert [r.held_out for r in report.runs] == [("ann",), ("bea",)]
    assert report.runs[0].scores.accuracy == 0.123
    assert report.runs[0].scores.per_gloss == first.runs[0].scores.per_gloss


def test_runs_of_another_config_are_not_mixed_in(tmp_path: Path) -> None:
    run_tiny(tmp_path, (1,), (("ann",),))
    with pytest.raises(ValueError, match=r"folds\.json: made with another config"):
        run_folds(
            config(tmp_path, epochs=5),
            tmp_path,
            tmp_path / "folds.json",
            (("ann",),),
            (1,),
            ("high", "low"),
            ("keypoints+ce",),
        )
    with pytest.raises(ValueError, match=r"folds\.json: made with another config or other glosses"):
        run_folds(
            config(tmp_path, epochs=4),
            tmp_path,
            tmp_path / "folds.json",
            (("ann",),),
            (1,),
            ("high",),
            ("keypoints+ce",),
        )
    assert len(load_report(tmp_path / "folds.json").runs) == 1


@pytest.mark.parametrize(
    ("folds", "glosses", "variant", "said"),
    [
        ((("ann",), ("dora",)), ("high",), "keypoints+ce", "dora"),
        ((("ann",),), ("high", "higher"), "keypoints+ce", "not in the vocabulary: higher"),
        ((("ann",),), ("high",), "smell+ce", "unknown variant"),
        ((("ann",),), ("high",), "rgb+ce", "an rgb stream need a config with one"),
    ],
)
def test_a_faulty_plan_is_refused_before_anything_is_trained(
    tmp_path: Path, folds: tuple[tuple[str, ...], ...], glosses: tuple[str, ...], variant: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        run_folds(config(tmp_path), tmp_path, tmp_path / "folds.json", folds, (1,), glosses, (variant,))
    assert not (tmp_path / "folds.json").exists()


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text("{}")
    with pytest.raises(ValueError, match=r"folds\.json: config: "):
        load_report(tmp_path / "folds.json")


def test_tables_weigh_signers_by_their_clips(tmp_path: Path) -> None:
    def run(seed: int, accuracy: float, n: int) -> Run:
        return Run.model_validate(
            {
                "variant": "fusion+adaptive",
                "seed": seed,
                "held_out": ["ann"],
                "scores": {
                    "n": n,
                    "accuracy": accuracy,
                    "macro_f1": 0.5,
                    "top5": 1.0,
                    "per_gloss": {"high": {"n": n, "accuracy": accuracy, "f1": 0.5}},
                    "per_signer": {"ann": {"n": n, "accuracy": accuracy}},
                    "confusions": [{"gloss": "high", "predicted": "low", "count": round(n * (1 - accuracy))}],
                },
            }
        )

    text = markdown(FoldReport(config=config(tmp_path), glosses=("high",), runs=(run(1, 0.5, 10), run(2, 1.0, 30))))
    assert "| fusion+adaptive | 75.0 % | 50.0 to 100.0 | 0.500 | 100.0 % | 2 |" in text
    assert "| ann | 40 | 87.5 % |" in text
    assert "| high | low | 5 |" in text


def test_the_command_prints_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, epochs=1)
    command = ["folds", "--config", str(path), "--out", str(tmp_path / "f.json"), "--data", str(tmp_path)]
    command += ["--fold", "ann,bea", "--seeds", "3", "--glosses", "high,low", "--variants", "keypoints+ce"]
    assert main(command) == 0
    assert "| ann, bea |" in capsys.readouterr().out
    assert main([*command, "--variants", "magic"]) == 2
    assert "unknown variant 'magic'" in capsys.readouterr().err


def test_a_wrong_variant_stops_before_the_first_is_trained(tmp_path: Path) -> None:
    tiny = config(tmp_path)
    with pytest.raises(ValueError, match="needs a"):
        run_folds(tiny, tmp_path, tmp_path / "f.json", (("ann",),), (1,), ("high",), ("fusion+ce", "fusion+adaptive"))
    assert not (tmp_path / "f.json").exists()


def test_folds_of_a_model_of_pixels(tmp_path: Path) -> None:
    rgb = load_config(write_rgb(tmp_path, epochs=1))
    np.savez(tmp_path / "tiny.npz", **{**arrays(), "pose": arrays()["pose"] * 0})
    out = tmp_path / "f.json"
    report = run_folds(rgb, tmp_path, out, (("ann",),), (1,), ("high", "low"), ("rgb+ce",))
    assert report.runs[0].scores.n == 8
    assert {c.predicted for c in report.runs[0].scores.confusions} <= set(rgb.data.vocabulary)
