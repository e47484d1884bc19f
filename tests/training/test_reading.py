from pathlib import Path

import numpy as np
import pytest

from glosscast.clip import Clip
from tests.training.synthetic import FPS, config, examples
from training.data import Example
from training.evaluation.reading import LstmReader, RecogniserReader, window_clips
from training.evaluation.scores import TorchClassifier
from training.models.checkpoint import Checkpoint
from training.models.lstm import LstmCheckpoint, LstmClassifier, fit_lstm, load_lstm, raw_windows
from training.models.recogniser import IsolatedRecogniser


def joined(clips: list[Clip]) -> Clip:
    keypoints = np.concatenate([clip.keypoints for clip in clips])
    return Clip(np.arange(len(keypoints)) * (1000.0 / FPS), keypoints, clips[0].aspect)


def some_clips() -> list[Clip]:
    """Short ones, one with several signs and windows, one in which nobody is seen, one without a sign."""
    made = [e.clip for e in examples(2)]
    nobody = Clip(made[0].t_ms, np.zeros_like(made[0].keypoints), made[0].aspect)
    return [made[0], joined([*made[:2], *made[4:6], *made[2:4]]), nobody, made[4], joined(made[:6])]


def unlabelled(clips: list[Clip]) -> list[Example]:
    return [Example(clip, "", "") for clip in clips]


def test_many_clips_at_once_are_read_as_the_service_reads_each(tmp_path: Path) -> None:
    c = config(tmp_path)
    checkpoint = Checkpoint(c, c.data.vocabulary, IsolatedRecogniser(c.model, 3, c.clip.alpha).state_dict(), None, {})
    clips = some_clips()
    windowed = window_clips(unlabelled(clips), c)
    assert len(windowed.windows) > len(clips)
    reading = RecogniserReader(checkpoint)(windowed)
    classify = TorchClassifier(checkpoint.build(), 3)
    for i, clip in enumerate(clips):
        if i == 2:
            assert not reading.probabilities[i].any()
            assert not reading.embeddings[i].any()
            continue
        expected = c.pipeline(classify).read(clip).probabilities
        np.testing.assert_allclose(reading.probabilities[i], expected, atol=1e-5)
        assert np.linalg.norm(reading.embeddings[i]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_the_reference_model_learns_and_is_saved_whole(tmp_path: Path) -> None:
    c = config(tmp_path)
    seen = [e for e in examples(4) if e.signer != "cem"]
    checkpoint = fit_lstm(c, seen, epochs=120)
    checkpoint.save(tmp_path / "lstm.pt")
    loaded = load_lstm(tmp_path / "lstm.pt")
    assert (loaded.config, loaded.classes) == (c, c.data.vocabulary)
    reading = LstmReader(loaded)(window_clips(seen, c))
    np.testing.assert_allclose(reading.probabilities.sum(axis=1), 1.0, atol=1e-5)
    right = [c.data.vocabulary[i] for i in reading.probabilities.argmax(axis=1)] == np.array([e.gloss for e in seen])
    assert right.mean() > 0.9
    with pytest.raises(ValueError, match=r"none\.pt: no such file"):
        load_lstm(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"bad")
    with pytest.raises(ValueError, match=r"bad\.pt: not a checkpoint of the LSTM"):
        load_lstm(tmp_path / "bad.pt")


def test_the_reference_model_sees_raw_image_coordinates_of_the_whole_clip(tmp_path: Path) -> None:
    c = config(tmp_path)
    clip = some_clips()[1]
    windows = raw_windows(clip, c)
    assert windows.shape == (14, c.clip.frames, 546)  # 7.1 s in windows of 1 s, each half a second after the last
    np.testing.assert_allclose(windows[0, 0, :4], clip.keypoints[0, 0])
    np.testing.assert_allclose(windows[0, 0, 132:135], clip.keypoints[0, 33, :3])


def test_a_clips_windows_count_alike_for_the_reference_model(tmp_path: Path) -> None:
    c = config(tmp_path)
    checkpoint = LstmCheckpoint(c, c.data.vocabulary, LstmClassifier(3).state_dict())
    clips = some_clips()
    together = LstmReader(checkpoint)(window_clips(unlabelled(clips), c))
    for i, clip in enumerate(clips):
        alone = LstmReader(checkpoint)(window_clips(unlabelled([clip]), c))
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[i], atol=1e-6)
