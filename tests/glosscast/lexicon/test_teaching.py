import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glosscast.bundle import Bundle, load_bundle
from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, SHOULDERS
from glosscast.lexicon import teaching
from glosscast.lexicon.file import read_lexicon, write_lexicon
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.signs import LexiconError
from glosscast.lexicon.teaching import Teacher, TeachingError
from glosscast.manifest import MANIFEST
from glosscast.recogniser import Recogniser
from tests.bundles import ASPECT, SPEC, make_bundle, signing
from tests.glosscast.lexicon.making import same


@pytest.fixture(scope="module")
def bundle(teachable_folder: Path) -> Bundle:
    return load_bundle(teachable_folder)


@pytest.fixture(scope="module")
def teacher(bundle: Bundle) -> Teacher:
    return Teacher(bundle, Recogniser(bundle).readout)


def clip_of(*signs: str, **frames: int) -> Clip:
    times, keypoints = zip(*signing(*signs, **frames), strict=True)
    return Clip(np.array(times), np.stack(keypoints), ASPECT)


def without(clip: Clip, points) -> Clip:
    keypoints = clip.keypoints.copy()
    keypoints[:, points] = 0
    return Clip(clip.t_ms, keypoints, clip.aspect)


def test_an_example_is_the_sign_and_its_surroundings(teacher: Teacher) -> None:
    example, warnings = teacher.example(clip_of("near"))
    assert warnings == []
    assert 1000 <= example.end_ms - example.start_ms <= 1600
    assert SPEC.window_ms * 0.9 <= example.t_ms[-1] <= SPEC.window_ms
    assert example.t_ms[0] == 0
    assert np.linalg.norm(example.embedding) == pytest.approx(1, abs=1e-5)
    assert example.probabilities.argmax() == teacher.bundle.vocabulary.no_sign_id
    assert abs(example.keypoints[:, SHOULDERS, 0]).max() == pytest.approx(0.5, abs=0.01)  # shoulder widths


def test_what_was_taught_is_read(teacher: Teacher, bundle: Bundle) -> None:
    lexicon = teacher.new_lexicon("mine")
    for gloss in ("near", "far"):
        lexicon = lexicon.with_examples(gloss, (teacher.example(clip_of(gloss))[0],))
    rule = LexiconRule(bundle, lexicon)
    pipeline = bundle.pipeline(Recogniser(bundle).readout, rule)
    reading = pipeline.read(clip_of("far", "east", "near", rest_frames=30))
    read = [rule.vocabulary.gloss(int(s.probabilities.argmax())) for s in reading.signs]
    assert read == ["far", "east", "near"]


def test_the_same_clip_gives_the_same_example(teacher: Teacher) -> None:
    assert same(teacher.example(clip_of("near"))[0], teacher.example(clip_of("near"))[0])


def test_of_several_signs_the_longest_is_taken(teacher: Teacher) -> None:
    frames = signing("near", sign_frames=30) + [(t + 5000, k) for t, k in signing("far", sign_frames=24)]
    clip = Clip(np.array([t for t, _ in frames]), np.stack([k for _, k in frames]), ASPECT)
    example, warnings = teacher.example(clip)
    assert warnings == ["2 signs were found in the clip, and the longest was taken"]
    assert example.embedding[1] == pytest.approx(
        teacher.example(clip_of("near", sign_frames=30))[0].embedding[1], abs=0.05
    )


def test_a_sign_with_several_people_in_view_is_no_example(teacher: Teacher) -> None:
    alone = clip_of("near", rest_frames=60)
    example, _ = teacher.example(alone)
    signing_ms = alone.t_ms[60], alone.t_ms[-61]
    crowded = np.where((alone.t_ms >= signing_ms[0]) & (alone.t_ms <= signing_ms[1]), 2, 1)
    with pytest.raises(TeachingError, match="not sure who signs") as refused:
        teacher.example(replace(alone, people=crowded))
    assert refused.value.code == "several_people"
    passing = np.where(crowded == 2, 1, 2)  # before the sign and after it
    assert same(teacher.example(replace(alone, people=passing))[0], example)


