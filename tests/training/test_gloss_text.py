"""The language model that is counted in gloss text."""

from pathlib import Path

import numpy as np
import pytest

from glosscast.sentences.language_model import load_language_model
from tests.training.continuous.tiny import text, write
from training.__main__ import main
from training.data import DataError
from training.data.gloss_text import FALLBACK, _discounts, fit, perplexity, read_gloss_text

SENTENCES = [("a", "b"), ("a", "b", "a"), ("b",), ("a", "c")]


def test_probabilities_are_those_of_the_formula() -> None:
    """By hand; of so little text the discounts are 0.5, 1 and 1.5."""
    model = fit(SENTENCES, ("a", "b"), 2)
    # What a, b, others and the end were seen after: the beginning or b; the beginning or a; a; a, b or others.
    before = np.array([2, 2, 1, 3])
    single = (before - [1, 1, 0.5, 1.5]) / 8 + 4.0 / 8 / 4
    assert model.single == pytest.approx(single)
    after_a = np.array([0, 1, 0.5, 0.5]) / 4 + (1 + 0.5 + 0.5) / 4 * single
    assert np.exp(model.following((0,))) == pytest.approx(after_a)
    begin = np.array([1.5, 0.5, 0, 0]) / 4 + (1.5 + 0.5) / 4 * single
    assert np.exp(model.following(())) == pytest.approx(begin)


def test_discounts_are_those_of_the_counts_where_there_are_enough() -> None:
    counts = [1] * 40 + [2] * 15 + [3] * 8 + [4] * 5 + [9] * 3
    share = 40 / (40 + 2 * 15)
    expected = (1 - 2 * share * 15 / 40, 2 - 3 * share * 8 / 15, 3 - 4 * share * 5 / 8)
    assert _discounts(counts) == pytest.approx(expected)
    assert _discounts(counts[:40]) == FALLBACK


@pytest.mark.parametrize("order", range(1, 6))
def test_what_follows_any_history_sums_to_one(order: int) -> None:
    model = fit(SENTENCES, ("a", "b", "never"), order)
    assert model.order == order
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = tuple(rng.integers(0, 4, rng.integers(0, 6)).tolist())
        assert np.exp(model.following(labels)).sum() == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(model.following(())).all()


def test_a_longer_history_expects_a_regular_text_better() -> None:
    sentences = [("a", "a", "b", "b", "c") * 2] * 20
    values = [perplexity(fit(sentences, ("a", "b", "c"), order), sentences[:3]).value for order in (1, 2, 3)]
    assert values[0] > values[1] > values[2] > 1.0


def test_perplexity_is_over_known_glosses_and_ends() -> None:
    model = fit(SENTENCES, ("a", "b", "c"), 1)
    p = np.exp(model.following(()))
    found = perplexity(model, [("a", "strange", "c")])
    assert found == (pytest.approx(1 / np.cbrt(p[0] * p[2] * p[model.end])), 3, 1)


def test_the_command_writes_a_model_of_a_configs_vocabulary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.gloss").write_text("high low high\n\nlow low\nhigh other\n")
    (tmp_path / "test.gloss").write_text("high low\n")
    config = write(tmp_path, text())
    out = tmp_path / "lm.npz"
    options = ["--text", str(tmp_path / "train.gloss"), "--test", str(tmp_path / "test.gloss"), "--out", str(out)]
    assert main(["language-model", *options, "--config", str(config)]) == 0
    assert load_language_model(out).glosses == ("high", "low", "no sign")
    printed = capsys.readouterr().out
    assert "order 2, 3 sentences, 3 glosses, 1 others in one" in printed
    assert "perplexity" in printed
    assert main(["language-model", *options]) == 0
    assert load_language_model(out).glosses == ("high", "low", "other")


@pytest.mark.parametrize(("content", "said"), [(b"\n \n", "no sentence in it"), (b"\xff\xfe", "not a text in UTF-8")])
def test_files_without_sentences_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "train.gloss"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"train\.gloss: {said}"):
        read_gloss_text([path])
