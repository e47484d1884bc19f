import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glosscast.bundle import Bundle, load_bundle
from glosscast.lexicon.likeness import MIN_RISK
from glosscast.lexicon.reading import BundleRule, LexiconRule, find, rule_of
from glosscast.lexicon.signs import LexiconError
from glosscast.manifest import MANIFEST
from tests.bundles import LEXICON, NO_SIGN, VOCABULARY
from tests.glosscast.lexicon.making import EAST, FAR, NEAR, REST, empty, example, lexicon_of, readout

UNSURE = np.array([0.3, 0.1, 0.6], np.float32)


@pytest.fixture(scope="module")
def bundle(teachable_folder: Path) -> Bundle:
    return load_bundle(teachable_folder)


@pytest.fixture(scope="module")
def rule(bundle: Bundle) -> LexiconRule:
    return LexiconRule(bundle, lexicon_of(bundle, near=[example(0, NEAR)], far=[example(1, FAR)]))


def test_without_a_lexicon_the_bundle_reads_alone(bundle: Bundle) -> None:
    rule = rule_of(bundle, None)
    assert isinstance(rule, BundleRule)
    assert tuple(rule.vocabulary) == VOCABULARY
    assert np.array_equal(rule(readout(UNSURE, NEAR)), UNSURE)
    assert rule.confusable_with("east") == ["west"]


def test_an_empty_lexicon_changes_nothing(bundle: Bundle) -> None:
    rule = rule_of(bundle, empty(bundle))
    assert tuple(rule.vocabulary) == VOCABULARY
    assert np.allclose(rule(readout(UNSURE, NEAR)), UNSURE)
    assert find(empty(bundle), np.ones(2, np.float32), 10) == []


def test_taught_signs_come_after_those_of_the_bundle(rule: LexiconRule) -> None:
    assert tuple(rule.vocabulary) == (*VOCABULARY, "near", "far")
    assert rule.vocabulary.no_sign == NO_SIGN


def test_a_taught_sign_wins_where_nothing_else_is_known(rule: LexiconRule) -> None:
    assert rule.vocabulary.gloss(int(rule(readout(REST, NEAR)).argmax())) == "near"
    assert rule.vocabulary.gloss(int(rule(readout(REST, FAR)).argmax())) == "far"
    assert rule.vocabulary.gloss(int(rule(readout(REST, (1.0, 0.0))).argmax())) == NO_SIGN


def test_a_sign_of_the_bundle_is_not_taken(rule: LexiconRule) -> None:
    sure = np.array([0.99, 0.0, 0.01], np.float32)
    assert rule.vocabulary.gloss(int(rule(readout(sure, NEAR)).argmax())) == "east"
    assert np.allclose(rule(readout(EAST, NEAR)), [*EAST, 0, 0])


def test_the_formula(rule: LexiconRule) -> None:
    similarity = 0.9
    odds = UNSURE[2] * np.exp((similarity - LEXICON.margin) / LEXICON.temperature)
    other = UNSURE[2] * np.exp((-similarity - LEXICON.margin) / LEXICON.temperature)
    expected = np.array([*UNSURE, odds, other]) / (1 + odds + other)
    assert np.allclose(rule(readout(UNSURE, (np.sqrt(1 - similarity**2), -similarity))), expected, atol=1e-5)


def test_at_the_margin_a_taught_sign_is_as_likely_as_no_sign(rule: LexiconRule) -> None:
    read = rule(readout(REST, (np.sqrt(1 - LEXICON.margin**2), -LEXICON.margin)))
    assert read[rule.vocabulary.id("near")] == pytest.approx(read[rule.vocabulary.id(NO_SIGN)], rel=1e-3)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3).filter(lambda p: sum(p) > 0.01),
    st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)),
)
def test_probabilities_are_probabilities(rule: LexiconRule, p: list[float], embedding: tuple[float, float]) -> None:
    probabilities = np.array(p, np.float32) / np.float32(sum(p))
    read = rule(readout(probabilities, embedding))
    assert read.shape == (5,)
    assert (read >= 0).all()
    assert read.sum() == pytest.approx(1, abs=1e-5)
    # Taught signs take from all classes alike, so that the order of the bundle's own stays.
    assert (np.diff(read[:3][np.argsort(probabilities, kind="stable")]) >= -1e-7).all()


def test_the_more_alike_the_likelier(rule: LexiconRule) -> None:
    angles = np.linspace(0, np.pi, 50)
    near = [rule(readout(REST, (np.sin(a), -np.cos(a))))[3] for a in angles]
    assert (np.diff(near) <= 1e-6).all()
    assert near[0] > 0.9
    assert near[-1] < 0.01


def test_a_taught_sign_of_the_name_of_a_bundles_sign_is_more_of_it(bundle: Bundle) -> None:
    rule = LexiconRule(bundle, lexicon_of(bundle, EAST=[example(0, NEAR)], far=[example(1, FAR)]))
    assert tuple(rule.vocabulary) == (*VOCABULARY, "far")
    read = rule(readout(UNSURE, NEAR))
    assert rule.vocabulary.gloss(int(read.argmax())) == "east"
    assert read.sum() == pytest.approx(1)
    assert rule.likeness("east").consistency is None
    assert rule.confusable_with("east") == ["west"]


