import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from glosscast.keypoints import FACE, PRESENCE, RIGHT_HAND
from tests.training.synthetic import config, examples, write, write_frames, write_rgb
from training.config import ConfigError, load_config
from training.data import DataError, load_sets, split_by_signer
from training.data.sampling import split_mining
from training.evaluation.scores import TorchClassifier, score
from training.loop.schedule import LrFactor
from training.losses.adaptive import AdaptiveLoss
from training.losses.isolated import isolated_loss
from training.models.recogniser import Output
from training.tasks.train import fit
from training.tasks.window_feed import Feed

CLASSES = ("high", "low", "no sign")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "clips_per_epoch = 48",
            "clips_per_epoch = 11",
            "optimiser: .*clips_per_epoch 11 is less than one batch of 12",
        ),
        ("lr = 3e-3", "lr = inf", r"optimiser\.lr: "),
        ('"low", "no sign"]', '"low", "low", "no sign"]', "data: .*unique"),
        ('name = "tiny"', 'name = ""', "name: "),
        ("seed = 1", "seed = -1", "seed: "),
        ("seed = 1", "seed = ", "not TOML"),
    ],
)
def test_a_faulty_config_is_refused_with_its_file_and_key(tmp_path: Path, key: str, value: str, said: str) -> None:
    path = write(tmp_path)
    assert key in path.read_text()
    path.write_text(path.read_text().replace(key, value, 1))
    with pytest.raises(ConfigError, match=rf"tiny\.toml: {said}"):
        load_config(path)


def test_training_stops_when_the_loss_is_no_number(tmp_path: Path) -> None:
    tiny = config(tmp_path)
    wild = tiny.model_copy(update={"optimiser": tiny.optimiser.model_copy(update={"lr": 1e30})})
    with pytest.raises(ValueError, match="the loss is nan"):
        fit(wild, examples(), progress=False)


def test_an_epoch_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    tiny = config(tmp_path)
    feed = Feed(tiny, CLASSES, examples())
    first, again = list(feed.epoch(0, 24)), list(Feed(tiny, CLASSES, examples()).epoch(0, 24))
    assert len(first) == 2
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
    assert not torch.equal(first[0][0], next(feed.epoch(1, 24))[0])
    other_seed = Feed(tiny.model_copy(update={"seed": 2}), CLASSES, examples())
    assert not torch.equal(first[0][0], next(other_seed.epoch(0, 24))[0])


def test_every_tenth_clip_of_a_signers_gloss_is_kept_back() -> None:
    clips = examples(20)
    training, mining = split_mining(clips)
    assert len(mining) == len(clips) // 10
    assert {(e.gloss, e.signer) for e in mining} == {(e.gloss, e.signer) for e in clips}
    assert not {id(e) for e in mining} & {id(e) for e in training}


def test_with_few_clips_confusions_are_counted_on_the_training_ones() -> None:
    clips = examples(4)
    training, mining = split_mining(clips)
    assert training == mining == clips


def test_the_learning_rate_rises_then_falls_to_a_hundredth(tmp_path: Path) -> None:
    factor = LrFactor(config(tmp_path, epochs=10).optimiser, 4)  # half an epoch of warm-up
    assert [factor(0), factor(1)] == [0.5, 1.0]
    rates = [factor(step) for step in range(2, 40)]
    assert all(a >= b for a, b in pairwise(rates))
    assert factor(40) == pytest.approx(0.01)
    assert factor(21) == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2)), abs=1e-3)


def test_steps_are_counted_as_the_optimiser_makes_them(tmp_path: Path) -> None:
    optimiser = config(tmp_path, epochs=10).optimiser
    halved = LrFactor(optimiser.model_copy(update={"accumulate": 2}), 7)
    same = LrFactor(optimiser, 4)
    assert [halved(step) for step in range(41)] == [same(step) for step in range(41)]


def test_the_adaptive_loss_starts_after_its_warm_up(tmp_path: Path) -> None:
    loss_of = isolated_loss(config(tmp_path, fusion=True).loss, CLASSES, embedding=8)
    assert isinstance(loss_of, AdaptiveLoss)
    loss_of.confusion.update(torch.ones(3, 3))
    labels = torch.tensor([0, 1, 0, 1])
    output = Output(torch.zeros(4, 3), torch.nn.functional.normalize(torch.ones(4, 8), dim=1))
    losses = [loss_of(epoch, output, labels).item() for epoch in (0, 1)]
    assert losses[0] == pytest.approx(math.log(3))
    # Identical embeddings lie a whole margin short: 0.6 * (1 + 0.5) of the most similar pair.
    assert losses[1] == pytest.approx(0.6 * math.log(3) + 0.4 * 0.9, rel=1e-4)


def test_a_gloss_without_a_clip_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip of low"):
        fit(config(tmp_path), [e for e in examples() if e.gloss != "low"])


