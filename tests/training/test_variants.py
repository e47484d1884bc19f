import re
from pathlib import Path

import pytest

from tests.training.synthetic import config
from training.config import AdaptiveConfig, Config, FocalConfig, LossConfig, TripletConfig
from training.config.variants import LOSSES, LSTM, STREAMS, variant_of


def test_variants_differ_in_streams_and_loss_alone(tmp_path: Path) -> None:
    base = config(tmp_path, fusion=True)
    only = variant_of(base, "keypoints+ce", 7)
    assert (only.model.streams, only.loss.adaptive, only.seed) == (("keypoints",), None, 7)
    assert variant_of(base, "fusion+adaptive", base.seed) == base
    assert variant_of(base, "keypoints+triplet", 1).loss.triplet == TripletConfig(margin=0.2)
    assert variant_of(base, "keypoints+focal", 1).loss.focal == FocalConfig(gamma=2.0)
    prototype = variant_of(base, "fusion+prototype", 1)
    assert prototype.loss.adaptive == adaptive_with(base, form="prototype")
    for variant in (f"{streams}+{loss}" for streams in STREAMS for loss in LOSSES):
        made = variant_of(base, variant, 1)
        assert Config.model_validate(made.model_dump()) == made


def test_without_a_loss_a_variant_has_the_configs_own(tmp_path: Path) -> None:
    base = config(tmp_path, fusion=True)
    assert variant_of(base, "fusion", base.seed) == base
    assert variant_of(base, "pose", 1).loss == base.loss
    assert variant_of(base, "pose", 1).model.streams == ("pose",)


@pytest.mark.parametrize(
    "name", ["smell+ce", "keypoints+", "keypoints+magic", "lstm", "lstm+focal", "", "keypoints+ce+ce"]
)
def test_an_unknown_variant_gets_an_error_that_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown variant '.*one of fusion, keypoints, pose, .*; or lstm\+ce"):
        variant_of(config(tmp_path), name, 1)


def test_the_reference_model_has_plain_cross_entropy(tmp_path: Path) -> None:
    assert variant_of(config(tmp_path, fusion=True), LSTM, 3).loss == LossConfig(label_smoothing=0.05)


def adaptive_with(base: Config, **changes: object) -> AdaptiveConfig:
    assert base.loss.adaptive is not None
    return AdaptiveConfig.model_validate({**base.loss.adaptive.model_dump(), **changes})


def test_a_variant_keeps_the_configs_own_settings_of_its_loss(tmp_path: Path) -> None:
    base = config(tmp_path, fusion=True)
    sampled = base.model_copy(
        update={"loss": LossConfig(label_smoothing=0.0, adaptive=adaptive_with(base, confusable_share=0.5))}
    )
    assert variant_of(sampled, "fusion+prototype", 1).loss.adaptive == adaptive_with(base, form="prototype")
    wide = LossConfig(label_smoothing=0.0, triplet=TripletConfig(margin=0.5))
    assert variant_of(base.model_copy(update={"loss": wide}), "fusion+triplet", 1).loss == wide


def test_the_adaptive_loss_without_its_table_is_refused(tmp_path: Path) -> None:
    for variant in ("fusion+adaptive", "keypoints+prototype"):
        with pytest.raises(ValueError, match=r"needs a \[loss.adaptive\] table"):
            variant_of(config(tmp_path), variant, 1)


def test_a_variant_can_change_settings_of_its_loss(tmp_path: Path) -> None:
    base = config(tmp_path, fusion=True)
    made = variant_of(base, "keypoints+prototype-signers:margin=0.4:alpha=0.8", 1).loss
    assert made.adaptive == adaptive_with(base, form="prototype", mining="signers", margin=0.4, alpha=0.8)
    assert variant_of(base, "keypoints+adaptive:mining=signers", 1) == variant_of(base, "keypoints+adaptive-signers", 1)
    assert variant_of(base, "keypoints+triplet:margin=0.3", 1).loss.triplet == TripletConfig(margin=0.3)
    assert variant_of(base, "keypoints+ce:label_smoothing=0", 1).loss.label_smoothing == 0.0
    metric = variant_of(base, "keypoints+supcon:scale=10", 1).loss.metric
    assert metric is not None
    assert (metric.kind, metric.scale) == ("supcon", 10.0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("keypoints+focal:gamma", "'gamma': must be KEY=VALUE"),
        ("keypoints+focal:margin=1", "KEY must be one of gamma"),
        ("keypoints+focal:gamma=-1", "gamma: Input should be greater"),
        ("keypoints+adaptive:form=odd", "adaptive.form"),
        ("keypoints+ce:focal=1", "KEY must be one of label_smoothing"),
        ("keypoints:margin=1", "settings are of a named loss"),
        ("lstm+ce:label_smoothing=0", "settings are of a named loss"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        variant_of(config(tmp_path, fusion=True), name, 1)
