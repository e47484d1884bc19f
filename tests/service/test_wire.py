import json
import struct
from contextlib import suppress

import numpy as np
import pytest

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.protocol import pack_frame
from service.protocol import messages
from service.protocol.wire import (
    KEYPOINT_BYTES,
    MAX_HEADER_BYTES,
    MAX_TEXT_CHARS,
    FrameFault,
    ProtocolViolation,
    parse_frame,
    parse_text,
)

KEYPOINTS = np.linspace(0, 1, POINTS * CHANNELS, dtype="<f4").reshape(POINTS, CHANNELS)


def message(header, payload=b"picture", length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(header) if length is None else length) + header + payload


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"type":"start","input":"frames"}',
            {
                "type": "start",
                "input": "frames",
                "interim": True,
                "top_k": 3,
                "landmarks": False,
                "aspect": 4 / 3,
                "lexicon": None,
                "continues": None,
            },
        ),
        (
            '{"type":"start","input":"keypoints","interim":false,"top_k":1,"aspect":2,"lexicon":"family",'
            '"continues":{"session":"a","token":"b"}}',
            {
                "type": "start",
                "input": "keypoints",
                "interim": False,
                "top_k": 1,
                "landmarks": False,
                "aspect": 2.0,
                "lexicon": "family",
                "continues": {"session": "a", "token": "b"},
            },
        ),
        ('{"type":"finalize"}', {"type": "finalize"}),
        ('{"type":"teach","gloss":"tea"}', {"type": "teach", "gloss": "tea", "language": ""}),
        ('{"type":"teach_done"}', {"type": "teach_done"}),
        ('{"type":"keepalive"}', {"type": "keepalive"}),
        ('{"type":"stop"}', {"type": "stop"}),
    ],
)
def test_text_messages(text, expected):
    assert parse_text(text).model_dump() == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "JSON", id="empty"),
        pytest.param("{", "JSON", id="cut off"),
        pytest.param("hello", "JSON", id="no JSON"),
        pytest.param("[" * 4000, "", id="deep nesting"),
        pytest.param("[]", "", id="list"),
        pytest.param("null", "", id="null"),
        pytest.param('"start"', "", id="string"),
        pytest.param("{}", "type", id="no type"),
        pytest.param('{"type":"begin"}', "type", id="unknown type"),
        pytest.param('{"type":1}', "type", id="type is no string"),
        pytest.param('{"type":"started"}', "type", id="a server's type"),
        pytest.param('{"type":"start"}', "input", id="no input"),
        pytest.param('{"type":"start","input":"video"}', "input", id="unknown input"),
        pytest.param('{"type":"start","input":"frames","fps":16}', "fps", id="unknown field"),
        pytest.param('{"type":"stop","now":true}', "now", id="unknown field of stop"),
        pytest.param('{"type":"start","input":"frames","interim":"yes"}', "interim", id="interim is no boolean"),
        pytest.param('{"type":"start","input":"frames","interim":1}', "interim", id="interim is a number"),
        pytest.param('{"type":"start","input":"frames","top_k":"3"}', "top_k", id="top_k is a string"),
        pytest.param('{"type":"start","input":"frames","top_k":0}', "top_k", id="top_k too small"),
        pytest.param('{"type":"start","input":"frames","top_k":101}', "top_k", id="top_k too large"),
        pytest.param('{"type":"start","input":"frames","aspect":1.5}', "aspect", id="pictures tell their aspect"),
        pytest.param('{"type":"start","input":"keypoints","aspect":0}', "aspect", id="aspect 0"),
        pytest.param('{"type":"start","input":"keypoints","aspect":NaN}', "", id="aspect NaN"),
        pytest.param('{"type":"start","input":"keypoints","landmarks":true}', "landmarks", id="landmarks of keypoints"),
        pytest.param('{"type":"start","input":"frames","continues":{"session":"a"}}', "token", id="no token"),
        pytest.param('{"type":"start","input":"frames","continues":"a"}', "continues", id="continues is a string"),
        pytest.param(json.dumps({"type": "x" * 3000}), "type", id="long type"),
        pytest.param('{"type":"stop"}' + " " * 4096, "4096", id="too long"),
    ],
)
def test_bad_text_is_a_violation_that_names_the_field(text, says):
    with pytest.raises(ProtocolViolation) as violation:
        parse_text(text)

    assert says in str(violation.value)
    assert 0 < len(str(violation.value)) <= 200


