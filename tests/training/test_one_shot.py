"""Signs that are taught, asked by others: scores of drawn lexicons, the numbers of the rule, and the commands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main as export_main
from glosscast.bundle import load_bundle
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.settings import LexiconSettings
from glosscast.lexicon.signs import Lexicon, SignExample
from glosscast.manifest import MODEL
from tests.training.synthetic import arrays, write
from training.__main__ import main
from training.data import DataError
from training.evaluation import lexicon_calibration
from training.evaluation.lexicon_calibration import Asked, ask, calibrate_lexicon, measure, rule, typical
from training.evaluation.one_shot import Embedded, draw_lexicon, own_lexicon, score

SETTINGS = LexiconSettings(margin=0.6, temperature=0.05, typical=0.7, caution=1.5, crowd=0.5)
VOCABULARY = ("yes", "no sign")


def clips(signers: int = 4, glosses: int = 6, each: int = 3, spread: float = 0.1, seed: int = 0) -> Embedded:
    """Clips around one direction for each gloss."""
    rng = np.random.default_rng(seed)
    middles = np.eye(16)[:glosses]
    rows = [
        (middles[g] + rng.normal(0, spread, 16), f"sign {g}", f"signer {s}")
        for s in range(signers)
        for g in range(glosses)
        for _ in range(each)
    ]
    embeddings = np.stack([row[0] for row in rows]).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Embedded(embeddings, np.array([row[1] for row in rows]), np.array([row[2] for row in rows]))


def test_signs_that_lie_apart_are_all_read() -> None:
    found = score(clips(), clips(), ways=6, shots=1, draws=10, seed=1)
    assert found.accuracy > 0.95
    assert found.top5 == 1.0


def test_noise_is_read_as_often_as_by_chance() -> None:
    rng = np.random.default_rng(0)
    made = clips(signers=6, glosses=10)
    noise = rng.normal(0, 1, made.embeddings.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    found = score(*[Embedded(noise, made.glosses, made.signers)] * 2, ways=10, shots=1, draws=300, seed=1)
    assert found.accuracy == pytest.approx(0.1, abs=0.04)
    assert found.top5 == pytest.approx(0.5, abs=0.06)


def test_nobody_is_asked_by_what_they_taught_themselves() -> None:
    """Where the other person signs something else under each name, one's own clips would give the right answer."""
    made = clips(signers=2, spread=0.0)
    mixed = made.embeddings.copy()
    mixed[made.signers == "signer 1"] = np.roll(mixed[made.signers == "signer 1"], 3, axis=0)
    found = score(*[Embedded(mixed, made.glosses, made.signers)] * 2, ways=6, shots=3, draws=20, seed=1)
    assert found.accuracy == 0.0


def test_people_who_teach_themselves_ask_with_other_clips() -> None:
    """Everybody has signs of their own; one's own clips alone tell which is which."""
    made = clips(signers=3, spread=0.0)
    personal = made.embeddings.copy()
    for turn in range(3):
        mine = made.signers == f"signer {turn}"
        personal[mine] = np.roll(personal[mine], turn, axis=1)
    own = Embedded(personal, made.glosses, made.signers)
    assert score(own, None, ways=6, shots=1, draws=9, seed=1).accuracy == 1.0
    assert score(own, own, ways=6, shots=1, draws=9, seed=1).accuracy < 0.5
    _, taken = own_lexicon(own, ["sign 0", "sign 1"], "signer 0", 9, np.random.default_rng(1))
    assert sorted(taken) != sorted(
        np.flatnonzero((own.signers == "signer 0") & np.isin(own.glosses, ["sign 0", "sign 1"]))
    )
    assert len(taken) == 4  # of three clips each one is left to ask with


