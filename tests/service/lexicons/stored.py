"""Signs for the store of lexicons, and how they are put into it."""

from pathlib import Path

import numpy as np
import pytest

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon.signs import LexiconError, SignExample, TaughtSign
from service.lexicons.store import LexiconStore, StoreError

ME, OTHER = "kiosk", "somebody"


BUNDLE, MODEL, NEXT_MODEL = "compass@1", "a" * 64, "b" * 64


ROOT = Path(__file__).parents[3]


def example(seed: int = 0, frames: int = 3, read: bool = True) -> SignExample:
    random = np.random.default_rng(seed)
    return SignExample(
        np.arange(frames, dtype=np.float32) * 40,
        random.standard_normal((frames, POINTS, CHANNELS)).astype(np.float16),
        10.5,
        80.0,
        random.random(3).astype(np.float32) if read else np.zeros(0, np.float32),
        random.random(2).astype(np.float32) if read else np.zeros(0, np.float32),
        "c" * 64,
    )


def sign(gloss: str, *seeds: int, language: str = "") -> TaughtSign:
    return TaughtSign(gloss, language, tuple(example(seed) for seed in seeds or (0,)))


def teach(store: LexiconStore, taught: TaughtSign, name: str = "mine", owner: str = ME) -> tuple[str, list[str]]:
    return store.add(owner, name, BUNDLE, MODEL, taught)


def refused(code: str):
    return pytest.raises((LexiconError, StoreError), check=lambda error: error.code == code)
