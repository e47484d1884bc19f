"""Embeddings in two dimensions, for a picture."""

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE


def tsne(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) to (N, 2) by t-SNE with cosine distances; the same input gives the same output.

    Only neighbourhoods have a meaning: sizes of groups and distances between them do not.
    """
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    model = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=0)
    return np.asarray(model.fit_transform(embeddings), np.float32)
