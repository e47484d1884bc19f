"""A lexicon: taught signs with their examples. Immutable, so that a stream may read with one while it is changed."""

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip

MAX_EXAMPLES = 20  # of one sign
MAX_SIGNS = 5000
MAX_GLOSS = 64  # characters
MAX_LANGUAGE = 64
FARTHEST = 64.0  # shoulder widths from their middle: no point of a person in a picture is farther away
# Unicode categories: control characters, among them line breaks, formats, of which those that turn the direction of
# text could disguise a name, half characters, and code points without a meaning.
REFUSED_CATEGORIES = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
JOINERS = {"\u200c", "\u200d"}  # without them Persian and Indic words, and emoji, fall apart


class LexiconError(ValueError):
    """A lexicon cannot be read, changed or used in this way.

    Attributes:
        code: what is wrong, for programs: `bad_gloss`, `unknown_gloss`, `gloss_taken`, `too_many`, `bad_file`,
            `other_bundle`; of the service's lexicons also `unknown_lexicon`, `lexicon_exists`, `unknown_example`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class SignExample:
    """One example of a sign: the keypoints of a model's window around it, never pixels.

    Attributes:
        t_ms: (T,) float32, from the first frame on.
        keypoints: (T, 171, 4) float16, normalised over the example, see `glosscast.keypoints.normalise`.
        start_ms: where the sign starts.
        end_ms: where it ends.
        probabilities: (V,) float32: what the lexicon's bundle reads in it.
        embedding: (D,) float32 of unit length, of the same bundle.
        source: sha256 of the video file that it was made of, so that a folder is taught only once; may be empty.
    """

    t_ms: NDArray[np.float32]
    keypoints: NDArray[np.float16]
    start_ms: float
    end_ms: float
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    source: str = ""

    @cached_property
    def id(self) -> str:
        """What tells examples apart: 16 hex digits of a hash of the keypoints."""
        return hashlib.sha256(np.ascontiguousarray(self.keypoints).tobytes()).hexdigest()[:16]

    @property
    def clip(self) -> Clip:
        """The example as a clip, which is read like any other."""
        return Clip(self.t_ms.astype(np.float64), self.keypoints.astype(np.float32), aspect=1.0)


@dataclass(frozen=True)
class TaughtSign:
    """A sign that a user has taught.

    Attributes:
        gloss: its name.
        language: the sign language, as the user calls it; may be empty.
        examples: 1 to `MAX_EXAMPLES`.
    """

    gloss: str
    language: str = ""
    examples: tuple[SignExample, ...] = ()


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Taught signs, in the order in which they were taught.

    Attributes:
        name: of the lexicon.
        bundle: name and version of the bundle that the embeddings are of.
        model: sha256 of that bundle's model.
        signs: by gloss.
    """

    name: str
    bundle: str
    model: str
    signs: Mapping[str, TaughtSign] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.signs)

    def __iter__(self) -> Iterator[TaughtSign]:
        return iter(self.signs.values())

    def find(self, gloss: str) -> TaughtSign | None:
        """The sign of that name, whatever its capitals; None where there is none."""
        return self._by_folded_name.get(folded(gloss))

    @cached_property
    def _by_folded_name(self) -> dict[str, TaughtSign]:
        return {folded(name): sign for name, sign in self.signs.items()}

    def sign(self, gloss: str) -> TaughtSign:
        """The sign of that name.

        Raises:
            LexiconError: `unknown_gloss`.
        """
        found = self.find(gloss)
        if found is None:
            raise LexiconError("unknown_gloss", f"{gloss!r} is not in the lexicon")
        return found

    def with_examples(self, gloss: str, examples: tuple[SignExample, ...], language: str = "") -> "Lexicon":
        """The lexicon with more examples of a new sign, or of a sign that it has; the same example counts once.

        Raises:
            LexiconError: `bad_gloss`, or `too_many` signs or examples.
        """
        gloss = checked_gloss(gloss)
        if not examples:
            raise LexiconError("too_many", "a sign needs an example at least")
        before = self.find(gloss)
        if before is None and len(self.signs) >= MAX_SIGNS:
            raise LexiconError("too_many", f"a lexicon holds {MAX_SIGNS} signs at most")
        sign = before or TaughtSign(gloss)
        known = {example.id: example for example in (*sign.examples, *examples)}
        if len(known) > MAX_EXAMPLES:
            raise LexiconError("too_many", f"a sign has {MAX_EXAMPLES} examples at most, this would make {len(known)}")
        language = language.strip() or sign.language
        if len(language) > MAX_LANGUAGE:
            raise LexiconError("bad_gloss", f"the name of a language has {MAX_LANGUAGE} characters at most")
        changed = replace(sign, language=language, examples=tuple(known.values()))
        return replace(self, signs={**self.signs, sign.gloss: changed})

    def without(self, gloss: str) -> "Lexicon":
        """The lexicon without a sign.

        Raises:
            LexiconError: `unknown_gloss`.
        """
        sign = self.sign(gloss)
        return replace(self, signs={name: s for name, s in self.signs.items() if name != sign.gloss})

    def without_example(self, gloss: str, example: str) -> "Lexicon":
        """The lexicon without one example, by its id; a sign without an example goes too.

        Raises:
            LexiconError: `unknown_gloss`, also for an id that no example has.
        """
        sign = self.sign(gloss)
        left = tuple(e for e in sign.examples if e.id != example)
        if len(left) == len(sign.examples):
            raise LexiconError("unknown_gloss", f"{sign.gloss!r} has no example {example!r}")
        if not left:
            return self.without(gloss)
        return replace(self, signs={**self.signs, sign.gloss: replace(sign, examples=left)})

    def renamed(self, gloss: str, to: str) -> "Lexicon":
        """The lexicon with another name for a sign, in the same place.

        Raises:
            LexiconError: `unknown_gloss`, `bad_gloss`, or `gloss_taken` by another sign.
        """
        sign = self.sign(gloss)
        to = checked_gloss(to)
        if (other := self.find(to)) is not None and other is not sign:
            raise LexiconError("gloss_taken", f"{other.gloss!r} is in the lexicon already")
        changed = replace(sign, gloss=to)
        return replace(self, signs={s.gloss: s for s in (changed if s is sign else s for s in self)})


def folded(gloss: str) -> str:
    """A gloss without what does not tell two names apart: capitals, and ways of writing one character."""
    return unicodedata.normalize("NFKC", gloss).casefold()


def checked_gloss(gloss: str) -> str:
    """A gloss as it is stored: in Unicode's composed form, with single spaces and none around it.

    Raises:
        LexiconError: `bad_gloss`: it is empty, too long, or has characters that nobody can see.
    """
    text = " ".join(unicodedata.normalize("NFC", gloss).split(" ")).strip()
    text = " ".join(part for part in text.split(" ") if part)
    hidden = [c for c in text if unicodedata.category(c) in REFUSED_CATEGORIES]
    hidden += [c for c in text if unicodedata.category(c) == "Cf" and c not in JOINERS]
    if hidden:
        raise LexiconError("bad_gloss", f"a gloss must not have the invisible character U+{ord(hidden[0]):04X}")
    if not any(unicodedata.category(c)[0] in "LNSP" for c in text):
        raise LexiconError("bad_gloss", "a gloss must not be empty")
    if text in (".", ".."):
        raise LexiconError("bad_gloss", f"a gloss must not be {text!r}: in an address this is another place")
    if len(text) > MAX_GLOSS:
        raise LexiconError("bad_gloss", f"a gloss has {MAX_GLOSS} characters at most, this one has {len(text)}")
    return text
