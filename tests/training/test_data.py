from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glosscast.keypoints import FACE, LEFT_HAND, POINTS, PRESENCE, RIGHT_HAND, SHOULDERS, normalise
from tests.training.synthetic import (
    GLOSSES,
    SIGNERS,
    arrays,
    config,
    examples,
    pictures,
    write,
    write_frames,
    write_rgb,
)
from training.config import ConfigError, load_config
from training.data import DataError, Example, classes_of, fingerprint, load_npz, load_sets, load_split, split_by_signer
from training.data.frames import FramesError
from training.data.sampling import batches, draw_weights, thinned
from training.models.checkpoint import extractors_of


def save(path: Path, **changed: np.ndarray | None) -> Path:
    content = {name: value for name, value in {**arrays(), **changed}.items() if value is not None}
    np.savez(path, **content)
    return path


def test_clips_come_with_gloss_signer_and_times(tmp_path: Path) -> None:
    loaded = load_npz(save(tmp_path / "a.npz"), fps=15.0, aspect=4 / 3)
    assert {e.gloss for e in loaded} == set(GLOSSES)
    assert {e.signer for e in loaded} == set(SIGNERS)
    assert loaded[0].clip.t_ms[3] == pytest.approx(200.0)


def test_the_frame_rate_of_a_file_counts(tmp_path: Path) -> None:
    said = {"fps": np.array(10.0), "aspect": np.full(36, 0.75), "frames": np.arange(36) % 18 + 1}
    loaded = load_npz(save(tmp_path / "a.npz", **said), fps=15.0, aspect=4 / 3)
    assert [len(e.clip.t_ms) for e in loaded] == said["frames"].tolist()
    assert (loaded[3].clip.t_ms[1], loaded[3].clip.aspect) == (100.0, 0.75)


def test_clips_name_their_extractor_and_it_defaults_to_mediapipe(tmp_path: Path) -> None:
    said = np.array(["litert-holistic 2.3.0"] * 20 + ["none"] * 16)
    loaded = load_npz(save(tmp_path / "a.npz", extractor=said), fps=15.0, aspect=4 / 3)
    assert [e.extractor for e in loaded] == said.tolist()
    silent = load_npz(save(tmp_path / "b.npz"), fps=15.0, aspect=4 / 3)
    assert extractors_of(loaded + silent) == "litert-holistic 2.3.0 and mediapipe-holistic"
    assert extractors_of(loaded[20:]) == "none"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pose": None}, "no array named pose"),
        ({"extractor": np.array(["none"])}, "differ in length"),
        ({"extractor": np.zeros(36)}, "lists of text"),
        ({"gloss": np.array(["high"])}, "differ in length"),
        ({"source": np.zeros(36)}, "gloss, signer, source must be lists of text"),
        ({"language": np.array(["ASL"])}, "gloss, signer, language and keypoints differ in length"),
        ({"left_hand": np.zeros((36, 18, 20, 3))}, "part shapes"),
        ({"left_hand": np.zeros((1, 18, 21, 3))}, "differ in length"),
        ({"pose": np.zeros((36, 33, 4))}, "pose is .* part shapes"),
        ({"pose": np.full((36, 18, 33, 4), "x")}, "must be numbers"),
        ({"gloss": np.array("high")}, "lists of text"),
        ({"signer": np.array([b"ann"] * 36)}, "lists of text"),
        (
            {"right_hand": np.where(np.arange(36)[:, None, None, None] == 5, np.nan, arrays()["right_hand"])},
            "clip 5 holds",
        ),
        ({"face": np.zeros((36, 18, 96, 2)), "face_indices": np.array(3)}, "face_indices"),
        ({name: arrays()[name][:, :0] for name in ("pose", "left_hand", "right_hand")}, "no frames"),
        ({"face": np.zeros((36, 18, 96, 2)), "face_indices": np.arange(96)}, "face_indices"),
        ({"fps": np.array([15.0, 15.0])}, "fps must be one number"),
        ({"aspect": np.zeros(36)}, "aspect must be above 0"),
        ({"frames": np.full(36, 19)}, "no more than a clip has"),
        ({"frames": np.full(36, 1.5)}, "frames must be a number for each clip"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, changed: dict[str, np.ndarray | None], said: str) -> None:
    path = save(tmp_path / "wrong.npz", **changed)
    with pytest.raises(DataError, match=said) as error:
        load_npz(path, 15.0, 4 / 3)
    assert "wrong.npz" in str(error.value)


