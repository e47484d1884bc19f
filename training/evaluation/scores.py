"""Score a model on labelled clips, through the same decoder as the service."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glosscast.clip import ClipSpec, Window, nearest
from glosscast.decoding import Classify, NoSignerError, Pipeline
from glosscast.probabilities import softmax
from training.data import DataError, Example
from training.models.continuous import ContinuousRecogniser
from training.models.recogniser import IsolatedRecogniser

TOP = 5


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GlossScore(_Part):
    """One gloss: clips, share of them recognised, and F1."""

    n: int
    accuracy: float
    f1: float


class SignerScore(_Part):
    """One signer: clips and share of them recognised."""

    n: int
    accuracy: float


class Confusion(_Part):
    """The number of clips of one gloss that were read as another."""

    gloss: str
    predicted: str
    count: int


class Scores(_Part):
    """The figures of one evaluation; `confusions` is sorted, the most frequent first."""

    n: int
    accuracy: float
    macro_f1: float
    top5: float
    per_gloss: dict[str, GlossScore]
    per_signer: dict[str, SignerScore]
    confusions: tuple[Confusion, ...]


class TorchClassifier:
    """A torch recogniser behind the decoder's `Classify`: probabilities over the vocabulary only."""

    def __init__(self, model: IsolatedRecogniser, vocabulary: int) -> None:
        self.model = model.eval()
        self.vocabulary = vocabulary
        self.device = next(model.parameters()).device

    @torch.inference_mode()
    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Windows, with their pictures for an rgb stream, to (len(windows), vocabulary).

        Raises:
            DataError: the model has an rgb stream, and the windows no pictures.
        """
        keypoints = torch.from_numpy(np.stack([w.keypoints for w in windows])).to(self.device)
        mask = torch.from_numpy(np.stack([w.mask for w in windows])).to(self.device)
        pixels = None if self.model.config.frame_size is None else _pictures(windows).to(self.device)
        logits = self.model(keypoints, mask, pixels).logits[:, : self.vocabulary]
        return softmax(np.asarray(logits.float().cpu().numpy(), np.float32))


class StepClassifier:
    """A torch recogniser of sentences behind `Classify`: probabilities of each step, over the vocabulary and the blank.

    Args:
        model: the recogniser.
        vocabulary: number of glosses that may be read; further classes are not in play.
    """

    def __init__(self, model: ContinuousRecogniser, vocabulary: int) -> None:
        self.model = model.eval()
        self.vocabulary = vocabulary
        self.device = next(model.parameters()).device

    @torch.inference_mode()
    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Windows to (len(windows), steps · (vocabulary + 1)), the blank last in each step."""
        keypoints = torch.from_numpy(np.stack([w.keypoints for w in windows])).to(self.device)
        mask = torch.from_numpy(np.stack([w.mask for w in windows])).to(self.device)
        logits = self.model.read(keypoints, mask).logits
        kept = torch.cat([logits[..., : self.vocabulary], logits[..., -1:]], dim=2)
        return softmax(np.asarray(kept.float().cpu().numpy(), np.float32)).reshape(len(windows), -1)


def _pictures(windows: Sequence[Window]) -> torch.Tensor:
    pictures = [np.stack(window.frames) for window in windows if window.frames is not None]
    if len(pictures) < len(windows):
        raise DataError("the model has an rgb stream, and there are clips without pictures: extract with --rgb")
    return torch.from_numpy(np.stack(pictures))


def with_pictures(classify: Classify, example: Example, spec: ClipSpec) -> Classify:
    """A classifier for windows of one clip, which puts the clip's pictures into them where there are any."""
    source = example.frames
    t_ms = example.clip.t_ms
    if source is None:
        return classify

    def classify_with_pictures(windows: Sequence[Window]) -> NDArray[np.float32]:
        return classify([replace(w, frames=[*source.read(nearest(t_ms, w.start_ms + spec.times_ms))]) for w in windows])

    return classify_with_pictures


def select(examples: Iterable[Example], vocabulary: Sequence[str], alias: Mapping[str, str]) -> list[Example]:
    """Clips whose gloss, after renaming, is in the vocabulary."""
    renamed = (replace(e, gloss=alias.get(e.gloss, e.gloss)) for e in examples)
    return [e for e in renamed if e.gloss in vocabulary]


def score(examples: Sequence[Example], vocabulary: Sequence[str], pipeline: Pipeline) -> Scores:
    """Classify every clip with the whole vocabulary in play.

    A clip in which nobody is seen counts as wrong, predicted "(no signer)", unless the model needs no signer.

    Raises:
        ValueError: no clip to score.
    """
    if not examples:
        raise ValueError("no clip has a gloss of the vocabulary")
    ranked: list[list[str]] = []
    for example in examples:
        classify = with_pictures(pipeline.classify, example, pipeline.spec)
        try:
            probabilities = replace(pipeline, classify=classify).read(example.clip).probabilities
            ranked.append([vocabulary[i] for i in np.argsort(-probabilities)[:TOP]])
        except NoSignerError:
            ranked.append(["(no signer)"])
    return tally([e.gloss for e in examples], [e.signer for e in examples], ranked)


def tally(glosses: Sequence[str], signers: Sequence[str], ranked: Sequence[Sequence[str]]) -> Scores:
    """Figures from true glosses, signers and ranked predictions, one of each per clip."""
    predicted = [r[0] for r in ranked]
    right = np.array([p == g for p, g in zip(predicted, glosses, strict=True)])
    per_gloss = {}
    for gloss in sorted(set(glosses)):
        of_gloss = np.array([g == gloss for g in glosses])
        hits = int(right[of_gloss].sum())
        called = sum(p == gloss for p in predicted)
        per_gloss[gloss] = GlossScore(
            n=int(of_gloss.sum()),
            accuracy=float(right[of_gloss].mean()),
            f1=2 * hits / (int(of_gloss.sum()) + called),
        )
    per_signer = {}
    for signer in sorted(set(signers)):
        of_signer = np.array([s == signer for s in signers])
        per_signer[signer] = SignerScore(n=int(of_signer.sum()), accuracy=float(right[of_signer].mean()))
    wrong = Counter((g, p) for g, p in zip(glosses, predicted, strict=True) if g != p)
    return Scores(
        n=len(glosses),
        accuracy=float(right.mean()),
        macro_f1=float(np.mean([s.f1 for s in per_gloss.values()])),
        top5=float(np.mean([g in r for g, r in zip(glosses, ranked, strict=True)])),
        per_gloss=per_gloss,
        per_signer=per_signer,
        confusions=tuple(Confusion(gloss=g, predicted=p, count=n) for (g, p), n in wrong.most_common()),
    )
