"""Lexicons of made-up examples, and a bundle's numbers to read them with."""

import hashlib

import numpy as np

from glosscast.bundle import Bundle
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon.signs import Lexicon, SignExample
from glosscast.lexicon.similarity import unit
from glosscast.manifest import MODEL

EAST, WEST, REST = np.eye(3, dtype=np.float32)  # the bundle of tests.bundles, sure of one of its classes
NEAR, FAR = (0.0, -1.0), (0.0, 1.0)


def example(
    seed: int = 0,
    embedding: tuple[float, ...] = NEAR,
    probabilities: np.ndarray = REST,
    frames: int = 3,
    source: str = "",
) -> SignExample:
    """An example whose keypoints, and so whose id, are of the seed."""
    keypoints = np.random.default_rng(seed).standard_normal((frames, POINTS, CHANNELS)).astype(np.float16)
    times = np.arange(frames, dtype=np.float32) * 40
    vector = unit(np.array(embedding, np.float32))
    return SignExample(times, keypoints, 0.0, float(times[-1]), probabilities, vector, source)


def lexicon_of(bundle: Bundle | None = None, **signs: list[SignExample]) -> Lexicon:
    """A lexicon of a bundle, or of one that nobody has."""
    lexicon = Lexicon("mine", "none@1", "f" * 64) if bundle is None else empty(bundle)
    for gloss, examples in signs.items():
        lexicon = lexicon.with_examples(gloss, tuple(examples))
    return lexicon


def empty(bundle: Bundle) -> Lexicon:
    return Lexicon("mine", bundle.id, bundle.manifest.files[MODEL])


def readout(probabilities: np.ndarray, embedding: tuple[float, ...]) -> np.ndarray:
    return np.concatenate([probabilities, unit(np.array(embedding, np.float32))]).astype(np.float32)


def same(a: SignExample, b: SignExample) -> bool:
    """Whether two examples are the same in everything."""
    arrays = ("t_ms", "keypoints", "probabilities", "embedding")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in arrays) and all(
        getattr(a, n) == getattr(b, n) for n in ("start_ms", "end_ms", "source", "id")
    )


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
