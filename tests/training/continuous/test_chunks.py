from pathlib import Path

import numpy as np
import pytest
import torch

from glosscast.keypoints import FACE
from tests.training.continuous import tiny
from tests.training.synthetic import examples
from training.config import ChunkConfig, Config, ConfigError, load_config
from training.data import classes_of
from training.data.sentences import Sign
from training.data.streams import draw_streams
from training.losses.continuous import UNTAGGED, ContinuousLoss
from training.models.continuous import continuous_recogniser
from training.tasks.sentence_feed import SentenceFeed, Signed, chunk, step_tags, times_of
from training.tasks.sentence_scores import sentences_of, unsigned

STREAMS = """
[continuous.streams]
signs = [2, 3]
direct = 1.0
chunk_ms = [1500.0, 2500.0]
"""
DRAWING = ChunkConfig(signs=(2, 3), chunk_ms=(1500.0, 2500.0))


def config(folder: Path, more: str = STREAMS) -> Config:
    content = tiny.text(joined=False).replace("distractors = false", "distractors = true\nbackground = true")
    return load_config(tiny.write(folder, content.replace('["high", "low", ', '["high", ') + more))


def test_a_chunk_has_the_glosses_whose_middle_it_shows() -> None:
    rng = np.random.default_rng(0)
    firsts, lasts, shown = 0, 0, set()
    for stream in draw_streams(examples(), tiny.SIGNS, (), DRAWING, 30, 1):
        part = chunk(stream, DRAWING, rng)
        first, last = part.knots_ms[0], part.knots_ms[-1]
        assert 1500.0 <= last - first <= 2500.0
        assert part.glosses == tuple(s.gloss for s in stream.signs if first <= (s.start_ms + s.end_ms) / 2 <= last)
        assert set(part.knots_ms[1:-1]) == {t for t in times_of(stream) if first < t < last}
        firsts += first == 0.0
        lasts += last == stream.clip.t_ms[-1]
        shown.add(len(part.glosses))
    # Utterances begin and end as often as they are cut.
    assert 3 <= firsts <= 20
    assert 3 <= lasts <= 20
    assert len(shown) > 1


def test_batches_of_chunks_have_other_signs_as_background_and_depend_on_the_seed(tmp_path: Path) -> None:
    made = config(tmp_path)
    seen = [e for e in examples() if e.signer != "cem"]
    classes = classes_of(seen, made.data)
    assert classes == ("high", "no sign")
    first, again = (next(SentenceFeed(made, classes, seen).epoch(0, 12)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first[:4], again[:4], strict=True))
    assert not torch.equal(first.keypoints, next(SentenceFeed(made, classes, seen).epoch(1, 12)).keypoints)
    assert {i for ids in first.signed() for i in ids} == {0, 1}
    slowest = 2500.0 * np.exp(made.augmentation.speed)
    assert (first.frames <= slowest / 1000 * made.clip.fps + 1).all()


def test_steps_are_taught_what_they_show_where_that_is_known() -> None:
    signs = (Sign("low", 0.0, 1000.0), Sign("high", 1500.0, 2500.0), Sign("low", 2600.0, 4000.0))
    part = Signed(examples()[0].clip, ("high",), np.array([600.0, 3200.0]), signs)
    tags = step_tags(part, np.arange(600.0, 3200.0, 200.0), {"high": 0, "low": 1}, blank=2)
    known = {600: None, 800: None, 1000: None, 1200: 2, 1400: 2, 1600: None, 1800: 0, 2000: 0, 2200: 0, 2400: 0}
    known |= {2600: None, 2800: None, 3000: None}
    assert tags.tolist() == [UNTAGGED if tag is None else tag for tag in known.values()]