def test_a_picture_is_not_looked_at():
    frame = parse_frame(message({"seq": 17, "t_ms": 1062.5}), "frames")

    assert (frame.seq, frame.t_ms, frame.payload) == (17, 1062.5, b"picture")


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_an_empty_picture_is_for_the_decoder_to_refuse(payload):
    assert parse_frame(message({"seq": 0, "t_ms": 0}, payload), "frames").payload == payload


def test_keypoints_are_float32_little_endian():
    frame = parse_frame(pack_frame(0, 5, KEYPOINTS.tobytes()), "keypoints")

    assert frame.payload.dtype == np.float32
    np.testing.assert_array_equal(frame.payload, KEYPOINTS)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "length", id="empty"),
        pytest.param(b"\1\0\0", "length", id="shorter than the length"),
        pytest.param(message({"seq": 0, "t_ms": 0}, b"", length=1000), "1000", id="length beyond the message"),
        pytest.param(message({"seq": 0, "t_ms": 0}, length=2**32 - 1), "4294967295", id="largest length"),
        pytest.param(message(b"{" + b" " * 2000 + b"}"), "1024", id="long header"),
        pytest.param(message(b""), "JSON", id="no header"),
        pytest.param(message(b"{seq:1}"), "JSON", id="header no JSON"),
        pytest.param(message(b"\xff\xfe"), "JSON", id="header no text"),
        pytest.param(message(b"[" * 1000), "JSON", id="deep nesting"),
        pytest.param(message([1, 2]), "", id="header a list"),
        pytest.param(message({"t_ms": 0}), "seq", id="no seq"),
        pytest.param(message({"seq": 0}), "t_ms", id="no t_ms"),
        pytest.param(message({"seq": -1, "t_ms": 0}), "seq", id="negative seq"),
        pytest.param(message({"seq": 1.5, "t_ms": 0}), "seq", id="fraction as seq"),
        pytest.param(message({"seq": True, "t_ms": 0}), "seq", id="boolean as seq"),
        pytest.param(message({"seq": 0, "t_ms": "0"}), "t_ms", id="t_ms a string"),
        pytest.param(message({"seq": 0, "t_ms": None}), "t_ms", id="t_ms null"),
        pytest.param(message({"seq": 0, "t_ms": True}), "t_ms", id="t_ms a boolean"),
        pytest.param(message({"seq": 0, "t_ms": 0, "fps": 9}), "fps", id="unknown field"),
    ],
)
def test_bad_framing_is_a_violation(data, says):
    with pytest.raises(ProtocolViolation) as violation:
        parse_frame(data, "frames")

    assert says in str(violation.value)


@pytest.mark.parametrize("size", [0, KEYPOINT_BYTES - 1, KEYPOINT_BYTES + 1, KEYPOINT_BYTES * 2, KEYPOINT_BYTES // 2])
def test_keypoints_of_another_size_are_a_violation(size):
    with pytest.raises(ProtocolViolation, match=str(KEYPOINT_BYTES)):
        parse_frame(message({"seq": 0, "t_ms": 0}, bytes(size)), "keypoints")


@pytest.mark.parametrize("t_ms", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_time_that_is_not_finite_is_one_frames_fault(t_ms):
    with pytest.raises(FrameFault) as fault:
        parse_frame(message(b'{"seq":0,"t_ms":' + t_ms + b"}"), "frames")

    assert fault.value.code == "bad_time"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6, -1e30])
def test_keypoints_that_are_no_places_are_one_frames_fault(value):
    keypoints = KEYPOINTS.copy()
    keypoints[-1, -1] = value
    with pytest.raises(FrameFault) as fault:
        parse_frame(pack_frame(0, 0, keypoints.tobytes()), "keypoints")

    assert fault.value.code == "bad_keypoints"


def test_random_bytes_raise_nothing_else():
    rng = np.random.default_rng(0)
    good = bytearray(pack_frame(3, 4.5, KEYPOINTS.tobytes()))
    for _ in range(500):
        data = bytearray(good)
        for at in rng.integers(0, 40, 3):
            data[at] = rng.integers(0, 256)
        with suppress(ProtocolViolation, FrameFault):
            parse_frame(bytes(data[: rng.integers(0, len(data) + 1)]), "keypoints")


def test_the_description_of_the_protocol_has_the_limits():
    for limit in (f"{MAX_TEXT_CHARS} characters", f"{MAX_HEADER_BYTES} bytes", f"{POINTS} x {CHANNELS} float32"):
        assert limit in messages.__doc__
