"""What `glosscast classify` says of a clip, in each of its formats."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glosscast.captions import Caption, to_webvtt
from glosscast.cli.recordings import Recording
from glosscast.decoding import ClipReading, SignEvent
from glosscast.lexicon.reading import ReadingRule
from glosscast.ranking import RankedGloss, ranked

COLUMNS = ("clip", "gloss", "confidence", "start_ms", "end_ms", "closest", "closest_confidence")
WORTH_SAYING = 0.01  # a guess less likely than this says nothing


@dataclass(frozen=True, eq=False)
class Answer:
    """A clip as it was read.

    Attributes:
        path: of the file.
        recording: its keypoints.
        reading: what was read in it.
        rule: by which it was read.
        top_k: number of glosses that are said of the clip taken as one sign.
        bundle: name and version of the bundle.
        threshold: confidence from which a sign is reported.
        inference_s: the time that reading took.
        signs: the known signs, with times in ms from the clip's first frame; empty where none was found.
    """

    path: Path
    recording: Recording
    reading: ClipReading
    rule: ReadingRule
    top_k: int
    bundle: str
    threshold: float
    inference_s: float
    signs: list[Caption] = field(init=False)

    def __post_init__(self) -> None:
        found = [Caption(**sign) for sign in self._found()]
        if self.reading.known and not found:  # the clip was read whole
            (best,) = self._ranked(1)
            found = [Caption(0.0, self.recording.clip.duration_ms, best.gloss, best.confidence)]
        known = [sign for sign in found if sign.gloss != self.rule.vocabulary.no_sign]
        object.__setattr__(self, "signs", known)

    def guesses(self) -> list[RankedGloss]:
        """The glosses that come nearest, best first, where there is no known sign; empty where there is one."""
        if self.signs:
            return []
        no_sign = self.rule.vocabulary.no_sign
        near = (best for best in self._ranked(self.top_k + 1) if best.gloss != no_sign)
        return [best for best in near if best.confidence >= WORTH_SAYING][: self.top_k]

    def as_json(self) -> dict[str, Any]:
        """The answer of `POST /v1/classify`, with the clip's path."""
        timings = {
            "decode": self.recording.decode_s,
            "keypoints": self.recording.keypoints_s,
            "inference": self.inference_s,
        }
        return {
            "clip": str(self.path),
            "bundle": self.bundle,
            "duration_ms": round(self.recording.clip.duration_ms, 1),
            "frames": len(self.recording.clip.t_ms),
            "known": self.reading.known,
            "threshold": self.threshold,
            "no_sign": self.rule.vocabulary.no_sign,
            "predictions": [
                {**best._asdict(), "confusable_with": self.rule.confusable_with(best.gloss)}
                for best in self._ranked(self.top_k)
            ],
            "signs": list(self._found()),
            "glosses": [sign["gloss"] for sign in self._found() if sign["gloss"] != self.rule.vocabulary.no_sign],
            "warnings": self.recording.clip.warnings,
            "timings_ms": {name: round(seconds * 1000, 1) for name, seconds in timings.items()},
        }

    def _ranked(self, count: int) -> list[RankedGloss]:
        return ranked(self.rule.vocabulary, self.reading.probabilities, count)

    def _found(self) -> Iterator[dict[str, Any]]:
        """What the segmenter found, "no sign" included, with times from the clip's first frame."""
        first_ms = float(self.recording.clip.t_ms[0])
        for event in self.reading.signs:
            yield _found(event, self.rule, first_ms)


def _found(final: SignEvent, rule: ReadingRule, first_ms: float) -> dict[str, Any]:
    assert final.probabilities is not None  # a final has them
    (best,) = ranked(rule.vocabulary, final.probabilities, 1, final.label)
    start_ms, end_ms = (round(t_ms - first_ms, 1) for t_ms in (final.start_ms, final.end_ms))
    return {**best._asdict(), "start_ms": start_ms, "end_ms": end_ms, "utterance": final.utterance}


def as_table(answer: Answer) -> str:
    """Lines for people: a line for each sign, or the guesses where there is none."""
    if answer.signs:
        return "".join(
            f"{_clock(sign.start_ms)} to {_clock(sign.end_ms)}  {sign.confidence:4.0%}  {sign.gloss}\n"
            for sign in answer.signs
        )
    guesses = "".join(f"         {best.confidence:4.0%}  {best.gloss}\n" for best in answer.guesses())
    return f"no known sign{'; the closest are' if guesses else ''}\n{guesses}"


def as_json_line(answer: Answer) -> str:
    """A JSON object on a line."""
    return json.dumps(answer.as_json(), ensure_ascii=False) + "\n"


def as_rows(answer: Answer) -> str:
    """Rows of CSV with `COLUMNS`: one for each sign, or one with the closest gloss where there is none."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for sign in answer.signs:
        times = (round(sign.start_ms, 1), round(sign.end_ms, 1))
        rows.writerow((answer.path, sign.gloss, sign.confidence, *times, "", ""))
    if not answer.signs:
        closest = answer.guesses()[0] if answer.guesses() else ("", "")
        rows.writerow((answer.path, "", "", "", "", *closest))
    return out.getvalue()


def as_captions(answer: Answer) -> str:
    """A WebVTT file, which has no cue where there is no known sign."""
    return to_webvtt(answer.signs)


FORMATS: Mapping[str, Callable[[Answer], str]] = {
    "table": as_table,
    "json": as_json_line,
    "csv": as_rows,
    "vtt": as_captions,
}


def _clock(ms: float) -> str:
    """A time within a clip: "0:01.8"."""
    minutes, tenths = divmod(round(ms / 100), 600)
    return f"{minutes}:{tenths // 10:02}.{tenths % 10}"
