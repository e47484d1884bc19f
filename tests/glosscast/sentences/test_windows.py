"""The reader of short windows, with a model whose answer for each window is said beforehand."""

from collections.abc import Sequence

import numpy as np
import pytest

from glosscast.clip import ClipSpec, Window
from glosscast.sentences.decoder import SentencePipeline
from glosscast.sentences.settings import WindowReader
from tests.bundles import ASPECT, DECODER, FRAME_MS, SEGMENTER, pose

SPEC = ClipSpec(window_ms=500, fps=16, alpha=4)
CLASSES = "EWr"  # east, west, rest


class Said:
    """A model that answers with one letter of a text for each window, and with the last one from then on."""

    def __init__(self, text: str, sure: float = 0.9) -> None:
        self.text = text
        self.sure = sure
        self.windows: list[Window] = []

    def __call__(self, windows: Sequence[Window]) -> np.ndarray:
        rows = []
        for window in windows:
            letter = self.text[min(len(self.windows), len(self.text) - 1)]
            self.windows.append(window)
            row = np.full(3, (1 - self.sure) / 2, np.float32)
            row[CLASSES.index(letter)] = self.sure
            rows.append(row)
        return np.stack(rows)


def read(text: str, frames: int = 60, **settings: int) -> tuple[str, Said]:
    """The glosses that are read, as letters, of somebody who holds a hand up; windows one frame apart."""
    model = Said(text)
    reader = WindowReader.model_validate(
        {"kind": "windows", "stride": 1, "neighbours": 0, "min_windows": 3, **settings}
    )
    pipeline = SentencePipeline(SPEC, SEGMENTER, DECODER, reader, model, lambda r: r, 3, no_sign=2)
    decoder = pipeline.decoder(interim=False)
    held = [pose((0.0, 0.3))] * frames
    events = [e for i, keypoints in enumerate(held) for e in decoder.push(i * FRAME_MS, keypoints, ASPECT)]
    events += decoder.finish()
    return "".join(CLASSES[e.label] for e in events if e.kind == "final" and e.label is not None), model


@pytest.mark.parametrize(
    ("text", "glosses"),
    [
        ("r", ""),
        ("rrrEEEErrrr", "E"),
        ("rrrEErrrr", ""),  # too short to be a sign
        ("rrrEEEEWWEEEErrrr", "E"),  # too short to part a sign
        ("rrrEEEErrEEEErrrr", "E"),
        ("rrrEEEErrrEEEErrrr", "EE"),  # the background between two
        ("rrrEEEEWWWWrrrr", "EW"),
        ("rrrEWEWEWEWrrrr", ""),
        ("EEEE", "E"),  # until the end of the utterance
    ],
)
def test_repeats_collapse_and_flickers_count_for_nothing(text: str, glosses: str) -> None:
    assert read(text)[0] == glosses


def test_neighbours_vote() -> None:
    flickering = "rrrEEWEEWEErrrrrr"
    assert read(flickering, neighbours=0)[0] == ""
    assert read(flickering, neighbours=1)[0] == "E"


def test_windows_are_a_stride_apart_and_centred() -> None:
    for stride in (1, 3):
        _, model = read("r", frames=40, stride=stride)
        starts = [window.start_ms for window in model.windows]
        assert np.diff(starts) == pytest.approx(stride * FRAME_MS)
        # From one that is centred on the first frame to one that is centred on the last, or just before it.
        half_ms = (SPEC.frames - 1) / 2 * FRAME_MS
        assert starts[0] == pytest.approx(-half_ms)
        assert 39 * FRAME_MS - stride * FRAME_MS < starts[-1] + half_ms <= 39 * FRAME_MS + 1e-6
        assert model.windows[0].mask.sum() == 5  # the half from the first frame on
        assert model.windows[len(starts) // 2].mask.all()
