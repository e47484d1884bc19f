"""Settings of a config that are for experiments: what is hidden, how few clips there are, and changes by `--set`."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.to_onnx import export_bundle
from glosscast.clip import Clip
from glosscast.keypoints import ARMS, CHANNELS, FACE, LEFT_HAND, POINTS, POSE, PRESENCE, RIGHT_HAND, Pose
from tests.training.synthetic import ADAPTIVE, adaptive_config, config, write
from training.__main__ import main
from training.comparison.kinds import COMPARISONS, ComparisonKind
from training.comparison.plan import Plan
from training.config import Config, ConfigError, LossConfig, load_config
from training.config.variants import variant_of
from training.data import load_sets, load_split
from training.data.hiding import without
from training.models.checkpoint import Checkpoint


def signer(left: float, right: float, frames: int = 12) -> Clip:
    """Everything seen, each hand moving by so much of the frame's height in each frame."""
    keypoints = np.ones((frames, POINTS, CHANNELS), np.float32)
    for hand, step in ((LEFT_HAND, left), (RIGHT_HAND, right)):
        keypoints[:, hand, 1] = 0.1 + step * np.arange(frames)[:, None]
    return Clip(np.arange(frames) * 50.0, keypoints, 1.5)


def missing(clip: Clip) -> set[int]:
    return set(np.flatnonzero(~clip.keypoints.any(axis=(0, 2))))


def test_a_hidden_face_takes_the_head_of_the_body_with_it() -> None:
    clip = signer(0.01, 0.02)
    hidden = without(clip, ["face"])
    assert missing(hidden) == {*range(POINTS)[FACE], *range(11)}
    assert missing(clip) == set()
    assert not {*ARMS} & missing(hidden)
    assert without(clip, ()) is clip


@pytest.mark.parametrize("swapped", [False, True])
def test_the_hand_that_moves_less_is_hidden_with_its_points_of_the_body(swapped: bool) -> None:
    hand, wrist = (RIGHT_HAND, Pose.RIGHT_WRIST) if swapped else (LEFT_HAND, Pose.LEFT_WRIST)
    steps = (0.02, 0.01)[:: 1 if swapped else -1]
    wanted = {*range(POINTS)[hand], *range(wrist, Pose.LEFT_HIP, 2)}
    assert missing(without(signer(*steps), ["lesser_hand"])) == wanted
    assert len(wanted) == 21 + 4


def test_what_a_hand_does_unseen_does_not_count_and_of_two_at_rest_the_one_seen_less_is_hidden() -> None:
    clip = signer(left=0.03, right=0.01)
    clip.keypoints[::2, LEFT_HAND] = 0.0  # never seen in two frames on end
    assert missing(without(clip, ["lesser_hand"])) > {*range(POINTS)[LEFT_HAND]}
    still = signer(left=0.0, right=0.0)
    still.keypoints[:, LEFT_HAND] = 0.0
    assert without(still, ["lesser_hand"]).keypoints[:, RIGHT_HAND, PRESENCE].all()


def test_clips_to_learn_from_and_to_score_are_both_without_what_is_hidden(tmp_path: Path) -> None:
    base = config(tmp_path)
    hidden = base.data.model_copy(update={"hide": ("face",)})
    train = load_split(hidden, tmp_path).train
    scored = [e for e in load_sets(hidden, tmp_path) if e.signer == "cem"]
    assert len(scored) == 12
    for example in (*train, *scored):
        assert not example.clip.keypoints[:, POSE][:, Pose.NOSE].any()
    assert any(e.clip.keypoints[:, POSE][:, Pose.NOSE].any() for e in load_sets(base.data, tmp_path))


def test_few_clips_of_each_signers_gloss_are_learned_from_and_all_scored(tmp_path: Path) -> None:
    path = write(tmp_path)
    text = path.read_text().replace("[[data.sets]]", 'dev_signers = ["bea"]\nclips_per_signer_gloss = 2\n[[data.sets]]')
    path.write_text(text)
    data = load_config(path).data
    split = load_split(data, tmp_path)
    assert set(Counter((e.gloss, e.signer) for e in split.train).values()) == {2}
    assert set(Counter((e.gloss, e.signer) for e in split.dev).values()) == {4}
    assert len(load_sets(data, tmp_path)) == 36


