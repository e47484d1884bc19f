"""A view's captions for video players: a live HLS playlist of WebVTT segments.

Segments are counted from the beginning of 1970, so that a playlist follows from the clock alone and a player that comes
later, or again, finds the same ones. A segment is listed when it is `LAG_S` old, since a sign is known only after it
has ended, and from then on it never changes: a sign that is known later begins at the first segment that is not listed
yet.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import floor
from urllib.parse import urlencode

from glosscast.captions import SHOWN_MS, Cue, cue_block
from service.protocol.events import Final

SEGMENT_S = 2
LAG_S = 3
LISTED = 30  # segments, a minute
MS = 1000
MPEG_TICKS = 90  # in 1 ms
MPEG_ROLLOVER = 2**33


def last_listed(now_s: float) -> int:
    """Number of the last segment that is listed at a time in seconds since 1970."""
    return floor((now_s - LAG_S) / SEGMENT_S) - 1


def playlist(now_s: float, query: dict[str, str]) -> str:
    """The playlist (RFC 8216) at a time in seconds since 1970; `query` is added to the address of each segment."""
    last = last_listed(now_s)
    first = last - LISTED + 1
    begin = datetime.fromtimestamp(first * SEGMENT_S, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    asked = f"?{urlencode(query)}" if query else ""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{SEGMENT_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f"#EXT-X-PROGRAM-DATE-TIME:{begin}",
    ]
    for number in range(first, last + 1):
        lines += [f"#EXTINF:{SEGMENT_S:.3f},", f"segment-{number}.vtt{asked}"]
    return "\n".join(lines) + "\n"


def segment(number: int, finals: Iterable[Final], origin_ms: int) -> str:
    """The WebVTT of one segment.

    Args:
        number: of the segment.
        finals: captions of the view.
        origin_ms: ms since 1970 at which the timestamps of the player's video are 0.
    """
    began_ms = number * SEGMENT_S * MS
    shown = [cue for cue in map(_cue, finals) if cue.start_ms < began_ms + SEGMENT_S * MS and cue.end_ms > began_ms]
    base_ms = min([began_ms, *(cue.start_ms for cue in shown)])
    ticks = (base_ms - origin_ms) * MPEG_TICKS % MPEG_ROLLOVER
    head = f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:00:00:00.000\n"
    blocks = [cue_block(Cue(cue.start_ms - base_ms, cue.end_ms - base_ms, cue.text)) for cue in shown]
    return "\n".join([head, *blocks])


def _cue(final: Final) -> Cue:
    """The caption in ms since 1970; it depends on the final alone, so that all segments agree about it."""
    unlisted_ms = (last_listed(final.at.timestamp()) + 1) * SEGMENT_S * MS
    start_ms = max(unlisted_ms, round(final.started_at.timestamp() * MS))
    return Cue(
        start_ms, max(start_ms + SHOWN_MS, round(final.ended_at.timestamp() * MS)), " ".join(final.gloss.split())
    )