def test_hands_alone_get_shoulders_that_never_move(tmp_path: Path) -> None:
    path = save(tmp_path / "hands.npz", pose=None)
    loaded = load_npz(path, 15.0, 4 / 3, hands_only=True)
    whole = load_npz(save(tmp_path / "whole.npz"), 15.0, 4 / 3)
    for found, known in zip(loaded, whole, strict=True):
        hands = [*range(POINTS)[LEFT_HAND], *range(POINTS)[RIGHT_HAND]]
        assert np.array_equal(found.clip.keypoints[:, hands], known.clip.keypoints[:, hands])
        assert (found.gloss, found.signer) == (known.gloss, known.signer)
        assert np.flatnonzero(found.clip.keypoints[..., PRESENCE].any(axis=0)).tolist()[:2] == SHOULDERS
        assert np.ptp(found.clip.keypoints[:, SHOULDERS], axis=0).max() == 0.0
        assert found.shows_shoulders
    # A shoulder width is 0.45 of the width of these frames, which is 0.6 of their height.
    windows = normalise(np.stack([e.clip.keypoints for e in loaded]), 4 / 3)
    np.testing.assert_allclose(windows[..., SHOULDERS, 0], np.broadcast_to([0.5, -0.5], (36, 18, 2)), atol=1e-6)
    wrist = loaded[0].clip.keypoints[0, RIGHT_HAND.start, :2]
    wanted = (wrist - (0.5, 0.6)) * (4 / 3, 1.0) / 0.6
    np.testing.assert_allclose(windows[0, 0, RIGHT_HAND.start, :2], wanted, atol=1e-5)


def test_a_set_says_that_it_has_hands_alone(tmp_path: Path) -> None:
    path = write(tmp_path)
    save(tmp_path / "tiny.npz", pose=None)
    with pytest.raises(DataError, match=r"tiny\.npz: no array named pose \(a set of hands alone needs hands_only"):
        load_sets(load_config(path).data, tmp_path)
    path.write_text(path.read_text().replace('file = "tiny.npz"', 'file = "tiny.npz"\nhands_only = true'))
    hands = load_config(path)
    assert len(load_sets(hands.data, tmp_path, hands.model)) == 36
    assert hands.experiment is not None
    assert "the shoulders of tiny.npz are made up" in hands.experiment


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "hands_only, but there is an array named pose"),
        ({"pose": None, "left_hand": None}, "no array named left_hand$"),
        ({"pose": None, "left_hand": np.zeros(36)}, "part shapes"),
        ({"pose": None, "right_hand": np.zeros((36, 17, 21, 3))}, "part shapes"),
    ],
)
def test_wrong_hands_are_refused_by_name(tmp_path: Path, changed: dict[str, np.ndarray | None], said: str) -> None:
    with pytest.raises(DataError, match=rf"wrong\.npz: .*{said}"):
        load_npz(save(tmp_path / "wrong.npz", **changed), 15.0, 4 / 3, hands_only=True)


def test_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(DataError, match=r"text\.npz: not a readable"):
        load_npz(tmp_path / "text.npz", 15.0, 4 / 3)
    (tmp_path / "empty.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.npz: not a readable"):
        load_npz(tmp_path / "empty.npz", 15.0, 4 / 3)
    with pytest.raises(DataError, match="no such file"):
        load_npz(tmp_path / "none.npz", 15.0, 4 / 3)


def test_no_signer_is_on_both_sides_of_a_split() -> None:
    seen, unseen = split_by_signer(examples(), ["cem"])
    assert {e.signer for e in seen} == {"ann", "bea"}
    assert {e.signer for e in unseen} == {"cem"}
    with pytest.raises(DataError, match="dora"):
        split_by_signer(examples(), ["dora"])