def test_keys_of_a_config_are_changed_by_their_place(tmp_path: Path) -> None:
    path = write(tmp_path, fusion=True)
    base = load_config(path)
    made = load_config(
        path, ['data.hide=["face", "lesser_hand"]', "optimiser.epochs=3", "loss.adaptive.form=prototype"]
    )
    assert (made.data.hide, made.optimiser.epochs) == (("face", "lesser_hand"), 3)
    assert made.loss.adaptive is not None
    assert made.loss.adaptive.form == "prototype"
    adaptive = made.loss.adaptive.model_copy(update={"form": "batch"})
    back = {
        "data": made.data.model_copy(update={"hide": ()}),
        "optimiser": base.optimiser,
        "loss": made.loss.model_copy(update={"adaptive": adaptive}),
    }
    assert made.model_copy(update=back) == base


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("data.hide", "must be KEY=VALUE"),
        ("=3", "must be KEY=VALUE"),
        ('data.hide=["feet"]', r"data\.hide"),
        ("data.clips_per_signer_gloss=0", r"data\.clips_per_signer_gloss"),
        ("data.clips=3", r"data\.clips"),
        ("name.first=x", "name is no table"),
    ],
)
def test_a_wrong_change_is_refused_by_name(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(write(tmp_path), [setting])


def test_pictures_cannot_be_hidden(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(ConfigError, match="the pictures of an rgb stream would show"):
        load_config(path, ['model.streams=["rgb"]', 'data.hide=["face"]'])


def experiments(folder: Path) -> list[Config]:
    path = write(folder)
    path.write_text(path.read_text() + ADAPTIVE)
    return [
        load_config(path, ['data.hide=["face"]']),
        load_config(path, ["loss.adaptive.mining=test"]),
        variant_of(load_config(path), "keypoints+prototype:mining=test", 1),
    ]


def test_no_bundle_is_made_of_an_experiment(tmp_path: Path) -> None:
    for made in experiments(tmp_path):
        checkpoint = Checkpoint(config=made, classes=made.data.vocabulary, state={}, confusion=None, signers={})
        with pytest.raises(ValueError, match=r"tiny is for an experiment, not for use: (hide|mining)"):
            export_bundle(checkpoint, tmp_path / "bundle")
        assert not (tmp_path / "bundle").exists()
    honest = config(tmp_path)
    loss = LossConfig(adaptive=adaptive_config(mining="signers"))
    assert honest.model_copy(update={"loss": loss}).experiment is None


def test_clips_keep_what_else_they_have() -> None:
    clip = replace(signer(0.01, 0.02), people=np.ones(12, np.int64))
    hidden = without(clip, ["face"])
    assert hidden.people is clip.people
    assert hidden.aspect == clip.aspect
    assert np.array_equal(hidden.t_ms, clip.t_ms)


def test_a_comparison_takes_changes_of_the_config_and_the_first_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Plan, str]] = []

    def note(plan: Plan, data: Path, command: str, jobs: int) -> Path:
        made.append((plan, command))
        return plan.out

    monkeypatch.setitem(COMPARISONS, "isolated", ComparisonKind(("keypoints+ce",), note))
    changes = ["--set", "optimiser.epochs=3", "--set", 'data.hide=["face", "lesser_hand"]', "--first", "1"]
    folds = ["--fold", "ann", "--fold", "bea"]
    assert main(["compare", "--config", str(write(tmp_path)), "--out", str(tmp_path / "out"), *folds, *changes]) == 0
    plan, command = made[0]
    assert (plan.config.optimiser.epochs, plan.config.data.hide) == (3, ("face", "lesser_hand"))
    assert plan.folds == (("ann",),)
    assert '--set optimiser.epochs=3 --set \'data.hide=["face", "lesser_hand"]\'' in command
    assert "--first 1" in command
