"""The rule that reads taught signs beside the vocabulary of a bundle.

A sign that the bundle does not know is "no sign" to it. Taught signs share in that: with p the bundle's probabilities
and s_j the similarity of a segment to the taught sign j,

    odds_j = p(no sign) · exp((s_j − margin) / temperature) / J^crowd

beside p for the bundle's own classes, and all of it scaled to sum to 1; J is the number of taught signs. So a segment
that the bundle knows well is hardly ever taken from it, and one that it does not know is the nearest taught sign where
that is near enough. The similarity is the cosine of the segment's embedding and the mean of the sign's examples. The
numbers are the bundle's, found on people and signs that its model had not seen.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Bundle
from glosscast.lexicon.likeness import MIN_RISK, MOST, Likeness, LookAlike, similarity_to_others
from glosscast.lexicon.signs import Lexicon, LexiconError, TaughtSign, folded
from glosscast.lexicon.similarity import factors, prototypes, unit
from glosscast.lexicon.teaching import require_embedding
from glosscast.manifest import MODEL
from glosscast.vocabulary import Vocabulary

Floats = NDArray[np.float32]


class ReadingRule(Protocol):
    """A rule, with the names of the classes that it gives probabilities of."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The glosses, in the order of the probabilities."""

    def __call__(self, readout: Floats) -> Floats:
        """The readout (classes + D,) of a segment to probabilities (classes,)."""

    def confusable_with(self, gloss: str) -> list[str]:
        """Glosses that are easily confused with a gloss, the likeliest first."""


class BundleRule:
    """The rule of a bundle without taught signs."""

    def __init__(self, bundle: Bundle) -> None:
        self.vocabulary = bundle.vocabulary
        self._report = bundle.report
        self._classes = len(bundle.vocabulary)

    def __call__(self, readout: Floats) -> Floats:
        """See `ReadingRule`."""
        return readout[: self._classes]

    def confusable_with(self, gloss: str) -> list[str]:
        """See `ReadingRule`."""
        return self._report.confusable_with(gloss)


class LexiconRule:
    """The rule of a bundle and a lexicon; a taught sign of a name that the bundle has is more of that sign.

    Raises:
        LexiconError: `other_bundle`: no sign can be taught to the bundle, or the embeddings are of another one.
    """

    def __init__(self, bundle: Bundle, lexicon: Lexicon) -> None:
        require_embedding(bundle)
        if lexicon.model != bundle.manifest.files[MODEL]:
            raise LexiconError("other_bundle", f"the lexicon's embeddings are of {lexicon.bundle}, not of {bundle.id}")
        known = bundle.vocabulary
        names = {folded(gloss): gloss for gloss in known}
        signs = [sign for sign in lexicon if names.get(folded(sign.gloss)) != known.no_sign or known.no_sign is None]
        taught = [sign.gloss for sign in signs if folded(sign.gloss) not in names]
        assert bundle.manifest.lexicon is not None  # require_embedding
        self.lexicon = lexicon
        self.vocabulary = Vocabulary([*known, *taught], known.no_sign)
        self._bundle = bundle
        self._names = names
        self._settings = bundle.manifest.lexicon
        self._prototypes = prototypes(signs, bundle.embedding_size)
        self._columns = np.array([self.vocabulary.id(names.get(folded(s.gloss), s.gloss)) for s in signs], np.intp)
        self._signs = signs

    def __call__(self, readout: Floats) -> Floats:
        """See `ReadingRule`."""
        classes = len(self._bundle.vocabulary)
        return self._weigh(readout[:classes], self._prototypes @ unit(readout[classes:]))

    def _weigh(self, probabilities: Floats, similarity: Floats) -> Floats:
        """Probabilities (classes,) of the bundle's (V,), and the similarity (J,) to each taught sign."""
        taught = self._room(probabilities) * factors(similarity, self._settings)
        odds = np.bincount(self._columns, taught, minlength=len(self.vocabulary)).astype(np.float32)
        odds[: len(probabilities)] += probabilities
        scaled: Floats = odds / odds.sum()
        return scaled

    def _room(self, probabilities: Floats) -> float:
        """The probability of a sign that the bundle does not know."""
        no_sign = self._bundle.vocabulary.no_sign_id
        return float(1.0 - probabilities.max() if no_sign is None else probabilities[no_sign])

    def likeness(self, gloss: str) -> Likeness:
        """How alike the examples of a taught sign are, and which signs are too close.

        Every example is read as if it had not been taught; one that is alone has the similarity to its sign that is
        typical of another signer.

        Raises:
            LexiconError: `unknown_gloss`.
        """
        sign = self.lexicon.sign(gloss)
        own = self._columns == self.vocabulary.id(self._name(sign))
        embeddings = np.stack([e.embedding for e in sign.examples])
        fits = similarity_to_others(embeddings, self._settings.typical)
        risks = np.zeros(len(self.vocabulary), np.float32)
        for example, fit in zip(sign.examples, fits, strict=True):
            similarity = self._prototypes @ example.embedding
            similarity[own] = fit
            risks += self._weigh(example.probabilities, similarity) / len(sign.examples)
        alone = len(sign.examples) == 1
        odd = [] if alone else [e.id for e, fit in zip(sign.examples, fits, strict=True) if fit < self._settings.margin]
        return Likeness(
            None if alone else float(fits.mean()), tuple(odd), tuple(self._look_alikes(risks, self._name(sign)))
        )

    def _name(self, sign: TaughtSign) -> str:
        """The class that a taught sign is read as."""
        return self._names.get(folded(sign.gloss), sign.gloss)

    def _look_alikes(self, risks: Floats, own: str) -> Iterator[LookAlike]:
        for i in np.argsort(-risks, kind="stable"):
            gloss = self.vocabulary.gloss(int(i))
            if risks[i] < MIN_RISK:
                return
            if gloss not in (own, self.vocabulary.no_sign):
                yield LookAlike(gloss, taught=gloss not in self._bundle.vocabulary, risk=float(risks[i]))

    def confusable_with(self, gloss: str) -> list[str]:
        """See `ReadingRule`."""
        own = self._bundle.report.confusable_with(gloss) if gloss in self._bundle.vocabulary else []
        return [*own, *(other for other in self._confusable.get(gloss, []) if other not in own)]

    @cached_property
    def _confusable(self) -> dict[str, list[str]]:
        """The signs that are confused in one direction or the other, by gloss."""
        found: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for sign in self._signs:
            name = self._name(sign)
            for other in self.likeness(sign.gloss).look_alikes:
                for a, b in ((name, other.gloss), (other.gloss, name)):
                    found[a][b] = max(other.risk, found[a].get(b, 0.0))
        return {gloss: sorted(others, key=others.__getitem__, reverse=True)[:MOST] for gloss, others in found.items()}


def rule_of(bundle: Bundle, lexicon: Lexicon | None) -> ReadingRule:
    """The rule with which a bundle reads, with or without a lexicon.

    Raises:
        LexiconError: see `LexiconRule`.
    """
    return BundleRule(bundle) if lexicon is None else LexiconRule(bundle, lexicon)


def find(lexicon: Lexicon, embedding: Floats, top_k: int) -> list[tuple[str, float]]:
    """The `top_k` taught signs that are nearest to an embedding (D,), with their similarity: a reverse dictionary."""
    signs = list(lexicon)
    similarity = prototypes(signs, len(embedding)) @ unit(embedding)
    order = np.argsort(-similarity, kind="stable")[:top_k]
    return [(signs[i].gloss, float(similarity[i])) for i in order]
