"""Gloss transcripts as NIST's scoring tools write them: .trn, .stm and .ctm files.

Formats: SCTK, `doc/infmts.htm`. What is left out there to the scorer's choice (alternatives in braces, words in round
brackets that may be missing, stretches that are not scored) is refused rather than counted wrongly.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

UNSUPPORTED = {"{", "}", "IGNORE_TIME_SEGMENT_IN_SCORING"}
TRN_LINE = re.compile(r"(.*?)\(([^()\s]+)\)")


class TranscriptError(ValueError):
    """A transcript is malformed; the message names the file and the line."""


@dataclass(frozen=True)
class Stretch:
    """Glosses of one line, and when in the recording they are signed, in s; a .trn line has no times."""

    line: int
    glosses: tuple[str, ...]
    channel: str = ""
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class GlossTranscript:
    """A file's glosses.

    Attributes:
        path: the file.
        glosses: of each utterance, by its id: that of a .trn line, or the name of the recording.
        lines: where each utterance is first named.
    """

    path: Path
    glosses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def read_transcript(path: Path) -> GlossTranscript:
    """Read a transcript.

    - `.trn`: `gloss gloss … (id)`
    - `.stm`: `recording channel signer start end [<label>] gloss gloss …`
    - `.ctm`: `recording channel start duration gloss [confidence]`

    Empty lines and those that start with `;;` are comments. Lines of one recording are joined in order of time.

    Raises:
        TranscriptError: unknown ending, a line that is not UTF-8 or not of that form, an id used twice, stretches of a
            recording that overlap or are on two channels.
        OSError: the file cannot be read.
    """
    parse = {".trn": _parse_trn, ".stm": _parse_stm, ".ctm": _parse_ctm}.get(path.suffix)
    if parse is None:
        raise TranscriptError(f"{path}: must end in .trn, .stm or .ctm")
    stretches: dict[str, list[Stretch]] = {}
    for number, text in _lines(path):
        try:
            name, stretch = parse(number, text)
            if UNSUPPORTED.intersection(stretch.glosses) or any(g.startswith("(") for g in stretch.glosses):
                raise ValueError("alternatives, optional words and unscored stretches are not supported")
            if path.suffix == ".trn" and name in stretches:
                raise ValueError(f"{name} comes a second time, after line {stretches[name][0].line}")
        except ValueError as error:
            raise TranscriptError(f"{path}:{number}: {error}") from None
        stretches.setdefault(name, []).append(stretch)
    return GlossTranscript(
        path,
        {name: _join(path, parts) for name, parts in stretches.items()},
        {name: parts[0].line for name, parts in stretches.items()},
    )


def pair(reference: GlossTranscript, hypothesis: GlossTranscript) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Reference and hypothesis of each utterance, in the reference's order.

    A .ctm file has no line for a recording in which nothing was recognised: one that it lacks is an empty hypothesis.

    Raises:
        TranscriptError: no utterance at all, one without glosses in the reference, or one that only one file has.
    """
    if not reference.glosses:
        raise TranscriptError(f"{reference.path}: no utterance in it")
    for name, glosses in reference.glosses.items():
        if not glosses:
            raise TranscriptError(f"{reference.path}:{reference.lines[name]}: {name} has no glosses to score against")
    silent = hypothesis.path.suffix == ".ctm"
    for one, other in ((hypothesis, reference), (reference, hypothesis)):
        for name in one.glosses:
            if name not in other.glosses and not (silent and other is hypothesis):
                raise TranscriptError(f"{one.path}:{one.lines[name]}: {name} is not in {other.path}")
    return [(glosses, hypothesis.glosses.get(name, ())) for name, glosses in reference.glosses.items()]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers, from 1, and texts of the lines that hold something."""
    for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            text = raw.decode("utf-8-sig").strip()  # some editors begin a file with a byte order mark
        except UnicodeDecodeError:
            raise TranscriptError(f"{path}:{number}: not UTF-8") from None
        if text and not text.startswith(";;"):
            yield number, text


def _parse_trn(line: int, text: str) -> tuple[str, Stretch]:
    match = TRN_LINE.fullmatch(text)
    if match is None:
        raise ValueError("must be glosses followed by an id in brackets: WORDS (ID)")
    return match[2], Stretch(line, tuple(match[1].split()))


def _parse_stm(line: int, text: str) -> tuple[str, Stretch]:
    words = text.split()
    if len(words) < 5:
        raise ValueError("must be RECORDING CHANNEL SIGNER START END [<LABEL>] GLOSSES")
    start, end = _seconds(words[3]), _seconds(words[4])
    if end < start:
        raise ValueError(f"ends at {end} s, before its start at {start} s")
    labelled = len(words) > 5 and words[5].startswith("<") and words[5].endswith(">")
    return words[0], Stretch(line, tuple(words[6 if labelled else 5 :]), words[1], start, end)


def _parse_ctm(line: int, text: str) -> tuple[str, Stretch]:
    words = text.split()
    if len(words) not in (5, 6):
        raise ValueError("must be RECORDING CHANNEL START DURATION GLOSS [CONFIDENCE]")
    start = _seconds(words[2])
    # A recogniser's own times may overlap by rounding; only their order counts.
    _seconds(words[3])
    return words[0], Stretch(line, (words[4],), words[1], start, start)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"{text} is not a time in seconds")
    return value


def _join(path: Path, stretches: list[Stretch]) -> tuple[str, ...]:
    """All glosses of an utterance; its stretches are on one channel and do not overlap."""
    ordered = sorted(stretches, key=lambda stretch: stretch.start)
    for before, after in pairwise(ordered):
        later, earlier = max(before.line, after.line), min(before.line, after.line)
        if before.channel != after.channel:
            raise TranscriptError(f"{path}:{later}: another channel of the recording of line {earlier}")
        if after.start < before.end or (path.suffix == ".stm" and after.start == before.start):
            raise TranscriptError(f"{path}:{later}: overlaps line {earlier}")
    return tuple(gloss for stretch in ordered for gloss in stretch.glosses)
