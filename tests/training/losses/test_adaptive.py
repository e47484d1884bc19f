import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tests.training.losses.oracles import embeddings_and_labels, weights_and_margins
from tests.training.losses.oracles import separation as oracle
from tests.training.synthetic import adaptive_config
from training.losses.adaptive import AdaptiveLoss, batch_separation
from training.losses.adaptive import weights_and_margins as weights_and_margins_of
from training.losses.cross_entropy import cross_entropy
from training.models.recogniser import Output

CLASSES = ("a", "b", "c", "d")
COUNTS = torch.tensor([[6.0, 3.0, 0.0, 0.0], [1.0, 8.0, 0.0, 0.0], [0.0, 1.0, 4.0, 4.0], [0.0, 0.0, 2.0, 2.0]])
PAIR = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # weights of two confusable classes


def adaptive(**changes: object) -> AdaptiveLoss:
    loss = AdaptiveLoss(adaptive_config(**changes), CLASSES, embedding=6, label_smoothing=0.1)
    loss.confusion.update(COUNTS)
    return loss


def batch(seed: int) -> tuple[Output, Tensor]:
    embeddings, labels = embeddings_and_labels(seed)
    return Output(torch.randn(12, 4, generator=torch.Generator().manual_seed(seed)), embeddings), labels


@pytest.mark.parametrize("seed", range(5))
def test_separation_equals_a_loop_over_pairs(seed: int) -> None:
    case = (*embeddings_and_labels(seed), *weights_and_margins(seed))
    assert batch_separation(*case).item() == pytest.approx(oracle(*case), rel=1e-4)


def test_the_whole_loss_is_the_weighted_sum() -> None:
    loss = adaptive(alpha=0.6)
    output, labels = batch(0)
    wanted = oracle(output.embedding, labels, *weights_and_margins_of(loss.config, loss.confusion))
    assert wanted > 0
    entropy = cross_entropy(output.logits, labels, 0.1).item()
    assert loss(0, output, labels).item() == pytest.approx(0.6 * entropy + 0.4 * wanted, rel=1e-4)


@pytest.mark.parametrize("form", ["batch", "prototype"])
@pytest.mark.parametrize("changes", [{"alpha": 1.0}, {"warmup_epochs": 1}])
def test_with_alpha_one_it_is_cross_entropy_bit_for_bit(form: str, changes: dict[str, object]) -> None:
    loss = adaptive(form=form, **changes)
    output, labels = batch(1)
    broken = Output(output.logits, output.embedding * torch.nan)  # embeddings must take no part
    assert torch.equal(loss(0, broken, labels), cross_entropy(output.logits, labels, 0.1))


def loss_and_gradient(raw: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> tuple[float, Tensor]:
    raw = raw.clone().requires_grad_()
    loss = batch_separation(torch.nn.functional.normalize(raw, dim=1, eps=1e-6), labels, weights, margins)
    loss.backward()
    assert raw.grad is not None
    return loss.item(), raw.grad


def test_beyond_the_margin_loss_and_gradient_are_zero() -> None:
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.1]])
    loss, gradient = loss_and_gradient(opposite, torch.tensor([0, 1]), PAIR, torch.full((2, 2), 0.6))
    assert loss == 0.0
    assert (gradient == 0).all()


@pytest.mark.parametrize("weights", [torch.zeros(2, 2), PAIR])
@pytest.mark.parametrize("labels", [[0, 0, 0], []])  # of one class: no pair, whatever the weights say
def test_a_batch_without_a_confusable_pair_gives_exactly_zero_and_touches_the_graph(
    weights: Tensor, labels: list[int]
) -> None:
    ids = torch.tensor(labels, dtype=torch.long)
    loss, gradient = loss_and_gradient(torch.randn(len(labels), 4), ids, weights, torch.full((2, 2), 0.6))
    assert loss == 0.0
    assert (gradient == 0).all()


def test_identical_embeddings_give_a_finite_gradient() -> None:
    loss, gradient = loss_and_gradient(torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), PAIR, torch.full((2, 2), 0.6))
    assert loss == pytest.approx(0.6, rel=1e-4)
    assert gradient.isfinite().all()


def test_embeddings_of_length_zero_give_a_finite_gradient() -> None:
    _, gradient = loss_and_gradient(torch.zeros(2, 3), torch.tensor([0, 1]), PAIR, torch.full((2, 2), 1.2))
    assert gradient.isfinite().all()


def test_a_step_moves_confusable_embeddings_apart() -> None:
    raw = torch.tensor([[1.0, 0.1], [1.0, -0.1]])
    labels = torch.tensor([0, 1])
    margins = torch.full((2, 2), 0.6)
    before, gradient = loss_and_gradient(raw, labels, PAIR, margins)
    after, _ = loss_and_gradient(raw - 0.1 * gradient, labels, PAIR, margins)
    assert after < before


def test_bfloat16_embeddings_are_compared_in_float32_even_under_autocast() -> None:
    (embeddings, labels), pairs = embeddings_and_labels(2), weights_and_margins(2)
    half = embeddings.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = batch_separation(half, labels, *pairs)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, batch_separation(half.float(), labels, *pairs))


def test_the_gradient_of_bfloat16_embeddings_adds_up_in_float32() -> None:
    (embeddings, labels), pairs = embeddings_and_labels(2), weights_and_margins(2)
    half = embeddings.bfloat16().requires_grad_()
    full = half.detach().float().requires_grad_()
    batch_separation(half, labels, *pairs).backward()
    batch_separation(full, labels, *pairs).backward()
    assert half.grad is not None
    assert full.grad is not None
    assert torch.equal(half.grad, full.grad.bfloat16())


@pytest.mark.parametrize(
    ("warmup", "ramp", "wanted"),
    [
        (2, 2, [1.0, 1.0, 0.8, 0.6, 0.6]),
        (0, 4, [0.9, 0.8, 0.7, 0.6, 0.6]),
        (1, 0, [1.0, 0.6, 0.6, 0.6, 0.6]),
        (9, 0, [1.0] * 5),
    ],
)
def test_alpha_is_one_in_the_warm_up_and_then_ramps(warmup: int, ramp: int, wanted: list[float]) -> None:
    config = adaptive_config(alpha=0.6, warmup_epochs=warmup, ramp_epochs=ramp)
    assert [config.alpha_at(epoch) for epoch in range(5)] == pytest.approx(wanted)


def test_partners_are_drawn_once_separation_takes_part_and_only_if_asked() -> None:
    assert adaptive().partners(0) is None
    loss = adaptive(confusable_share=0.25, warmup_epochs=2)
    assert loss.partners(1) is None
    partners = loss.partners(2)
    assert partners is not None
    assert partners.share == 0.25
    assert torch.equal(torch.from_numpy(partners.weights), loss.confusion.weights())


def test_drawing_partners_for_prototypes_is_refused() -> None:
    with pytest.raises(ValidationError, match="confusable_share goes with the batch form"):
        adaptive_config(form="prototype", confusable_share=0.25)


@pytest.mark.parametrize("form", ["batch", "prototype"])
def test_a_restored_loss_goes_on_as_if_never_stopped(form: str) -> None:
    whole = adaptive(form=form)
    whole(0, *batch(0))
    after = AdaptiveLoss(whole.config, CLASSES, embedding=6, label_smoothing=0.1)
    after.load_state_dict(whole.state_dict())
    for seed in (1, 2):
        for loss in (whole, after):
            loss.confusion.update(COUNTS.T)
        assert torch.equal(after(0, *batch(seed)), whole(0, *batch(seed)))
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in whole.state_dict().items())
