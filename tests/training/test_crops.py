from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.synthetic import ADAPTIVE, config, examples, write
from training.config import Config, ConfigError, CropConfig, load_config
from training.data import classes_of
from training.data.sentences import Sentence
from training.data.streams import draw_streams
from training.evaluation.scores import TorchClassifier
from training.tasks.crop_feed import CropFeed, middle_of_crop
from training.tasks.isolated import IsolatedTask
from training.tasks.train import fit

CROPS = """
[crops]
signs = [2, 3]
crops = 4
background = 0.5
middle = 0.5
"""


def with_crops(folder: Path, more: str = CROPS) -> Config:
    path = write(folder)
    path.write_text(path.read_text() + more)
    return load_config(path)


def streams(direct: float = 0.5) -> list[Sentence]:
    return draw_streams(examples(), ("high", "low"), (), CropConfig(signs=(2, 3), direct=direct), 6, 0)


def test_a_window_is_named_by_the_sign_at_its_middle() -> None:
    rng = np.random.default_rng(0)
    drawing = CropConfig(background=0.4, middle=0.5)
    named = 0
    for stream in streams():
        for _ in range(400):
            middle_ms, gloss = middle_of_crop(stream, drawing, rng)
            under_way = [s for s in stream.signs if s.start_ms <= middle_ms <= s.end_ms]
            if gloss is None:
                assert not under_way
                continue
            named += 1
            (sign,) = under_way
            assert gloss == sign.gloss
            assert 0.25 <= (middle_ms - sign.start_ms) / (sign.end_ms - sign.start_ms) <= 0.75
    assert named == pytest.approx(0.6 * 2400, rel=0.05)


def test_batches_depend_on_seed_and_epoch_alone(tmp_path: Path) -> None:
    made = with_crops(tmp_path)
    classes = classes_of(examples(), made.data)
    first, again, next_epoch = (next(CropFeed(made, classes, examples()).epoch(e, 12)) for e in (0, 0, 1))
    assert torch.equal(first.keypoints, again.keypoints)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.keypoints, next_epoch.keypoints)
    assert first.keypoints.shape == (12, made.clip.frames, 171, 4)
    assert set(first.labels.tolist()) == {0, 1, 2}


@pytest.mark.slow
def test_windows_of_an_unseen_signer_are_read(tmp_path: Path) -> None:
    made = with_crops(tmp_path)
    optimiser = made.optimiser.model_copy(update={"epochs": 12, "clips_per_epoch": 96})
    made = made.model_copy(update={"optimiser": optimiser})
    checkpoint = fit(made, [e for e in examples() if e.signer != "cem"], progress=False)
    assert isinstance(IsolatedTask(made, examples())._feed, CropFeed)
    unseen = CropFeed(made, checkpoint.classes, [e for e in examples() if e.signer == "cem"])
    batch = next(unseen.epoch(0, 12))
    model = TorchClassifier(checkpoint.build(), 3).model
    with torch.inference_mode():
        read = model(batch.keypoints, batch.mask).logits.argmax(dim=1)
    assert (read == batch.labels).float().mean() > 0.8


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('vocabulary = ["high", "low", "no sign"]\nno_sign = "no sign"', 'vocabulary = ["high", "low"]', "no no_sign"),
        ("[loss]\nlabel_smoothing = 0.05\n", "[loss]\n" + ADAPTIVE, "no confusions are counted"),
        ('streams = ["keypoints"]', 'streams = ["rgb"]', "keypoints alone"),
    ],
)
def test_what_windows_cannot_be_learned_with_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write(tmp_path)
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new) + CROPS)
    with pytest.raises(ConfigError, match=said):
        load_config(path)


def test_without_the_table_windows_are_those_of_clips(tmp_path: Path) -> None:
    assert not isinstance(IsolatedTask(config(tmp_path), examples())._feed, CropFeed)
