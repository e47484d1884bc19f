from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glosscast.clip import Clip
from glosscast.decoding import window_starts
from tests.training.synthetic import GLOSSES as CLASSES
from tests.training.synthetic import config, examples, write_rgb
from training.config import Config, load_config
from training.data import DataError, load_sets
from training.evaluate import TorchClassifier, score, select, tally
from training.folds import VARIANTS, FoldReport, Run, variant_of
from training.losses.adaptive import AdaptiveConfig
from training.losses.focal import FocalConfig
from training.losses.isolated import LossConfig
from training.losses.triplet import TripletConfig
from training.model import Output, Recogniser
from training.report import markdown


def test_figures_against_a_count_by_hand() -> None:
    scores = tally(
        ["yes", "yes", "yes", "no"],
        ["ann", "ann", "bea", "bea"],
        [["yes", "no"], ["no", "yes"], ["yes", "no"], ["yes", "hello"]],
    )
    assert (scores.n, scores.accuracy, scores.top5) == (4, 0.5, 0.75)
    assert scores.per_gloss["yes"].accuracy == pytest.approx(2 / 3)
    assert scores.per_gloss["yes"].f1 == pytest.approx(2 * 2 / (3 + 3))
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.0) / 2)
    assert {s: r.accuracy for s, r in scores.per_signer.items()} == {"ann": 0.5, "bea": 0.5}
    assert {(c.gloss, c.predicted, c.count) for c in scores.confusions} == {("yes", "no", 1), ("no", "yes", 1)}


def test_only_glosses_of_the_vocabulary_are_scored_after_renaming() -> None:
    chosen = select(examples(1), ("up", "no sign"), {"high": "up"})
    assert {e.gloss for e in chosen} == {"up", "no sign"}


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    c = config(tmp_path)
    with pytest.raises(ValueError, match="no clip"):
        score([], c.data.vocabulary, c.clip, c.segmenter, c.decoder, lambda windows: np.zeros((len(windows), 3)))


def run(variant: str, seed: int, right: bool) -> Run:
    scores = tally(["high", "low"], ["ann", "ann"], [["high"], ["low" if right else "high"]])
    return Run(variant=variant, seed=seed, held_out=("ann",), scores=scores)


def test_a_fold_report_pools_the_main_variant(tmp_path: Path) -> None:
    runs = (run("fusion+adaptive", 1, True), run("fusion+adaptive", 2, False), run("fusion+ce", 1, False))
    report = FoldReport(config=config(tmp_path), glosses=("high", "low"), runs=runs)
    assert report.by_seed("fusion+adaptive") == {1: 1.0, 2: 0.5}
    assert report.per_gloss["low"].accuracy == 0.5
    assert report.per_gloss["low"].n == 1  # one clip, seen by two seeds
    assert report.metrics["left_out_signers_accuracy"] == 0.75
    similarity = report.similarity(("high", "low", "no sign"))
    assert similarity[0, 1] == similarity[1, 0] == pytest.approx(0.25)
    assert "| fusion+adaptive | 75.0 % | 50.0 to 100.0 |" in markdown(report)


def test_variants_differ_in_streams_and_loss_alone(tmp_path: Path) -> None:
    base = config(tmp_path, fusion=True)
    only = variant_of(base, "keypoints+ce", 7)
    assert (only.model.streams, only.loss.adaptive, only.seed) == (("keypoints",), None, 7)
    assert variant_of(base, "fusion+adaptive", base.seed) == base
    assert variant_of(base, "keypoints+triplet", 1).loss.triplet == TripletConfig(margin=0.2)
    assert variant_of(base, "keypoints+focal", 1).loss.focal == FocalConfig(gamma=2.0)
    prototype = variant_of(base, "fusion+prototype", 1)
    assert prototype.loss.adaptive == adaptive_with(base, form="prototype")
    for variant in VARIANTS:
        LossConfig.model_validate(variant_of(base, variant, 1).loss.model_dump())
    with pytest.raises(ValueError, match="unknown variant"):
        variant_of(base, "smell+ce", 1)


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


class Watcher(Recogniser):
    """Notes the frames it is shown, by their brightness."""

    def forward(self, keypoints: Tensor, mask: Tensor, frames: Tensor | None = None) -> Output:
        assert frames is not None
        self.seen = ((frames[:, :, -1, -1, 0].float() - 10) / 5).round().int().tolist()
        return Output(torch.zeros(len(keypoints), 3), torch.zeros(len(keypoints), 1))


def test_a_model_of_pixels_is_shown_the_instants_of_its_window_even_where_nobody_is_seen(tmp_path: Path) -> None:
    c = load_config(write_rgb(tmp_path))
    clips = load_sets(c.data, tmp_path, c.model)[:1]
    unseen = [replace(e, clip=Clip(e.clip.t_ms + 500.0, e.clip.keypoints * 0, 1.0)) for e in clips]
    model = Watcher(c.model, 3, c.clip.alpha)
    scores = score(unseen, c.data.vocabulary, c.clip, c.segmenter, c.decoder, TorchClassifier(model, 3))
    assert "(no signer)" not in {c.predicted for c in scores.confusions}
    # 16 instants of 62.5 ms from a recording of 18 frames of 66.7 ms: some are half a frame off.
    starts = window_starts(500.0, 500.0 + 17 * 1000 / 15, 500.0, 500.0 + 17 * 1000 / 15, c.clip, c.decoder.hop_ms)
    exact = (np.array(starts)[:, None] - 500.0 + c.clip.times_ms) * 15 / 1000
    np.testing.assert_allclose(model.seen, exact, atol=0.501)
    together = TorchClassifier(Watcher(load_config(write_rgb(tmp_path, "keypoints")).model, 3, c.clip.alpha), 3)
    nobody = score(unseen, c.data.vocabulary, c.clip, c.segmenter, c.decoder, together)
    assert nobody.confusions[0].predicted == "(no signer)"


def test_pixels_are_not_made_up_where_a_clip_has_none(tmp_path: Path) -> None:
    c = load_config(write_rgb(tmp_path))
    classifier = TorchClassifier(Recogniser(c.model, 3, c.clip.alpha), 3)
    with pytest.raises(DataError, match="clips without pictures"):
        score(examples(1), CLASSES, c.clip, c.segmenter, c.decoder, classifier)
