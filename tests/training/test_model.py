import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from glosscast.keypoints import CHANNELS, FACE, LEFT_HAND, POINTS, PRESENCE, X, Z
from training.config import ModelConfig
from training.models.keypoint_encoder import KeypointEncoder
from training.models.recogniser import IsolatedRecogniser, drop_one, normalise_pixels

CLASSES, FRAMES, ALPHA, SIZE = 5, 16, 4, 16


def build(*streams: str, dropout: float = 0.0, modality_dropout: float = 0.0, face: bool = True) -> IsolatedRecogniser:
    torch.manual_seed(0)
    config = ModelConfig(
        streams=streams,
        embedding=12,
        dropout=dropout,
        modality_dropout=modality_dropout,
        heatmap_size=16,
        heatmap_sigma=0.2,
        rgb_size=SIZE,
        face=face,
    )
    return IsolatedRecogniser(config, CLASSES, ALPHA).eval()


def inputs(batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    keypoints = torch.randn(batch, FRAMES, POINTS, CHANNELS)
    keypoints[..., PRESENCE] = (torch.rand(batch, FRAMES, POINTS) > 0.2).float()
    frames = torch.randint(0, 256, (batch, FRAMES, SIZE, SIZE, 3), dtype=torch.uint8)
    return keypoints * keypoints[..., PRESENCE:], torch.ones(batch, FRAMES), frames


STREAMS = [
    ("rgb",),
    ("pose",),
    ("keypoints",),
    ("pose", "keypoints"),
    ("rgb", "pose"),
    ("rgb", "keypoints"),
    ("rgb", "pose", "keypoints"),
]


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
    model = build(*streams)
    window = inputs()
    together = model(*window).logits
    alone = torch.cat([model(*(part[i : i + 1] for part in window)).logits for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("streams", STREAMS)
@torch.no_grad()
def test_a_window_of_nothing_gives_finite_logits(streams: tuple[str, ...]) -> None:
    nothing = torch.zeros(2, FRAMES, SIZE, SIZE, 3, dtype=torch.uint8)
    output = build(*streams)(torch.zeros(2, FRAMES, POINTS, CHANNELS), torch.zeros(2, FRAMES), nothing)
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
    model = build("pose", "keypoints")
    keypoints, mask, _ = inputs()
    assert not torch.allclose(model(keypoints, mask).logits, model(keypoints.flip(1), mask).logits, atol=1e-4)


@torch.no_grad()
def test_the_keypoint_encoder_does_not_see_masked_frames_out_of_reach_of_its_convolutions() -> None:
    torch.manual_seed(0)
    encoder = KeypointEncoder(blocks=3).eval()
    keypoints, mask, _ = inputs(1)
    mask[:, 4:] = 0.0
    reach = 3 * 2  # three convolutions of kernel 5
    changed = keypoints.clone()
    changed[:, 4 + reach :, :, :3] += 5.0
    assert torch.allclose(encoder(keypoints, mask), encoder(changed, mask), atol=1e-6)
    changed[:, 1, :, :3] += 5.0
    assert not torch.allclose(encoder(keypoints, mask), encoder(changed, mask), atol=1e-3)


@torch.no_grad()
def test_the_keypoint_encoder_does_not_use_depth_of_body_and_face() -> None:
    encoder = KeypointEncoder().eval()
    keypoints, mask, _ = inputs()
    changed = keypoints.clone()
    changed[:, :, : LEFT_HAND.start, Z] += 1.0
    changed[:, :, 75:, Z] += 1.0
    assert torch.equal(encoder(keypoints, mask), encoder(changed, mask))


@torch.no_grad()
def test_a_missing_hand_gives_no_hand_features() -> None:
    encoder = KeypointEncoder().eval()
    keypoints, _, _ = inputs()
    hand = keypoints[..., LEFT_HAND, :] * 0.0
    assert (encoder.hand(hand, keypoints[..., :7, :]) == 0).all()


@torch.no_grad()
def test_hand_shape_does_not_depend_on_a_target_that_is_missing() -> None:
    encoder = KeypointEncoder().eval()
    keypoints, _, _ = inputs()
    hand = keypoints[..., LEFT_HAND, :]
    targets = keypoints[..., :7, :].clone()
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


def test_of_three_streams_each_is_left_out_as_often() -> None:
    torch.manual_seed(0)
    lost = [(f == 0).all(1) for f in drop_one([torch.ones(6000, 2) for _ in range(3)], 0.3)]
    assert all(0.27 < one.float().mean() < 0.33 for one in lost)
    assert torch.stack(lost).sum(0).max() == 1


def test_two_streams_are_left_out_by_the_draws_of_old() -> None:
    torch.manual_seed(5)
    draw = torch.rand(50, 1)
    torch.manual_seed(5)
    first, second = drop_one([torch.ones(50, 1), torch.ones(50, 1)], 0.2)
    assert torch.equal(first == 0, draw < 0.2)
    assert torch.equal(second == 0, (draw >= 0.2) & (draw < 0.4))


def test_more_dropout_than_there_is_room_for_is_refused() -> None:
    build("rgb", "pose", modality_dropout=0.4)
    with pytest.raises(ValidationError, match=r"modality_dropout 0\.4 is more than 1 / 3"):
        build("rgb", "pose", "keypoints", modality_dropout=0.4)


@torch.no_grad()
def test_pixels_are_scaled_as_for_the_published_models() -> None:
    frames = torch.zeros(1, 2, 3, 4, 3, dtype=torch.uint8)
    frames[0, 1, 2, 3] = torch.tensor([255, 51, 0], dtype=torch.uint8)
    scaled = normalise_pixels(frames)
    assert scaled.shape == (1, 3, 2, 3, 4)
    wanted = (torch.tensor([1.0, 0.2, 0.0]) - 0.45) / 0.225
    assert torch.allclose(scaled[0, :, 1, 2, 3], wanted, atol=1e-6)
    assert torch.allclose(scaled[0, :, 0], torch.tensor(-2.0))


@torch.no_grad()
def test_each_stream_sees_its_own_input() -> None:
    keypoints, mask, frames = inputs()
    for streams in STREAMS:
        model = build(*streams)
        plain = model(keypoints, mask, frames).logits
        assert torch.equal(plain, model(keypoints, mask, 255 - frames).logits) == ("rgb" not in streams)
        assert torch.equal(plain, model(keypoints.flip(1), mask, frames).logits) == (streams == ("rgb",))


def test_an_rgb_stream_without_frames_is_an_error() -> None:
    with pytest.raises(ValueError, match="rgb stream needs frames"):
        build("rgb", "keypoints")(*inputs()[:2])


@torch.no_grad()
def test_without_face_the_mesh_is_not_seen() -> None:
    keypoints, mask, _ = inputs()
    faceless = keypoints.clone()
    faceless[..., FACE, :] = 0.0
    blind = build("pose", "keypoints", face=False)
    seeing = build("pose", "keypoints")
    assert torch.equal(blind(keypoints, mask).logits, seeing(faceless, mask).logits)
    assert not torch.allclose(blind(keypoints, mask).logits, seeing(keypoints, mask).logits, atol=1e-4)
    assert blind.state_dict().keys() == seeing.state_dict().keys()


def test_the_inputs_of_a_model_follow_from_its_streams() -> None:
    assert [build(*s).config.frame_size for s in STREAMS] == [SIZE if "rgb" in s else None for s in STREAMS]
    assert [build(*s).config.needs_signer for s in STREAMS] == [s != ("rgb",) for s in STREAMS]


def test_without_modality_dropout_nothing_is_left_out() -> None:
    features = [torch.ones(100, 2), torch.ones(100, 2)]
    assert all((f == 1).all() for f in drop_one(features, 0.0))


@torch.no_grad()
def test_modality_dropout_is_for_training_only() -> None:
    model = build("pose", "keypoints", modality_dropout=0.49)
    keypoints, mask, _ = inputs()
    assert torch.equal(model(keypoints, mask).logits, model(keypoints, mask).logits)


def test_embeddings_are_normalised_in_float32_under_autocast() -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        embedding = build("keypoints")(*inputs()).embedding
    assert embedding.dtype == torch.float32
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3), atol=1e-5)
