from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.synthetic import config, examples
from training.data.partner_sampler import Partners
from training.data.sampling import gloss_weights
from training.tasks.window_feed import Feed

CLASSES = ("high", "low", "no sign")
LABELS = np.repeat(np.arange(4), 10)
CHANCES = np.full(40, 1 / 40)
# 0 is confusable with 1 and, three times as much, with 2; 3 with none.
WEIGHTS = np.zeros((4, 4), np.float32)
WEIGHTS[0, 1] = WEIGHTS[1, 0] = 0.25
WEIGHTS[0, 2] = WEIGHTS[2, 0] = 0.75


def mixed(drawn: list[int], share: float, *, chances: np.ndarray = CHANCES, seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(i) for i in Partners(WEIGHTS, share).mix(np.array(drawn), LABELS, chances, rng)]


@pytest.mark.parametrize(("share", "replaced"), [(0.0, 0), (0.25, 2), (0.5, 4), (0.9, 7)])
def test_a_set_share_of_the_batch_is_confusable_with_the_rest(share: float, replaced: int) -> None:
    drawn = [0, 1, 2, 35, 36, 37, 38, 39]  # three clips of class 0, five of class 3
    batch = mixed(drawn, share)
    assert batch[: 8 - replaced] == drawn[: 8 - replaced]
    assert all(LABELS[i] in (1, 2) for i in batch[8 - replaced :])
    assert len(batch) == 8


@pytest.mark.parametrize("drawn", [[30, 31, 32, 33], [30, 31, 0, 1]])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_where_nothing_is_confusable_with_the_clips_that_stay_the_batch_is_as_drawn(
    drawn: list[int], share: float
) -> None:
    assert mixed(drawn, share) == drawn


def test_partners_come_in_proportion_to_their_similarity_and_their_own_chances() -> None:
    chances = CHANCES.copy()
    chances[10:20] *= 5  # a class drawn more often is no likelier partner
    chances[20] *= 3  # a clip drawn more often than others of its class is
    batch = mixed([0] * 8000, 0.5, chances=chances / chances.sum())[4000:]
    assert np.mean(LABELS[batch] == 2) == pytest.approx(0.75, abs=0.03)
    assert np.mean(np.array(batch) == 20) == pytest.approx(0.75 * 3 / 12, abs=0.03)


def test_the_same_seed_draws_the_same_partners() -> None:
    assert mixed([0, 1, 2, 3], 0.5) == mixed([0, 1, 2, 3], 0.5)
    assert any(mixed([0, 1, 2, 3], 0.5) != mixed([0, 1, 2, 3], 0.5, seed=seed) for seed in range(1, 5))


def test_a_feed_mixes_partners_into_every_batch_the_same_for_the_same_seed(tmp_path: Path) -> None:
    feed = Feed(config(tmp_path), CLASSES, examples())
    partners = Partners(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32), 0.75)
    plain = list(feed.epoch(0, 48))
    first = list(feed.epoch(0, 48, partners))
    again = list(feed.epoch(0, 48, partners))
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
    confusable = [[(batch.labels < 2).float().mean().item() for batch in batches] for batches in (plain, first)]
    assert np.mean(confusable[0]) < 0.75 <= min(confusable[1])


def test_signs_of_streams_are_drawn_by_gloss_as_often_as_clips_are() -> None:
    """Three signers of "high", one of "low", one clip more or less making no difference."""
    clips = [e for e in examples() if e.gloss == "high" or e.signer == "ann"][1:]
    weights = gloss_weights(clips, ("high", "no sign"), None, "no sign")
    assert set(weights) == {"high", "low"}
    # By the square root of the number of signers, and half for what is outside the vocabulary.
    assert 3 * weights["high"] / weights["low"] == pytest.approx(np.sqrt(3) / 0.5)
    shared = gloss_weights(clips, ("high", "no sign"), 0.9, "no sign")
    assert 3 * shared["high"] / (3 * shared["high"] + shared["low"]) == pytest.approx(0.9)
