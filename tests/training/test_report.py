from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.synthetic import GLOSSES, config, examples
from training.comparison.analysis import Analysis
from training.comparison.charts import signers
from training.comparison.plan import RunKey, make_plan
from training.comparison.predictions import Predictions
from training.comparison.report import markdown, write_report
from training.comparison.robustness import NAMES
from training.config.variants import LSTM

CE, ADAPTIVE = "keypoints+ce", "keypoints+adaptive"
SEEDS = (1, 2, 3)
HIGH, LOW = 0, 1


def analysis(folder: Path, variants: tuple[str, ...] = (CE, ADAPTIVE), wer: float | None = None) -> Analysis:
    """Ten clips of each gloss in both folds, by two signers each. The baseline takes 4 `high` for `low`, another 2."""
    base = config(folder, fusion=True)
    plan = make_plan(base, folder / "out", [["ann", "cem"], ["bea", "dov"]], SEEDS, variants)
    everything = {}
    for key in plan.keys:
        truth = np.array([HIGH] * 10 + [LOW] * 10)
        predicted = truth.copy()
        predicted[: 4 if key.variant == CE else 2] = LOW
        rng = np.random.default_rng(key.seed)
        embeddings = np.eye(2)[truth] + 0.1 * rng.normal(size=(20, 2))
        everything[key] = Predictions(
            key=key,
            held_out=plan.folds[key.fold],
            vocabulary=GLOSSES,
            clips=20 * key.fold + np.arange(20),
            glosses=np.array([GLOSSES[i] for i in truth]),
            signers=np.array(plan.folds[key.fold] * 10),
            probabilities=np.eye(3, dtype=np.float32)[predicted],
            embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
            perturbed={name: np.zeros(20, int) for name in NAMES},
            wer=wer,
        )
    return Analysis(plan, everything)


def test_every_number_is_in_its_place(tmp_path: Path) -> None:
    text = markdown(analysis(tmp_path), "python -m training compare")
    assert "40 clips of 2 glosses by 4 signers from tiny.npz, 2 folds, 3 seeds (1, 2, 3)" in text
    assert "| variant | accuracy | mean over signers | worst tenth of signers | macro F1 | top 5 | error on" in text
    for variant, share, f1, error in ((CE, 80, 79.2, 20), (ADAPTIVE, 90, 89.9, 10)):
        figures = f"{share}.0 % ± 0.0 | " * 3 + f"{f1} % ± 0.0 | 100.0 % ± 0.0 | {error}.0 % ± 0.0 |"
        assert f"| {variant} | {figures}" in text
    assert f"| {ADAPTIVE} | **+10.0 (" in text
    assert f"**{ADAPTIVE}**: accuracy +10.0 (" in text
    assert "points: better, by more than the chance of signers and seeds. Error on confusable pairs -50 % (" in text
    assert "; the paper has -18 %: better, by more than the chance of signers and seeds." in text
    assert "| ann, cem | 20 | 80.0 % | 90.0 % |" in text
    assert "the pairs hold 100.0 % of the errors of keypoints+ce" in text
    assert "| high / low | ann, cem | 20.0 % | 10.0 % |" in text
    assert "| better | high / low | 20.0 % | 10.0 % | -10.0 |" in text
    assert f"| {CE} | 0.0 % | 0.0 % | 0.9" in text
    assert "| as recorded | 80.0 % | 90.0 % |" in text
    assert f"| {NAMES[0]} | 50.0 % | 50.0 % |" in text
    assert text.rstrip().endswith("    python -m training compare")
    assert "WER" not in text
    assert LSTM not in text


def test_pairs_that_nobody_confuses_are_counted_and_not_listed(tmp_path: Path) -> None:
    found = analysis(tmp_path)
    perfect = {
        key: replace(run, probabilities=np.eye(3, dtype=np.float32)[run.truth]) if key.fold else run
        for key, run in found.everything.items()
    }
    text = markdown(Analysis(found.plan, perfect), "")
    assert "high / low | ann, cem" not in text  # a pair there is by the confusions of the other fold alone
    assert "high / low | bea, dov" not in text
    assert "Pairs that no variant confuses on these signers, or that they do not sign: 1." in text


def test_sentences_get_a_column_of_their_own(tmp_path: Path) -> None:
    found = analysis(tmp_path, wer=0.25)
    text = markdown(found, "")
    assert "error on confusable pairs | WER |" in text
    assert "| 10.0 % ± 0.0 | 25.0 % ± 0.0 |" in text
    key = RunKey(CE, 1, 0)
    only_one = {**found.everything, key: replace(found.everything[key], wer=None)}
    assert "| 20.0 % ± 0.0 | 25.0 % ± 0.0 |" in markdown(Analysis(found.plan, only_one), "")
    assert all(run.wer == 0.25 for run in found.report.runs)


