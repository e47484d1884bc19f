"""Train a recogniser from a config, of isolated signs or of sentences."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from training.config import Config, Kind
from training.data import Example, fingerprint, load_split
from training.data.idle import idle_examples
from training.loop.trainer import run
from training.models.checkpoint import Checkpoint, count_signers, extractors_of
from training.models.pretrained import load_stream
from training.tasks.continuous import ContinuousTask
from training.tasks.isolated import IsolatedTask

Clips = Sequence[Example]
# What trains each kind of task: it takes the config, the clips to learn from, the dev clips and the test clips.
TASKS: dict[Kind, Callable[[Config, Clips, Clips, Clips], IsolatedTask | ContinuousTask]] = {
    "isolated": IsolatedTask,
    "continuous": lambda config, examples, dev, test: ContinuousTask(config, examples, dev),
}


def train(
    config: Config,
    data: Path,
    progress: bool = True,
    *,
    pretrained: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
) -> Checkpoint:
    """Train from `config` on the .npz files in the folder `data`; see `fit`.

    Raises:
        DataError: files missing or wrong, a vocabulary gloss without a clip, an unknown held-out signer, or a split
            that is empty or shares signers.
        FramesError: the pictures of an rgb stream are missing or wrong.
    """
    split = load_split(config.data, data, config.model)
    return fit(config, split.train, progress, dev=split.dev, pretrained=pretrained, out=out, resume=resume)


def fit(
    config: Config,
    examples: Sequence[Example],
    progress: bool = True,
    *,
    dev: Sequence[Example] = (),
    test: Sequence[Example] = (),
    pretrained: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
) -> Checkpoint:
    """Train on exactly these clips, in this process or in all that torchrun has started.

    Args:
        config: the run.
        examples: clips to learn from.
        progress: show a progress bar.
        dev: clips that are scored after each epoch and, with `patience`, stop the training.
        test: clips that the model will be scored on; only `mining = "test"` looks at them.
        pretrained: weights that the rgb stream starts from.
        out: folder for logs and `resume.ckpt`; left out: no file is written.
        resume: go on from `resume.ckpt`.

    Raises:
        DataError: a gloss of the vocabulary has no clip, or sentences are too short for their signs.
        PretrainedError: the weights cannot be used.
        CheckpointError: there is nothing to resume, or it is of another run.
        OSError: a file cannot be written.
        ValueError: the loss is no number any more, the config names missing files, or it has `mining = "test"` and
            there are no test clips.
    """
    recorded = examples
    examples = [*recorded, *idle_examples(recorded, config.data, config.seed)]
    torch.manual_seed(config.seed)
    task = TASKS[config.kind](config, examples, dev, test)
    if pretrained is not None:
        if not isinstance(task, IsolatedTask):
            raise ValueError("pretrained weights are for the rgb stream, which sentences do not have")
        print(load_stream(task.model, pretrained).describe(pretrained))
    identity = {}
    if out is not None:
        identity = {
            "config": config.model_dump(mode="json"),
            "vocabulary": list(task.classes),
            "data": [fingerprint(recorded), fingerprint(dev)],
        }
    state = run(task, config.optimiser, config.seed, progress=progress, out=out, resume=resume, identity=identity)
    confusion = task.criterion.confusion
    return Checkpoint(
        config=config,
        classes=task.classes,
        state=state,
        confusion=None if confusion is None else confusion.similarity.cpu().clone(),
        signers=count_signers(recorded, config.data.vocabulary),
        extractor=extractors_of(recorded),
    )
