from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.training.synthetic import arrays, config, write
from training.config import ConfigError, Correction, DataConfig, load_config
from training.data import DataError, load_sets, load_split
from training.evaluation.fold_report import without_seed

# In tiny.npz ann's clips are 0 to 3 high, 4 to 7 low, 8 to 11 no sign.
WRONG = """
[[corrections]]
file = "tiny.npz"
signer = "ann"
gloss = "low"
to = "high"
clips = [4, 6]
why = "Two of them are high."
[[corrections]]
file = "tiny.npz"
signer = "bea"
gloss = "no sign"
why = "She signs."
"""


def correction(**changes: Any) -> Correction:
    return Correction(**{"file": "tiny.npz", "signer": "ann", "gloss": "low", "why": "It is.", **changes})


def corrected(folder: Path, *corrections: Correction) -> DataConfig:
    data = config(folder).data
    return DataConfig.model_validate({**data.model_dump(), "corrections": [c.model_dump() for c in corrections]})


def test_a_correction_file_is_part_of_the_config_and_changes_labels(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "wrong.toml").write_text(WRONG)
    path.write_text(path.read_text().replace("[data]", '[data]\ncorrections = "wrong.toml"'))
    made = load_config(path)
    (tmp_path / "wrong.toml").unlink()
    assert type(made).model_validate(made.model_dump(mode="json")) == made
    loaded = {e.index: e for e in load_sets(made.data, tmp_path)}
    assert sorted(set(range(36)) - set(loaded)) == [20, 21, 22, 23]
    assert [loaded[i].gloss for i in range(3, 9)] == ["high", "high", "low", "high", "low", "no sign"]
    assert [loaded[i].renamed_from for i in range(3, 7)] == ["", "low", "", "low"]


def test_several_correction_files_are_one_list(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "wrong.toml").write_text(WRONG)
    (tmp_path / "more.toml").write_text(WRONG.replace("ann", "cem").replace("bea", "dov"))
    path.write_text(path.read_text().replace("[data]", '[data]\ncorrections = ["wrong.toml", "more.toml"]'))
    signers = [correction.signer for correction in load_config(path).data.corrections]
    assert signers == ["ann", "bea", "cem", "dov"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (correction(signer="dora"), "correction of dora's low: no such clip in the file"),
        (correction(gloss="lwo"), "correction of ann's lwo: no such clip in the file"),
        (correction(clips=(4, 8, 99)), "correction of ann's low: no such clip: 8, 99"),
        (correction(clips=(5,)), "correction of ann's low: two corrections are about clip 5"),
    ],
)
def test_a_correction_that_matches_nothing_or_twice_is_refused(tmp_path: Path, wrong: Correction, said: str) -> None:
    data = corrected(tmp_path, *([correction()] if "two" in said else []), wrong)
    with pytest.raises(DataError, match=rf"^tiny\.npz: {said}$"):
        load_sets(data, tmp_path)


def test_a_correction_without_a_reason_a_file_or_a_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="why"):
        correction(why="")
    with pytest.raises(ValidationError, match="renames low to itself"):
        correction(to="low")
    with pytest.raises(ValidationError, match=r"corrections of files that are no sets: tony\.npz"):
        corrected(tmp_path, correction(file="tony.npz"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WRONG.replace("gloss =", "glos ="), r"tiny\.toml: data\.corrections\.0\.gloss: Field required"),
        ("corrections = 3", r"wrong\.toml: must hold \[\[corrections\]\] tables and nothing else"),
        (f"sets = 1\n{WRONG}", r"wrong\.toml: must hold \[\[corrections\]\] tables and nothing else"),
        ("[[corrections", r"wrong\.toml: "),
    ],
)
def test_a_wrong_correction_file_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("[data]", '[data]\ncorrections = "wrong.toml"'))
    (tmp_path / "wrong.toml").write_text(content)
    with pytest.raises(ConfigError, match=said):
        load_config(path)
    path.write_text(path.read_text().replace('"wrong.toml"', '["wrong.toml", 3]'))
    with pytest.raises(ConfigError, match=r"tiny\.toml: data\.corrections must be the name of a file"):
        load_config(path)


def test_configs_that_were_stored_before_there_were_corrections_still_mean_the_same(tmp_path: Path) -> None:
    stored = config(tmp_path).data.model_dump(mode="json")
    stored["sets"][0]["leave_out"] = {"ann": ["low", "high"]}
    loaded = load_sets(DataConfig.model_validate(stored), tmp_path)
    assert {e.gloss for e in loaded if e.signer == "ann"} == {"no sign"}
    assert len(loaded) == 28


def test_the_same_word_in_two_languages_is_two_classes(tmp_path: Path) -> None:
    base = config(tmp_path).data
    spoken = np.array(["ASL"] * 12 + ["ISL"] * 12 + [""] * 12)
    np.savez(tmp_path / "tiny.npz", **arrays(), language=spoken, source=np.array(["there"] * 36))
    source = base.sets[0].model_copy(update={"language": "asl", "alias": {"isl no sign": "no sign"}})
    loaded = load_sets(base.model_copy(update={"sets": (source,), "distractors": True}), tmp_path)
    assert {e.gloss for e in loaded if e.signer == "bea"} == {"isl high", "isl low", "no sign"}
    assert {e.gloss for e in loaded if e.signer != "bea"} == {"high", "low", "no sign"}
    assert {(e.language, e.source) for e in loaded} == {("ASL", "there"), ("ISL", "there"), ("", "there")}
    unsaid = base.model_copy(update={"distractors": True})
    assert {e.gloss for e in load_sets(unsaid, tmp_path) if e.signer == "ann"} == {"asl high", "asl low", "asl no sign"}


def test_held_out_glosses_are_learned_of_nobody(tmp_path: Path) -> None:
    made = config(tmp_path)
    data = made.data.model_copy(
        update={"vocabulary": ("high", "no sign"), "distractors": True, "held_out_glosses": ("low",)}
    )
    assert {e.gloss for e in load_split(data, tmp_path).train} == {"high", "no sign"}
    assert without_seed(made.model_copy(update={"data": data})).data.held_out_glosses == ()
    with pytest.raises(DataError, match="held-out glosses not in the data: lwo"):
        load_split(data.model_copy(update={"held_out_glosses": ("lwo",)}), tmp_path)
    for glosses, said in ((["low"], "low: both in held_out_glosses and in the vocabulary"), (["x"], "without distr")):
        with pytest.raises(ValidationError, match=said):
            DataConfig.model_validate({**made.data.model_dump(), "held_out_glosses": glosses})
