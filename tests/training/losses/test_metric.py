from pathlib import Path

import pytest
import torch

from tests.training.synthetic import GLOSSES, examples, write
from training.config import load_config
from training.config.losses import MetricConfig
from training.losses.isolated import IsolatedCriterion
from training.losses.metric import KINDS, MetricLoss
from training.losses.triplet import hard_triplet
from training.models.recogniser import Output
from training.tasks.isolated import IsolatedTask
from training.tasks.train import fit

LABELS = torch.tensor([0, 0, 1, 1])
APART = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
MIXED = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])


def loss(kind: str, **more: float) -> MetricLoss:
    torch.manual_seed(1)
    made = MetricLoss(MetricConfig.model_validate({"kind": kind, **more}), glosses=2, embedding=2)
    for weights in made.parameters():  # directions of the two glosses
        weights.data.copy_(torch.eye(2))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_glosses_that_are_apart_cost_less_than_mixed_ones(kind: str) -> None:
    assert loss(kind)(APART, LABELS) < loss(kind)(MIXED, LABELS)


def test_normalised_softmax_is_cross_entropy_of_scaled_cosines() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(6, 2), dim=1)
    glosses = torch.tensor([0, 1, 0, 1, 1, 0])
    found = loss("normalised_softmax", scale=12.0, weight=0.5)(embeddings, glosses)
    wanted = 0.5 * torch.nn.functional.cross_entropy(12.0 * embeddings, glosses)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_triplets_are_those_of_the_triplet_loss() -> None:
    assert loss("triplet", margin=0.3)(MIXED, LABELS) == hard_triplet(MIXED, LABELS, 0.3)


def test_it_adds_to_the_loss_of_the_classes_and_looks_at_glosses_not_at_classes(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, epochs=1)).loss
    beside = config.model_copy(update={"metric": MetricConfig(kind="triplet", margin=0.3)})
    output = Output(torch.zeros(4, 2), MIXED)
    one_class = torch.zeros(4, dtype=torch.long)
    plain = IsolatedCriterion(config, ("a", "b"), 2, 2)(0, output, one_class, LABELS)
    both = IsolatedCriterion(beside, ("a", "b"), 2, 2)(0, output, one_class, LABELS)
    assert (both - plain).item() == pytest.approx(hard_triplet(MIXED, LABELS, 0.3).item())


def test_glosses_that_are_learned_as_no_sign_keep_their_names_for_the_embedding(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, epochs=1))
    data = config.data.model_copy(
        update={"vocabulary": ("high", "no sign"), "distractors": True, "background": True, "held_out": ()}
    )
    task = IsolatedTask(config.model_copy(update={"data": data}), examples())
    batch = next(task.batches(0))
    assert batch.labels.max() == 1
    assert set(batch.glosses.tolist()) == set(range(len(GLOSSES)))


def test_it_is_trained_and_its_config_loads_from_toml(tmp_path: Path) -> None:
    path = write(tmp_path, epochs=1)
    path.write_text(path.read_text() + '[loss.metric]\nkind = "normalised_softmax"\n')
    config = load_config(path)
    clips = [e for e in examples() if e.signer != "cem"]
    plain = fit(
        config.model_copy(update={"loss": config.loss.model_copy(update={"metric": None})}), clips, progress=False
    )
    both = fit(config, clips, progress=False)
    assert any(not torch.equal(a, b) for a, b in zip(plain.state.values(), both.state.values(), strict=True))
    assert set(plain.state) == set(both.state)  # what it learned for itself is not part of the model
