"""The reader of CTC against a search over the whole utterance, with a made-up model that looks around each step."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from glosscast.bundle import load_bundle
from glosscast.clip import ClipSpec, Window
from glosscast.ctc import beam_search
from glosscast.keypoints import X
from glosscast.recogniser import Recogniser
from glosscast.sentences.decoder import SentencePipeline
from glosscast.sentences.settings import ChunkReader
from tests.bundles import ASPECT, DECODER, FRAME_MS, SEGMENTER, pose
from tests.sentence_bundles import BETWEEN, GAIN, GLOSSES, STRIDE, connected, make_sentence_bundle

BLANK = len(GLOSSES)


class Looking:
    """A model whose steps depend on the wrist in the steps around them, as far as a window has any.

    Args:
        spec: timing of a window.
        reach: steps that a step depends on, before and after it.
    """

    def __init__(self, spec: ClipSpec, reach: int) -> None:
        self.steps = spec.frames // STRIDE
        self.reach = reach
        self.seen: list[Window] = []

    def __call__(self, windows: Sequence[Window]) -> np.ndarray:
        self.seen += windows
        return np.stack([self.read(window).ravel() for window in windows])

    def read(self, window: Window) -> np.ndarray:
        """(steps, 3) probabilities."""
        inside = window.mask.reshape(self.steps, STRIDE)
        x = (window.keypoints[:, 16, X].reshape(self.steps, STRIDE) * inside).sum(1) / np.maximum(inside.sum(1), 1)
        known = inside.max(1)
        near = np.abs(np.subtract.outer(np.arange(self.steps), np.arange(self.steps))) <= self.reach
        mean = (near * (x * known)).sum(1) / np.maximum((near * known).sum(1), 1)
        logits = np.stack([GAIN * mean, -GAIN * mean, np.full_like(mean, BETWEEN)], axis=1)
        return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def pipeline_of(model: Looking, spec: ClipSpec, **settings: float) -> SentencePipeline:
    reader = ChunkReader.model_validate({"kind": "chunks", "right": 2, "pause_ms": 900.0, "width": 32, **settings})
    return SentencePipeline(
        spec, SEGMENTER, DECODER, reader, model, lambda readout: readout[:BLANK], BLANK, stride=STRIDE
    )


def finals(pipeline: SentencePipeline, frames: list[tuple[float, np.ndarray]]) -> list[tuple[int | None, float, float]]:
    decoder = pipeline.decoder(interim=False)
    events = [e for t, k in frames for e in decoder.push(t, k, ASPECT)] + decoder.finish()
    return [(e.label, e.start_ms, e.end_ms) for e in events if e.kind == "final"]


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_with_the_context_of_the_model_a_stream_is_read_as_the_whole_utterance_is(reach: int) -> None:
    """Windows that show all that a step depends on give the same steps, wherever they begin."""
    frames = connected("east west west east", "west")
    short, long = (ClipSpec(window_ms=ms, fps=16, alpha=4) for ms in (1500, 12_000))
    read = finals(pipeline_of(Looking(short, reach), short, right=reach, hop=1), frames)
    whole = Looking(long, reach)
    steps = long.frames // STRIDE
    assert read == finals(pipeline_of(whole, long, right=steps - 1, hop=1), frames)
    labels = [label for label, _, _ in read]
    assert labels == ([0, 1, 1, 0, 1] if reach < 3 else [0, 1, 0, 1])  # a model that looks further blurs a repetition
    # The last window of each utterance of the second reader shows all of it, and steps are taken from no other.
    for window, labels in zip((whole.seen[-1],), ((1,),), strict=True):
        known = int(window.mask.reshape(steps, STRIDE).max(1).sum())
        assert beam_search(np.log(whole.read(window)[:known].astype(float)), BLANK, 32)[0].labels == labels


def test_a_step_is_taken_from_the_first_window_that_shows_enough_after_it() -> None:
    spec = ClipSpec(window_ms=1000, fps=16, alpha=4)
    model = Looking(spec, 0)
    decoder = pipeline_of(model, spec, right=3, hop=2).decoder()
    for t, k in connected("east west")[:60]:
        decoder.push(t, k, ASPECT)
    starts = [window.start_ms for window in model.seen]
    shown = [int(window.mask.sum()) for window in model.seen]
    first = starts[0]
    # Two steps of two frames more each time, from one with something after the three, until a window is full.
    assert shown[:4] == [8, 12, 16, 16]
    assert starts[:3] == [first] * 3
    assert np.diff(starts[3:]) == pytest.approx(4 * FRAME_MS)


def test_a_gloss_that_stays_in_doubt_is_committed_after_the_delay() -> None:
    """A hand at the border: the beam holds both readings, and the likelier one counts."""
    spec = ClipSpec(window_ms=1000, fps=16, alpha=4)
    rest = [pose(None)] * 24
    frames = [*rest, *[pose((0.62, 0.3))] * 60]
    decoder = pipeline_of(Looking(spec, 0), spec, delay_ms=1000.0, agree=1.0).decoder(interim=False)
    reported = {}
    for i, keypoints in enumerate(frames):
        for event in decoder.push(i * FRAME_MS, keypoints, ASPECT):
            if event.kind == "final":
                reported[event.segment] = (i * FRAME_MS - event.start_ms, event.label)
    assert reported
    for waited, label in reported.values():
        assert waited <= 1000.0 + 5 * STRIDE * FRAME_MS
        assert label == 0


def test_an_insertion_bonus_below_nought_reads_fewer_glosses(tmp_path: Path) -> None:
    frames = connected("east west west", sign_frames=2, between=6)
    found = []
    for insertion in (0.0, -18.0):
        bundle = load_bundle(make_sentence_bundle(tmp_path / str(insertion), {"insertion": insertion}))
        decoder = bundle.pipeline(Recogniser(bundle).readout).decoder(interim=False)
        events = [e for t, k in frames for e in decoder.push(t, k, ASPECT)]
        found.append(sum(e.kind == "final" for e in events))
    assert found[0] == 3
    assert found[1] < 3


def test_a_window_may_be_as_short_as_what_must_be_seen() -> None:
    spec = ClipSpec(window_ms=500, fps=16, alpha=4)  # 4 steps
    read = finals(pipeline_of(Looking(spec, 0), spec, right=2, hop=2), connected("east west"))
    assert [label for label, _, _ in read] == [0, 1]
