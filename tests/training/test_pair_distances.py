"""The benchmark of how far apart the glosses are that an adaptive loss separates."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pair_distances import in_vocabulary, main, nearer
from tests.training.synthetic import adaptive_config, config, examples
from training.tasks.train import fit


def test_pairs_are_counted_by_their_weights_and_against_their_own_margins() -> None:
    embeddings = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.0, 1.0]])
    labels = np.array([0, 1, 2, 2])
    weights = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    margins = np.full((3, 3), 0.5)
    # 0 and 1 are 0.4 apart and weigh 1; 0 and both of 2 are 1.0 apart and weigh 0.5 each; 1 and 2 are not separated.
    assert nearer(embeddings, labels, weights, margins) == pytest.approx(0.5)
    margins[0, 2] = margins[2, 0] = 1.1
    assert nearer(embeddings, labels, weights, margins) == pytest.approx(1.0)
    assert np.isnan(nearer(embeddings[2:], labels[2:], weights, margins))


def test_the_share_of_the_vocabulary_leaves_out_pairs_that_it_is_one_half_of() -> None:
    weights = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [0.5, 0.5, 0.0]])
    assert in_vocabulary(weights, 2) == pytest.approx(0.5)
    assert np.isnan(in_vocabulary(np.zeros((2, 2)), 2))


@pytest.mark.slow
def test_learned_and_left_out_clips_of_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = config(tmp_path, epochs=2)
    data = plain.data.model_copy(update={"held_out": ("ann",)})
    plain = plain.model_copy(update={"data": data})
    loss = plain.loss.model_copy(update={"adaptive": adaptive_config(warmup_epochs=1, ramp_epochs=1)})
    adaptive = plain.model_copy(update={"loss": loss})
    learned = [e for e in examples() if e.signer != "ann"]
    for name, made in (("plain", plain), ("adaptive", adaptive)):
        fit(made, learned, progress=False).save(tmp_path / f"{name}.pt")
    paths = [str(tmp_path / "adaptive.pt"), "--beside", str(tmp_path / "plain.pt"), "--data", str(tmp_path)]
    assert main(paths) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["checkpoint"] == "adaptive.pt"
    shares = [row["in_vocabulary"], row["learned"], row["left_out"], *row["beside"].values()]
    assert len(shares) == 5
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert main([paths[2], "--data", str(tmp_path)]) == 1
    assert "not a checkpoint of isolated signs with the adaptive loss" in capsys.readouterr().err
