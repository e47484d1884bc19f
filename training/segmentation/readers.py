"""Ways to read connected signing, on the same streams of signers whom no model has seen."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from glosscast.decoding import Pipeline
from glosscast.learned_segmentation import Tagging
from glosscast.sentences.decoder import SentencePipeline
from training.config import Config, StreamConfig
from training.data import Example
from training.data.sentences import Sentence
from training.data.streams import draw_streams
from training.evaluation.calibration import Calibration
from training.evaluation.scores import StepClassifier, TorchClassifier
from training.evaluation.seeds import mean_and_std
from training.evaluation.wer import ErrorRate, error_rate
from training.models.checkpoint import Checkpoint
from training.segmentation.evaluate import RESTS, TESTED, TESTED_SEED, no_signs
from training.segmentation.score import FoundSign, find_signs
from training.tasks.sentence_scores import read_sentences

PACE = 1.6  # clips of single signs last about this many times as long as the same signs in a sentence
KINDS = {
    **{kind: StreamConfig(direct=direct) for kind, direct in RESTS.items()},
    f"direct, {PACE} times as fast": StreamConfig(direct=1.0, speed=(PACE, PACE)),
}
NEAR_MS = 500.0  # between a sign and where its final says that it was; a gloss follows itself after longer rests only
OFFLINE_BEAM = 8  # prefixes, as many as the reader of chunks keeps by default


class ReaderScores(BaseModel):
    """Figures of one way to read, with one model, on one kind of streams of one fold's signers.

    Attributes:
        held_out: the signers.
        seed: 0, 1, … of the model.
        streams: the kind of the streams.
        reader: the way to read.
        rate: gloss error with its three parts, finals of "no sign" left out.
        delay_ms: from the end of a sign that was read rightly to its final, by the stream's clock: median and 95th
            percentile; None where a stream is read when it is over. Below 0, the final came before the end.
        cpu: seconds of CPU time for each minute of a stream, the model in torch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out: tuple[str, ...]
    seed: int
    streams: str
    reader: str
    rate: ErrorRate
    delay_ms: tuple[float, float] | None
    cpu: float


class Reading(NamedTuple):
    """The glosses that were read in each stream, and the delay as in `ReaderScores`."""

    glosses: Sequence[Sequence[str]]
    delay_ms: tuple[float, float] | None


def score_readers(
    checkpoint: Checkpoint,
    live: tuple[str, Pipeline | SentencePipeline],
    held_out: Sequence[str],
    seed: int,
    examples: Sequence[Example],
) -> list[ReaderScores]:
    """Read every kind of streams in each way that a checkpoint can be read.

    A model of sentences reads streams as they come and when they are over.

    Args:
        checkpoint: a model that has not seen these signers.
        live: how it reads a stream as it comes, from `live_reader`.
        held_out: the signers.
        seed: 0, 1, … of the model.
        examples: the signers' clips.

    Raises:
        DataError: there is no clip of the vocabulary.
    """
    name, pipeline = live
    ways: dict[str, Callable[[Sequence[Sentence]], Reading]] = {name: partial(_read_live, pipeline, checkpoint.config)}
    if checkpoint.kind == "continuous":
        ways["CTC offline"] = partial(_read_offline, checkpoint)
    result = []
    for kind, streams in tested_streams(examples, checkpoint.config).items():
        minutes = sum(s.clip.duration_ms for s in streams) / 60_000
        for reader, read in ways.items():
            began_s = time.process_time()
            reading = read(streams)
            cpu = (time.process_time() - began_s) / minutes
            rate = error_rate(zip([s.glosses for s in streams], reading.glosses, strict=True))
            result.append(
                ReaderScores(
                    held_out=tuple(held_out),
                    seed=seed,
                    streams=kind,
                    reader=reader,
                    rate=rate,
                    delay_ms=reading.delay_ms,
                    cpu=cpu,
                )
            )
    return result


def tested_streams(examples: Sequence[Example], config: Config) -> dict[str, list[Sentence]]:
    """The streams of each kind that every way reads, made of these clips.

    Raises:
        DataError: there is no clip of the vocabulary.
    """
    none = no_signs(config)
    glosses = [gloss for gloss in config.data.vocabulary if gloss not in none]
    return {
        kind: draw_streams(examples, glosses, sorted(none), drawing, TESTED, TESTED_SEED)
        for kind, drawing in KINDS.items()
    }


def read_stream(stream: Sentence, pipeline: Pipeline | SentencePipeline, config: Config) -> dict[FoundSign, str]:
    """What a new decoder tells of a stream, each with its gloss; "no sign" and what is too unsure are left out."""
    found = find_signs(stream, pipeline.decoder(interim=False), config.data.vocabulary)
    return {f: f.gloss for f in found if f.gloss is not None and f.gloss not in no_signs(config)}