def test_variants_that_differ_by_chance_are_said_to(tmp_path: Path) -> None:
    found = analysis(tmp_path)
    same = {key: replace(found.everything[RunKey(CE, key.seed, key.fold)], key=key) for key in found.everything}
    text = markdown(Analysis(found.plan, same), "")
    assert f"**{ADAPTIVE}**: accuracy +0.0 (+0.0 to +0.0) points: no difference can be told from chance." in text
    assert "No pair changed." in text


def test_with_one_signer_a_fold_nothing_is_said_of_other_people(tmp_path: Path) -> None:
    found = analysis(tmp_path)
    plan = replace(found.plan, folds=(("ann",), ("bea",)))
    alone = {
        key: replace(run, held_out=plan.folds[key.fold], signers=np.array(plan.folds[key.fold] * 20))
        for key, run in found.everything.items()
    }
    text = markdown(Analysis(plan, alone), "")
    assert "There are no intervals: a bootstrap over signers needs 2 or more of them in each fold." in text
    assert f"| {ADAPTIVE} | +10.0 |" in text
    assert f"| {CE} | 0.0 % | – | 0.9" in text  # there is no stranger


def test_what_was_done_to_the_clips_is_said(tmp_path: Path) -> None:
    assert "of 48 clips, chose nothing by the test clips, and was read" in markdown(analysis(tmp_path), "")
    mined = f"{ADAPTIVE}:mining=test"
    found = analysis(tmp_path, (CE, mined))
    changes = {"hide": ("face", "lesser_hand"), "clips_per_signer_gloss": 3}
    data = found.plan.config.data.model_copy(update=changes)
    plan = replace(found.plan, config=found.plan.config.model_copy(update={"data": data}))
    text = markdown(Analysis(plan, found.everything), "")
    assert "from tiny.npz without face, lesser_hand, 2 folds" in text
    assert "of 48 clips (at most 3 of each signer's gloss), chose nothing by the test clips (but for " in text
    assert f"(but for {mined}, which counted confusions on them), and was read" in text


def test_the_reference_model_is_explained_where_it_is_compared(tmp_path: Path) -> None:
    assert "the LSTM of tutorials" in markdown(analysis(tmp_path, (CE, LSTM)), "")


@pytest.mark.parametrize("glosses", [2, 60])
@pytest.mark.slow
def test_pictures_of_few_and_of_many_glosses(tmp_path: Path, glosses: int) -> None:
    found = analysis(tmp_path)
    if glosses > 2:
        names = tuple(f"gloss{i}" for i in range(glosses))
        data = found.plan.config.data.model_copy(update={"vocabulary": names, "no_sign": None})
        plan = replace(found.plan, config=found.plan.config.model_copy(update={"data": data}), glosses=names)
        truth = np.arange(20) * 2
        many = {
            key: replace(
                run,
                vocabulary=names,
                glosses=np.array([names[i] for i in truth]),
                probabilities=np.eye(glosses, dtype=np.float32)[truth + (np.arange(20) < 5)],
            )
            for key, run in found.everything.items()
        }
        found = Analysis(plan, many)
    found.plan.out.mkdir()
    clip = examples(1)[0]
    path = write_report(found, "", [dict.fromkeys(range(40), clip)] * 2)
    for name in ("effects", "confusions", "differences", "embeddings", "robustness", "signers"):
        assert (path.parent / f"{name}.png").stat().st_size > 5000


def test_long_names_below_a_picture_stay_inside_it(tmp_path: Path) -> None:
    found = analysis(tmp_path)
    names = [f"{ADAPTIVE}:margin=0.{i}:alpha=0.8" for i in range(7)]
    plan = replace(found.plan, variants=tuple(names), baseline=names[0])
    made = {key._replace(variant=name): run for key, run in found.everything.items() for name in names}
    figure = signers(Analysis(plan, made))
    figure.canvas.draw()
    below = figure.legends[0].get_window_extent()
    assert len(figure.legends[0].get_texts()) == 7
    assert below.x0 >= 0
    assert below.x1 <= figure.bbox.x1


def test_many_signers_are_marks_against_the_baseline(tmp_path: Path) -> None:
    found = analysis(tmp_path)
    many = {
        key: replace(run, signers=np.array([f"signer{key.fold}{i:02}" for i in range(20)]))
        for key, run in found.everything.items()
    }
    (few,), (axes,) = (signers(Analysis(found.plan, runs)).axes for runs in (found.everything, many))
    assert [label.get_text() for label in few.get_xticklabels()] == ["ann", "bea", "cem", "dov"]
    # Of 40 signers with a clip each, 32 are read alike, and the rival reads four more.
    assert axes.get_title() == f"{ADAPTIVE}\n4 signers better, 0 worse"
    places = np.asarray(axes.collections[0].get_offsets()).tolist()
    assert len(places) == 40
    assert places.count([0.0, 100.0]) == 4