def test_dev_clips_are_scored_and_teach_nothing(tmp_path: Path) -> None:
    tiny = config(tmp_path, epochs=2)
    seen = examples()
    dev = [e for e in examples() if e.signer == "cem"]
    watched = fit(tiny, seen, progress=False, dev=dev, out=tmp_path)
    unwatched = fit(tiny, seen, progress=False)
    assert all(torch.equal(value, unwatched.state[name]) for name, value in watched.state.items())
    last = (tmp_path / "logs" / "log.csv").read_text().splitlines()[-1]
    classify = TorchClassifier(watched.build(), 3)
    scores = score(dev, tiny.data.vocabulary, tiny.pipeline(classify))
    assert float(last.split(",")[4]) == pytest.approx(scores.accuracy, abs=1e-5)
    with pytest.raises(DataError, match="no dev clip has a gloss of the vocabulary"):
        fit(tiny, seen, progress=False, dev=[replace(dev[0], gloss="other")])


def test_the_average_of_the_weights_is_saved(tmp_path: Path) -> None:
    tiny = config(tmp_path, epochs=1)
    last = tiny.model_copy(update={"optimiser": tiny.optimiser.model_copy(update={"ema": 0.0})})
    averaged, plain = fit(tiny, examples(), progress=False), fit(last, examples(), progress=False)
    assert not torch.equal(averaged.state["classify.weight"], plain.state["classify.weight"])


@pytest.mark.slow
def test_confusions_are_kept_with_the_adaptive_loss_only(tmp_path: Path) -> None:
    adaptive = fit(config(tmp_path / "a", fusion=True, epochs=1), examples(), progress=False).confusion
    assert adaptive is not None
    assert adaptive.shape == (3, 3)
    assert adaptive.max() > 0
    assert fit(config(tmp_path / "b", epochs=1), examples(), progress=False).confusion is None


def test_keypoints_are_fed_the_same_with_and_without_pictures(tmp_path: Path) -> None:
    path = write_rgb(tmp_path, "keypoints")
    both, plain = load_config(path), config(tmp_path)
    seeing = next(Feed(both, CLASSES, load_sets(both.data, tmp_path, both.model)).epoch(0, 24))
    blind = next(Feed(plain, CLASSES, load_sets(plain.data, tmp_path)).epoch(0, 24))
    assert blind.frames is None
    assert seeing.frames is not None
    assert (seeing.frames.shape, seeing.frames.dtype) == ((12, 16, 32, 32, 3), torch.uint8)
    assert all(torch.equal(a, b) for a, b in zip(seeing[:3], blind[:3], strict=True))


def test_a_model_without_the_face_is_fed_none(tmp_path: Path) -> None:
    seeing = config(tmp_path)
    blind = seeing.model_copy(update={"model": seeing.model.model_copy(update={"face": False})})
    clips = examples()
    for example in clips:
        example.clip.keypoints[:, FACE] = (0.5, 0.3, 0.0, 1.0)
    assert next(Feed(seeing, CLASSES, clips).epoch(0, 24)).keypoints[:, :, FACE].any()
    assert not next(Feed(blind, CLASSES, clips).epoch(0, 24)).keypoints[:, :, FACE].any()


def test_pictures_of_a_batch_are_those_of_its_clips_and_mirrored_with_them(tmp_path: Path) -> None:
    both = load_config(write_rgb(tmp_path, "keypoints"))
    still = dict.fromkeys(type(both.augmentation).model_fields, 0.0) | {"mirror": 0.5}
    both = both.model_copy(update={"augmentation": type(both.augmentation)(**still)})
    left_light = np.zeros((18, 32, 32, 3), np.uint8)
    left_light[:, :, :16] = 200
    write_frames(tmp_path / "tiny.frames.zip", [left_light] * 36)
    clips = load_sets(both.data, tmp_path, both.model)
    batch = next(Feed(both, CLASSES, clips).epoch(0, 24))
    assert batch.frames is not None
    light_left = batch.frames[:, 0, :, :16].float().mean((1, 2, 3)) > 100
    right_hand_is_right = batch.keypoints[:, 0, RIGHT_HAND.start, PRESENCE] > 0
    assert torch.equal(light_left, right_hand_is_right)
    assert 0 < light_left.sum() < 12


def test_clips_without_pictures_cannot_feed_an_rgb_stream(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clips without pictures: extract with --rgb"):
        Feed(load_config(write_rgb(tmp_path)), CLASSES, examples())


@pytest.mark.parametrize("streams", [(), ("pose", "keypoints")])
@pytest.mark.slow
def test_a_model_with_pixels_learns_from_them(tmp_path: Path, streams: tuple[str, ...]) -> None:
    rgb = load_config(write_rgb(tmp_path, *streams, epochs=8))
    seen, unseen = split_by_signer(load_sets(rgb.data, tmp_path, rgb.model), rgb.data.held_out)
    model = fit(rgb, seen, progress=False).build()
    scores = score(unseen, CLASSES, rgb.pipeline(TorchClassifier(model, 3)))
    assert scores.accuracy > 0.8
