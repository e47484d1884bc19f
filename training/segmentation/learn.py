"""Training of the tagger: streams made of clips, turned into features by the code that reads live ones."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glosscast.keypoints import X, Z
from glosscast.learned_segmentation import TaggerSettings
from glosscast.segmentation import SegmenterSettings
from glosscast.tagger import BEGIN, FEATURES, INSIDE, LOOKAHEAD, OUTSIDE, TAGS, FrameFeatures, Weights
from training.data.sentences import Sentence
from training.data.streams import FPS

WIDTH, UNITS = 48, 64
BEGIN_TICKS = 2  # how long a start lasts: one tick alone is too rare to be learned
BEGIN_WEIGHT = 3.0
EPOCHS, BATCH, LR = 12, 16, 3e-3
IGNORED = -100
# Of the parameters, in the order of `Weights`.
NAMES = (
    *("enter.weight", "enter.bias"),
    *("gru.weight_ih_l0", "gru.bias_ih_l0", "gru.weight_hh_l0", "gru.bias_hh_l0"),
    *("leave.weight", "leave.bias"),
)
# Chosen on streams of signers other than those that the figures in docs/results.md are of; `repeat_ms` on held signs,
# in which the network can miss hands that do not move for a second or two.
TAGGING = TaggerSettings(enter=0.5, leave=0.3, begin=0.6, min_ms=500.0, repeat_ms=3000.0)


class TaggerNet(nn.Module):
    """The torch twin of `glosscast.tagger.Tagger`."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(FEATURES, WIDTH)
        self.gru = nn.GRU(WIDTH, UNITS, batch_first=True)
        self.leave = nn.Linear(UNITS, len(TAGS))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, T, FEATURES) to logits (B, T, tags)."""
        state, _ = self.gru(torch.relu(self.enter(features)))
        logits: Tensor = self.leave(nn.functional.dropout(state, 0.2, self.training))
        return logits

    def weights(self) -> Weights:
        """What the numpy side reads."""
        state = self.state_dict()
        return Weights(*(np.asarray(state[name].numpy(), np.float32) for name in NAMES))


def features_of(stream: Sentence, settings: SegmenterSettings) -> NDArray[np.float32]:
    """(T, FEATURES) of a stream at the tagger's own rate."""
    points = stream.clip.keypoints.copy()
    points[..., [X, Z]] *= stream.clip.aspect
    features = FrameFeatures(settings.follow_ms, settings.visible)
    return np.stack([features.push(float(t), frame) for t, frame in zip(stream.clip.t_ms, points, strict=True)])


def tags_of(stream: Sentence) -> NDArray[np.int64]:
    """(T,) the network's target at each tick: the tag of the tick `LOOKAHEAD` before."""
    tags = np.full(len(stream.clip.t_ms), OUTSIDE, np.int64)
    for sign in stream.signs:
        first, last = round(sign.start_ms * FPS / 1000), round(sign.end_ms * FPS / 1000)
        tags[first : last + 1] = INSIDE
        tags[first : first + BEGIN_TICKS] = BEGIN
    shifted = np.full_like(tags, IGNORED)
    shifted[LOOKAHEAD:] = tags[:-LOOKAHEAD]
    return shifted


def learn(streams: Sequence[Sentence], settings: SegmenterSettings, seed: int) -> TaggerNet:
    """Train on streams; takes about a minute for a thousand of them."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    features = [torch.from_numpy(features_of(s, settings)) for s in streams]
    tags = [torch.from_numpy(tags_of(s)) for s in streams]
    net = TaggerNet().train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.01)
    steps = EPOCHS * -(-len(streams) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=steps)
    weight = torch.ones(len(TAGS))
    weight[BEGIN] = BEGIN_WEIGHT
    for _ in range(EPOCHS):
        for chosen in np.array_split(rng.permutation(len(streams)), -(-len(streams) // BATCH)):
            x = nn.utils.rnn.pad_sequence([features[i] for i in chosen], batch_first=True)
            y = nn.utils.rnn.pad_sequence([tags[i] for i in chosen], batch_first=True, padding_value=IGNORED)
            x = x + 0.02 * torch.randn_like(x)
            loss = nn.functional.cross_entropy(net(x).flatten(0, 1), y.flatten(), weight, ignore_index=IGNORED)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return net.eval()
