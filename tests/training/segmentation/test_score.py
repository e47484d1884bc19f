from collections.abc import Sequence

import numpy as np
import pytest

from glosscast.clip import Window
from glosscast.decoding import Pipeline
from glosscast.learned_segmentation import Tagging
from tests.bundles import DECODER, SEGMENTER, SPEC
from tests.training.synthetic import examples
from training.config import StreamConfig
from training.data.sentences import Sign
from training.data.streams import draw_streams
from training.segmentation.learn import BEGIN_TICKS, IGNORED, TAGGING, learn, tags_of
from training.segmentation.score import FoundSign, matched, overlap, score


def sign(start: float, end: float) -> Sign:
    return Sign("a", start, end)


def found(start: float, end: float) -> FoundSign:
    return FoundSign(start, end, end + 100, "a", 0.9)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [((0, 100), (0, 100), 1.0), ((0, 100), (50, 150), 1 / 3), ((0, 100), (200, 300), 0.0), ((0, 100), (25, 75), 0.5)],
)
def test_overlap_is_intersection_over_union(a: tuple[float, float], b: tuple[float, float], wanted: float) -> None:
    assert overlap(sign(*a), found(*b)) == pytest.approx(wanted)


def test_signs_are_matched_one_to_one() -> None:
    signs = [sign(0, 100), sign(200, 300), sign(400, 500)]
    pairs = matched(signs, [found(0, 90), found(10, 100), found(0, 300), found(420, 500)])
    assert [(s.start_ms, f.start_ms) for s, f in pairs] == [(0, 0), (400, 420)]


def test_tags_come_two_ticks_late() -> None:
    (stream,) = draw_streams(examples(), ("high", "low"), (), StreamConfig(signs=(1, 1)), 1, 0)
    tags = tags_of(stream).tolist()
    first = round(stream.signs[0].start_ms * 16 / 1000)
    last = round(stream.signs[0].end_ms * 16 / 1000)
    assert tags[:2] == [IGNORED, IGNORED]
    assert tags[2 : first + 2] == [0] * first
    assert tags[first + 2 : first + 2 + BEGIN_TICKS] == [2] * BEGIN_TICKS
    assert set(tags[first + 2 + BEGIN_TICKS : last + 3]) == {1}
    assert set(tags[last + 3 :]) == {0}


@pytest.mark.slow
def test_a_segmenter_separates_signs_that_the_rule_cannot() -> None:
    """Signs without a rest between them, of a signer whom it has not seen."""
    seen = [e for e in examples() if e.signer != "ann"]
    unseen = [e for e in examples() if e.signer == "ann"]
    net = learn(draw_streams(seen, ("high", "low"), (), StreamConfig(), 60, 1), SEGMENTER, 1)
    tagging = Tagging(TAGGING, net.weights())
    streams = draw_streams(unseen, ("high", "low"), (), StreamConfig(direct=1.0), 10, 2)

    def uniform(windows: Sequence[Window]) -> np.ndarray:
        return np.full((len(windows), 2), 0.5, np.float32)

    def scores(tagging: Tagging | None) -> float:
        pipeline = Pipeline(SPEC, SEGMENTER, DECODER, uniform, tagging)
        return score(streams, pipeline, ("high", "low"), None).f1

    assert scores(tagging) > scores(None) + 0.3