def test_steps_are_learned_beside_sentences(tmp_path: Path) -> None:
    seen = [e for e in examples() if e.signer != "cem"]
    plain = config(tmp_path)
    assert next(SentenceFeed(plain, ("high", "no sign"), seen).epoch(0, 12)).tags is None
    made = with_steps(plain, 1.0)
    batch = next(SentenceFeed(made, ("high", "no sign"), seen).epoch(0, 12))
    assert batch.tags is not None
    assert batch.tags.shape == (12, -(-int(batch.frames.max()) // 2))
    loss = ContinuousLoss(made.continuous.loss, ("high", "no sign"), 4)  # type: ignore[union-attr]
    blank = torch.full_like(batch.tags, 2).where(batch.tags != UNTAGGED, UNTAGGED)
    steps = (batch.tags != UNTAGGED).sum(dim=1).clamp(min=6)
    features = torch.zeros(12, batch.tags.shape[1], 4, requires_grad=True)
    logits = features.sum(dim=2, keepdim=True) + torch.tensor([0.0, 0.0, 5.0])
    losses = [loss(0, logits, features, steps, batch.targets, batch.lengths, tags) for tags in (batch.tags, blank)]
    assert losses[0] > losses[1] + 0.5


def with_steps(made: Config, factor: float) -> Config:
    assert made.continuous is not None
    loss = made.continuous.loss.model_copy(update={"steps": factor})
    return made.model_copy(update={"continuous": made.continuous.model_copy(update={"loss": loss})})


@pytest.mark.parametrize("ahead", [None, 0])
def test_a_step_sees_no_more_of_what_follows_than_it_may(tmp_path: Path, ahead: int | None) -> None:
    made = config(tmp_path)
    assert made.continuous is not None
    continuous = made.continuous.model_copy(update={"ahead": ahead, "blocks": 3, "kernel": 5})
    torch.manual_seed(0)
    model = continuous_recogniser(made.model_copy(update={"continuous": continuous}), 2).eval()
    keypoints = torch.rand(1, 40, 171, 4)
    changed = keypoints.clone()
    changed[:, 30:] = 0.5
    frames = torch.tensor([40])
    with torch.inference_mode():
        one, other = (model(points, frames).logits[0] for points in (keypoints, changed))
    same = int((one == other).all(dim=1).cumprod(dim=0).sum())
    # The frames' own blocks look six frames ahead; those over steps of two frames another six steps, or none.
    assert same == (30 - 6) // 2 - (6 if ahead is None else 0)


def test_the_streams_that_are_scored_have_rests_and_no_sign_for_them(tmp_path: Path) -> None:
    made = config(tmp_path)
    assert unsigned(made) == ("no sign",)
    assert unsigned(tiny.config(tmp_path / "joined")) == ()  # there it is joined like a sign
    scored = sentences_of(made, examples(), 4, seed=1)
    assert {gloss for s in scored for gloss in s.glosses} == {"high"}
    again = draw_streams(examples(), ("high",), ("no sign",), made.continuous.streams, 4, 1)  # type: ignore[union-attr,arg-type]
    assert [s.clip.duration_ms for s in scored] == [s.clip.duration_ms for s in again]


def test_clips_are_joined_in_one_way(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not by both"):
        config(tmp_path, STREAMS + tiny.JOINED)
    with pytest.raises(ConfigError, match=r"loss\.steps"):
        load_config(
            tiny.write(
                tmp_path,
                tiny.text().replace(
                    "[continuous.loss.adaptive]", "[continuous.loss]\nsteps = 1.0\n[continuous.loss.adaptive]"
                ),
            )
        )
    with pytest.raises(ConfigError, match="ahead 2 is more than half of the kernel, 1"):
        load_config(tiny.write(tmp_path, tiny.text().replace("kernel = 3", "kernel = 3\nahead = 2")))
    with pytest.raises(ConfigError, match=r"continuous\.streams: .*chunk_ms"):
        config(tmp_path, STREAMS.replace("[1500.0, 2500.0]", "[2500.0, 1500.0]"))


def test_a_model_without_the_face_does_not_see_it(tmp_path: Path) -> None:
    made = config(tmp_path)
    torch.manual_seed(0)
    keypoints = torch.rand(1, 24, 171, 4)
    other = keypoints.clone()
    other[:, :, FACE] = 0.0
    frames = torch.tensor([24])
    for face in (True, False):
        model = continuous_recogniser(
            made.model_copy(update={"model": made.model.model_copy(update={"face": face})}), 2
        )
        with torch.inference_mode():
            one, without = (model.eval()(points, frames).logits for points in (keypoints, other))
        assert torch.equal(one, without) is not face
