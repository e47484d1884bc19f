"""Whatever frames a stream sends: what becomes an example of them can be stored, and read again."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glosscast.bundle import load_bundle
from glosscast.clip import Clip
from glosscast.keypoints import CHANNELS, POINTS, PRESENCE, SHOULDERS, X
from glosscast.lexicon.file import read_lexicon, write_lexicon
from glosscast.lexicon.teaching import Teacher, TeachingError
from glosscast.recogniser import Recogniser
from tests.bundles import ASPECT, signing

FARTHEST_SENT = 100.0  # in frame widths, as the service takes coordinates


@pytest.fixture(scope="module")
def teacher(teachable_folder):
    bundle = load_bundle(teachable_folder)
    return Teacher(bundle, Recogniser(bundle).readout)


def stored(teacher, clip, start_ms, end_ms):
    """The example that is read from the file of a lexicon with this one."""
    file = io.BytesIO()
    example = teacher.example_of(clip, start_ms, end_ms)
    write_lexicon(teacher.new_lexicon("a").with_examples("tea", (example,)), file)
    return read_lexicon(file).sign("tea").examples[0]


@settings(max_examples=200)
@given(
    begin_ms=st.floats(-1e9, 1e9),
    steps_ms=st.lists(st.floats(1e-6, 200.0), min_size=44, max_size=44),
    first=st.integers(0, 43),
    length=st.integers(0, 43),
    seed=st.integers(0, 100),
    shoulders=st.floats(1e-6, 1.0),
)
def test_any_frames(teacher, begin_ms, steps_ms, first, length, seed, shoulders):
    random = np.random.default_rng(seed)
    t_ms = np.unique(begin_ms + np.cumsum(steps_ms))
    keypoints = np.stack([k for _, k in signing("near")])[: len(t_ms)]
    keypoints[:, SHOULDERS, X] = 0.5 + shoulders * np.array([0.1, -0.1])
    wild = random.random((len(t_ms), POINTS)) < 0.05
    keypoints[wild] = random.uniform(-FARTHEST_SENT, FARTHEST_SENT, (int(wild.sum()), CHANNELS))
    keypoints[..., PRESENCE] = np.clip(keypoints[..., PRESENCE], 0, 1)
    start_ms = t_ms[min(first, len(t_ms) - 1)]
    end_ms = t_ms[min(first + length, len(t_ms) - 1)]
    try:
        example = stored(teacher, Clip(t_ms, keypoints, ASPECT), start_ms, end_ms)
    except TeachingError:
        return
    assert np.isfinite(example.embedding).all()


def test_times_that_are_too_close_to_tell_apart(teacher):
    t_ms, keypoints = (np.array(part) for part in zip(*signing("near"), strict=True))
    t_ms += 1234.5678
    close = np.insert(t_ms, 21, t_ms[20] + 1e-6)
    clip = Clip(close, np.insert(keypoints, 21, keypoints[20], axis=0).astype(np.float32), ASPECT)
    plain = stored(teacher, Clip(t_ms, keypoints.astype(np.float32), ASPECT), t_ms[12], t_ms[31])

    assert stored(teacher, clip, t_ms[12], t_ms[31]).id == plain.id


def test_an_end_that_is_the_last_frame(teacher):
    t_ms, keypoints = (np.array(part) for part in zip(*signing("near"), strict=True))
    for begin_ms in np.random.default_rng(1).uniform(0, 1e6, 50):
        clip = Clip(t_ms * 1.00001 + begin_ms, keypoints.astype(np.float32), ASPECT)
        example = stored(teacher, clip, clip.t_ms[12], clip.t_ms[-1])
        assert example.end_ms == pytest.approx(example.t_ms[-1], abs=1e-3)
