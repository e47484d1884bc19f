from pathlib import Path

import pytest

from training.evaluation.transcripts import TranscriptError, pair, read_transcript


def save(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_each_format_gives_the_glosses_of_an_utterance(tmp_path: Path) -> None:
    wanted = {"a": ("REGEN", "ÜBER", "S+H"), "b": ("WIND",)}
    trn = "\ufeff;; a comment\nREGEN ÜBER S+H (a)\n\n  WIND (b)\r\n"
    stm = "a 1 ann 0.0 1.79769e+308 <o,f0> REGEN ÜBER S+H\nb 1 bea 0 2 WIND"
    ctm = "a 1 0.50 0.2 ÜBER\na 1 0.00 0.6 REGEN 0.9\nb 1 0 1 WIND\na 1 0.9 0.1 S+H 1.0\n"
    for name, content in (("x.trn", trn), ("x.stm", stm), ("x.ctm", ctm)):
        assert read_transcript(save(tmp_path, name, content)).glosses == wanted, name


def test_stretches_of_a_recording_are_joined_in_order_of_time(tmp_path: Path) -> None:
    path = save(tmp_path, "x.stm", "a 1 ann 2.0 3.0 C\na 1 ann 0.0 2.0 A B\n")
    assert read_transcript(path).glosses == {"a": ("A", "B", "C")}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", "A (a)", r"x\.txt: must end in"),
        ("x.trn", b"A (a)\nK\xfcHL (b)\n", r"x\.trn:2: not UTF-8"),
        ("x.trn", "A B\n", r"x\.trn:1: must be .*WORDS \(ID\)"),
        ("x.trn", "A (a)\n\nB (a)\n", r"x\.trn:3: a comes a second time, after line 1"),
        ("x.trn", "{ A / B } (a)\n", r"x\.trn:1: alternatives"),
        ("x.trn", "(A) B (a)\n", r"x\.trn:1: alternatives"),
        ("x.stm", "a 1 ann 0.0\n", r"x\.stm:1: must be RECORDING CHANNEL SIGNER"),
        ("x.stm", "a 1 ann zero 1 A\n", r"x\.stm:1: zero is not a time"),
        ("x.stm", "a 1 ann 0 inf A\n", r"x\.stm:1: inf is not a time"),
        ("x.stm", "a 1 ann 2 1 A\n", r"x\.stm:1: ends at 1.0 s, before"),
        ("x.stm", "b 1 ann 0 9 A\na 1 ann 0 9 A\na 1 ann 0 9 A\n", r"x\.stm:3: overlaps line 2"),
        ("x.stm", "a 1 ann 0 0 A\na 1 ann 0 0 A\n", r"x\.stm:2: overlaps line 1"),
        ("x.stm", "a A ann 0 1 A\na B bea 2 3 A\n", r"x\.stm:2: another channel"),
        ("x.stm", "a 1 ann 0 1 IGNORE_TIME_SEGMENT_IN_SCORING\n", r"x\.stm:1: .* unscored"),
        ("x.ctm", "a 1 0.0 A\n", r"x\.ctm:1: must be RECORDING CHANNEL START"),
        ("x.ctm", "a 1 0.0 -1 A\n", r"x\.ctm:1: -1 is not a time"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_line(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(TranscriptError, match=said):
        read_transcript(save(tmp_path, name, content))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "said"),
    [
        ("A (a)\n", "A (a)\nB (b)\n", r"hyp\.trn:2: b is not in .*ref\.trn"),
        ("A (a)\nB (b)\n", "A (a)\n", r"ref\.trn:2: b is not in .*hyp\.trn"),
        ("A (a)\n(b)\n", "A (a)\n(b)\n", r"ref\.trn:2: b has no glosses"),
        (";; nothing\n", "A (a)\n", r"ref\.trn: no utterance"),
    ],
)
def test_files_that_do_not_match_are_refused(tmp_path: Path, reference: str, hypothesis: str, said: str) -> None:
    ref, hyp = save(tmp_path, "ref.trn", reference), save(tmp_path, "hyp.trn", hypothesis)
    with pytest.raises(TranscriptError, match=said):
        pair(read_transcript(ref), read_transcript(hyp))


def test_nothing_recognised_is_an_empty_hypothesis(tmp_path: Path) -> None:
    reference = read_transcript(save(tmp_path, "ref.stm", "a 1 ann 0 1 A\nb 1 ann 0 1 B\n"))
    silent = read_transcript(save(tmp_path, "hyp.trn", "(b)\nA (a)\n"))
    absent = read_transcript(save(tmp_path, "hyp.ctm", "a 1 0.1 0.2 A\n"))
    assert pair(reference, silent) == pair(reference, absent) == [(("A",), ("A",)), (("B",), ())]
