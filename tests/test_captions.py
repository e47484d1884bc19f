"""Captions as files; a parser that is not ours must read back what was signed."""

import html
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glosscast.captions import LONGEST, SHOWN_MS, Caption, cues, to_srt, to_webvtt

GLOSSES = st.sampled_from(["hello", "thank you", "a & b", "<i>x", "a --> b", "two\n\nlines", "WEBVTT", "1", "né"])
CAPTIONS = st.lists(
    st.builds(
        lambda start, length, gloss: Caption(start, start + length, gloss, 0.5),
        st.floats(-5_000, 400_000_000),
        st.floats(0, 6_000),
        GLOSSES,
    ),
    max_size=12,
)


def caption(start_ms, end_ms, gloss="hello"):
    return Caption(start_ms, end_ms, gloss, 0.9)


def spans(captions, origin_ms=0.0):
    return [(cue.start_ms, cue.end_ms) for cue in cues(captions, origin_ms)]


def test_a_short_sign_is_shown_until_it_can_be_read():
    assert spans([caption(1000, 1300)]) == [(1000, 1000 + SHOWN_MS)]


def test_the_next_sign_ends_the_one_before():
    assert spans([caption(1000, 1300), caption(1500, 4000)]) == [(1000, 1500), (1500, 4000)]


def test_times_count_from_the_origin_and_not_from_before_it():
    assert spans([caption(900, 2500), caption(5000, 7000)], 1000.0) == [(0, 1500), (4000, 6000)]


@given(CAPTIONS, st.floats(-1000, 1000))
def test_cues_never_overlap_and_are_never_empty(captions, origin_ms):
    laid_out = spans(captions, origin_ms)
    assert len(laid_out) == len(captions)
    assert all(0 <= start < end for start, end in laid_out)
    assert all(before[1] <= after[0] for before, after in pairwise(laid_out))


def test_nothing_signed():
    assert to_webvtt([]) == "WEBVTT\n"
    assert to_srt([]) == ""


def test_webvtt_is_escaped():
    text = to_webvtt([caption(0, 2000, "a <b> & --> c")])
    assert text == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na &lt;b&gt; &amp; --&gt; c\n"


def test_hours_go_beyond_a_day():
    assert "100:00:00,001 --> 100:00:02,000" in to_srt([caption(360_000_001, 360_002_000)])


@given(CAPTIONS)
def test_another_parser_reads_the_files(captions):
    webvtt = pytest.importorskip("webvtt", reason="webvtt-py is not installed")
    expected = [(cue.start_ms, cue.end_ms) for cue in cues(captions)]
    for read, text in ((webvtt.from_buffer, to_webvtt(captions)), (from_srt(webvtt), to_srt(captions))):
        if not text:
            continue
        found = list(read(io.StringIO(text)))
        times = [(round(c.start_in_seconds * 1000), round(c.end_in_seconds * 1000)) for c in found]
        assert [(s // 1000, e // 1000) for s, e in times] == [(s // 1000, e // 1000) for s, e in expected]
        assert [len(c.lines) for c in found] == [1] * len(expected)
    if captions:
        texts = [html.unescape(c.lines[0]) for c in webvtt.from_buffer(io.StringIO(to_webvtt(captions)))]
        assert texts == [cue.text for cue in cues(captions)]


def from_srt(webvtt):
    return lambda buffer: webvtt.from_buffer(buffer, format="srt")


def of_utterance(start_ms, gloss, utterance):
    return Caption(start_ms, start_ms + 400, gloss, 0.9, utterance)


def test_the_glosses_of_an_utterance_share_a_cue():
    signs = [of_utterance(0, "east", 0), of_utterance(600, "west", 0), of_utterance(5000, "east", 1)]

    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in cues(signs)] == [
        (0, 1000, "east west"),
        (5000, 6000, "east"),
    ]


def test_an_utterance_without_end_has_cues_that_can_be_read():
    signs = [of_utterance(i * 500.0, f"gloss{i}", 0) for i in range(100)]
    found = list(cues(signs))

    assert all(len(cue.text) <= LONGEST for cue in found)
    assert " ".join(cue.text for cue in found).split() == [sign.gloss for sign in signs]
    assert all(cue.end_ms <= following.start_ms for cue, following in pairwise(found))


def test_a_gloss_that_is_longer_than_a_cue_is_not_lost():
    (cue,) = cues([of_utterance(0, "x" * 2 * LONGEST, 0)])

    assert cue.text == "x" * 2 * LONGEST
