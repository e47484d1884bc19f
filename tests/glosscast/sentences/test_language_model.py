"""The n-gram over glosses: its file, its vocabulary, and what it does to the beam."""

from pathlib import Path

import numpy as np
import pytest

from glosscast.bundle import BundleError, load_bundle
from glosscast.ctc import PrefixBeam
from glosscast.sentences.language_model import GlossBonus, LanguageModel, Successors, load_language_model
from tests.sentence_bundles import make_sentence_bundle

ONE = np.array([0.5, 0.2, 0.1, 0.2], np.float32)  # of a, b, others, the end


def model(glosses: tuple[str, ...] = ("east", "west")) -> LanguageModel:
    """East is first, and west follows it; the histories are the beginning (4) and east (0)."""
    after = Successors(
        np.array([[4], [0]], np.int32),
        np.array([0, 1, 3]),
        np.array([0, 1, 3], np.int32),
        np.array([0.8, 0.6, 0.2], np.float32),
        np.array([0.2, 0.2], np.float32),
    )
    return LanguageModel(glosses, ONE, [after])


def written(path: Path, content: LanguageModel) -> Path:
    np.savez(path, **content.arrays())  # type: ignore[arg-type]
    return path


def test_what_follows_is_interpolated_with_what_follows_a_shorter_history() -> None:
    p = lambda *labels: np.exp(model().following(labels))  # noqa: E731
    assert p() == pytest.approx([0.8 + 0.2 * 0.5, 0.2 * 0.2, 0.2 * 0.1, 0.2 * 0.2])
    assert p(0) == pytest.approx([0.1, 0.6 + 0.04, 0.02, 0.2 + 0.04])
    assert p(0, 1, 1) == pytest.approx(ONE)  # west was never seen before anything
    assert p(1, 1, 0) == pytest.approx(p(0))
    for labels in ((), (0,), (1,), (0, 1), (1, 0)):
        assert p(*labels).sum() == pytest.approx(1.0)


def test_a_file_gives_back_the_same(tmp_path: Path) -> None:
    loaded = load_language_model(written(tmp_path / "lm.npz", model()))
    assert loaded.glosses == ("east", "west")
    assert loaded.following((0,)) == pytest.approx(model().following((0,)))


def test_ids_are_the_bundles_own() -> None:
    turned = model().for_glosses(("west", "east"))
    assert np.exp(turned.following((1,)))[:2] == pytest.approx(np.exp(model().following((0,)))[[1, 0]])
    assert turned.following(())[turned.end] == pytest.approx(model().following(())[model().end])


@pytest.mark.parametrize(
    ("glosses", "said"),
    [
        (("east", "west", "north"), "it lacks 'north'"),
        (("east",), "it has 'west', which the bundle lacks"),
        (("east", "north"), "it lacks 'north' and has 'west'"),
    ],
)
def test_another_vocabulary_is_refused_by_name(glosses: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=f"of another vocabulary: {said}"):
        model().for_glosses(glosses)


def test_a_bundle_refuses_a_model_of_another_vocabulary(tmp_path: Path) -> None:
    file = written(tmp_path / "lm.npz", model(("east", "north")))
    folder = make_sentence_bundle(tmp_path / "bundle", {"language_model": {"weight": 1.0}}, file)
    with pytest.raises(
        BundleError, match=r"language_model\.npz: a language model of another vocabulary: it lacks 'west'"
    ):
        load_bundle(folder)


def test_a_bundle_without_its_model_is_refused(tmp_path: Path) -> None:
    folder = make_sentence_bundle(tmp_path / "bundle", {"language_model": {"weight": 1.0}})
    with pytest.raises(BundleError, match=r"files: no hash for language_model\.npz"):
        load_bundle(folder)


def damaged(name: str, value: np.ndarray | None) -> dict[str, np.ndarray]:
    arrays = dict(model().arrays())
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    return arrays  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("single", None, "single"),
        ("starts_1", None, "starts_1"),
        ("single", np.array([0.5, 0.5], np.float32), "do not fit"),
        ("single", np.array([0.5, 0.2, 0.1, 0.9], np.float32), "are none"),
        ("single", np.array([0.7, 0.2, 0.1, 0.0], np.float32), "are none"),
        ("glosses", np.array(["east", "east"]), "do not fit"),
        ("histories_1", np.array([[9], [0]], np.int32), "an id that no gloss has"),
        ("words_1", np.array([0, 1, -1], np.int32), "an id that no gloss has"),
        ("shares_1", np.array([0.8, 1.6, 0.2], np.float32), "no probability"),
        ("rests_1", np.array([0.8, np.nan], np.float32), "no probability"),
        ("starts_1", np.array([0, 4, 3]), "not in order"),
        ("starts_1", np.array([0, 3]), "another shape"),
        ("histories_1", np.zeros((2, 2), np.int32), "another shape"),
        ("glosses", np.array([{"a": 1}, None], object), "Object arrays"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, value: np.ndarray | None, said: str) -> None:
    path = tmp_path / "lm.npz"
    np.savez(path, **damaged(name, value))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"lm\.npz: not a language model of glosses: .*{said}"):
        load_language_model(path)


def test_something_else_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "lm.npz").write_bytes(b"hello")
    with pytest.raises(ValueError, match="not a language model of glosses"):
        load_language_model(tmp_path / "lm.npz")


def test_the_beam_reads_what_the_model_expects_where_the_recogniser_is_in_doubt() -> None:
    """The second sign is a little likelier to be east; after east comes west, says the model."""
    scores = np.log(np.array([[0.9, 0.05, 0.05], [0.05, 0.05, 0.9], [0.5, 0.4, 0.1], [0.05, 0.05, 0.9]]))
    found = []
    for weight in (0.0, 1.0):
        bonus = GlossBonus(2, 0.0, model(), weight)
        beam = PrefixBeam(2, 8, bonus=bonus)
        for frame in scores:
            beam.push(frame)
        beam.favour(bonus.end)
        found.append(beam.hypotheses()[0].labels)
    assert found == [(0, 0), (0, 1)]


def test_the_model_looks_back_over_what_has_been_committed() -> None:
    bonus = GlossBonus(2, 0.0, model(), 1.0)
    beam = PrefixBeam(2, 8, bonus=bonus)
    beam.push(np.log(np.array([0.9, 0.05, 0.05])))
    beam.commit(0)
    beam.push(np.log(np.array([0.05, 0.05, 0.9])))
    beam.push(np.log(np.array([0.5, 0.4, 0.1])))
    assert beam.hypotheses()[0].labels == (1,)
