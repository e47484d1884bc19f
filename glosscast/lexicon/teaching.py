"""From clips and segments of streams to examples of signs."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Bundle
from glosscast.clip import Clip, window_starts
from glosscast.decoding import Classify, Pipeline, decode_clip
from glosscast.keypoints import LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, SHOULDERS, normalise
from glosscast.lexicon.signs import FARTHEST, Lexicon, LexiconError, SignExample, checked_gloss, folded
from glosscast.lexicon.similarity import unit
from glosscast.manifest import MODEL

MAX_SIGN_MS = 20_000.0
MIN_FRAMES = 3  # of a sign in which a hand is seen; what has fewer is a glimpse of it
HALF = 0.5  # share of the longest segment's length from which another one may be a sign of its own


TeachingCode = Literal["no_signer", "no_shoulders", "no_hands", "several_people", "too_long"]


class TeachingError(ValueError):
    """A clip cannot be an example.

    Attributes:
        code: why, for programs.
    """

    def __init__(self, code: TeachingCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Teacher:
    """Makes examples of signs with a bundle.

    Args:
        bundle: whose embedding is stored.
        classify: its model, which gives readouts with the embedding.

    Raises:
        LexiconError: `other_bundle`: the bundle gives no embedding, or says nothing about lexicons.
    """

    def __init__(self, bundle: Bundle, classify: Classify) -> None:
        require_embedding(bundle)
        self.bundle = bundle
        self._pipeline: Pipeline = bundle.sign_pipeline(classify)

    def new_lexicon(self, name: str) -> Lexicon:
        """A new, empty lexicon of this bundle."""
        return Lexicon(name, self.bundle.id, self.bundle.manifest.files[MODEL])

    def gloss(self, text: str) -> str:
        """A gloss that a sign may be taught as, in the form in which it is stored.

        Raises:
            LexiconError: `bad_gloss`; also for the bundle's name of hands that sign nothing.
        """
        no_sign = self.bundle.vocabulary.no_sign
        if no_sign is not None and folded(checked_gloss(text)) == folded(no_sign):
            raise LexiconError("bad_gloss", f"{no_sign!r} is what {self.bundle.id} reads where nothing is signed")
        return checked_gloss(text)

    def example(self, clip: Clip) -> tuple[SignExample, list[str]]:
        """An example made of a recording of one sign, and warnings about it.

        Where the recording has several segments the longest is taken; where it has none, all of it.

        Raises:
            TeachingError: nobody, no shoulders, no hands or several people are seen.
        """
        events = decode_clip(clip, self._pipeline.decoder(interim=False))
        found = sorted(((e.start_ms, e.end_ms) for e in events if e.kind == "final"), key=lambda s: s[0] - s[1])
        warnings = []
        if found:
            start_ms, end_ms = found[0]
            others = [b - a for a, b in found[1:] if b - a >= HALF * (end_ms - start_ms)]
            if others:
                warnings.append(f"{1 + len(others)} signs were found in the clip, and the longest was taken")
        else:
            start_ms, end_ms = float(clip.t_ms[0]), float(clip.t_ms[-1])
        return self.example_of(clip, start_ms, end_ms), warnings

    def example_of(self, clip: Clip, start_ms: float, end_ms: float) -> SignExample:
        """An example made of a segment of a clip.

        Raises:
            TeachingError: nobody, no shoulders, no hands or several people are seen in it, or it is too long.
        """
        if end_ms - start_ms > MAX_SIGN_MS:
            raise TeachingError("too_long", f"a sign takes {MAX_SIGN_MS / 1000:g} s at most; show this one alone")
        if clip.shows_several(start_ms, end_ms):
            raise TeachingError("several_people", "several people are in view, and it is not sure who signs")
        settings = self._pipeline.settings
        spec = self._pipeline.spec
        starts = window_starts(start_ms, end_ms, float(clip.t_ms[0]), float(clip.t_ms[-1]), spec, settings.hop_ms)
        around = slice(*np.searchsorted(clip.t_ms, [starts[0], starts[-1] + spec.window_ms + 1e-6]))
        check(clip.keypoints[around], clip.keypoints[(clip.t_ms >= start_ms) & (clip.t_ms <= end_ms)])
        first_ms = clip.t_ms[around][0]
        t_ms = (clip.t_ms[around] - first_ms).astype(np.float32)
        differ = np.diff(t_ms, prepend=-1.0) > 0  # times that a stored example cannot tell apart are one frame's
        last_ms = float(t_ms[-1])
        keypoints = normalise(clip.keypoints[around], clip.aspect)[differ]
        if not keypoints.any():
            raise TeachingError("no_shoulders", "the shoulders are too close to each other to give a scale")
        example = SignExample(
            t_ms[differ],
            np.clip(keypoints, -FARTHEST, FARTHEST).astype(np.float16),
            min(max(float(start_ms - first_ms), 0.0), last_ms),
            min(max(float(end_ms - first_ms), 0.0), last_ms),
            np.zeros(len(self.bundle.vocabulary), np.float32),
            np.zeros(self.bundle.embedding_size, np.float32),
        )
        return self.reread(example)

    def reread(self, example: SignExample) -> SignExample:
        """The example with this bundle's reading of its stored keypoints, which can be read again and again."""
        end_ms = float(example.t_ms[-1])
        readout = self._pipeline.read_segment(example.clip, example.start_ms, example.end_ms, end_ms)
        classes = len(self.bundle.vocabulary)
        return replace(example, probabilities=readout[:classes], embedding=unit(readout[classes:]))

    def embedded(self, lexicon: Lexicon) -> Lexicon:
        """The lexicon as this bundle reads it: itself, or all examples read anew from their keypoints."""
        if lexicon.model == self.bundle.manifest.files[MODEL]:
            return lexicon
        signs = {sign.gloss: replace(sign, examples=tuple(map(self.reread, sign.examples))) for sign in lexicon}
        return Lexicon(lexicon.name, self.bundle.id, self.bundle.manifest.files[MODEL], signs)


def require_embedding(bundle: Bundle) -> None:
    """Check that signs can be taught to a bundle.

    Raises:
        LexiconError: `other_bundle`.
    """
    if not bundle.embedding_size or bundle.manifest.lexicon is None:
        raise LexiconError("other_bundle", f"no sign can be taught to {bundle.id}: its manifest has no `lexicon`")
    if bundle.crop is not None:
        raise LexiconError(
            "other_bundle", f"no sign can be taught to {bundle.id}: it looks at pictures, and none are kept"
        )


def check(around: NDArray[np.float32], sign: NDArray[np.float32]) -> None:
    """Check the keypoints around a sign, and those of the sign itself, (T, 171, 4).

    Raises:
        TeachingError: nobody or no shoulders are seen, or a hand in fewer than `MIN_FRAMES` frames of the sign.
    """
    if not (around[:, POSE, PRESENCE] > 0).any():
        raise TeachingError("no_signer", "nobody is in view")
    if not (around[:, SHOULDERS, PRESENCE] > 0).all(axis=1).any():
        raise TeachingError("no_shoulders", "both shoulders must be in view")
    seen = int((sign[:, [LEFT_HAND.start, RIGHT_HAND.start], PRESENCE] > 0).any(axis=1).sum())
    if not seen:
        raise TeachingError("no_hands", "no hand was found")
    if seen < MIN_FRAMES:
        raise TeachingError("no_hands", f"a hand was found in {seen} of the sign's frames; {MIN_FRAMES} are needed")
