import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.training.continuous.tiny import SIGNS, config, recorded_config
from tests.training.synthetic import examples
from training.__main__ import main
from training.config import Config
from training.config.continuous_variants import LOSSES, continuous_variant_of
from training.data import DataError, load_sets, split_by_signer
from training.models.checkpoint import Checkpoint, load_checkpoint
from training.runtime.checkpoint_file import CheckpointError
from training.tasks.continuous import ContinuousTask, count_confusions, count_errors
from training.tasks.sentence_feed import SentenceBatch
from training.tasks.sentence_scores import score_sentences, sentences_of
from training.tasks.train import fit

VOCABULARY = ("high", "low", "no sign")


def learn(made: Config) -> Checkpoint:
    return fit(made, [e for e in examples() if e.signer != "cem"], progress=False)


@pytest.mark.slow
def test_sentences_of_an_unseen_signer_are_learned_with_the_adaptive_loss(tmp_path: Path) -> None:
    """With CTC alone they are learned where captions of them are tested, `tests/export/test_sentences.py`."""
    made = continuous_variant_of(recorded_config(tmp_path), "adaptive")
    optimiser = made.optimiser.model_copy(update={"epochs": 20, "clips_per_epoch": 96, "batch": 6, "ema": 0.9})
    seen, unseen = split_by_signer(load_sets(made.data, tmp_path), made.data.held_out)
    checkpoint = fit(made.model_copy(update={"optimiser": optimiser}), seen, progress=False)
    scores = score_sentences(checkpoint.build_continuous(), unseen, SIGNS, made.clip.fps)
    assert scores.rate.wer < 0.1
    assert scores.macro_f1 > 0.9


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    made = config(tmp_path, epochs=1)
    first, again = learn(made), learn(made)
    assert all(torch.equal(first.state[name], again.state[name]) for name in first.state)
    other = learn(made.model_copy(update={"seed": 2}))
    assert not torch.equal(first.state["classify.weight"], other.state["classify.weight"])


def test_a_checkpoint_states_its_kind(tmp_path: Path) -> None:
    checkpoint = learn(config(tmp_path, epochs=1))
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path)
    assert torch.load(path, weights_only=True)["kind"] == "continuous"
    loaded = load_checkpoint(path)
    assert loaded.kind == "continuous"
    assert loaded.signers == {"high": 2, "low": 2, "no sign": 2}
    assert loaded.build_continuous().classify.out_features == 4
    with pytest.raises(CheckpointError, match="tiny is of sentences"):
        loaded.build()


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config(tmp_path, epochs=3)
    seen = examples()
    whole = fit(made, seen, progress=False)
    batches = ContinuousTask.batches

    def stop(task: ContinuousTask, epoch: int) -> Iterator[SentenceBatch]:
        if epoch == 2:
            raise KeyboardInterrupt
        return batches(task, epoch)

    monkeypatch.setattr(ContinuousTask, "batches", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(made, seen, progress=False, out=tmp_path)
    monkeypatch.setattr(ContinuousTask, "batches", batches)
    resumed = fit(made, seen, progress=False, out=tmp_path, resume=True)
    assert all(torch.equal(whole.state[name], resumed.state[name]) for name in whole.state)
    assert whole.confusion is not None
    assert torch.equal(whole.confusion, resumed.confusion)


def test_recorded_sentences_are_trained_on_and_scored_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_config(tmp_path, epochs=1)
    out = tmp_path / "out"
    assert main(["train", "--config", str(tmp_path / "tiny.toml"), "--data", str(tmp_path), "--out", str(out)]) == 0
    capsys.readouterr()
    score = ["evaluate-sentences", "--checkpoint", str(out / "checkpoint.pt"), "--data", str(tmp_path)]
    assert main([*score, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["rate"]["sentences"], scores["rate"]["tokens"]) == (12, 18)
    assert len(scores["hypotheses"]) == 12
    assert main(score) == 0
    said = capsys.readouterr().out
    assert "WER" in said
    assert "aligned signs: accuracy" in said
    assert main([*score, "--count", "0"]) == 2
    assert main([*score, "--signers", "dan"]) == 2
    assert "not in the data: dan" in capsys.readouterr().err


def test_confusions_are_counted_where_the_loss_separates(tmp_path: Path) -> None:
    made = config(tmp_path)
    for loss, counted in (("ctc+triplet", 0), ("adaptive", 1)):
        task = ContinuousTask(continuous_variant_of(made, loss), examples())
        task.end_epoch(0, task.model.eval())
        assert int(task.criterion.confusion.epochs) == counted


def test_confusions_are_hits_and_substitutions_of_the_mining_sentences(tmp_path: Path) -> None:
    task = ContinuousTask(config(tmp_path), examples())
    with torch.no_grad():
        task.model.classify.weight.zero_()
        task.model.classify.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0]))  # everything is one long "low"
    batches = list(task.batches(0))
    counts = count_confusions(task.model.eval(), iter(batches), 3)
    assert counts[:, [0, 2]].sum() == 0
    assert 0 < counts.sum() <= sum(len(batch.frames) for batch in batches)