def test_a_clip_in_which_no_sign_is_found_is_taken_whole(teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "MIN_FRAMES", 1)
    clip = clip_of("near", sign_frames=1, rest_frames=2)
    example, _ = teacher.example(clip)
    assert (example.start_ms, example.end_ms) == (0.0, pytest.approx(clip.duration_ms))


@pytest.mark.parametrize(
    ("points", "code"),
    [
        (slice(None), "no_signer"),
        ([SHOULDERS[0]], "no_shoulders"),
        (slice(LEFT_HAND.start, RIGHT_HAND.stop), "no_hands"),
    ],
)
def test_a_clip_that_shows_too_little_is_refused(teacher: Teacher, points, code: str) -> None:
    with pytest.raises(TeachingError) as error:
        teacher.example(without(clip_of("near"), points))
    assert error.value.code == code


def test_a_glimpse_of_a_sign_is_refused(teacher: Teacher) -> None:
    with pytest.raises(TeachingError, match="in 2 of the sign's frames; 3 are needed") as error:
        teacher.example(clip_of("near", sign_frames=2, rest_frames=2))
    assert error.value.code == "no_hands"
    clip = clip_of("near")
    middle = float(clip.t_ms[len(clip.t_ms) // 2])
    with pytest.raises(TeachingError, match="are needed"):
        teacher.example_of(clip, middle, middle)


def test_a_sign_that_never_ends_is_refused(teacher: Teacher) -> None:
    clip = clip_of("near", rest_frames=160)
    teacher.example_of(clip, 0, 20_000)
    with pytest.raises(TeachingError) as error:
        teacher.example_of(clip, 0, 20_001)
    assert error.value.code == "too_long"


def test_hands_before_and_after_the_sign_do_not_count(teacher: Teacher) -> None:
    clip = clip_of("near")
    keypoints = clip.keypoints.copy()
    seen = keypoints[:, RIGHT_HAND.start, PRESENCE] > 0
    keypoints[seen, RIGHT_HAND] = 0
    keypoints[0, RIGHT_HAND.start] = 1
    with pytest.raises(TeachingError, match="no hand"):
        teacher.example(Clip(clip.t_ms, keypoints, clip.aspect))


@pytest.fixture(scope="module")
def successor(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of another model, which reads the same."""
    folder = make_bundle(tmp_path_factory.mktemp("bundles") / "next", fragile=True, teachable=True)
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"version": "2"}))
    return load_bundle(folder)


def test_a_lexicon_is_embedded_anew_for_another_bundle(teacher: Teacher, successor: Bundle, tmp_path: Path) -> None:
    example = teacher.example(clip_of("near"))[0]
    old = teacher.new_lexicon("mine").with_examples("near", (example,), "ASL")
    path = tmp_path / "mine.npz"
    with path.open("wb") as file:
        write_lexicon(old, file)
    with path.open("rb") as file:
        stored = read_lexicon(file)
    with pytest.raises(LexiconError):
        LexiconRule(successor, stored)
    new = Teacher(successor, Recogniser(successor).readout).embedded(stored)
    assert (new.bundle, new.sign("near").language) == ("compass@2", "ASL")
    (again,) = new.sign("near").examples
    assert again.id == example.id
    assert np.allclose(again.embedding, example.embedding, atol=1e-5)
    assert np.allclose(again.probabilities, example.probabilities, atol=1e-5)
    assert LexiconRule(successor, new)
    assert teacher.embedded(old) is old


def test_the_name_of_no_sign_is_refused(teacher: Teacher) -> None:
    assert teacher.gloss("  a  sign ") == "a sign"
    for gloss in ("rest", " REST ", ""):
        with pytest.raises(LexiconError) as error:
            teacher.gloss(gloss)
        assert error.value.code == "bad_gloss"


def test_a_bundle_without_an_embedding_cannot_be_taught(bundle_folder: Path, teachable_folder: Path, tmp_path) -> None:
    folder = shutil.copytree(teachable_folder, tmp_path / "bundle")
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({k: v for k, v in content.items() if k != "lexicon"}))
    for path in (bundle_folder, folder):
        other = load_bundle(path)
        with pytest.raises(LexiconError) as error:
            Teacher(other, Recogniser(other).readout)
        assert error.value.code == "other_bundle"
