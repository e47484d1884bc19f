"""The signs that captions name as confusable, of a lexicon with signs that look alike."""

from dataclasses import replace

import numpy as np
import pytest

from glosscast.bundle import Bundle, load_bundle
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon import reading
from glosscast.lexicon.likeness import MIN_RISK, MOST
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.signs import Lexicon, SignExample, TaughtSign
from glosscast.lexicon.similarity import unit
from glosscast.manifest import MODEL

KINDS = 4  # of signs; those of one kind look alike
SIGNS = 12


@pytest.fixture(scope="module")
def bundle(teachable_folder):
    return load_bundle(teachable_folder)


def example(direction: float, probabilities: list[float]) -> SignExample:
    embedding = unit(np.array([np.cos(direction), np.sin(direction)], np.float32))
    frames = np.zeros((1, POINTS, CHANNELS), np.float16)
    return SignExample(np.zeros(1, np.float32), frames, 0.0, 0.0, np.array(probabilities, np.float32), embedding)


def lexicon_of(bundle: Bundle, signs: dict[str, list[SignExample]]) -> Lexicon:
    taught = {gloss: TaughtSign(gloss, "", tuple(examples)) for gloss, examples in signs.items()}
    return Lexicon("mine", bundle.id, bundle.manifest.files[MODEL], taught)


@pytest.fixture
def rule(bundle):
    random = np.random.default_rng(3)
    signs = {
        f"sign {i}": [
            example(i % KINDS * np.pi / 2 + random.normal(0, 0.1), [*random.dirichlet(np.ones(2)) / 4, 0.75])
            for _ in range(1 + i % 3)
        ]
        for i in range(SIGNS)
    }
    return LexiconRule(bundle, lexicon_of(bundle, signs))


def told(rule: LexiconRule, gloss: str) -> list[str]:
    """What `likeness` says of all signs, for one of them: every other one that is taken for it, or that it is for."""
    risks: dict[str, float] = {}
    for sign in rule.lexicon:
        for other in rule.likeness(sign.gloss).look_alikes:
            if gloss in (sign.gloss, other.gloss):
                name = other.gloss if sign.gloss == gloss else sign.gloss
                risks[name] = max(other.risk, risks.get(name, 0.0))
    return sorted(risks, key=risks.__getitem__, reverse=True)[:MOST]


def test_both_directions_of_a_confusion_count(rule):
    found = {gloss: rule.confusable_with(gloss) for gloss in rule.vocabulary}

    assert {gloss: others for gloss, others in found.items() if gloss.startswith("sign")} == {
        sign.gloss: told(rule, sign.gloss) for sign in rule.lexicon
    }
    assert any(found.values())


def test_only_the_nearest_signs_are_looked_at(rule, bundle, monkeypatch):
    whole = {sign.gloss: rule.confusable_with(sign.gloss) for sign in rule.lexicon}
    monkeypatch.setattr(reading, "NEIGHBOURS", SIGNS // KINDS)
    near = LexiconRule(bundle, rule.lexicon)

    assert {sign.gloss: near.confusable_with(sign.gloss) for sign in near.lexicon} == whole


def test_a_sign_of_the_bundle_that_a_taught_one_is_taken_for(bundle):
    like_east = [example(0.0, [0.9, 0.0, 0.1])]
    rule = LexiconRule(bundle, lexicon_of(bundle, {"sunrise": like_east, "tea": [example(2.0, [0.0, 0.0, 1.0])]}))

    assert rule.confusable_with("east") == ["west", "sunrise"]  # the report of the bundle comes first
    assert rule.confusable_with("sunrise") == ["east"]
    assert rule.confusable_with("tea") == []
    assert rule.likeness("sunrise").look_alikes[0].risk > MIN_RISK


def test_hands_that_sign_nothing_are_confused_with_nothing(rule, bundle):
    assert rule.confusable_with("rest") == []
    empty = LexiconRule(bundle, replace(rule.lexicon, signs={}))
    assert empty.confusable_with("east") == ["west"]
