"""The confusion-aware batch sampler, which goes with the batch form of the adaptive loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Partners:
    """Fills a share of each batch with clips of classes that are confusable with the rest of it.

    Attributes:
        weights: (C, C) symmetric, 0 for pairs that are not confusable; a class comes up in proportion.
        share: of a batch, 0..1.
    """

    weights: NDArray[np.float32]
    share: float

    def mix(
        self,
        drawn: NDArray[np.intp],
        labels: NDArray[np.intp],
        chances: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.intp]:
        """A batch with its last clips replaced; left as it is where no class is confusable with those that stay.

        Args:
            drawn: (B,) indices of clips, in random order.
            labels: (N,) class id of every clip.
            chances: (N,) drawing probability of every clip, which decides between clips of one class.
            rng: the only source of chance.
        """
        replaced = round(self.share * len(drawn))
        kept = drawn[: len(drawn) - replaced]
        of_class = self.weights[labels[kept]].sum(axis=0)
        odds = of_class[labels] * chances / np.maximum(np.bincount(labels, chances)[labels], 1e-12)
        if replaced == 0 or odds.sum() == 0:
            return drawn
        return np.concatenate([kept, rng.choice(len(labels), replaced, p=odds / odds.sum())])