def test_the_same_seed_draws_the_same_lexicons() -> None:
    hard = clips(spread=0.6)
    first, again, other = (score(hard, hard, 5, 1, 10, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_examples_are_of_different_people_before_one_comes_again() -> None:
    made = clips(signers=4, glosses=1, each=5)
    marked = np.eye(4, dtype=np.float32)[[int(s[-1]) for s in made.signers]]
    (prototype,) = draw_lexicon(
        Embedded(marked, made.glosses, made.signers), ["sign 0"], "signer 0", 3, np.random.default_rng(1)
    )
    np.testing.assert_allclose(prototype, np.array([0, 1, 1, 1]) / np.sqrt(3), rtol=1e-6)


@pytest.mark.parametrize(
    ("made", "ways", "message"),
    [
        pytest.param(clips(), 7, "7 ways: the clips to teach with have 6 glosses", id="too few glosses"),
        pytest.param(clips(signers=1), 3, "no gloss that two different people have signed", id="one signer"),
    ],
)
def test_what_cannot_be_asked_is_refused(made: Embedded, ways: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        score(made, made, ways, 1, 3, 1)


# --- the numbers of the rule


def test_the_rule_for_many_clips_is_that_of_the_reader(teachable_folder: Path) -> None:
    bundle = load_bundle(teachable_folder)
    rng = np.random.default_rng(1)
    size, classes = bundle.embedding_size, len(bundle.vocabulary)
    lexicon = Lexicon("mine", bundle.id, bundle.manifest.files[MODEL])
    for number in range(3):
        embedding = rng.normal(0, 1, size).astype(np.float32)
        embedding /= np.linalg.norm(embedding)
        keypoints = np.full((1, 171, 4), number, np.float16)
        example = SignExample(np.zeros(1, np.float32), keypoints, 0.0, 0.0, np.zeros(classes, np.float32), embedding)
        lexicon = lexicon.with_examples(f"taught {number}", (example,))
    manifest = bundle.manifest.model_copy(update={"lexicon": SETTINGS})
    bundle = replace(bundle, manifest=manifest)
    reader = LexiconRule(bundle, lexicon)
    assert bundle.vocabulary.no_sign_id is not None
    probabilities = rng.dirichlet(np.ones(classes), 5)
    embeddings = np.stack([e.examples[0].embedding for e in lexicon])[[0, 1, 2, 0, 1]]
    prototypes = np.stack([e.examples[0].embedding for e in lexicon])
    many = rule(probabilities, embeddings @ prototypes.T, bundle.vocabulary.no_sign_id, SETTINGS)
    for row, p, z in zip(many, probabilities, embeddings, strict=True):
        np.testing.assert_allclose(reader(np.concatenate([p, z]).astype(np.float32)), row, rtol=1e-3, atol=1e-5)


def known_and_taught(spread: float) -> tuple[Embedded, np.ndarray]:
    """Clips of six signs and one of the vocabulary, with what a bundle reads in them."""
    made = clips(signers=5, glosses=7, each=4, spread=spread, seed=2)
    glosses = np.where(made.glosses == "sign 6", "yes", made.glosses)
    yes = np.where(glosses == "yes", 0.95, 0.05)
    return Embedded(made.embeddings, glosses, made.signers), np.stack([yes, 1 - yes], axis=1)


def test_everybody_asks_with_taught_signs_other_signs_and_those_of_the_vocabulary() -> None:
    made, probabilities = known_and_taught(0.1)
    asked = ask(made, probabilities, VOCABULARY, "no sign", seed=1)
    assert {part.own for part in asked} == {False, True}
    for part in asked[::37]:
        assert part.similarity.shape == (len(part.kinds), part.similarity.shape[1])
        assert set(part.kinds) == {0, 1, 2}
        assert (part.targets[part.kinds == 0] >= 2).all()
        assert (part.targets[part.kinds == 1] == 1).all()
        assert (part.targets[part.kinds == 2] == 0).all()
        best = 2 + part.similarity.argmax(axis=1)
        assert (best == part.targets)[part.kinds == 0].mean() > 0.9


def test_signs_that_lie_apart_are_reported_and_nothing_else_suffers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon_calibration, "DRAWS", 4)
    monkeypatch.setattr(lexicon_calibration, "MARGINS", (0.6, 0.75, 0.9))
    made, probabilities = known_and_taught(0.1)
    found = calibrate_lexicon(ask(made, probabilities, VOCABULARY, "no sign", 1), 1, 0.7, typical(made, VOCABULARY))
    assert found.taught_told > 0.9
    assert found.own_told > 0.9
    assert found.taught_wrong < 0.02
    assert found.harm <= 0.01
    assert 0.5 < found.settings.typical < 1.0


def test_signs_that_nobody_can_tell_apart_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon_calibration, "DRAWS", 4)
    monkeypatch.setattr(lexicon_calibration, "MARGINS", (0.6, 0.75, 0.9))
    made, probabilities = known_and_taught(2.0)
    found = calibrate_lexicon(ask(made, probabilities, VOCABULARY, "no sign", 1), 1, 0.7, 0.5)
    assert found.harm <= 0.01
    assert found.taught_told < 0.3


def test_reports_are_counted_by_kind() -> None:
    probabilities = np.array([[0.05, 0.95], [0.05, 0.95], [0.95, 0.05]])
    similarity = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.1]], np.float32)
    part = Asked(probabilities, similarity, np.array([2, 1, 0]), np.array([0, 1, 2]), own=True)
    found = measure([part], no_sign=1, reject=0.7, settings=SETTINGS)
    assert (found.taught_told, found.taught_wrong, found.own_told) == (1.0, 0.0, 1.0)
    assert found.others_told == (0.0, 1.0)
    assert found.known_right == (1.0, 1.0)
    assert found.known_wrong == (0.0, 0.0)
    assert found.harm == 1.0


