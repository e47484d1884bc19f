import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glosscast.caption_filter import CaptionFilter

EAST, WEST, NOTHING = range(3)
STABLE, REJECT = 0.7, 0.6
Piece = tuple[bool, int, float]  # after a rest, class, confidence


def probabilities(best: int, confidence: float) -> np.ndarray:
    p = np.full(3, (1 - confidence) / 2, np.float32)
    p[best] = confidence
    return p


def new_filter() -> CaptionFilter:
    return CaptionFilter(STABLE, REJECT, NOTHING)


def reported(pieces: list[Piece]) -> list[int]:
    """Classes of the finals that are reported, of segments in this order."""
    live = new_filter()
    found = []
    for rested, best, confidence in pieces:
        live.begin(rested)
        if live.judge(probabilities(best, confidence)) is None:
            found.append(best)
    return found


def pieces_of(text: str) -> list[Piece]:
    """`E`, `W`: sure of east or west; `e`, `w`: unsure; `.`: sure of no sign; `,`: unsure of it; `|`: a rest."""
    known = {"E": (EAST, 0.9), "W": (WEST, 0.9), "e": (EAST, 0.5), "w": (WEST, 0.5), ".": (NOTHING, 0.9)}
    known[","] = (NOTHING, 0.5)
    return [(i == 0 or text[i - 1] == "|", *known[letter]) for i, letter in enumerate(text) if letter != "|"]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param("E", "E", id="one sign"),
        pytest.param("EEE", "E", id="a sign in three pieces"),
        pytest.param("EEEEEEEEEE", "E", id="a sign in ten pieces"),
        pytest.param("E|E", "EE", id="again after a rest"),
        pytest.param("E|E|E", "EEE", id="three times"),
        pytest.param("EE|EE", "EE", id="two signs in two pieces each"),
        pytest.param("EW", "EW", id="another sign"),
        pytest.param("EWE", "EWE", id="again after another sign"),
        pytest.param("EeE", "E", id="a piece that is read unsurely"),
        pytest.param("E,E", "E", id="a piece that is perhaps no sign"),
        pytest.param("E.E", "E", id="a piece that is no sign"),
        pytest.param("E.e,E", "E", id="several of these"),
        pytest.param("EwE", "EE", id="again after what is perhaps another sign"),
        pytest.param("E|e|E", "EE", id="rests count where nothing was reported"),
        pytest.param("E|eE", "EE", id="unsure at first"),
        pytest.param("eE", "E", id="surer in the second piece"),
        pytest.param("e|w|,", "", id="nothing is sure"),
    ],
)
def test_a_sign_is_reported_once(pieces: str, expected: str) -> None:
    assert ["EW"[best] for best in reported(pieces_of(pieces))] == list(expected)


@pytest.mark.parametrize(
    ("pieces", "reasons"),
    [
        pytest.param(".", ["no_sign"], id="surely none"),
        pytest.param(",", ["unsure"], id="perhaps none"),
        pytest.param("e", ["unsure"], id="perhaps a sign"),
        pytest.param("E.,eE", [None, *["continued"] * 4], id="pieces of a sign that was reported"),
        pytest.param("Ew.", [None, "unsure", "no_sign"], id="another sign, perhaps"),
        pytest.param("E|.", [None, "no_sign"], id="none after a rest"),
    ],
)
def test_what_names_no_sign_says_why(pieces: str, reasons: list[str | None]) -> None:
    live = new_filter()
    found = []
    for rested, best, confidence in pieces_of(pieces):
        live.begin(rested)
        found.append(live.judge(probabilities(best, confidence)))
    assert found == reasons


PIECES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([EAST, WEST, NOTHING]), st.sampled_from([0.5, 0.65, 0.9])), max_size=20
)


@given(PIECES)
def test_a_sign_is_never_reported_twice_without_a_rest_or_another_sign(pieces: list[Piece]) -> None:
    live = new_filter()
    last = None  # the sign that was reported, until a rest or another sign
    for rested, best, confidence in pieces:
        live.begin(rested)
        is_reported = live.judge(probabilities(best, confidence)) is None
        last = None if rested else last
        assert not (is_reported and best == last)
        assert is_reported <= (confidence >= REJECT)
        assert is_reported or confidence < REJECT or best in (last, NOTHING), "a sure sign that is new was kept back"
        if best not in (NOTHING, last):
            last = best if is_reported else None


@given(PIECES)
def test_a_rest_resets_the_filter(pieces: list[Piece]) -> None:
    again = [(i == 0 or rested, best, confidence) for i, (rested, best, confidence) in enumerate(pieces)]
    assert reported([*again, *again]) == 2 * reported(again)


@pytest.mark.parametrize(
    ("revisions", "stable"),
    [
        pytest.param([(EAST, 0.9)], [False], id="the first"),
        pytest.param([(EAST, 0.9)] * 3, [False, True, True], id="two agree"),
        pytest.param([(EAST, 0.4), (EAST, 0.71)], [False, True], id="it grows sure"),
        pytest.param([(EAST, 0.9), (EAST, 0.69)], [False, False], id="too unsure"),
        pytest.param([(EAST, 0.9), (WEST, 0.9), (WEST, 0.9)], [False, False, True], id="they differ"),
        pytest.param([(EAST, 0.9), (WEST, 0.9), (EAST, 0.9)], [False] * 3, id="back and forth"),
        pytest.param([(NOTHING, 0.9)] * 3, [False] * 3, id="no sign"),
    ],
)
def test_an_interim_is_stable_where_two_agree_and_it_is_sure(
    revisions: list[tuple[int, float]], stable: list[bool]
) -> None:
    live = new_filter()
    live.begin(rested=True)
    assert [live.is_stable(probabilities(*revision)) for revision in revisions] == stable


def test_the_last_interim_of_one_segment_makes_none_of_the_next_stable() -> None:
    live = new_filter()
    for rested in (True, True):
        live.begin(rested)
        assert not live.is_stable(probabilities(EAST, 0.9))


def test_an_interim_whose_final_would_not_be_reported_is_not_stable() -> None:
    live = new_filter()
    live.begin(rested=True)
    assert live.judge(probabilities(EAST, 0.9)) is None
    live.begin(rested=False)
    assert [live.is_stable(probabilities(EAST, 0.9)) for _ in range(3)] == [False] * 3
    live.begin(rested=True)
    assert [live.is_stable(probabilities(EAST, 0.9)) for _ in range(3)] == [False, True, True]