def test_sets_have_roles(tmp_path: Path) -> None:
    tiny = config(tmp_path).data
    for signer in SIGNERS:
        keep = arrays()["signer"] == signer
        save(tmp_path / f"{signer}.npz", **{name: value[keep] for name, value in arrays().items()})
    ann, bea, cem = (tiny.sets[0].model_copy(update={"file": f"{signer}.npz"}) for signer in SIGNERS)
    sets = (ann, bea.model_copy(update={"role": "dev"}), cem.model_copy(update={"role": "test"}))
    data = tiny.model_copy(update={"held_out": (), "sets": sets})
    split = load_split(data, tmp_path)
    assert [{e.signer for e in part} for part in split] == [{"ann"}, {"bea"}, {"cem"}]
    assert {e.signer for e in load_sets(data, tmp_path)} == {"ann"}
    both = data.model_copy(update={"sets": (tiny.sets[0], *sets[1:])})
    with pytest.raises(DataError, match="signers both in train and in dev: bea"):
        load_split(both, tmp_path)
    with pytest.raises(DataError, match="signers both in train and in test: cem"):
        load_split(both.model_copy(update={"sets": (both.sets[0], sets[2])}), tmp_path)
    shared = load_split(both.model_copy(update={"shared_signers": True}), tmp_path)
    assert {e.signer for e in shared.train} == set(SIGNERS)
    kept_back = load_split(both.model_copy(update={"held_out": ("bea", "cem"), "sets": both.sets[:1]}), tmp_path)
    assert [{e.signer for e in part} for part in kept_back] == [{"ann"}, set(), set()]
    with pytest.raises(DataError, match="no clip with a gloss of the vocabulary is left for dev"):
        load_split(data.model_copy(update={"held_out": ("bea",), "sets": (tiny.sets[0], sets[1])}), tmp_path)


def test_dev_signers_are_taken_out_of_training(tmp_path: Path) -> None:
    data = config(tmp_path).data.model_copy(update={"dev_signers": ("bea",)})
    split = load_split(data, tmp_path)
    assert [{e.signer for e in part} for part in split] == [{"ann"}, {"bea"}, set()]
    with pytest.raises(DataError, match="dev signers not in the data: dora"):
        load_split(data.model_copy(update={"dev_signers": ("dora",)}), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('file = "tiny.npz"', 'file = "tiny.npz"\nrole = "dev"', "no set has the role train"),
        ('file = "tiny.npz"', 'file = "tiny.npz"\nrole = "training"', r"sets\.0\.role"),
        ('["cem"]', '["cem"]\ndev_signers = ["cem"]', "cem: both in held_out and in dev_signers"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=rf"tiny\.toml: data.*{said}"):
        load_config(path)


def test_a_fingerprint_knows_clips_labels_and_order() -> None:
    clips = examples()
    other = examples()
    other[0].clip.keypoints[0, 0, 0] += 1e-3
    changed = ([*clips[1:], clips[0]], clips[1:], [replace(clips[0], gloss="low"), *clips[1:]], other)
    prints = {fingerprint(given) for given in (clips, *changed)}
    assert len(prints) == 5
    assert fingerprint(examples()) in prints


def test_aliases_and_distractors(tmp_path: Path) -> None:
    base = config(tmp_path).data
    source = base.sets[0].model_copy(update={"alias": {"low": "high"}})
    renamed = base.model_copy(update={"sets": (source,)})
    assert {e.gloss for e in load_sets(renamed, tmp_path)} == {"high", "no sign"}
    narrow = base.model_copy(update={"vocabulary": ("high", "no sign")})
    assert {e.gloss for e in load_sets(narrow, tmp_path)} == {"high", "no sign"}
    wide = narrow.model_copy(update={"distractors": True})
    assert classes_of(load_sets(wide, tmp_path), wide) == ("high", "no sign", "low")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"alias": {"hihg": "low"}}, "alias of gloss hihg"),
        ({"language": "AST"}, "language AST"),
    ],
)
def test_a_misspelt_name_in_the_config_is_refused(tmp_path: Path, change: dict[str, object], named: str) -> None:
    base = config(tmp_path).data
    save(tmp_path / "tiny.npz", language=np.array(["ASL"] * 36))
    data = base.model_copy(update={"sets": (base.sets[0].model_copy(update=change),)})
    with pytest.raises(DataError, match=rf"tiny\.npz: {named}: not in the file"):
        load_sets(data, tmp_path)


