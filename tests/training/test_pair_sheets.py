from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.synthetic import examples
from tests.training.test_report import ADAPTIVE, CE, HIGH, LOW, analysis
from training.comparison.analysis import Analysis
from training.comparison.pair_sheets import draw_pairs
from training.comparison.pairs import MOST, PairChange, most_changed
from training.comparison.plan import RunKey
from training.comparison.report import markdown
from training.data import Example
from training.evaluation.sheets import Strip


def of_folds() -> list[dict[int, Example]]:
    """The clips of `analysis`, each fold's with numbers of its own."""
    clip = examples(1)[0]
    return [{20 * fold + i: replace(clip, signer=f"{'ab'[fold]}{i}") for i in range(20)} for fold in (0, 1)]


def test_ten_pairs_of_each_kind_are_shown_the_most_changed_first() -> None:
    found = [PairChange((f"g{i}", "h"), 0.5, 0.5 + i / 100) for i in range(-15, 4)]
    better, worse = most_changed(found)
    assert [change.glosses[0] for change in better] == [f"g{i}" for i in range(-15, -15 + MOST)]
    assert [change.glosses[0] for change in worse] == ["g3", "g2", "g1"]
    assert MOST == 10


def test_a_sheet_shows_the_clip_that_is_confused_most_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, tuple[str, list[str]]] = {}

    def note(title: str, strips: Sequence[Strip], path: Path) -> None:
        drawn[path.name] = title, [strip.title for strip in strips]

    monkeypatch.setattr("training.comparison.pair_sheets.draw_sheet", note)
    made = analysis(tmp_path)
    # The baseline mistakes the first four clips; in the first fold it now reads two of them rightly with some seeds.
    everything = dict(made.everything)
    for place in (0, 1, 2):
        key = RunKey(CE, 1 + place, 0)
        probabilities = everything[key].probabilities.copy()
        probabilities[:place] = np.eye(3)[HIGH]
        everything[key] = replace(everything[key], probabilities=probabilities)
    found = Analysis(made.plan, everything)
    names = draw_pairs(found, of_folds(), tmp_path)
    assert names == {ADAPTIVE: ["pairs-keypoints-adaptive-better.png"]}
    title, strips = drawn["pairs-keypoints-adaptive-better.png"]
    assert title == f"Pairs that {ADAPTIVE} confuses less often than {CE}"
    assert strips == [
        f"high by a2: {CE} reads low with 3 of 3 seeds",
        f"low by a10: {CE} reads high with 0 of 3 seeds",
    ]


def test_pairs_that_got_worse_are_shown_as_the_variant_reads_them(tmp_path: Path) -> None:
    made = analysis(tmp_path)
    worse = {}
    for key, run in made.everything.items():
        probabilities = run.probabilities.copy()
        if key.variant == ADAPTIVE:
            probabilities[:8] = np.eye(3)[LOW]
        worse[key] = replace(run, probabilities=probabilities)
    found = Analysis(made.plan, worse)
    names = draw_pairs(found, of_folds(), tmp_path)
    assert names == {ADAPTIVE: ["pairs-keypoints-adaptive-worse.png"]}
    assert (tmp_path / names[ADAPTIVE][0]).read_bytes().startswith(b"\x89PNG")
    text = markdown(found, "", names)
    assert "| worse | high / low |" in text
    assert f"![Skeletons of pairs of {ADAPTIVE}](pairs-keypoints-adaptive-worse.png)" in text
    assert "pairs-" not in markdown(found, "")


def test_names_of_sheets_are_those_of_variants_without_signs_that_links_mind(tmp_path: Path) -> None:
    variant = f"{ADAPTIVE}:margin=0.3:alpha=0.8"
    names = draw_pairs(analysis(tmp_path, (CE, variant)), of_folds(), tmp_path)
    assert names == {variant: ["pairs-keypoints-adaptive-margin-0.3-alpha-0.8-better.png"]}
    assert (tmp_path / names[variant][0]).is_file()
