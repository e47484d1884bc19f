"""The loss of continuous recognition: λ₁·CTC + λ₂·focal CTC + λ₃·triplet + (1 − α)·L_CS.

Triplets and L_CS work on the embedding of each sign of a sentence, found by forced alignment with the known glosses.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import nll_loss

from training.config import ContinuousLossConfig
from training.losses.adaptive import separation_of, weights_and_margins
from training.losses.alignment import forced_alignment, segment_embeddings, without_blanks
from training.losses.confusion import ConfusionState
from training.losses.ctc import ctc, focal_ctc, log_probabilities
from training.losses.triplet import hard_triplet
from training.losses.weighting import GradientWeighting, StaticWeighting, UncertaintyWeighting

UNTAGGED = -100  # of a frame of which it is not known what it shows
WEIGHTINGS = {"static": StaticWeighting, "uncertainty": UncertaintyWeighting, "gradient": GradientWeighting}


class ContinuousLoss(nn.Module):
    """The continuous loss and its checkpointed state: confusions, prototypes where in use, and the weighting.

    Whoever trains optimises its parameters too, and after each epoch calls `confusion.update` with the counts of
    `count_substitutions`.
    """

    def __init__(self, config: ContinuousLossConfig, classes: Sequence[str], embedding: int) -> None:
        super().__init__()
        self.config = config
        self.confusion = ConfusionState(config.adaptive, classes)
        self.separation = separation_of(config.adaptive, len(classes), embedding)
        self.weighting = WEIGHTINGS[config.weighting](tasks=4)

    def forward(
        self,
        epoch: int,
        logits: Tensor,
        features: Tensor,
        frames: Tensor,
        targets: Tensor,
        lengths: Tensor,
        tags: Tensor | None = None,
    ) -> Tensor:
        """Loss of a batch of sentences.

        Args:
            epoch: counted from 0.
            logits: (B, T, C + 1) frame-wise, blank last, computed from `features`.
            features: (B, T, D), the shared embedding at which gradients are weighed.
            frames: (B,) frames of each sentence, at most T.
            targets: (B, L) class ids, padded with 0.
            lengths: (B,) signs of each sentence.
            tags: (B, T) class of each frame, `UNTAGGED` where it is not known; None where none is.
        """
        c = self.config
        log_p = log_probabilities(logits)
        sequences = ctc(log_p, frames, targets, lengths)
        alignment = forced_alignment(log_p, frames, targets, lengths)
        embeddings, labels = segment_embeddings(features, alignment, targets)
        separated = embeddings, labels
        if c.adaptive.skip_blanks:
            separated = segment_embeddings(features, without_blanks(alignment, log_p, targets), targets)
        losses = [
            sequences.mean(),
            focal_ctc(sequences, lengths, c.focal_gamma).mean(),
            hard_triplet(embeddings, labels, c.triplet_margin),
            self.separation(*separated, *weights_and_margins(c.adaptive, self.confusion)),
        ]
        if tags is not None:
            frame_wise = nll_loss(log_p.flatten(0, 1), tags.flatten(), ignore_index=UNTAGGED, reduction="sum")
            extra = c.steps * frame_wise / (tags != UNTAGGED).sum().clamp(min=1)
        else:
            extra = log_p.new_zeros(())
        total: Tensor = self.weighting(
            losses, [c.ctc, c.focal_ctc, c.triplet, 1.0 - c.adaptive.alpha_at(epoch)], features
        )
        return total + extra
