import json
from pathlib import Path

import numpy as np
import pytest

from glosscast.clip import Clip
from tests.training.continuous import tiny
from tests.training.synthetic import write
from training.__main__ import main
from training.data.sentences import Sentence, Sign
from training.evaluation.wer import error_rate
from training.segmentation import evaluate, readers
from training.segmentation.readers import ReaderScores, delay_of, table
from training.segmentation.score import FoundSign

WINDOWS = """
[crops]
signs = [2, 3]
[reader]
kind = "windows"
stride = 2
neighbours = 1
min_windows = 2
"""


def stream(*glosses: str) -> Sentence:
    """Signs of a second, with a second before each."""
    frames = 4 * len(glosses)
    clip = Clip(np.arange(frames) * 500.0, np.zeros((frames, 171, 4), np.float32), 1.0)
    signs = [Sign(gloss, 1000.0 + 2000 * i, 2000.0 + 2000 * i) for i, gloss in enumerate(glosses)]
    return Sentence(clip, tuple(signs), "ann")


def final(gloss: str, at_ms: float, reported_ms: float) -> FoundSign:
    return FoundSign(at_ms, at_ms + 100.0, reported_ms, gloss, 0.9)


def test_delays_are_those_of_the_signs_that_were_read_rightly() -> None:
    signed = stream("a", "b", "a")  # the last one from 5 to 6 s
    found = [final("a", 1500, 2300), final("c", 3200, 3500), final("b", 4300, 4600), final("a", 5100, 5900)]
    assert delay_of([signed], [found]) == (300.0, pytest.approx(570.0))  # of 300, 600 and -100
    assert delay_of([signed], [[final("a", 5100, 6200)]]) == (200.0, 200.0)
    assert delay_of([signed], [[final("a", 2600, 2700), final("c", 1500, 1900)]]) is None


def test_the_table_counts_folds_together_and_seeds_apart() -> None:
    def scores(seed: int, fold: str, read: list[str], delay: tuple[float, float] | None) -> ReaderScores:
        rate = error_rate([(["a", "b"], read)])
        return ReaderScores(
            held_out=(fold,), seed=seed, streams="direct", reader="windows", rate=rate, delay_ms=delay, cpu=2.0
        )

    rows = [
        scores(0, "ann", ["a", "b"], (100.0, 300.0)),
        scores(0, "bea", ["a", "c"], (200.0, 500.0)),
        scores(1, "ann", ["a"], None),
        scores(1, "bea", ["a", "b", "b"], None),
    ]
    # 1 of 4 glosses wrong with the first seed, 2 of 4 with the second
    assert "| direct | windows | 37.5 ± 17.7 | 12.5 | 12.5 | 12.5 | 150 (400) | 2.0 |" in table(rows)


@pytest.mark.slow
def test_every_kind_of_checkpoint_is_read_by_its_own_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "TAUGHT", 16)
    monkeypatch.setattr(readers, "TESTED", 3)
    plain = write(tmp_path / "plain", epochs=2)
    windows = write(tmp_path / "windows", epochs=2)
    windows.write_text(windows.read_text() + WINDOWS)
    ctc = tiny.write(tmp_path / "ctc", tiny.text())
    rows = {}
    for config in (plain, windows, ctc):
        options = ["--config", str(config), "--data", str(config.parent)]
        assert main(["train", *options, "--out", str(config.parent)]) == 0
        scored = ["evaluate-readers", *options, "--fold", "cem", "--checkpoint", str(config.parent / "checkpoint.pt")]
        capsys.readouterr()
        assert main([*scored, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        rows[config.parent.name] = found["streams"]
        assert found["alike"] == []  # the three people sign nothing but the vocabulary
    for row in rows["ctc"]:
        assert (row["delay_ms"] is None) or row["reader"] == "CTC streaming"
    assert {name: {row["reader"] for row in of} for name, of in rows.items()} == {
        "plain": {"segmenter with classifier"},
        "windows": {"windows"},
        "ctc": {"CTC streaming", "CTC offline"},
    }
    # All read the same streams.
    for kind in readers.KINDS:
        assert len({row["rate"]["tokens"] for of in rows.values() for row in of if row["streams"] == kind}) == 1
    assert all(row["rate"]["sentences"] == 3 for of in rows.values() for row in of)
    assert main(scored) == 0
    assert capsys.readouterr().out.count("\n") == 2 + 2 * len(readers.KINDS)
