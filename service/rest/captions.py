"""A session's transcript as a file: WebVTT, SRT or JSON."""

from collections.abc import Callable, Mapping
from typing import Literal

from glosscast.captions import to_srt, to_webvtt
from service.live.transcripts import Transcript
from service.rest.schemas import CaptionEntry, Captions

CaptionForm = Literal["vtt", "srt", "json"]


def to_json(transcript: Transcript) -> str:
    """A `Captions` document, in the client's own time."""
    return Captions(
        session=transcript.session,
        ended=transcript.ended,
        origin_ms=transcript.origin_ms,
        captions=[CaptionEntry.model_validate(caption, from_attributes=True) for caption in transcript.captions],
    ).model_dump_json()


CAPTION_FORMS: Mapping[CaptionForm, tuple[str, Callable[[Transcript], str]]] = {
    "vtt": ("text/vtt; charset=utf-8", lambda found: to_webvtt(found.captions, found.origin_ms)),
    "srt": ("application/x-subrip; charset=utf-8", lambda found: to_srt(found.captions, found.origin_ms)),
    "json": ("application/json", to_json),
}
