"""Continuous bundles: the pipeline, and the decoder of one stream, which reads utterance after utterance."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import MAX_GAP_MS, Clip, ClipSpec
from glosscast.decoding import (
    MAX_FPS,
    Classify,
    ClipReading,
    DecoderSettings,
    Rule,
    SignEvent,
    decode_clip,
    require_signer,
)
from glosscast.keypoints import in_square
from glosscast.recent import RecentFrames
from glosscast.segmentation import SegmenterSettings
from glosscast.sentences.chunks import Chunks
from glosscast.sentences.language_model import GlossBonus, LanguageModel
from glosscast.sentences.settings import ChunkReader, WindowReader
from glosscast.sentences.teller import SignTeller
from glosscast.sentences.utterances import UtteranceWatch
from glosscast.sentences.windows import Windows


class UtteranceReader(Protocol):
    """Reads one utterance."""

    def push(self, clip: Clip) -> list[SignEvent]:
        """The events of the frames so far; `clip` ends with the newest."""

    def finish(self, clip: Clip) -> list[SignEvent]:
        """The events of the rest of the utterance, of which `clip` has the end."""


@dataclass(frozen=True, eq=False)
class SentencePipeline:
    """The way from keypoints to the glosses of sentences: utterances, windows of them, a model, and a reader.

    Attributes:
        spec: the model's window.
        segmenter: when a hand is raised.
        settings: how often interims are due, when they are stable, and which finals are not reported.
        reader: how windows are read.
        classify: the model.
        rule: how a readout becomes probabilities.
        glosses: number of glosses.
        stride: frames of a step, of a model with CTC; 0 for one without.
        no_sign: the class of hands that sign nothing; None where the vocabulary has none.
        language_model: of the bundle, with the ids of its glosses.
        needs_signer: whether the model needs keypoints, so that it cannot read a clip of nobody.
    """

    spec: ClipSpec
    segmenter: SegmenterSettings
    settings: DecoderSettings
    reader: ChunkReader | WindowReader
    classify: Classify
    rule: Rule
    glosses: int
    stride: int = 0
    no_sign: int | None = None
    language_model: LanguageModel | None = None
    needs_signer: bool = True

    def decoder(self, interim: bool = True, has_capacity: Callable[[], bool] = lambda: True) -> "SentenceDecoder":
        """Return a new decoder, for one stream.

        Args:
            interim: whether interim results are wanted.
            has_capacity: not asked, since interims of sentences cost no inference of their own.
        """
        return SentenceDecoder(self, interim)

    def read(self, clip: Clip) -> ClipReading:
        """Read the sentences of a recording.

        Raises:
            NoSignerError: nobody is in view, and the model needs somebody.
        """
        if self.needs_signer:
            require_signer(clip)
        events = decode_clip(clip, self.decoder(interim=False))
        signs = [e for e in events if e.kind == "final" and not e.suppressed]
        return ClipReading(np.zeros(0, np.float32), signs, known=any(e.reason is None for e in signs))

    def new_reader(self, first_ms: float, teller: SignTeller) -> UtteranceReader:
        """Return a reader of the utterance whose first frame is at `first_ms`."""
        reader = self.reader
        if isinstance(reader, WindowReader):
            assert self.no_sign is not None  # the manifest's check
            return Windows(self.spec, reader, self.no_sign, self.segmenter.max_ms, self.classify, first_ms, teller)
        weight = 0.0 if reader.language_model is None else reader.language_model.weight
        plain = reader.insertion == 0.0 and self.language_model is None
        bonus = None if plain else GlossBonus(self.glosses, reader.insertion, self.language_model, weight)
        return Chunks(self.spec, reader, self.stride, self.glosses, self.classify, bonus, first_ms, teller)


class SentenceDecoder:
    """A causal decoder of one stream; push frames in order of time.

    An utterance lasts from a raised hand to a pause of the hands or the camera. Nothing is read in between.

    Args:
        pipeline: the model, and how it is read.
        interim: whether interim results are wanted.
    """

    def __init__(self, pipeline: SentencePipeline, interim: bool) -> None:
        reader = pipeline.reader
        self._pipeline = pipeline
        self._interim = interim
        self._rule = pipeline.rule
        self._watch = UtteranceWatch(pipeline.segmenter, reader.pause_ms)
        hop = reader.hop * pipeline.stride if isinstance(reader, ChunkReader) else reader.stride
        before_ms = reader.lead_ms + pipeline.segmenter.enter_ms
        self._keep_ms = pipeline.spec.window_ms + max(hop * 1000.0 / pipeline.spec.fps + MAX_GAP_MS, before_ms)
        # The limit bounds the frames of a stream whose clock hardly advances.
        self._frames = RecentFrames(limit=int(self._keep_ms / 1000 * MAX_FPS))
        self._reader: UtteranceReader | None = None
        self._teller: SignTeller | None = None
        self._begun_ms = 0.0  # when the utterance began
        self._free_ms = -inf  # frames up to here belong to utterances that have ended
        self._utterances = 0
        self._segments = 0

    def use(self, rule: Rule) -> None:
        """Read by another rule from the next utterance on."""
        self._rule = rule

    def excerpt(self, start_ms: float, end_ms: float) -> Clip | None:
        """The frames from `start_ms` to `end_ms`, as far as they are kept, in units of frame height; None for none."""
        return self._frames.excerpt(start_ms, end_ms)

    def push(
        self,
        t_ms: float,
        keypoints: NDArray[np.float32],
        aspect: float,
        picture: NDArray[np.uint8] | None = None,
        people: int = 1,
    ) -> list[SignEvent]:
        """Take one frame.

        Args:
            t_ms: its time; later than the frame before.
            keypoints: (171, 4) in image coordinates.
            aspect: frame width / height.
            picture: (S, S, 3) of the signer, for a model that looks at it.
            people: number of people in view.

        Raises:
            ValueError: time stands still or goes backwards.
        """
        events = []
        if len(self._frames):
            last_ms = float(self._frames.t_ms[-1])
            if t_ms <= last_ms:
                raise ValueError(f"t_ms {t_ms} is not after {last_ms}")
            if t_ms - last_ms > MAX_GAP_MS:  # the camera paused; the next frames are of another utterance
                events += self.finish()
        square = in_square(keypoints, aspect)
        self._frames.append(t_ms, square, picture, people)
        signing = self._watch.push(t_ms, square)
        if signing and self._reader is None:
            self._begin()
        if self._reader is not None:
            events += self._reader.push(self._utterance())
            if not signing:
                events += self.finish()
        self._frames.drop_before(t_ms - self._keep_ms)
        return events

    def finish(self) -> list[SignEvent]:
        """End the utterance that is under way, if any; the same hands may begin another."""
        self._watch.end()
        if len(self._frames):
            self._free_ms = float(self._frames.t_ms[-1])
        if self._reader is None or self._teller is None:
            return []
        events = self._reader.finish(self._utterance())
        self._segments = self._teller.segment
        self._utterances += 1
        self._reader = self._teller = None
        return events

    def _begin(self) -> None:
        assert self._watch.raised_ms is not None
        earliest_ms = self._watch.raised_ms - self._pipeline.reader.lead_ms
        t_ms = self._frames.t_ms
        self._begun_ms = float(t_ms[(t_ms >= earliest_ms) & (t_ms > self._free_ms)][0])
        self._teller = SignTeller(
            self._pipeline.settings,
            self._rule,
            self._pipeline.no_sign,
            self._interim,
            self._utterances,
            self._segments,
        )
        self._reader = self._pipeline.new_reader(self._begun_ms, self._teller)

    def _utterance(self) -> Clip:
        """The frames of the utterance that are kept."""
        clip = self._frames.excerpt(self._begun_ms, inf)
        assert clip is not None
        return clip
