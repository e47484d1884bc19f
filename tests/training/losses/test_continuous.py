import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tests.training.losses import oracles
from tests.training.synthetic import adaptive_config
from training.config import ContinuousLossConfig
from training.losses.adaptive import weights_and_margins
from training.losses.continuous import ContinuousLoss

CLASSES = ("a", "b")
# The last target needs a blank between its two equal signs, and has no frame for it.
TARGETS = torch.tensor([[0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
LENGTHS = torch.tensor([3, 2, 1, 2])
FRAMES = torch.tensor([5, 5, 4, 2])


def continuous(adaptive: dict[str, object] | None = None, **changes: object) -> ContinuousLoss:
    settings = {"ctc": 1.0, "focal_ctc": 0.5, "triplet": 2.0, "weighting": "static", **changes}
    separates = {**adaptive_config().model_dump(), **(adaptive or {})}
    config = ContinuousLossConfig.model_validate({**settings, "adaptive": separates})
    loss = ContinuousLoss(config, CLASSES, embedding=6)
    loss.confusion.update(torch.tensor([[6.0, 3.0], [1.0, 8.0]]))
    return loss


def batch(seed: int) -> tuple[Tensor, Tensor]:
    """Logits (B, T, 3) and the features (B, T, 6) that they are computed from."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(4, 5, 6, generator=generator).requires_grad_()
    return features @ torch.randn(6, 3, generator=generator), features


def oracle(logits: Tensor, features: Tensor, loss: ContinuousLoss) -> float:
    """With the settings above and α = 0.6."""
    ctc = focal = 0.0
    segments, separated = [], []
    for row, feature, target, t, n in zip(logits, features, TARGETS, FRAMES, LENGTHS, strict=True):
        signs = target[:n].tolist()
        one = oracles.ctc(row[:t], signs)
        ctc += one / 4
        focal += (1 - math.exp(-one / int(n))) ** 2 * one / 4
        if one > 0:
            path = oracles.best_path(row[:t], signs)
            segments += oracles.segments(feature[:t], path, signs)
            if loss.config.adaptive.skip_blanks:
                path = [p if p >= 0 and row[f, signs[p]] >= row[f, 2] else -1 for f, p in enumerate(path)]
            separated += oracles.segments(feature[:t], path, signs)
    (embeddings, labels), (apart, of) = (
        (torch.stack([mean for mean, _ in some]), torch.tensor([sign for _, sign in some]))
        for some in (segments, separated)
    )
    triplet = oracles.hard_triplet(embeddings, labels, 0.2)
    separation = oracles.separation(apart, of, *weights_and_margins(loss.config.adaptive, loss.confusion))
    assert min(ctc, focal, triplet, separation) > 0
    return ctc + 0.5 * focal + 2.0 * triplet + 0.4 * separation


@pytest.mark.parametrize("skip_blanks", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_equals_paths_and_loops(seed: int, skip_blanks: bool) -> None:
    loss = continuous({"skip_blanks": skip_blanks})
    logits, features = batch(seed)
    with torch.no_grad():
        found = loss(0, logits, features, FRAMES, TARGETS, LENGTHS).item()
    assert found == pytest.approx(oracle(logits.detach(), features.detach(), loss), rel=1e-4)


@pytest.mark.parametrize("weighting", ["static", "gradient"])
def test_where_all_is_read_as_blank_nothing_is_separated_unless_wanted(weighting: str) -> None:
    blank = torch.tensor([0.0, 0.0, 9.0])
    totals = []
    for skip in (True, False):
        for growth in (0.0, 0.5):
            loss = continuous({"skip_blanks": skip, "margin_growth": growth}, weighting=weighting)
            logits, features = batch(0)
            totals.append(loss(0, logits / 9 + blank, features, FRAMES, TARGETS, LENGTHS))
    assert totals[0] == totals[1]
    assert totals[2] != totals[3]
    totals[0].backward()


@pytest.mark.parametrize("weighting", ["static", "uncertainty", "gradient"])
@pytest.mark.parametrize("form", ["batch", "prototype"])
def test_it_gives_a_finite_gradient_with_every_weighting_and_form(weighting: str, form: str) -> None:
    loss = continuous({"form": form}, weighting=weighting)
    for seed in range(3):
        logits, features = batch(seed)
        loss(0, logits, features, FRAMES, TARGETS, LENGTHS).backward()
        assert features.grad is not None
        assert features.grad.isfinite().all()
        assert (features.grad != 0).any(dim=2).any(dim=1).tolist() == [True, True, True, False]


@pytest.mark.parametrize("adaptive", [{"alpha": 1.0}, {"warmup_epochs": 1}])
@pytest.mark.parametrize("weighting", ["static", "gradient"])
def test_with_alpha_one_confusions_take_no_part(adaptive: dict[str, object], weighting: str) -> None:
    logits, features = batch(0)
    totals = []
    for counts in (torch.eye(2), torch.ones(2, 2)):
        loss = continuous(adaptive, weighting=weighting)
        loss.confusion.update(counts)
        totals.append(loss(0, logits, features, FRAMES, TARGETS, LENGTHS))
    assert torch.equal(*totals)


def test_gradient_weighting_looks_at_the_features() -> None:
    loss = continuous(weighting="gradient")
    logits, features = batch(0)
    loss(0, logits, features, FRAMES, TARGETS, LENGTHS)
    assert (loss.weighting.norms > 0).all()
    assert loss.weighting.norms.tolist() != pytest.approx([loss.weighting.norms[0].item()] * 4)


def test_sentences_without_an_alignment_give_exactly_zero_and_touch_the_graph() -> None:
    for weighting in ("static", "gradient"):
        loss = continuous(weighting=weighting)
        logits, features = batch(1)
        one = torch.ones(4, dtype=torch.long)
        total = loss(0, logits, features, one, TARGETS, 2 * one)
        assert total.item() == 0.0
        total.backward()
        assert features.grad is not None
        assert (features.grad == 0).all()


def test_identical_features_give_a_finite_gradient() -> None:
    features = torch.ones(4, 5, 6, requires_grad=True)
    loss = continuous(weighting="gradient")
    loss(0, features @ torch.randn(6, 3), features, FRAMES, TARGETS, LENGTHS).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_under_autocast_it_is_computed_in_float32() -> None:
    loss = continuous()
    logits, features = batch(2)
    half, f = logits.detach().bfloat16(), features.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(0, half, f, FRAMES, TARGETS, LENGTHS)
    assert found.dtype == torch.float32
    assert torch.equal(found, loss(0, half.float(), f.float(), FRAMES, TARGETS, LENGTHS))


@pytest.mark.parametrize("weighting", ["static", "uncertainty", "gradient"])
@pytest.mark.parametrize("form", ["batch", "prototype"])
def test_a_restored_loss_goes_on_as_if_never_stopped(weighting: str, form: str) -> None:
    whole, after = (continuous({"form": form}, weighting=weighting) for _ in range(2))
    whole(0, *batch(0), FRAMES, TARGETS, LENGTHS)
    for parameter in whole.parameters():
        nn.init.constant_(parameter, 0.3)
    whole.confusion.update(torch.tensor([[1.0, 4.0], [1.0, 1.0]]))
    after.load_state_dict(whole.state_dict())
    for seed in (1, 2):
        totals = [loss(0, *batch(seed), FRAMES, TARGETS, LENGTHS) for loss in (whole, after)]
        assert torch.equal(*totals)
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_loss_that_teaches_no_logits_is_refused() -> None:
    with pytest.raises(ValidationError, match="ctc and focal_ctc are both 0"):
        ContinuousLossConfig.model_validate({"ctc": 0, "focal_ctc": 0, "adaptive": adaptive_config().model_dump()})
