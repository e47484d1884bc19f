"""The events of the signs of one utterance: each begins once, and ends in exactly one final."""

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glosscast.caption_filter import Reason
from glosscast.decoding import DecoderSettings, Rule, SignEvent


@dataclass(frozen=True, eq=False)
class ReadSign:
    """A sign as it was read.

    Attributes:
        label: class id.
        start_ms: where it starts.
        end_ms: where it ends, as far as known.
        readout: the mean of the readouts that it was read from.
    """

    label: int
    start_ms: float
    end_ms: float
    readout: NDArray[np.float32]


class SignTeller:
    """Makes events of the signs of one utterance, one after the other.

    Args:
        settings: how often interims are due, when they are stable, and which finals are not reported.
        rule: how a readout becomes probabilities.
        no_sign: class of hands that sign nothing; None where the vocabulary has none.
        interim: whether interims are wanted.
        utterance: number of the utterance within the stream.
        segment: number of its first sign.
    """

    def __init__(
        self, settings: DecoderSettings, rule: Rule, no_sign: int | None, interim: bool, utterance: int, segment: int
    ) -> None:
        self.segment = segment  # of the sign that is under way, or of the next one
        self.rule = rule
        self._settings = settings
        self._no_sign = no_sign
        self._interim = interim
        self._utterance = utterance
        self._started = False
        self._revision = 0
        self._due_ms = -inf
        self._last: int | None = None  # label of the interim before

    def start(self, start_ms: float, end_ms: float, now_ms: float) -> list[SignEvent]:
        """A sign has begun for certain; nothing is said where that is known."""
        if self._started:
            return []
        self._started = True
        self._revision = 0
        self._last = None
        self._due_ms = now_ms
        return [SignEvent("started", self.segment, start_ms, end_ms, utterance=self._utterance)]

    def interim(self, sign: ReadSign, now_ms: float) -> list[SignEvent]:
        """What the sign that has begun looks like so far; nothing where none has begun or no interim is due."""
        if not self._interim or not self._started or now_ms < self._due_ms:
            return []
        self._due_ms = now_ms + self._settings.interim_ms
        self._revision += 1
        probabilities = self.rule(sign.readout)
        stable = sign.label == self._last and float(probabilities[sign.label]) >= self._settings.stable
        self._last = sign.label
        return [self._event("interim", sign, probabilities, revision=self._revision, stable=stable)]

    def final(self, sign: ReadSign, now_ms: float) -> list[SignEvent]:
        """The reading of the sign, which never changes."""
        started = self.start(sign.start_ms, sign.end_ms, now_ms)
        probabilities = self.rule(sign.readout)
        final = self._event("final", sign, probabilities, reason=self._reason(sign.label, probabilities))
        self._started = False
        self.segment += 1
        return [*started, final]

    def _reason(self, label: int, probabilities: NDArray[np.float32]) -> Reason | None:
        """Why a final names no sign, if it names none."""
        if label == self._no_sign:
            return "no_sign"
        return "unsure" if float(probabilities[label]) < self._settings.reject else None

    def _event(
        self,
        kind: Literal["interim", "final"],
        sign: ReadSign,
        probabilities: NDArray[np.float32],
        revision: int = 0,
        stable: bool = False,
        reason: Reason | None = None,
    ) -> SignEvent:
        return SignEvent(
            kind,
            self.segment,
            sign.start_ms,
            sign.end_ms,
            revision,
            probabilities,
            sign.readout,
            stable=stable,
            reason=reason,
            label=sign.label,
            utterance=self._utterance,
        )
