from collections.abc import Sequence
from pathlib import Path

import pytest

from glosscast.segmentation import SegmenterSettings
from tests.training.synthetic import config, examples
from training.data.sentences import Sentence
from training.segmentation import evaluate
from training.segmentation.learn import TaggerNet


def streams_learned_from(folder: Path, monkeypatch: pytest.MonkeyPatch, idle_clips: int) -> list[Sentence]:
    learned: list[Sentence] = []

    def keep(streams: Sequence[Sentence], settings: SegmenterSettings, seed: int) -> TaggerNet:
        learned.extend(streams)
        return TaggerNet()

    monkeypatch.setattr(evaluate, "learn", keep)
    monkeypatch.setattr(evaluate, "TAUGHT", 3)
    monkeypatch.setattr(evaluate, "IDLE_HOURS", {"pausing": 1 / 60, "fidgeting": 2 / 60})
    tiny = config(folder)
    data = tiny.data.model_copy(update={"idle_clips": idle_clips})
    evaluate.train_segmenter(tiny.model_copy(update={"data": data}), examples())
    return learned


def test_a_segmenter_learns_from_idle_hands_where_the_recogniser_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [bool(s.signs) for s in streams_learned_from(tmp_path, monkeypatch, idle_clips=0)] == [True] * 3
    assert [bool(s.signs) for s in streams_learned_from(tmp_path, monkeypatch, idle_clips=1)] == [True] * 3 + [
        False
    ] * 3
