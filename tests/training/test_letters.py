"""The configs of letters: the models of the look-alikes with another vocabulary."""

import os
from pathlib import Path

import pytest

from training.config import load_config
from training.config.folds import load_folds
from training.data import load_split

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "training" / "configs"
DATA = Path(os.environ.get("GLOSSCAST_DATA", ROOT.parent / "shared" / "data"))
FILES = (
    "asl_letters_mit.npz",
    "asl_webcam_many.npz",
    "asl_webcam_research.npz",
    "asl_words_mit.npz",
    "ksl13_apache.npz",
)


def test_letters_are_learned_as_the_lookalikes_are() -> None:
    letters, words = (load_config(CONFIGS / f"{name}.toml") for name in ("letters", "lookalikes"))
    vocabulary = (*(f"letter {letter}" for letter in "abcefghijklostuvwxyz"), "no sign")
    data = words.data.model_copy(update={"vocabulary": vocabulary})
    assert letters == words.model_copy(update={"name": "letters", "data": data})


def test_letters_of_the_indian_alphabet_have_names_of_their_own() -> None:
    words = load_config(CONFIGS / "lookalikes.toml")
    renamed = {(c.signer, c.gloss): c.to for c in words.data.corrections if c.gloss.startswith("letter ")}
    assert set(renamed.values()) == {f"isl letter {letter}" for letter in "abcdefghjklmnopqrstuvwxyz"}
    assert all(to == f"isl {gloss}" for (_, gloss), to in renamed.items())


def test_hands_are_learned_as_whole_bodies_are() -> None:
    hands, letters = (load_config(CONFIGS / f"{name}.toml") for name in ("letters_hands", "letters"))
    assert hands == letters.model_copy(update={"name": "letters-hands", "card": hands.card, "data": hands.data})
    assert [source.hands_only for source in hands.data.sets] == [True]


@pytest.mark.parametrize(("name", "signers"), [("letters", 3), ("letters_hands", 2)])
def test_nothing_is_chosen_on_letters(name: str, signers: int) -> None:
    folds = load_folds(CONFIGS / f"{name}_folds.toml", "report")
    assert folds == load_folds(CONFIGS / f"{name}_folds.toml")
    assert [len(fold.signers) for fold in folds] == [1] * signers


@pytest.mark.skipif(not all((DATA / name).is_file() for name in FILES), reason=f"no recordings in {DATA}")
@pytest.mark.parametrize("name", ["letters", "letters_hands"])
def test_each_letter_of_a_left_out_signer_is_learned_from_others(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.toml")
    for fold in load_folds(CONFIGS / f"{name}_folds.toml"):
        data = config.data.model_copy(update={"held_out": fold.signers})
        split = load_split(data, DATA, config.model)
        assert set(config.data.vocabulary) <= {e.gloss for e in split.train}
        assert not {e.signer for e in split.train} & set(fold.signers)