def test_a_taught_no_sign_is_not_read(bundle: Bundle) -> None:
    rule = LexiconRule(bundle, lexicon_of(bundle, REST=[example(0, NEAR)]))
    assert tuple(rule.vocabulary) == VOCABULARY
    assert np.allclose(rule(readout(UNSURE, NEAR)), UNSURE)


def test_a_bundle_without_a_no_sign_class_gives_what_it_is_unsure_of(teachable_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(teachable_folder, tmp_path / "bundle")
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"no_sign": None}))
    other = load_bundle(folder)
    rule = LexiconRule(other, lexicon_of(other, near=[example(0, NEAR)]))
    assert rule(readout(EAST, NEAR)).argmax() == 0
    assert rule(readout(UNSURE, NEAR)).argmax() == 3


def test_a_lexicon_of_another_bundle_is_refused(bundle: Bundle, bundle_folder: Path) -> None:
    for other, lexicon in ((bundle, lexicon_of(near=[example()])), (load_bundle(bundle_folder), empty(bundle))):
        with pytest.raises(LexiconError) as error:
            LexiconRule(other, lexicon)
        assert error.value.code == "other_bundle"


def test_the_crowd_lowers_the_odds_of_each_sign(teachable_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(teachable_folder, tmp_path / "bundle")
    content = json.loads((folder / MANIFEST).read_text())
    content["lexicon"]["crowd"] = 1.0
    (folder / MANIFEST).write_text(json.dumps(content))
    other = load_bundle(folder)
    aside = (np.sqrt(1 - 0.85**2), -0.85)

    def near(count: int) -> float:
        signs = {"near": [example(0, NEAR)], **{f"far{i}": [example(i, FAR)] for i in range(1, count)}}
        return float(LexiconRule(other, lexicon_of(other, **signs))(readout(REST, aside))[3])

    assert near(1) > near(2) > near(10)


def test_how_alike_examples_are(bundle: Bundle) -> None:
    alike = [example(i, (0.1 * i, -1.0)) for i in range(3)]
    odd = example(9, (1.0, 0.3))
    rule = LexiconRule(bundle, lexicon_of(bundle, one=[example(20, FAR)], alike=alike, mixed=[*alike, odd]))
    assert rule.likeness("one").consistency is None
    assert rule.likeness("one").outliers == ()
    assert rule.likeness("alike").consistency == pytest.approx(0.99, abs=0.01)
    assert rule.likeness("alike").outliers == ()
    assert rule.likeness("mixed").outliers == (odd.id,)
    with pytest.raises(LexiconError) as error:
        rule.likeness("nothing")
    assert error.value.code == "unknown_gloss"


def test_signs_that_look_alike_are_named_with_their_risk(bundle: Bundle) -> None:
    beside = (0.3, -1.0)
    taught = lexicon_of(bundle, near=[example(0, NEAR)], beside=[example(1, beside)], far=[example(2, FAR)])
    rule = LexiconRule(bundle, taught)
    (other,) = rule.likeness("near").look_alikes
    assert (other.gloss, other.taught) == ("beside", True)
    assert MIN_RISK <= other.risk < 1
    assert rule.likeness("far").look_alikes == ()
    assert rule.confusable_with("near") == ["beside"]
    assert rule.confusable_with("beside") == ["near"]
    assert rule.confusable_with("far") == []


def test_a_sign_of_the_bundle_looks_alike_in_both_directions(bundle: Bundle) -> None:
    mostly_east = np.array([0.9, 0.0, 0.1], np.float32)
    rule = LexiconRule(bundle, lexicon_of(bundle, near=[example(0, NEAR, mostly_east)]))
    (other,) = rule.likeness("near").look_alikes
    assert (other.gloss, other.taught) == ("east", False)
    assert rule.confusable_with("near") == ["east"]
    assert rule.confusable_with("east") == ["west", "near"]


def test_the_risk_is_that_of_the_rule(bundle: Bundle) -> None:
    """Of two examples each is read with the other alone as its sign."""
    a, b = example(0, (0.0, -1.0)), example(1, (0.6, -0.8))
    close = example(2, (0.1, -1.0))
    rule = LexiconRule(bundle, lexicon_of(bundle, near=[a, b], close=[close]))
    risk = 0.0
    for one, other in ((a, b), (b, a)):
        alone = LexiconRule(bundle, lexicon_of(bundle, near=[other], close=[close]))
        risk += float(alone(readout(one.probabilities, tuple(one.embedding)))[4]) / 2
    assert rule.likeness("near").look_alikes[0].risk == pytest.approx(risk, rel=1e-4)


def test_find_gives_the_nearest_first(bundle: Bundle) -> None:
    lexicon = lexicon_of(bundle, near=[example(0, NEAR)], far=[example(1, FAR)], side=[example(2, (1.0, 0.0))])
    found = find(lexicon, np.array([0.5, -2.0], np.float32), 2)
    assert [gloss for gloss, _ in found] == ["near", "side"]
    assert found[0][1] == pytest.approx(2 / np.hypot(0.5, 2.0))
    assert len(find(lexicon, np.ones(2, np.float32), 100)) == 3


def test_a_thousand_signs_are_read(bundle: Bundle) -> None:
    chance = np.random.default_rng(0)
    signs = {f"s{i}": [example(i, tuple(chance.normal(size=2)), frames=1)] for i in range(1000)}
    read = LexiconRule(bundle, lexicon_of(bundle, **signs))(readout(REST, NEAR))
    assert read.shape == (1003,)
    assert read.sum() == pytest.approx(1, abs=1e-5)
