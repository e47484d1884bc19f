"""Confusions that are counted on signers whom the epoch does not learn from."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.synthetic import GLOSSES, adaptive_config, examples, write
from training.config import Config, ContinuousLossConfig, LossConfig, load_config
from training.data import DataError, Example
from training.data.sampling import ROUNDS, mining_rounds
from training.tasks.isolated import IsolatedTask


def of_ten_signers() -> list[Example]:
    """Clips whose signers are s0 to s9 in turn, each with every gloss."""
    seen = Counter[str]()
    found = []
    for example in examples(40):
        found.append(replace(example, signer=f"s{seen[example.gloss] % 10}"))
        seen[example.gloss] += 1
    return found


def mining(where: str, folder: Path) -> Config:
    config = load_config(write(folder))
    loss = LossConfig(label_smoothing=0.0, adaptive=adaptive_config(mining=where))
    return config.model_copy(update={"loss": loss})


def test_each_signer_is_counted_on_in_one_round_and_each_round_has_every_gloss() -> None:
    found = of_ten_signers()
    rounds = mining_rounds(found, GLOSSES)
    assert {(e.signer, r) for e, r in zip(found, rounds, strict=True)} == {
        (s, min(r for e, r in zip(found, rounds, strict=True) if e.signer == s)) for s in {e.signer for e in found}
    }
    for number in range(ROUNDS):
        assert {e.gloss for e, r in zip(found, rounds, strict=True) if r == number} == set(GLOSSES)


def test_fewer_signers_than_rounds_are_refused() -> None:
    with pytest.raises(DataError, match="3 signers: counting confusions on signers takes 5"):
        mining_rounds(examples(), GLOSSES)


def test_an_epoch_learns_from_no_signer_that_it_counts_on(tmp_path: Path) -> None:
    found = of_ten_signers()
    task = IsolatedTask(mining("signers", tmp_path), found)
    counted = Counter[str]()
    drawn: list[list[int]] = []
    inner = task._feed._batch

    def noted(indices: np.ndarray, seed: int) -> object:
        drawn[-1].extend(int(i) for i in indices)
        return inner(indices, seed)

    task._feed._batch = noted  # type: ignore[assignment, method-assign]
    for epoch in range(ROUNDS):
        drawn.append([])
        assert list(task.batches(epoch))
        learned = {found[i].signer for i in drawn[-1]}
        drawn.append([])
        task.end_epoch(epoch, task.model.eval())
        mined = {found[i].signer for i in drawn[-1]}
        assert len(mined) == 2
        assert learned.isdisjoint(mined)
        counted.update(mined)
    assert counted == Counter({f"s{i}": 1 for i in range(10)})
    assert task.criterion.confusion is not None
    assert torch.isfinite(task.criterion.confusion.similarity).all()


def test_confusions_counted_on_test_clips_are_not_learned_from(tmp_path: Path) -> None:
    """Everything else is as with every tenth clip: the same clips are learned from."""
    clips = examples(20)
    train, test = ([e for e in clips if (e.signer == "cem") == scored] for scored in (False, True))
    task = IsolatedTask(mining("test", tmp_path), train, test=test)
    as_ever = IsolatedTask(mining("clips", tmp_path), train, test=test)
    assert task._mining.examples == test
    assert task._feed.examples == as_ever._feed.examples
    assert {e.signer for e in as_ever._mining.examples} == {"ann", "bea"}
    task.end_epoch(0, task.model.eval())
    assert task.criterion.confusion is not None
    assert int(task.criterion.confusion.epochs) == 1


def test_without_test_clips_confusions_are_not_counted_on_them(tmp_path: Path) -> None:
    for test in ((), []):
        with pytest.raises(ValueError, match="`compare` alone"):
            IsolatedTask(mining("test", tmp_path), examples(), test=test)


@pytest.mark.parametrize("where", ["signers", "test"])
def test_confusions_of_sentences_are_counted_on_clips(where: str) -> None:
    with pytest.raises(ValueError, match=f"counted on clips, not on {where}"):
        ContinuousLossConfig.model_validate({"adaptive": adaptive_config(mining=where).model_dump()})
