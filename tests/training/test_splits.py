from pathlib import Path

import pytest

from training.config import ConfigError
from training.config.folds import chosen_folds, load_folds

FOLDS = """
[[fold]]
use = "choose"
signers = ["ann"]
glosses = ["other"]

[[fold]]
use = "report"
signers = ["bea", "cem"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "folds.toml"
    path.write_text(text)
    return path


def test_folds_are_for_one_use(tmp_path: Path) -> None:
    path = written(tmp_path, FOLDS)
    assert [fold.signers for fold in load_folds(path)] == [("ann",), ("bea", "cem")]
    assert [fold.glosses for fold in load_folds(path, "choose")] == [("other",)]
    assert chosen_folds([], path, "report")[0].signers == ("bea", "cem")
    assert [fold.signers for fold in chosen_folds(["ann,bea", "cem"], None, None)] == [("ann", "bea"), ("cem",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FOLDS.replace('"cem"', '"ann"'), "in more than one fold: ann"),
        (FOLDS.replace("choose", "guess"), r"fold\.0\.use"),
        (FOLDS.replace('use = "report"', 'use = "choose"'), "no fold is to report"),
        ("[[fold", "not TOML"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        load_folds(written(tmp_path, text), "report")
    assert "folds.toml" in str(raised.value)


def test_contradicting_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="either"):
        chosen_folds(["ann"], written(tmp_path, FOLDS), None)
    with pytest.raises(ConfigError, match="goes with"):
        chosen_folds(["ann"], None, "report")
