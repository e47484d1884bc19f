from pathlib import Path

import pytest

from tests.training import synthetic
from tests.training.continuous.tiny import JOINED, recorded_config, text, write
from training.config import ConfigError, Correction, load_config
from training.config.continuous_variants import continuous_variant_of
from training.data import DataError, load_sets
from training.models.continuous import continuous_recogniser

CONFIGS = Path(__file__).parents[3] / "training/configs"
SET = 'file = "tiny.npz"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("stride = 2", "stride = 3", "stride 3 does not divide alpha 4"),
        ("stride = 2", "stride = 8", "stride 8 does not divide alpha 4"),
        ("kernel = 3", "kernel = 4", r"continuous: .*kernel 4 must be odd"),
        ("blocks = 1", "blocks = 1\ntaught_signs = [2, 1]", r"taught_signs \(2, 1\) must be a range"),
        ("blocks = 1", "blocks = 1\nlayers = 2", r"continuous\.layers: "),
        ("signs = [1, 3]", "signs = [3, 1]", r"continuous\.sentences: .*range from 1 up"),
        ("[continuous]", "[loss]\nlabel_smoothing = 0.1\n[continuous]", r"\[loss\] is for isolated signs"),
        (JOINED, "", r"\[continuous\.streams\] says how"),
        (SET, f"{SET}\nsentences = true", r"\[continuous\.streams\] says how"),
        (
            SET,
            f'{SET}\nfps = 9.0\naspect = 1.0\nabout = "x"\nsentences = true\n[[data.sets]]\n{SET}',
            "in part sentences",
        ),
        ("alpha = 0.6", "alpha = 1.6", r"continuous\.loss\.adaptive\.alpha: "),
    ],
)
def test_a_faulty_config_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in text()
    with pytest.raises(ConfigError, match=said):
        load_config(write(tmp_path, text().replace(old, new, 1)))


def test_isolated_configs_need_a_loss_and_have_no_sentences(tmp_path: Path) -> None:
    isolated = synthetic.CONFIG.replace("{streams}", '"keypoints"').replace("{epochs}", "1")
    with pytest.raises(ConfigError, match=r"there must be a \[loss\] table"):
        load_config(write(tmp_path, isolated.partition("[loss]")[0]))
    with pytest.raises(ConfigError, match=r"sentences need a \[continuous\] table"):
        load_config(write(tmp_path, isolated.replace(SET, f"{SET}\nsentences = true")))
    made = load_config(write(tmp_path, isolated))
    for refuses in (lambda: continuous_recogniser(made, 2), lambda: continuous_variant_of(made, "ctc")):
        with pytest.raises(ValueError, match=r"tiny has no \[continuous\] table"):
            refuses()


def test_a_config_survives_being_written(tmp_path: Path) -> None:
    made = load_config(write(tmp_path, text()))
    assert type(made).model_validate(made.model_dump(mode="json")) == made


def test_the_shipped_config_is_one_of_sentences() -> None:
    made = load_config(CONFIGS / "continuous.toml")
    assert made.continuous is not None
    assert made.continuous.sentences is not None


def test_words_of_a_sentence_are_renamed_and_left_out_one_by_one(tmp_path: Path) -> None:
    made = recorded_config(tmp_path)
    source = made.data.sets[0]
    every = load_sets(made.data, tmp_path)
    renamed = source.model_copy(update={"alias": {"low": "deep"}})
    wrong = Correction(file=source.file, signer="ann", gloss="deep", why="Not deep.")
    loaded = load_sets(made.data.model_copy(update={"sets": (renamed,), "corrections": (wrong,)}), tmp_path)
    kept = [e for e in every if e.signer != "ann" or "low" not in e.sentence]
    assert [e.glosses for e in loaded] == [tuple(g.replace("low", "deep") for g in e.glosses) for e in kept]
    assert len(kept) < len(every)
    misspelt = source.model_copy(update={"alias": {"high low": "both"}})
    with pytest.raises(DataError, match="alias of gloss high low: not in the file"):
        load_sets(made.data.model_copy(update={"sets": (misspelt,)}), tmp_path)


def test_sentences_with_a_word_outside_the_vocabulary_go_with_the_distractors(tmp_path: Path) -> None:
    made = recorded_config(tmp_path)
    alone = made.data.model_copy(update={"vocabulary": ("high", "other"), "distractors": False})
    assert {e.sentence for e in load_sets(alone, tmp_path)} == {("high",)}


@pytest.mark.parametrize("name", ["asl_sentences_ctc", "asl_sentences_windows"])
def test_recipes_of_sentences_have_the_data_of_the_embedded_bundle(name: str) -> None:
    """So that all ways to read are measured on the same streams."""
    made, demo = (load_config(CONFIGS / f"{n}.toml").data for n in (name, "asl_demo"))
    assert (made.vocabulary, made.no_sign, made.sets) == (demo.vocabulary, demo.no_sign, demo.sets)
    assert made.corrections == demo.corrections
    assert load_config(CONFIGS / f"{name}.toml").sentence_reader is not None
