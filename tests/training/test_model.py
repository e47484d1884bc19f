import pytest
import torch
from torch import Tensor

from glosscast.keypoints import CHANNELS, LEFT_HAND, POINTS, PRESENCE, X, Z
from training.keypoint_encoder import KeypointEncoder
from training.model import ModelConfig, Recogniser, drop_one

CLASSES, FRAMES, ALPHA = 5, 16, 4


def build(*streams: str, dropout: float = 0.0, modality_dropout: float = 0.0) -> Recogniser:
    torch.manual_seed(0)
    config = ModelConfig(
        streams=streams,
        embedding=12,
        dropout=dropout,
        modality_dropout=modality_dropout,
        heatmap_size=16,
        heatmap_sigma=0.2,
    )
    return Recogniser(config, CLASSES, ALPHA).eval()


def inputs(batch: int = 3) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    keypoints = torch.randn(batch, FRAMES, POINTS, CHANNELS)
    keypoints[..., PRESENCE] = (torch.rand(batch, FRAMES, POINTS) > 0.2).float()
    return keypoints * keypoints[..., PRESENCE:], torch.ones(batch, FRAMES)


STREAMS = [("pose",), ("keypoints",), ("pose", "keypoints")]


@pytest.mark.parametrize("streams", STREAMS)
@torch.no_grad()
def test_a_window_gets_logits_and_an_embedding_of_length_one(streams: tuple[str, ...]) -> None:
    output = build(*streams)(*inputs())
    assert output.logits.shape == (3, CLASSES)
    assert output.embedding.shape == (3, 12)
    assert torch.allclose(output.embedding.norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("streams", STREAMS)
@torch.no_grad()
def test_windows_of_a_batch_do_not_touch_each_other(streams: tuple[str, ...]) -> None:
    model, (keypoints, mask) = build(*streams), inputs()
    together = model(keypoints, mask).logits
    alone = torch.cat([model(keypoints[i : i + 1], mask[i : i + 1]).logits for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("streams", STREAMS)
@torch.no_grad()
def test_a_window_of_nothing_gives_finite_logits(streams: tuple[str, ...]) -> None:
    output = build(*streams)(torch.zeros(2, FRAMES, POINTS, CHANNELS), torch.zeros(2, FRAMES))
    assert torch.isfinite(output.logits).all()
    assert torch.isfinite(output.embedding).all()


@pytest.mark.parametrize("streams", STREAMS)
def test_every_weight_gets_a_gradient(streams: tuple[str, ...]) -> None:
    model = build(*streams).train()
    output = model(*inputs())
    (output.logits.square().sum() + output.embedding[:, 0].sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@torch.no_grad()
def test_the_order_of_frames_matters() -> None:
    model, (keypoints, mask) = build("pose", "keypoints"), inputs()
    assert not torch.allclose(model(keypoints, mask).logits, model(keypoints.flip(1), mask).logits, atol=1e-4)


@torch.no_grad()
def test_the_keypoint_encoder_does_not_see_masked_frames_out_of_reach_of_its_convolutions() -> None:
    torch.manual_seed(0)
    encoder = KeypointEncoder(blocks=3).eval()
    keypoints, mask = inputs(1)
    mask[:, 4:] = 0.0
    reach = 3 * 2  # three convolutions of kernel 5
    changed = keypoints.clone()
    changed[:, 4 + reach :, :, :3] += 5.0
    assert torch.allclose(encoder(keypoints, mask), encoder(changed, mask), atol=1e-6)
    changed[:, 1, :, :3] += 5.0
    assert not torch.allclose(encoder(keypoints, mask), encoder(changed, mask), atol=1e-3)


@torch.no_grad()
def test_the_keypoint_encoder_does_not_use_depth_of_body_and_face() -> None:
    encoder, (keypoints, mask) = KeypointEncoder().eval(), inputs()
    changed = keypoints.clone()
    changed[:, :, : LEFT_HAND.start, Z] += 1.0
    changed[:, :, 75:, Z] += 1.0
    assert torch.equal(encoder(keypoints, mask), encoder(changed, mask))


@torch.no_grad()
def test_a_missing_hand_gives_no_hand_features() -> None:
    encoder, (keypoints, _) = KeypointEncoder().eval(), inputs()
    hand = keypoints[..., LEFT_HAND, :] * 0.0
    assert (encoder.hand(hand, keypoints[..., :7, :]) == 0).all()


@torch.no_grad()
def test_hand_shape_does_not_depend_on_a_target_that_is_missing() -> None:
    encoder, (keypoints, _) = KeypointEncoder().eval(), inputs()
    hand, targets = keypoints[..., LEFT_HAND, :], keypoints[..., :7, :].clone()
    targets[..., 3, :] = 0.0
    moved = targets.clone()
    moved[..., 3, X] = 1.0
    assert torch.equal(encoder.hand(hand, targets), encoder.hand(hand, moved))


def test_modality_dropout_leaves_out_at_most_one_stream_of_a_sample() -> None:
    torch.manual_seed(0)
    features = [torch.ones(4000, 2), torch.full((4000, 2), 2.0)]
    first, second = drop_one(features, 0.2)
    lost_first, lost_second = (first == 0).all(1), (second == 0).all(1)
    assert not (lost_first & lost_second).any()
    assert 0.17 < lost_first.float().mean() < 0.23
    assert 0.17 < lost_second.float().mean() < 0.23
    assert torch.equal(first[~lost_first], features[0][~lost_first])
    assert torch.equal(second[~lost_second], features[1][~lost_second])


def test_without_modality_dropout_nothing_is_left_out() -> None:
    features = [torch.ones(100, 2), torch.ones(100, 2)]
    assert all((f == 1).all() for f in drop_one(features, 0.0))


@torch.no_grad()
def test_modality_dropout_is_for_training_only() -> None:
    model, (keypoints, mask) = build("pose", "keypoints", modality_dropout=0.49), inputs()
    assert torch.equal(model(keypoints, mask).logits, model(keypoints, mask).logits)


def test_embeddings_are_normalised_in_float32_under_autocast() -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        embedding = build("keypoints")(*inputs()).embedding
    assert embedding.dtype == torch.float32
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3), atol=1e-5)
