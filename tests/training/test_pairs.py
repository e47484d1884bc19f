from pathlib import Path

import numpy as np
import pytest

from tests.training.synthetic import GLOSSES, config
from training.comparison.analysis import Analysis
from training.comparison.pairs import changes, confusable, symmetric_rates
from training.comparison.plan import Plan, RunKey, make_plan
from training.comparison.predictions import Predictions, PredictionsError, load_predictions

VARIANTS = ("keypoints+ce", "keypoints+focal")


def predictions(key: RunKey, truth: list[int], predicted: list[int]) -> Predictions:
    probabilities = np.zeros((len(truth), 3), np.float32)
    for row, winner in zip(probabilities, predicted, strict=True):
        if winner >= 0:
            row[winner] = 1.0
    return Predictions(
        key=key,
        held_out=("ann",),
        vocabulary=GLOSSES,
        clips=np.arange(len(truth)),
        glosses=np.array([GLOSSES[i] for i in truth]),
        signers=np.array(["ann"] * len(truth)),
        probabilities=probabilities,
        embeddings=np.eye(max(len(truth), 3), dtype=np.float32)[: len(truth)],
    )


def plan(folder: Path, folds: int, seeds: tuple[int, ...]) -> Plan:
    return make_plan(config(folder), folder, [[name] for name in "abc"[:folds]], seeds, VARIANTS)


def test_rates_are_the_mean_of_both_directions() -> None:
    run = predictions(RunKey("keypoints+ce", 1, 0), [0, 0, 0, 0, 1, 1, 2], [0, 1, 1, -1, 1, 0, 2])
    rates = symmetric_rates([run], 3)
    assert rates[0, 1] == rates[1, 0] == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert rates[0, 2] == rates[0, 0] == 0.0


def test_pairs_of_a_fold_are_those_that_the_baseline_confuses_elsewhere(tmp_path: Path) -> None:
    p = plan(tmp_path, 2, (1, 2))
    clean, confused = ([0, 1], [0, 1]), ([0, 1], [1, 1])
    everything = {}
    for seed in (1, 2):
        everything[RunKey("keypoints+ce", seed, 0)] = predictions(RunKey("keypoints+ce", seed, 0), *confused)
        everything[RunKey("keypoints+ce", seed, 1)] = predictions(RunKey("keypoints+ce", seed, 1), *clean)
        for fold in (0, 1):  # what other variants confuse does not matter
            everything[RunKey("keypoints+focal", seed, fold)] = predictions(
                RunKey("keypoints+focal", seed, fold), *confused
            )
    masks = confusable(p, everything)
    assert not masks[1, 0].any()
    assert masks[1, 1].tolist() == masks[2, 1].tolist() == [[False, True, False], [True, False, False], [False] * 3]
    found = Analysis(p, everything)
    assert found.figures["keypoints+ce"]["pair_error"].tolist() == [0.0, 0.0]
    assert found.figures["keypoints+focal"]["pair_error"].tolist() == [0.5, 0.5]  # fold 1 alone has pairs


def test_with_one_fold_the_other_seeds_choose_the_pairs(tmp_path: Path) -> None:
    p = plan(tmp_path, 1, (1, 2))
    everything = {
        RunKey(v, seed, 0): predictions(RunKey(v, seed, 0), [0, 1], [seed - 1, 1]) for v in VARIANTS for seed in (1, 2)
    }
    masks = confusable(p, everything)
    assert masks[1, 0][0, 1]  # seed 2 confuses them
    assert not masks[2, 0].any()
    assert not confusable(plan(tmp_path, 1, (2,)), everything)[2, 0].any()


def test_the_class_that_is_not_scored_is_in_no_pair(tmp_path: Path) -> None:
    p = plan(tmp_path, 2, (1,))
    everything = {RunKey(v, 1, f): predictions(RunKey(v, 1, f), [0, 1], [2, 1]) for v in VARIANTS for f in (0, 1)}
    assert not confusable(p, everything)[1, 0].any()


def test_changes_are_sorted_from_better_to_worse(tmp_path: Path) -> None:
    p = plan(tmp_path, 1, (1,))
    ce, focal = (RunKey(v, 1, 0) for v in VARIANTS)
    everything = {
        ce: predictions(ce, [0, 0, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2]),
        focal: predictions(focal, [0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2]),
    }
    found = changes(p, everything, "keypoints+focal")
    assert [(c.glosses, c.difference) for c in found] == [(("high", "low"), -0.5), (("low", "no sign"), 0.25)]


def test_predictions_survive_their_file(tmp_path: Path) -> None:
    run = predictions(RunKey("keypoints+ce", 1, 0), [0, 1, 1], [0, -1, 2])
    run.perturbed["jitter 1"] = np.array([0, 1, -1])
    run.save(tmp_path / "run.npz")
    loaded = load_predictions(tmp_path / "run.npz")
    assert (loaded.key, loaded.held_out, loaded.vocabulary, loaded.wer) == (run.key, run.held_out, run.vocabulary, None)
    assert loaded.predicted.tolist() == [0, -1, 2]
    assert loaded.perturbed["jitter 1"].tolist() == [0, 1, -1]
    assert loaded.scores == run.scores
    assert loaded.scores.accuracy == pytest.approx(1 / 3)
    assert ("low", "(no signer)") in {(c.gloss, c.predicted) for c in loaded.scores.confusions}


def test_predictions_whose_arrays_do_not_fit_are_refused(tmp_path: Path) -> None:
    run = predictions(RunKey("keypoints+ce", 1, 0), [0, 1, 1], [0, 1, 2])
    run.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "short.npz", **{**arrays, "signers": arrays["signers"][:2]})
    with pytest.raises(PredictionsError, match=r"short\.npz: its arrays do not fit"):
        load_predictions(tmp_path / "short.npz")
