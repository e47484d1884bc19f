import pytest
import torch
from torch import Tensor, nn

from tests.training.published import clip, logits, published, randomise
from training.models.pretrained import translate_pytorchvideo
from training.models.slowfast import build, pool

CLASSES = 7


@pytest.mark.parametrize("name", ["slowfast_8x8_r50", "slowfast_8x8_r101"])
@pytest.mark.slow
def test_the_published_models_compute_the_same_as_pytorchvideo(name: str) -> None:
    torch.manual_seed(0)
    theirs = randomise(published(name, CLASSES))
    ours = build(name, CLASSES).eval()
    ours.load_state_dict({translate_pytorchvideo(key): value for key, value in theirs.state_dict().items()})
    frames = clip()
    with torch.no_grad():
        got = ours(frames)
    wanted = logits(theirs, frames)
    assert got.shape == (1, CLASSES)
    assert 1.0 < wanted.abs().max() < 100.0  # or the tolerance would mean nothing
    assert (got - wanted).abs().max() < 1e-4


def test_training_starts_where_pytorchvideo_starts() -> None:
    torch.manual_seed(0)
    ours = build("slowfast_8x8_r50", CLASSES).state_dict()
    for key, theirs in published("slowfast_8x8_r50", CLASSES).state_dict().items():
        name = translate_pytorchvideo(key)
        if (theirs == theirs.flatten()[0]).all():  # batch norms, and the bias of the head
            assert torch.equal(ours[name], theirs), name
        elif theirs.numel() > 1000:
            assert torch.allclose(ours[name].std(), theirs.std(), rtol=0.15), name


def test_a_model_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"unknown model 'slowfast_4x16_r50': there are slowfast_8x8_r50, .*tiny"):
        build("slowfast_4x16_r50", CLASSES)


def test_the_tiny_model_classifies_too_and_learns_with_every_weight() -> None:
    model = build("slowfast_tiny", CLASSES)
    out = model(torch.randn(2, 3, 16, 32, 32))
    assert out.shape == (2, CLASSES)
    out.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 30, 33])
def test_any_number_of_frames_will_do(frames: int) -> None:
    assert build("slowfast_tiny", CLASSES).eval()(torch.randn(1, 3, frames, 32, 32)).shape == (1, CLASSES)


@torch.no_grad()
def test_the_slow_pathway_sees_every_alpha_th_frame() -> None:
    model = build("slowfast_tiny", inputs=6).eval()
    seen: list[Tensor] = []
    model.slow_stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    frames = torch.randn(2, 6, 16, 16, 16)
    features = model(frames, torch.ones(2, 16))
    assert torch.equal(seen[0], frames[:, :, [0, 4, 8, 12]])
    assert features.shape == (2, model.features)


@torch.no_grad()
def test_without_a_mask_every_frame_counts() -> None:
    model = build("slowfast_tiny", CLASSES).eval()
    frames = torch.randn(2, 3, 16, 32, 32)
    assert torch.equal(model(frames), model(frames, torch.ones(2, 16)))
    half = torch.ones(2, 16)
    half[:, 8:] = 0
    assert not torch.allclose(model(frames), model(frames, half), atol=1e-4)


@torch.no_grad()
def test_of_a_window_of_nothing_the_head_sees_zeros() -> None:
    model = build("slowfast_tiny", CLASSES).eval()
    linear = model.head[1]
    assert isinstance(linear, nn.Linear)
    out = model(torch.randn(2, 3, 16, 32, 32), torch.zeros(2, 16))
    assert torch.equal(out, linear.bias.expand(2, CLASSES))


def test_the_tiny_encoder_has_about_360_thousand_parameters() -> None:
    assert 300_000 < sum(p.numel() for p in build("slowfast_tiny", inputs=6).parameters()) < 420_000


def test_pooling_is_the_mean_over_space_and_the_frames_in_the_mask() -> None:
    features = torch.randn(2, 3, 4, 5, 5)
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    pooled = pool(features, mask)
    assert torch.allclose(pooled[0], features[0, :, :2].mean(dim=(1, 2, 3)), atol=1e-6)
    assert torch.allclose(pooled[1], features[1].mean(dim=(1, 2, 3)), atol=1e-6)


def test_pooling_does_not_see_masked_frames() -> None:
    features = torch.randn(1, 3, 4, 5, 5)
    mask = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    changed = features.clone()
    changed[:, :, [1, 3]] = 99.0
    assert torch.equal(pool(features, mask), pool(changed, mask))
    assert (pool(features, torch.zeros(1, 4)) == 0).all()
