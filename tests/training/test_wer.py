import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.__main__ import main
from training.evaluation.transcripts import pair, read_transcript
from training.evaluation.wer import align, error_rate

PHOENIX = Path(os.environ.get("GLOSSCAST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "phoenix2014t"
REFERENCE, HYPOTHESIS = PHOENIX / "wer_reference.ref.trn", PHOENIX / "wer_reference.hyp.trn"
needs_phoenix = pytest.mark.skipif(not REFERENCE.is_file(), reason=f"no {REFERENCE}")

GLOSSES = st.sampled_from(["REGEN", "SONNE", "WIND"])  # few of them, so that ties abound
SENTENCES = st.lists(GLOSSES, max_size=6)
CORPORA = st.lists(st.tuples(st.lists(GLOSSES, min_size=1, max_size=12), st.lists(GLOSSES, max_size=12)), min_size=1)


def counts(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
    """Hits, substitutions, deletions and insertions of an alignment, after a look at its steps."""
    steps = align(reference, hypothesis)
    assert [s.reference for s in steps if s.reference is not None] == list(reference)
    assert [s.hypothesis for s in steps if s.hypothesis is not None] == list(hypothesis)
    deletions = sum(s.hypothesis is None for s in steps)
    insertions = sum(s.reference is None for s in steps)
    hits = sum(s.reference == s.hypothesis for s in steps)
    return hits, len(steps) - hits - deletions - insertions, deletions, insertions


@cache
def fewest(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> tuple[int, int, int, int]:
    """Edits, then substitutions, deletions and insertions, by trying every first step."""
    if not reference or not hypothesis:
        return len(reference) + len(hypothesis), 0, len(reference), len(hypothesis)
    (r, *rs), (h, *hs) = reference, hypothesis
    ways = []
    for after, (sub, dele, ins) in (
        (fewest(tuple(rs), tuple(hs)), (int(r != h), 0, 0)),
        (fewest(tuple(rs), hypothesis), (0, 1, 0)),
        (fewest(reference, tuple(hs)), (0, 0, 1)),
    ):
        ways.append((after[0] + sub + dele + ins, after[1] + sub, after[2] + dele, after[3] + ins))
    return min(ways)


@settings(deadline=None)
@given(SENTENCES, SENTENCES)
def test_counts_are_those_of_trying_everything(reference: list[str], hypothesis: list[str]) -> None:
    assert counts(reference, hypothesis)[1:] == fewest(tuple(reference), tuple(hypothesis))[1:]


@settings(deadline=None)
@given(SENTENCES, SENTENCES)
def test_swapping_swaps_deletions_and_insertions(reference: list[str], hypothesis: list[str]) -> None:
    hits, substitutions, deletions, insertions = counts(reference, hypothesis)
    assert counts(hypothesis, reference) == (hits, substitutions, insertions, deletions)


@settings(deadline=None)
@given(SENTENCES, SENTENCES)
def test_edits_lie_between_the_difference_in_length_and_the_longer_one(
    reference: list[str], hypothesis: list[str]
) -> None:
    edits = sum(counts(reference, hypothesis)[1:])
    assert abs(len(reference) - len(hypothesis)) <= edits <= max(len(reference), len(hypothesis))
    assert (edits == 0) == (reference == hypothesis)


@settings(deadline=None)
@given(CORPORA)
def test_pooled_rates_are_those_of_jiwer(corpus: list[tuple[list[str], list[str]]]) -> None:
    rate = error_rate(corpus)
    oracle = jiwer.process_words([" ".join(r) for r, _ in corpus], [" ".join(h) for _, h in corpus])
    assert rate.wer == pytest.approx(oracle.wer)
    # jiwer breaks ties as they come; no alignment with as few edits has more hits than ours.
    assert rate.hits >= oracle.hits
    assert rate.deletions - rate.insertions == oracle.deletions - oracle.insertions
    assert rate.sentences == len(corpus)
    assert rate.tokens == sum(len(r) for r, _ in corpus)


def test_the_most_frequent_substitutions_come_first() -> None:
    rate = error_rate([(["A", "B", "A"], ["C", "B", "C"]), (["B", "D"], ["A", "D", "E"])])
    assert [(c.reference, c.hypothesis, c.count) for c in rate.confusions] == [("A", "C", 2), ("B", "A", 1)]
    assert (rate.substitutions, rate.insertions, rate.wer) == (3, 1, 4 / 5)


def test_an_error_rate_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="no gloss in any reference"):
        error_rate([([], ["A"])])


def test_the_command_prints_words_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ref, hyp = tmp_path / "ref.trn", tmp_path / "hyp.trn"
    ref.write_text("A B C (one)\nD (two)\n")
    hyp.write_text("D (two)\nA X (one)\n")
    assert main(["wer", "--ref", str(ref), "--hyp", str(hyp)]) == 0
    assert capsys.readouterr().out.startswith("WER 50.00 % of 4 glosses in 2 sentences\n  2 hits, 1 sub")
    assert main(["wer", "--ref", str(ref), "--hyp", str(hyp), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wer"] == 0.5
    hyp.write_text("D (three)\n")
    assert main(["wer", "--ref", str(ref), "--hyp", str(hyp)]) == 2
    assert "hyp.trn:1: three is not in" in capsys.readouterr().err


def sclite_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Errors of the alignment that sclite chooses: 4 for a substitution, 3 for an insertion or deletion.

    Ties go to the diagonal, then to the insertion (SCTK, net_dp.c, calculate_internal_cells).
    """
    errors = [[(3 * j, 0, j) for j in range(len(hypothesis) + 1)]]  # cost, rank of the step in a tie, errors
    for i, wanted in enumerate(reference):
        row = [(3 * (i + 1), 0, i + 1)]
        for j, got in enumerate(hypothesis):
            wrong = int(wanted != got)
            cross, _, cross_n = errors[i][j]
            up, _, up_n = errors[i][j + 1]
            left, _, left_n = row[j]
            row.append(min((cross + 4 * wrong, 0, cross_n + wrong), (left + 3, 1, left_n + 1), (up + 3, 2, up_n + 1)))
        errors.append(row)
    return errors[-1][-1][2]


@pytest.mark.data
@needs_phoenix
def test_figures_of_a_real_recogniser(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wer", "--ref", str(REFERENCE), "--hyp", str(HYPOTHESIS)]) == 0
    assert capsys.readouterr().out.startswith("WER 62.70 % of 10078 glosses in 526 sentences")
    pairs = pair(read_transcript(REFERENCE), read_transcript(HYPOTHESIS))
    oracle = jiwer.wer([" ".join(r) for r, _ in pairs], [" ".join(h) for _, h in pairs])
    assert error_rate(pairs).wer == pytest.approx(oracle)
    assert sum(sclite_errors(r, h) for r, h in pairs) == 6324  # 62.75 %, the 62.8 that sclite prints


@pytest.mark.data
@needs_phoenix
@pytest.mark.parametrize(
    ("split", "sentences", "glosses"), [("train", 7096, 55247), ("dev", 519, 3748), ("test", 642, 4264)]
)
def test_phoenix_references_can_be_read(split: str, sentences: int, glosses: int) -> None:
    transcript = read_transcript(PHOENIX / f"phoenix2014-T-groundtruth-{split}.stm")
    assert len(transcript.glosses) == sentences
    assert sum(len(g) for g in transcript.glosses.values()) == glosses
