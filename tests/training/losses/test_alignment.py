import pytest
import torch
from torch import Tensor

from tests.training.losses import oracles
from training.losses.alignment import BLANK, forced_alignment, segment_embeddings, without_blanks
from training.losses.ctc import log_probabilities

TARGETS = torch.tensor([[0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
LENGTHS = torch.tensor([3, 2, 1, 0])
FRAMES = torch.tensor([6, 5, 4, 3])


def logits(seed: int) -> Tensor:
    return 2 * torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_likeliest_of_all_paths(seed: int) -> None:
    x = logits(seed)
    found = forced_alignment(log_probabilities(x), FRAMES, TARGETS, LENGTHS)
    for row, positions, target, t, n in zip(x, found, TARGETS, FRAMES, LENGTHS, strict=True):
        assert positions[:t].tolist() == oracles.best_path(row[:t], target[:n].tolist())
        assert (positions[t:] == BLANK).all()


def test_every_sign_of_a_target_gets_a_frame_even_where_none_is_likely() -> None:
    x = torch.zeros(1, 3, 3)
    x[..., 2] = 20.0  # all blank
    three = torch.tensor([3])
    assert forced_alignment(log_probabilities(x), three, torch.tensor([[0, 1, 0]]), three).tolist() == [[0, 1, 2]]


def test_a_target_too_long_has_no_alignment() -> None:
    frames, lengths = torch.tensor([2, 2, 2]), torch.tensor([3, 2, 2])
    targets = torch.tensor([[0, 1, 0], [1, 1, 0], [1, 0, 0]])  # equal signs need a blank between them
    found = forced_alignment(log_probabilities(logits(0)[:3]), frames, targets, lengths)
    assert found[:, :2].tolist() == [[BLANK, BLANK], [BLANK, BLANK], [0, 1]]


def test_segments_equal_a_loop_over_signs() -> None:
    x = logits(1)
    features = torch.randn(4, 6, 5)
    alignment = forced_alignment(log_probabilities(x), FRAMES, TARGETS, LENGTHS)
    wanted = []
    for row, positions, target, n in zip(features, alignment.tolist(), TARGETS.tolist(), LENGTHS.tolist(), strict=True):
        wanted += oracles.segments(row, positions, target[:n])
    embeddings, labels = segment_embeddings(features, alignment, TARGETS)
    assert labels.tolist() == [sign for _, sign in wanted] == [0, 1, 0, 1, 1, 1]
    assert torch.allclose(embeddings, torch.stack([mean for mean, _ in wanted]), atol=1e-6)


def test_frames_that_are_read_as_blank_can_be_left_out_of_an_alignment() -> None:
    alignment = torch.tensor([[0, 0, 1, BLANK], [BLANK, 0, 0, 0]])
    targets = torch.tensor([[1, 0], [0, 0]])
    log_p = torch.full((2, 4, 3), -9.0)
    log_p[..., 2] = -1.0
    log_p[0, 0, 1] = -0.5  # its sign is likelier than the blank
    log_p[0, 1, 0] = -0.5  # another sign is
    log_p[0, 2, 0] = -1.0  # as likely
    log_p[1, :, 0] = -1.1
    assert without_blanks(alignment, log_p, targets).tolist() == [[0, BLANK, 1, BLANK], [BLANK] * 4]


def test_blank_frames_are_left_out() -> None:
    features = torch.randn(1, 4, 5, requires_grad=True)
    embeddings, _ = segment_embeddings(features, torch.tensor([[BLANK, 0, BLANK, 1]]), torch.tensor([[0, 1]]))
    (embeddings * torch.randn(2, 5)).sum().backward()
    assert features.grad is not None
    assert (features.grad[0, [0, 2]] == 0).all()
    assert (features.grad[0, [1, 3]] != 0).any(dim=1).all()


@pytest.mark.parametrize("length", [0, 2])
def test_where_nothing_aligns_there_is_no_segment_but_a_graph(length: int) -> None:
    features = torch.randn(2, 4, 5, requires_grad=True)
    targets = torch.zeros(2, length, dtype=torch.long)
    embeddings, labels = segment_embeddings(features, torch.full((2, 4), BLANK), targets)
    assert embeddings.shape == (0, 5)
    assert labels.shape == (0,)
    embeddings.sum().backward()
    assert features.grad is not None
    assert (features.grad == 0).all()


def test_segments_are_averaged_in_float32() -> None:
    features = torch.randn(1, 300, 5).bfloat16()
    embeddings, _ = segment_embeddings(features, torch.zeros(1, 300, dtype=torch.long), torch.tensor([[0]]))
    assert embeddings.dtype == torch.float32
    assert torch.allclose(embeddings, torch.nn.functional.normalize(features.float().mean(dim=1), dim=1), atol=1e-5)
