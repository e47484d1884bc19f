import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.training.synthetic import examples, write
from training.config import ConfigError, LossConfig, load_config
from training.losses.adaptive import AdaptiveLoss
from training.losses.cross_entropy import CrossEntropyLoss
from training.losses.focal import FocalLoss
from training.losses.isolated import isolated_loss
from training.losses.smoothing import SmoothingLoss
from training.losses.triplet import TripletLoss
from training.tasks.train import fit

ROOT = Path(__file__).parents[3]
TABLES = {
    "cross-entropy": ("", CrossEntropyLoss),
    "triplet": ("[loss.triplet]", TripletLoss),
    "focal": ("[loss.focal]\ngamma = 1.5", FocalLoss),
    "smoothing": ("[loss.smoothing]", SmoothingLoss),
}


def with_table(folder: Path, table: str) -> Path:
    path = write(folder, epochs=1)
    path.write_text(without_uniform_smoothing(path.read_text(), table) + table + "\n")
    return path


def without_uniform_smoothing(text: str, table: str) -> str:
    """The config's text for a loss that smooths its targets itself."""
    return re.sub(r"label_smoothing = \S+", "label_smoothing = 0.0", text) if "smoothing" in table else text


@pytest.mark.parametrize("name", TABLES)
def test_the_sub_table_chooses_the_loss(tmp_path: Path, name: str) -> None:
    table, kind = TABLES[name]
    chosen = isolated_loss(load_config(with_table(tmp_path, table)).loss, ("a", "b"), 8)
    assert type(chosen) is kind


def test_sub_tables_left_empty_take_the_published_settings(tmp_path: Path) -> None:
    triplet = load_config(with_table(tmp_path / "a", "[loss.triplet]")).loss.triplet
    focal = load_config(with_table(tmp_path / "b", "[loss.focal]")).loss.focal
    assert triplet is not None
    assert focal is not None
    assert (triplet.margin, triplet.weight, focal.gamma) == (0.2, 1.0, 2.0)


def test_the_webcam_config_asks_for_the_adaptive_loss_in_its_batch_form() -> None:
    loss = load_config(ROOT / "training" / "configs" / "webcam.toml").loss
    assert loss.adaptive is not None
    assert (loss.adaptive.form, loss.adaptive.confusable_share) == ("batch", 0.0)
    assert type(isolated_loss(loss, ("a", "b"), 8)) is AdaptiveLoss


def test_two_losses_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="more than one loss: triplet, focal"):
        load_config(with_table(tmp_path, "[loss.triplet]\n[loss.focal]"))


def test_a_target_is_smoothed_in_one_way_only(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + "[loss.smoothing]\n")
    with pytest.raises(ConfigError, match="smoothed in one way only"):
        load_config(path)


@pytest.mark.parametrize(
    "table",
    [{"triplet": {"margin": 0}}, {"focal": {"gamma": -1}}, {"focal": {"gamma": float("inf")}}, {"focal": {"gama": 1}}],
)
def test_settings_out_of_range_or_unknown_are_refused(table: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(table))}"):
        LossConfig.model_validate({"label_smoothing": 0.1, **table})


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A model this small only loses time to a second thread, a lot of it where other work runs beside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trained(folder: Path, table: str, *, adaptive: bool) -> torch.Tensor:
    """A weight after two epochs; `table` ends the config, after `[loss.adaptive]` where there is one."""
    path = write(folder, fusion=adaptive, epochs=2)
    text = without_uniform_smoothing(path.read_text().replace('"pose", ', ""), table)
    path.write_text(text + table + "\n")
    return fit(load_config(path), examples(), progress=False).state["classify.weight"]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("adaptive", "tables"),
    [
        (False, ("", "[loss.triplet]", "[loss.focal]", "[loss.smoothing]\nwarmup_epochs = 1")),
        (True, ("", 'form = "prototype"', "confusable_share = 0.25")),
    ],
)
@pytest.mark.slow
def test_each_loss_trains_another_model(tmp_path: Path, adaptive: bool, tables: tuple[str, ...]) -> None:
    models = [trained(tmp_path / str(i), table, adaptive=adaptive) for i, table in enumerate(tables)]
    assert all(model.isfinite().all() for model in models)
    assert not any(torch.equal(one, other) for one, other in combinations(models, 2))
