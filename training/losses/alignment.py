"""Forced alignment: which frames a sign of a known sentence takes, and the embedding of each such segment."""

import torch
from torch import Tensor, nn

BLANK = -1  # of a frame that belongs to no sign


@torch.no_grad()
def forced_alignment(log_p: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """The most probable CTC path of each target (Viterbi).

    Args:
        log_p: (B, T, C + 1) log-probabilities, blank last.
        frames: (B,) frames of each sequence, at most T.
        targets: (B, L) class ids, padded with 0.
        lengths: (B,) signs of each target.

    Returns:
        (B, T): the position in the target of each frame's sign, or `BLANK`; all `BLANK` where a target is too long.
    """
    batch, steps, classes = log_p.shape
    # States are blank, sign, blank, sign, ..., blank: a blank may be skipped between two different signs.
    states = targets.new_full((batch, 2 * targets.shape[1] + 1), classes - 1)
    states[:, 1::2] = targets
    may_skip = states != nn.functional.pad(states, (2, 0), value=classes - 1)[:, :-2]
    emission = log_p.gather(2, states[:, None].expand(-1, steps, -1))
    score = torch.full_like(emission[:, 0], -torch.inf)
    score[:, :2] = emission[:, 0, :2]
    moves = torch.zeros_like(emission, dtype=torch.long)
    for t in range(1, steps):
        before = nn.functional.pad(score, (2, 0), value=-torch.inf)
        skip = before[:, :-2].masked_fill(~may_skip, -torch.inf)
        best, move = torch.stack([score, before[:, 1:-1], skip]).max(dim=0)
        running = (t < frames)[:, None]
        score = torch.where(running, best + emission[:, t], score)
        moves[:, t] = move * running
    return _trace_back(score, moves, frames, lengths)


def _trace_back(score: Tensor, moves: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    """Positions (B, T) from the last scores (B, S) and how many states each frame moved on, (B, T, S)."""
    ends = torch.stack([2 * lengths, (2 * lengths - 1).clamp(min=0)], dim=1)
    best, choice = score.gather(1, ends).max(dim=1)
    state = ends.gather(1, choice[:, None])
    path = []
    for t in reversed(range(moves.shape[1])):
        path.append(state)
        state = state - moves[:, t].gather(1, state)
    states = torch.cat(path[::-1], dim=1)
    inside = torch.arange(moves.shape[1], device=frames.device) < frames[:, None]
    is_sign = (states % 2 == 1) & inside & best.isfinite()[:, None]
    return torch.where(is_sign, states // 2, BLANK)


def without_blanks(alignment: Tensor, log_p: Tensor, targets: Tensor) -> Tensor:
    """An alignment without the frames at which the blank is likelier than the sign that they are aligned with.

    Every sign has a frame in a forced alignment, even one that the model reads as blank from its start to its end.

    Args:
        alignment: (B, T) from `forced_alignment`.
        log_p: (B, T, C + 1) log-probabilities, blank last.
        targets: (B, L) class ids.

    Returns:
        (B, T), `BLANK` at those frames as well.
    """
    signs = targets.gather(1, alignment.clamp(min=0))
    of_sign = log_p.gather(2, signs[..., None])[..., 0]
    return alignment.masked_fill(of_sign < log_p[..., -1], BLANK)


def segment_embeddings(features: Tensor, alignment: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The mean feature of each aligned sign, L2-normalised; blank frames are left out.

    Args:
        features: (B, T, D).
        alignment: (B, T) from `forced_alignment`.
        targets: (B, L) class ids.

    Returns:
        Embeddings (N, D) in float32, and their class ids (N,); N is 0, yet the graph attached, where nothing aligns.
    """
    batch, length = targets.shape
    sign = alignment != BLANK
    owner = (alignment + length * torch.arange(batch, device=alignment.device)[:, None])[sign]
    sums = features.new_zeros(batch * length, features.shape[2], dtype=torch.float32)
    sums = sums.index_add(0, owner, features[sign].float())
    aligned = torch.bincount(owner, minlength=batch * length) > 0
    # The length of a sum does not matter: its direction is the mean's.
    return nn.functional.normalize(sums[aligned], dim=1, eps=1e-6), targets.flatten()[aligned]
