"""Captions as segments for video players."""

import io
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import webvtt

from service.protocol.events import Final
from service.rest import players
from service.rest.players import LAG_S, LISTED, SEGMENT_S
from tests.bundles import ASPECT
from tests.service.serving import Client, assert_problem
from tests.service.test_views import sign
from tests.service.watching import headers_of

NOW_S = 1_800_000_000.0  # a whole number of segments
SHOWN_S = 1.0


def caption(gloss, began_s, ended_s, known_s):
    """A final that began, ended and was known at these times after `NOW_S`."""
    at, began, ended = (datetime.fromtimestamp(NOW_S + s, UTC) for s in (known_s, began_s, ended_s))
    return Final(
        session="a", at=at, segment=0, gloss=gloss, confidence=0.9, alternatives=[], confusable_with=[],
        started_at=began, ended_at=ended,
    )  # fmt: skip


def numbers(playlist):
    return [int(number) for number in re.findall(r"^segment-(\d+)\.vtt", playlist, re.MULTILINE)]


def shown(number, finals, origin_ms=0):
    """The cues of a segment: begin and end in seconds after `NOW_S` by the MPEG clock, and text."""
    text = players.segment(number, finals, origin_ms)
    (ticks,) = re.findall(r"^X-TIMESTAMP-MAP=MPEGTS:(\d+),LOCAL:00:00:00.000$", text, re.MULTILINE)
    lap_s = players.MPEG_ROLLOVER / 90_000
    offset_s = int(ticks) / 90_000 - NOW_S % lap_s + origin_ms / 1000
    cues = webvtt.from_buffer(io.StringIO(text)) if "-->" in text else []
    return [
        (*(round((offset_s + seconds + lap_s / 2) % lap_s - lap_s / 2, 3) for seconds in times(cue)), cue.text)
        for cue in cues
    ]


def times(cue):
    return [sum(float(x) * f for x, f in zip(t.split(":"), (3600, 60, 1), strict=True)) for t in (cue.start, cue.end)]


FIRST = int(NOW_S / SEGMENT_S)  # begins at NOW_S


def test_a_playlist_is_a_minute_that_moves_on():
    before, after = players.playlist(NOW_S, {}), players.playlist(NOW_S + SEGMENT_S, {})
    assert len(numbers(before)) == LISTED
    assert numbers(after) == [number + 1 for number in numbers(before)]
    assert f"#EXT-X-MEDIA-SEQUENCE:{numbers(before)[0]}\n" in before
    (begin,) = re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(.*)", before)
    assert datetime.fromisoformat(begin).timestamp() == numbers(before)[0] * SEGMENT_S
    assert f"#EXT-X-TARGETDURATION:{SEGMENT_S}\n" in before
    assert "ENDLIST" not in before


def test_a_segment_is_listed_when_a_sign_in_it_can_be_known():
    last = numbers(players.playlist(NOW_S, {}))[-1]
    assert (last + 1) * SEGMENT_S <= NOW_S - LAG_S < (last + 2) * SEGMENT_S


def test_a_sign_that_is_known_in_time_stands_where_it_was_signed():
    known = [caption("tea", 0.5, 1.8, 2.5)]
    assert shown(FIRST, known) == [(0.5, 1.8, "tea")]
    assert shown(FIRST - 1, known) == shown(FIRST + 1, known) == []


def test_a_short_sign_can_be_read():
    assert shown(FIRST, [caption("tea", 0.5, 0.7, 1.0)]) == [(0.5, 0.5 + SHOWN_S, "tea")]


def test_a_sign_over_a_border_is_in_both_segments_at_the_same_times():
    known = [caption("tea", 1.5, 2.5, 3.0)]
    assert shown(FIRST, known) == shown(FIRST + 1, known) == [(1.5, 2.5, "tea")]


def test_a_listed_segment_never_changes():
    """Whatever is known later, and however late, begins after all that was listed when it was known."""
    for known_s in (2.5, 4.9, 5.1, 60.0, 61.9):
        late = caption("late", 0.5, 1.0, known_s)
        listed = numbers(players.playlist(NOW_S + known_s, {}))
        assert [number for number in listed if shown(number, [late])] == []
        following = [number for number in range(listed[-1] + 1, listed[-1] + 4) if shown(number, [late])]
        assert following, known_s


@pytest.mark.parametrize("origin_s", [0, 1_799_999_990, 1_800_000_500])
def test_times_are_those_of_the_video(origin_s):
    """A video whose timestamps are 0 at the origin shows the sign at the same moment."""
    assert shown(FIRST, [caption("tea", 0.5, 1.8, 2.5)], origin_s * 1000) == [(0.5, 1.8, "tea")]


def test_text_is_no_markup():
    text = players.segment(FIRST, [caption("a <b>\n\n& -->", 0.5, 1.8, 2.5)], 0)
    assert "a &lt;b&gt; &amp; --&gt;\n" in text


@pytest.mark.parametrize("in_address", [True, False])
def test_a_player_finds_all_captions_from_the_playlist(address, in_address, monkeypatch):
    with Client(address) as client:
        view = client.start(aspect=ASPECT)["view"]
        sign(client, "east", "west")
    asked = (
        {"headers": {}, "params": {"view": view["token"], "origin": 5}} if in_address else {"headers": headers_of(view)}
    )
    later = datetime.now(UTC) + timedelta(seconds=20)
    monkeypatch.setattr("service.rest.views.time", later.timestamp)
    base = f"http://{address}/v1/sessions/{view['session']}/captions.m3u8"
    playlist = httpx.get(base, **asked)
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    segments = [httpx.URL(base).join(line) for line in playlist.text.splitlines() if not line.startswith("#")]
    assert all((view["token"] in str(url) and "origin=5" in str(url)) == in_address for url in segments)
    answers = [httpx.get(url, headers=asked["headers"]) for url in segments]
    assert {answer.headers["content-type"] for answer in answers} == {"text/vtt; charset=utf-8"}
    everything = "".join(answer.text for answer in answers)
    assert "east\n" in everything
    assert "west\n" in everything
    next_one = str(segments[-1]).replace(*(str(numbers(playlist.text)[-1] + n) for n in (0, 1)))
    assert_problem(httpx.get(next_one, headers=asked["headers"]), 404, "not_found")
    for wrong in ("segment-x.vtt", "segment--1.vtt", f"segment-{10**30}.vtt"):
        assert_problem(httpx.get(httpx.URL(base).join(wrong), **asked), 422, "invalid_request")
