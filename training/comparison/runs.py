"""Train and read: whatever of a plan's runs the report folder does not hold yet."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.comparison.plan import Clips, Plan, RunKey
from training.comparison.predictions import Predictions, load_run, winners
from training.comparison.robustness import conditions_for
from training.comparison.unknown import UnknownSigns
from training.config.variants import LSTM
from training.data import Example
from training.evaluation.reading import LstmReader, Reader, Reading, RecogniserReader, window_clips
from training.models.checkpoint import Checkpoint, load_checkpoint
from training.models.lstm import LstmCheckpoint, fit_lstm, load_lstm
from training.runtime.workers import end_with_parent
from training.tasks.train import fit

CHUNK = 256  # clips whose windows are held at a time


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a folder alone; the lock goes when the process does.

    Raises:
        ValueError: another process has it.
    """
    with (folder / ".lock").open("w") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: another comparison is at work here") from None
        yield


def complete(plan: Plan, clips: Clips, data: Path, jobs: int) -> None:
    """Train every run that has neither predictions nor a checkpoint, then read the test clips with every model.

    Args:
        plan: the runs.
        clips: their clips, loaded from `data`.
        data: the data folder, from which each process of several loads them for itself.
        jobs: processes; with more than one, each has one thread.

    Raises:
        CheckpointError, PredictionsError: a file is damaged or of another run; nothing is trained then.
        ValueError: a checkpoint is of another config, likewise; or a training fails.
    """
    unread = [key for key in plan.keys if not plan.predictions(key).exists()]
    missing = [key for key in unread if not plan.checkpoint(key).exists()]
    for key in plan.keys:
        if key not in unread:
            load_run(plan, key, clips)
        elif key not in missing:
            load_model(plan, key)
    each([partial(train_run, key) for key in missing], clips, data, jobs)
    groups = {(key.fold, key.seed): [k for k in unread if (k.fold, k.seed) == (key.fold, key.seed)] for key in unread}
    each([partial(read_runs, keys) for keys in groups.values()], clips, data, jobs)


Job = Callable[[Clips], str]  # a part of a comparison's work; returns what to say of it


def each(work: Sequence[Job], clips: Clips, data: Path, jobs: int) -> None:
    """Do all jobs, here or in up to `jobs` processes; the first failure ends it, and finished work stays."""
    if jobs == 1 or len(work) < 2:
        for job in work:
            print(job(clips), flush=True)
        return
    pool = ProcessPoolExecutor(min(jobs, len(work)), get_context("spawn"), _start, (clips.plan, data))
    try:
        for future in as_completed([pool.submit(_run, job) for job in work]):
            print(future.result(), flush=True)
    finally:
        pool.shutdown(cancel_futures=True)


_own: list[Clips] = []  # of a process in a pool


def _start(plan: Plan, data: Path) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    _own.append(Clips(plan, data))


def _run(job: Job) -> str:
    return job(_own[0])


def train_run(key: RunKey, clips: Clips) -> str:
    """Train one run and save its checkpoint; returns what to say of it."""
    config = clips.plan.config_of(key)
    split = clips.split(key.fold)
    checkpoint: Checkpoint | LstmCheckpoint
    if key.variant == LSTM:
        checkpoint = fit_lstm(config, split.train)
    else:
        test = list(clips.test(key.fold).values())
        checkpoint = fit(config, split.train, progress=False, dev=split.dev, test=test)
    checkpoint.save(clips.plan.checkpoint(key))
    return f"{key.name}: trained"


def load_model(plan: Plan, key: RunKey) -> Checkpoint | LstmCheckpoint:
    """The checkpoint of a run.

    Raises:
        CheckpointError: it is damaged.
        ValueError: it is of another config.
    """
    path = plan.checkpoint(key)
    checkpoint = load_lstm(path) if key.variant == LSTM else load_checkpoint(path)
    if checkpoint.config != plan.config_of(key):
        raise ValueError(f"{path}: made with another config or other folds; take another folder")
    return checkpoint


def _reader(plan: Plan, key: RunKey) -> Reader:
    checkpoint = load_model(plan, key)
    if isinstance(checkpoint, LstmCheckpoint):
        return LstmReader(checkpoint)
    return RecogniserReader(checkpoint, plan.temperature, plan.background)


def read_runs(keys: Sequence[RunKey], clips: Clips) -> str:
    """Read the clips of one fold, as they are and perturbed, with the models of several runs, and save predictions."""
    plan = clips.plan
    fold = keys[0].fold
    readers = {key: _reader(plan, key) for key in keys}
    test = clips.test(fold)
    perturbed: dict[RunKey, dict[str, NDArray[np.int64]]] = {key: {} for key in keys}
    clean = _read(plan, readers, test)
    outside = clips.unknown(fold)
    unknown = _read(plan, readers, outside) if outside else {}
    for condition in conditions_for(plan.config.model) if plan.perturbed else ():
        worse = {number: condition(example, number) for number, example in test.items()}
        for key, reading in _read(plan, readers, worse).items():
            perturbed[key][condition.name] = winners(reading.probabilities)
    for key in keys:
        Predictions(
            key=key,
            held_out=plan.folds[fold],
            vocabulary=plan.config.data.vocabulary,
            clips=np.array(list(test)),
            glosses=np.array([e.gloss for e in test.values()]),
            signers=np.array([e.signer for e in test.values()]),
            probabilities=clean[key].probabilities,
            embeddings=clean[key].embeddings,
            perturbed=perturbed[key],
            unknown=_unknown_signs(outside, unknown[key]) if outside else None,
        ).save(plan.predictions(key))
    return "\n".join(f"{key.name}: {len(test) + len(outside)} clips read" for key in keys)


def _unknown_signs(clips: dict[int, Example], reading: Reading) -> UnknownSigns:
    """The clips in which somebody was seen."""
    seen = reading.probabilities.any(axis=1)
    return UnknownSigns(
        glosses=np.array([e.gloss for e in clips.values()])[seen],
        signers=np.array([e.signer for e in clips.values()])[seen],
        probabilities=reading.probabilities[seen],
        embeddings=reading.embeddings[seen],
    )


def _read(plan: Plan, readers: dict[RunKey, Reader], clips: dict[int, Example]) -> dict[RunKey, Reading]:
    """Each model's reading of all clips."""
    parts: dict[RunKey, list[Reading]] = {key: [] for key in readers}
    every = list(clips.values())
    for start in range(0, len(every), CHUNK):
        windowed = window_clips(every[start : start + CHUNK], plan.config)
        for key, reader in readers.items():
            parts[key].append(reader(windowed))
    return {key: Reading(*map(np.concatenate, zip(*readings, strict=True))) for key, readings in parts.items()}
