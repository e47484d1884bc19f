"""Recognised signs as captions: WebVTT, SubRip (SRT) and their layout in time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

SHOWN_MS = 1000  # a sign may be over in a third of a second; nobody reads that fast
LONGEST = 80  # characters of a cue, two lines on a screen; an utterance may go on for minutes


@dataclass(frozen=True, slots=True)
class Caption:
    """One sign.

    Attributes:
        start_ms: where it starts, by the stream's own clock.
        end_ms: where it ends.
        gloss: its gloss.
        confidence: 0..1.
        utterance: number of the utterance that it belongs to; None where single signs are read.
    """

    start_ms: float
    end_ms: float
    gloss: str
    confidence: float
    utterance: int | None = None


@dataclass(frozen=True)
class Cue:
    """Text on the screen, in whole ms from the beginning of the recording."""

    start_ms: int
    end_ms: int
    text: str


def cues(captions: Iterable[Caption], origin_ms: float = 0.0) -> Iterator[Cue]:
    """Lay captions out: in order, readable for a second unless the next one comes, never overlapping, never empty.

    The glosses of an utterance are in one cue, or in several where they are too long for one.

    Args:
        captions: in any order.
        origin_ms: the time of the recording's beginning by the stream's clock; captions from before begin there.
    """
    lines = list(_lines(sorted(captions, key=lambda caption: caption.start_ms)))
    starts = [max(0, round(line[0].start_ms - origin_ms)) for line in lines]
    earliest = 0
    for index, line in enumerate(lines):
        start = max(starts[index], earliest)
        end = max(start + SHOWN_MS, round(line[-1].end_ms - origin_ms))
        if index + 1 < len(starts):
            end = min(end, max(starts[index + 1], start + 1))
        earliest = end
        yield Cue(start, end, _text(line))


def _lines(ordered: Iterable[Caption]) -> Iterator[list[Caption]]:
    """The captions that share a cue: one sign, or those of an utterance."""
    for utterance, together in groupby(ordered, key=lambda caption: caption.utterance):
        line: list[Caption] = []
        for caption in together:
            if line and (utterance is None or len(_text([*line, caption])) > LONGEST):
                yield line
                line = []
            line.append(caption)
        yield line


def _text(line: Iterable[Caption]) -> str:
    return " ".join(" ".join(caption.gloss.split()) for caption in line)


def to_webvtt(captions: Iterable[Caption], origin_ms: float = 0.0) -> str:
    """A WebVTT file (https://www.w3.org/TR/webvtt1/); see `cues`."""
    return "\n".join(["WEBVTT\n", *(cue_block(cue) for cue in cues(captions, origin_ms))])


def cue_block(cue: Cue) -> str:
    """A cue as a block of a WebVTT file, without the empty line that separates blocks."""
    return f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_webvtt_text(cue.text)}\n"


def to_srt(captions: Iterable[Caption], origin_ms: float = 0.0) -> str:
    """A SubRip file; see `cues`."""
    blocks = [
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{_srt_text(cue.text)}\n"
        for number, cue in enumerate(cues(captions, origin_ms), 1)
    ]
    return "\n".join(blocks)


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _webvtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_text(text: str) -> str:
    # SubRip has no escapes, and players take text in angle brackets for a tag.
    return text.replace("<", "(").replace(">", ")")