def test_the_dev_score_is_word_accuracy(tmp_path: Path) -> None:
    seen, unseen = split_by_signer(examples(), ["cem"])
    task = ContinuousTask(config(tmp_path), seen, unseen)
    assert task.dev == "dev_word_accuracy"
    sentences = sentences_of(task.config, unseen, 100, 0)
    wanted = 1.0 - score_sentences(task.model, sentences, VOCABULARY, 16.0).rate.wer
    assert task.dev_score(task.model.eval()) == pytest.approx(wanted)
    assert ContinuousTask(config(tmp_path), seen).dev is None


def test_errors_are_edits() -> None:
    assert count_errors([(1, 2), (3,)], [(1, 3, 2), ()]) == 2


def test_every_tenth_recorded_sentence_of_a_signer_is_mined(tmp_path: Path) -> None:
    made = recorded_config(tmp_path)
    task = ContinuousTask(made, load_sets(made.data, tmp_path))
    assert len(task._mining.examples) == 3
    assert len(task._feed.examples) == 33


def test_a_gloss_that_nobody_signs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip of low"):
        ContinuousTask(config(tmp_path), [e for e in examples() if e.gloss != "low"])


def test_variants_are_the_configs_loss_and_parts_of_it(tmp_path: Path) -> None:
    made = config(tmp_path)
    assert continuous_variant_of(made, "adaptive") == made
    parts = {}
    for loss in LOSSES:
        continuous = continuous_variant_of(made, loss).continuous
        assert continuous is not None
        c = continuous.loss
        parts[loss] = (c.ctc > 0, c.focal_ctc > 0, c.triplet > 0, c.adaptive.alpha < 1)
    assert parts == {
        "ctc": (True, False, False, False),
        "ctc+focal": (True, True, False, False),
        "ctc+triplet": (True, False, True, False),
        "adaptive": (True, True, True, True),
        "adaptive-aligned": (True, True, True, True),
    }
    with pytest.raises(ValueError, match="unknown loss 'ce'"):
        continuous_variant_of(made, "ce")
    assert VOCABULARY[:2] == SIGNS


def test_the_separation_of_aligned_frames_begins_at_half_time(tmp_path: Path) -> None:
    made = config(tmp_path, epochs=6)
    continuous = continuous_variant_of(made, "adaptive-aligned").continuous
    assert continuous is not None
    assert made.continuous is not None
    adaptive = continuous.loss.adaptive
    assert [adaptive.alpha_at(epoch) for epoch in range(6)] == [1.0] * 3 + [0.6] * 3
    assert adaptive.skip_blanks
    assert not made.continuous.loss.adaptive.skip_blanks
    limits = {"skip_blanks": False, "warmup_epochs": made.continuous.loss.adaptive.warmup_epochs}
    assert adaptive.model_copy(update=limits) == made.continuous.loss.adaptive