def live_reader(
    checkpoint: Checkpoint, segmenter: Callable[[], Tagging], calibration: Calibration | None = None
) -> tuple[str, Pipeline | SentencePipeline]:
    """How a checkpoint reads a stream as it comes: the name of the way, and the pipeline, which rejects nothing.

    A model of isolated signs reads windows if its config has a `[reader]`, and else what the learned segmenter finds.

    Args:
        checkpoint: a model of either kind.
        segmenter: learned without the signers of the stream; asked only where it is needed, since learning takes
            minutes.
        calibration: of a model that reads what the segmenter finds; None leaves it as it was trained.
    """
    config = checkpoint.config
    known = len(config.data.vocabulary)
    if checkpoint.kind == "continuous":
        return "CTC streaming", config.sentence_pipeline(StepClassifier(checkpoint.build_continuous(), known))
    if config.reader is not None:
        return "windows", config.sentence_pipeline(TorchClassifier(checkpoint.build(), known))
    as_told = (1.0, 0.0) if calibration is None else (calibration.temperature, calibration.background)
    classify = TorchClassifier(checkpoint.build_calibrated(*as_told), known)
    return "segmenter with classifier", config.pipeline(classify, segmenter())


def delay_of(streams: Sequence[Sentence], found: Sequence[Sequence[FoundSign]]) -> tuple[float, float] | None:
    """Median and 95th percentile of the time in ms from the end of a sign to its final; None where none is right.

    A final is of the nearest sign of its gloss, if there is one within `NEAR_MS`. Readers of sentences do not say where
    a sign begins and ends, so that no overlap can be asked for, as it is of segments.
    """
    delays = []
    for stream, of in zip(streams, found, strict=True):
        signs = list(stream.signs)
        for final in of:
            same = (s for s in signs if s.gloss == final.gloss)
            sign = min(same, key=lambda s: abs(s.start_ms + s.end_ms - final.start_ms - final.end_ms), default=None)
            if sign is not None and max(final.start_ms - sign.end_ms, sign.start_ms - final.end_ms) <= NEAR_MS:
                signs.remove(sign)
                delays.append(final.reported_ms - sign.end_ms)
    if not delays:
        return None
    median, late = np.percentile(delays, [50, 95])
    return float(median), float(late)


def _read_live(pipeline: Pipeline | SentencePipeline, config: Config, streams: Sequence[Sentence]) -> Reading:
    """Streams as they come, each by a decoder of its own."""
    told = [read_stream(stream, pipeline, config) for stream in streams]
    return Reading([list(of.values()) for of in told], delay_of(streams, [list(of) for of in told]))


def _read_offline(checkpoint: Checkpoint, streams: Sequence[Sentence]) -> Reading:
    """Streams as wholes."""
    config = checkpoint.config
    model, clips = checkpoint.build_continuous(), [s.clip for s in streams]
    vocabulary, none = config.data.vocabulary, no_signs(config)
    return Reading(read_sentences(model, clips, vocabulary, config.clip.fps, OFFLINE_BEAM, none), None)


def table(scores: Sequence[ReaderScores]) -> str:
    """Markdown: a line for each kind of streams and way to read; mean ± standard deviation over seeds."""
    lines = [
        "| streams | read by | gloss error, % | subst. | del. | ins. | end to final, ms (p95) | CPU s a minute |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(s.streams for s in scores):
        for reader in dict.fromkeys(s.reader for s in scores):
            of = [s for s in scores if (s.streams, s.reader) == (kind, reader)]
            if of:
                lines.append(f"| {kind} | {reader} | {_figures(of)} |")
    return "\n".join(lines)


def _figures(of: Sequence[ReaderScores]) -> str:
    """The columns of one line; the glosses of several folds are counted together."""
    seeds = defaultdict[int, list[ErrorRate]](list)
    for s in of:
        seeds[s.seed].append(s.rate)

    def shares(count: Callable[[ErrorRate], int]) -> list[float]:
        return [100 * sum(map(count, rates)) / sum(r.tokens for r in rates) for rates in seeds.values()]

    errors = shares(lambda r: r.substitutions + r.deletions + r.insertions)
    parts = [shares(lambda r: r.substitutions), shares(lambda r: r.deletions), shares(lambda r: r.insertions)]
    delays = [s.delay_ms for s in of if s.delay_ms is not None]
    delay = "–"
    if delays:
        median, late = np.mean(delays, axis=0)
        delay = f"{median:.0f} ({late:.0f})"
    means = " | ".join(f"{np.mean(part):.1f}" for part in parts)
    return f"{mean_and_std(errors, 1)} | {means} | {delay} | {np.mean([s.cpu for s in of]):.1f}"
