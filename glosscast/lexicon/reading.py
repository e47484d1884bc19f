"""The rule that reads taught signs beside the vocabulary of a bundle.

A sign that the bundle does not know is "no sign" to it. Taught signs share in that: with p the bundle's probabilities
and s_j the similarity of a segment to the taught sign j,

    odds_j = p(no sign)^caution · exp((s_j − margin) / temperature) / J^crowd

beside p for the bundle's own classes, and all of it scaled to sum to 1; J is the number of taught signs. So a segment
that the bundle knows well is hardly ever taken from it, and one that it does not know is the nearest taught sign where
that is near enough. The similarity is the cosine of the segment's embedding and the mean of the sign's examples. The
numbers are the bundle's, found on people and signs that its model had not seen.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Bundle
from glosscast.lexicon.likeness import MIN_RISK, MOST, Likeness, LookAlike, similarity_to_others
from glosscast.lexicon.signs import Lexicon, LexiconError, TaughtSign, folded
from glosscast.lexicon.similarity import factors, prototypes, similarity_to
from glosscast.lexicon.teaching import require_embedding
from glosscast.manifest import MODEL
from glosscast.vocabulary import Vocabulary

Floats = NDArray[np.float32]
NEIGHBOURS = 32  # signs that are looked at for those that a gloss is confused with


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
        self._places = {sign.gloss: place for place, sign in enumerate(signs)}
        self._confusable: dict[str, list[str]] = {}

    def __call__(self, readout: Floats) -> Floats:
        """See `ReadingRule`."""
        classes = len(self._bundle.vocabulary)
        return self._weigh(readout[:classes], similarity_to(self._prototypes, readout[classes:]))

    def _weigh(self, probabilities: Floats, similarity: Floats) -> Floats:
        """Probabilities (..., classes) of the bundle's (..., V), and the similarity (..., J) to each taught sign."""
        odds = np.zeros((*similarity.shape[:-1], len(self.vocabulary)), np.float32)
        odds[..., self._columns] = self._room(probabilities)[..., None] * factors(similarity, self._settings)
        odds[..., : probabilities.shape[-1]] += probabilities
        odds /= odds.sum(axis=-1, keepdims=True)
        return odds

    def _room(self, probabilities: Floats) -> Floats:
        """What taught signs share in, (...) of (..., V): how likely a sign is that the bundle does not know."""
        no_sign = self._bundle.vocabulary.no_sign_id
        room: Floats = 1.0 - probabilities.max(axis=-1) if no_sign is None else probabilities[..., no_sign]
        return np.asarray(room**self._settings.caution, np.float32)

    def likeness(self, gloss: str) -> Likeness:
        """How alike the examples of a taught sign are, and which signs are too close.

        Every example is read as if it had not been taught; one that is alone has the similarity to its sign that is
        typical of the same signer.

        Raises:
            LexiconError: `unknown_gloss`.
        """
        sign = self.lexicon.sign(gloss)
        fits = self._fits(sign)
        (risks,) = self._risks([sign])
        alone = len(sign.examples) == 1
        odd = [] if alone else [e.id for e, fit in zip(sign.examples, fits, strict=True) if fit < self._settings.margin]
        return Likeness(
            None if alone else float(fits.mean()), tuple(odd), tuple(self._look_alikes(risks, self._name(sign)))
        )

    def _fits(self, sign: TaughtSign) -> Floats:
        """(examples,): the similarity of each to the sign, if it had not been taught."""
        return similarity_to_others(np.stack([e.embedding for e in sign.examples]), self._settings.typical)

    def _risks(self, signs: Sequence[TaughtSign]) -> Floats:
        """(signs, classes): the probabilities that examples of a sign have on average, if they had not been taught."""
        examples = [e for sign in signs for e in sign.examples]
        counts = np.array([len(sign.examples) for sign in signs])
        similarity = np.stack([e.embedding for e in examples]) @ self._prototypes.T
        ends = np.cumsum(counts)
        for sign, count, end in zip(signs, counts, ends, strict=True):
            if (own := self._places.get(sign.gloss)) is not None:
                similarity[end - count : end, own] = self._fits(sign)
        weighed = self._weigh(np.stack([e.probabilities for e in examples]), similarity)
        return np.asarray(np.add.reduceat(weighed, ends - counts) / counts[:, None], np.float32)

    def _name(self, sign: TaughtSign) -> str:
        """The class that a taught sign is read as."""
        return self._names.get(folded(sign.gloss), sign.gloss)

    def _look_alikes(self, risks: Floats, own: str) -> Iterator[LookAlike]:
        near = np.flatnonzero(risks >= MIN_RISK)
        for i in near[np.argsort(-risks[near], kind="stable")]:
            gloss = self.vocabulary.gloss(int(i))
            if gloss not in (own, self.vocabulary.no_sign):
                yield LookAlike(gloss, taught=gloss not in self._bundle.vocabulary, risk=float(risks[i]))

    def confusable_with(self, gloss: str) -> list[str]:
        """See `ReadingRule`."""
        own = self._bundle.report.confusable_with(gloss) if gloss in self._bundle.vocabulary else []
        if gloss not in self._confusable:
            self._confusable[gloss] = self._confused(gloss)
        return [*own, *(other for other in self._confusable[gloss] if other not in own)]

    def _confused(self, gloss: str) -> list[str]:
        """The signs that a gloss is confused with in one direction or the other, among the nearest `NEIGHBOURS`."""
        if not self._signs or gloss == self.vocabulary.no_sign:
            return []
        column = self.vocabulary.id(gloss)
        signs = [self._signs[i] for i in self._nearest(column)]
        found: dict[str, float] = {}
        for sign, risks in zip(signs, self._risks(signs), strict=True):
            name = self._name(sign)
            if name == gloss:
                for other in self._look_alikes(risks, gloss):
                    found[other.gloss] = max(other.risk, found.get(other.gloss, 0.0))
            elif risks[column] >= MIN_RISK:
                found[name] = max(float(risks[column]), found.get(name, 0.0))
        return sorted(found, key=found.__getitem__, reverse=True)[:MOST]

    def _nearest(self, column: int) -> NDArray[np.intp]:
        """Places of the taught signs that are likeliest to be confused with a class, itself among them."""
        near = np.zeros(len(self._signs), np.float32)
        if column < len(self._bundle.vocabulary):
            near += self._means[:, column]
        own = np.flatnonzero(self._columns == column)
        if len(own):
            near += similarity_to(self._prototypes, self._prototypes[own[0]])
            near[own] = np.inf
        return np.argsort(-near, kind="stable")[:NEIGHBOURS]

    @cached_property
    def _means(self) -> Floats:
        """(J, V): the probabilities that the bundle gives the examples of each taught sign, on average."""
        return np.stack([np.mean([e.probabilities for e in sign.examples], axis=0) for sign in self._signs])


def rule_of(bundle: Bundle, lexicon: Lexicon | None) -> ReadingRule:
    """The rule with which a bundle reads, with or without a lexicon.

    Raises:
        LexiconError: see `LexiconRule`.
    """
    return BundleRule(bundle) if lexicon is None else LexiconRule(bundle, lexicon)


def find(lexicon: Lexicon, embedding: Floats, top_k: int) -> list[tuple[str, float]]:
    """The `top_k` taught signs that are nearest to an embedding (D,), with their similarity: a reverse dictionary."""
    signs = list(lexicon)
    similarity = similarity_to(prototypes(signs, len(embedding)), embedding)
    order = np.argsort(-similarity, kind="stable")[:top_k]
    return [(signs[i].gloss, float(similarity[i])) for i in order]