def test_a_sign_of_one_person_alone_calibrates_nothing() -> None:
    made = clips(signers=1)
    with pytest.raises(DataError, match="signed by two people"):
        ask(made, np.zeros((len(made.glosses), 2)), VOCABULARY, "no sign", 1)


# --- the commands


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a config, and a model trained without bea and cem, and without the sign "low"."""
    folder = tmp_path_factory.mktemp("taught")
    config = write(folder, epochs=4)
    text = config.read_text().replace('vocabulary = ["high", "low", "no sign"]', 'vocabulary = ["high", "no sign"]')
    text = text.replace("distractors = false", 'distractors = true\nbackground = true\nheld_out_glosses = ["low"]')
    config.write_text(text.replace('held_out = ["cem"]', 'held_out = ["bea", "cem"]'))
    assert main(["train", "--config", str(config), "--out", str(folder / "run"), "--data", str(folder)]) == 0
    (folder / "folds.toml").write_text('[[fold]]\nuse = "report"\nsigners = ["bea", "cem"]\nglosses = ["low"]\n')
    return folder


def of_folds(folder: Path, name: str, *more: str) -> list[str]:
    where = ["--config", str(folder / "tiny.toml"), "--data", str(folder), "--folds", str(folder / "folds.toml")]
    return [name, *where, "--checkpoint", str(folder / "run" / "checkpoint.pt"), *more]


@pytest.mark.slow
def test_a_bundle_is_calibrated_exported_and_asked(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexicon_calibration, "DRAWS", 2)
    monkeypatch.setattr(lexicon_calibration, "MARGINS", (0.6, 0.9))
    calibration, lexicon, bundle = tmp_path / "calibration.json", tmp_path / "lexicon.json", tmp_path / "bundle"
    assert main(of_folds(made, "calibrate", "--out", str(calibration))) == 0
    assert main(of_folds(made, "calibrate-lexicon", "--calibration", str(calibration), "--out", str(lexicon))) == 0
    assert "taught signs" in capsys.readouterr().out
    wanted = json.loads(lexicon.read_text())
    export = ["onnx", "--checkpoint", str(made / "run" / "checkpoint.pt"), "--out", str(bundle)]
    assert export_main([*export, "--calibration", str(calibration), "--lexicon", str(lexicon)]) == 0
    loaded = load_bundle(bundle)
    assert loaded.manifest.lexicon == LexiconSettings.model_validate(wanted["settings"])
    assert loaded.report.metrics["taught_told"] == pytest.approx(wanted["taught_told"])
    capsys.readouterr()

    asked = tmp_path / "asked.npz"
    np.savez(asked, **arrays(seed=5))
    command = ["one-shot", "--bundle", str(bundle), "--data", str(asked), "--ways", "2,3", "--shots", "1,2"]
    assert main([*command, "--draws", "4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["ways"]) == {"2", "3"}
    assert set(answer["ways"]["3"]) == {"1", "2"}
    assert answer["ways"]["2"]["1"]["top5"] == 1.0
    assert 0 <= answer["ways"]["3"]["2"]["accuracy"] <= 1
    assert main([*command, "--draws", "4", "--enrol", str(asked)]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("| 2 | 1 |")
    assert main([*command[:-4], "--ways", "4"]) == 2
    assert "4 ways: the clips to teach with have 3 glosses" in capsys.readouterr().err


@pytest.mark.slow
def test_folds_are_asked_with_signs_outside_the_vocabulary_alone(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(of_folds(made, "evaluate-one-shot", "--ways", "1", "--shots", "1", "--draws", "2", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["ways"]["1"]["1"][0]["accuracy"] == 1.0
    assert main(of_folds(made, "evaluate-one-shot", "--ways", "2")) == 2
    assert "2 ways: the clips to teach with have 1 glosses" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--ways", "0"], ["--shots", "x"], ["--draws", "-1"]])
def test_numbers_that_mean_nothing_are_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["one-shot", "--data", "x.npz", *option])
    assert "whole number from 1 on" in capsys.readouterr().err