def test_a_face_without_indices_is_taken_in_the_layouts_order(tmp_path: Path) -> None:
    face = np.full((36, 18, 96, 2), 0.5, np.float32)
    assert load_npz(save(tmp_path / "a.npz", face=face), 15.0, 4 / 3)[0].clip.keypoints[0, FACE, PRESENCE].all()


def test_a_prefix_keeps_a_set_apart_except_for_its_aliases(tmp_path: Path) -> None:
    base = config(tmp_path).data
    foreign = base.sets[0].model_copy(update={"prefix": "ksl:", "alias": {"no sign": "no sign"}})
    data = base.model_copy(update={"sets": (foreign,), "distractors": True})
    assert {e.gloss for e in load_sets(data, tmp_path)} == {"ksl:high", "ksl:low", "no sign"}


def test_signers_of_a_gloss_count_alike_however_many_clips_they_gave() -> None:
    few = [e for e in examples(2) if e.signer == "ann"]
    many = [e for e in examples(8) if e.signer == "bea"]
    weights = draw_weights(few + many, GLOSSES)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[: len(few)].sum() == pytest.approx(weights[len(few) :].sum())
    favoured = draw_weights([replace(e, share=3.0) for e in few] + many, GLOSSES)
    assert favoured[: len(few)].sum() == pytest.approx(0.75)


def test_drawing_follows_the_weights() -> None:
    weights = np.array([0.5, 0.25, 0.25, 0.0])
    drawn = list(batches(weights, 40, 8, np.random.default_rng(0)))
    assert [len(b) for b in drawn] == [8] * 5
    counts = np.bincount(np.concatenate(drawn), minlength=4)
    np.testing.assert_allclose(counts, [20, 10, 10, 0], atol=1)


def test_an_rgb_stream_gets_the_pictures_of_its_clips(tmp_path: Path) -> None:
    c = load_config(write_rgb(tmp_path, "keypoints"))
    loaded = load_sets(c.data, tmp_path, c.model)
    assert [e.frames.clip for e in loaded if e.frames] == list(range(36))
    last = loaded[-1].frames
    assert last is not None
    np.testing.assert_allclose(last.read(np.array([17]))[0], pictures(loaded[-1].gloss, seed=35)[17], atol=40)
    assert all(e.frames is None for e in load_sets(c.data, tmp_path))
    write_frames(tmp_path / "tiny.frames.zip", [pictures("low")])
    with pytest.raises(FramesError, match=r"tiny\.frames\.zip: pictures of 1 clips, and the \.npz has 36"):
        load_sets(c.data, tmp_path, c.model)


def test_clips_without_a_signer_are_kept_for_pixels_alone(tmp_path: Path) -> None:
    alone = load_config(write_rgb(tmp_path))
    content = arrays()
    content["pose"][5] = 0
    save(tmp_path / "tiny.npz", **content)
    both = load_config(write_rgb(tmp_path / "both", "keypoints")).model
    save(tmp_path / "tiny.npz", **content)
    kept = load_sets(alone.data, tmp_path, alone.model)
    assert len(kept) == 36
    dropped = load_sets(alone.data, tmp_path, both)
    assert [e.frames.clip for e in dropped if e.frames] == [i for i in range(36) if i != 5]
    assert len(load_sets(alone.data, tmp_path)) == 35


def test_thinning_spreads_the_kept_clips_of_each_signers_gloss() -> None:
    clip = examples(1)[0].clip
    clips = [Example(clip, "high", "ann", share=float(i)) for i in range(5)] + [Example(clip, "high", "bea")]
    kept = thinned(clips, 3)
    assert [(e.signer, e.share) for e in kept] == [("ann", 0.0), ("ann", 2.0), ("ann", 4.0), ("bea", 1.0)]
    assert thinned(clips, 5) == clips
