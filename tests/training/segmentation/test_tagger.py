from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from glosscast.keypoints import FINGERTIPS, HAND_MIDDLE_KNUCKLE, LEFT_HAND, RIGHT_HAND, Pose, X, Y
from glosscast.tagger import FEATURES, PAUSE_MS, TICK_MS, FrameFeatures, Tagger, load_weights
from tests.bundles import ASPECT, pose
from training.segmentation.learn import TaggerNet


def frames(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        keypoints = pose((rng.uniform(-1, 1), rng.uniform(0, 1.5)))
        keypoints[:, X] *= ASPECT
        out.append(keypoints)
    return out


@pytest.fixture
def net() -> TaggerNet:
    torch.manual_seed(3)
    return TaggerNet().eval()


def test_the_network_in_numpy_is_that_of_torch(net: TaggerNet) -> None:
    stream = frames(40)
    features = FrameFeatures(600.0, 0.5)
    seen = np.stack([features.push(i * TICK_MS, k) for i, k in enumerate(stream)])
    with torch.no_grad():
        wanted = net(torch.from_numpy(seen)[None]).softmax(-1)[0].numpy()
    tagger = Tagger(net.weights(), 600.0, 0.5)
    tagged = [t for i, k in enumerate(stream) for t in tagger.push(i * TICK_MS, k)]
    assert [t.t_ms for t in tagged] == [i * TICK_MS for i in range(38)]  # two ticks of looking ahead
    np.testing.assert_allclose(np.stack([t.probabilities for t in tagged]), wanted[2:], atol=1e-5)


def test_after_a_pause_it_starts_anew(net: TaggerNet) -> None:
    stream = frames(20)
    fresh, used = Tagger(net.weights(), 600.0, 0.5), Tagger(net.weights(), 1e-9, 0.5)
    for i, k in enumerate(frames(30, seed=1)):
        used.push(i * TICK_MS, k)
    later = 30 * TICK_MS + PAUSE_MS
    again = [t.probabilities for i, k in enumerate(stream) for t in used.push(later + i * TICK_MS, k)]
    first = [t.probabilities for i, k in enumerate(stream) for t in fresh.push(i * TICK_MS, k)]
    np.testing.assert_allclose(again[3:], first[3:], atol=0.05)  # a speed across the pause fades


def test_features_do_not_depend_on_where_the_signer_stands() -> None:
    near, far = FrameFeatures(600.0, 0.5), FrameFeatures(600.0, 0.5)
    for i, k in enumerate(frames(5)):
        moved = k.copy()
        there = moved[:, 3] > 0
        moved[there, :2] = moved[there, :2] * 0.5 + 0.1
        a, b = near.push(i * TICK_MS, k), far.push(i * TICK_MS, moved)
        assert a.shape == (FEATURES,)
        np.testing.assert_allclose(a, b, atol=1e-3)


def mirrored(keypoints: np.ndarray) -> np.ndarray:
    """The same person seen in a mirror, who has the other hand for each."""
    out = keypoints.copy()
    out[[Pose.LEFT_SHOULDER, Pose.RIGHT_SHOULDER]] = keypoints[[Pose.RIGHT_SHOULDER, Pose.LEFT_SHOULDER]]
    out[[Pose.LEFT_WRIST, Pose.RIGHT_WRIST]] = keypoints[[Pose.RIGHT_WRIST, Pose.LEFT_WRIST]]
    out[LEFT_HAND], out[RIGHT_HAND] = keypoints[RIGHT_HAND], keypoints[LEFT_HAND]
    out[:, X] = 1.0 - out[:, X]
    return out


def test_a_person_in_a_mirror_has_the_features_of_the_other_hand() -> None:
    rng = np.random.default_rng(4)
    person, image = FrameFeatures(600.0, 0.5), FrameFeatures(600.0, 0.5)
    for i, k in enumerate(frames(6)):
        for hand in (LEFT_HAND, RIGHT_HAND):
            k[hand] = [*rng.uniform(0.3, 0.7, 3), 1.0]
            k[hand, :2] += rng.uniform(-0.05, 0.05, (21, 2)).astype(np.float32)
        if i == 4:
            k[LEFT_HAND] = 0.0  # the pose model alone sees that hand
        a, b = person.push(i * TICK_MS, k), image.push(i * TICK_MS, mirrored(k))
        left, right = np.split(a, 2)
        assert not np.allclose(left, right)
        np.testing.assert_allclose(b, np.concatenate([right, left]), atol=1e-4)


def test_speeds_are_those_of_the_wrist_and_of_the_fingertips() -> None:
    features = FrameFeatures(600.0, 0.5)
    (still,) = frames(1)
    still[RIGHT_HAND] = [0.4, 0.6, 0.0, 1.0]
    still[RIGHT_HAND.start + HAND_MIDDLE_KNUCKLE, Y] = 0.5  # a hand of 0.1
    features.push(0.0, still)
    moved = still.copy()
    moved[RIGHT_HAND, X] += 0.02
    moved[[RIGHT_HAND.start + tip for tip in FINGERTIPS], Y] -= 0.05  # half a hand's size
    right = features.push(50.0, moved)[FEATURES // 2 :]
    width = abs(still[Pose.LEFT_SHOULDER, X] - still[Pose.RIGHT_SHOULDER, X])
    # Quarters of shoulder widths and of hand sizes a second; fingertips move along one of two axes.
    np.testing.assert_allclose(right[14:17], [0.02 / width / 0.05 / 4, 0.0, 0.5 / 0.05 / 2 / 4], rtol=1e-4, atol=1e-5)


def test_weights_survive_a_file(net: TaggerNet, tmp_path: Path) -> None:
    path = tmp_path / "segmenter.npz"
    with path.open("wb") as file:
        net.weights().save(file)
    for a, b in zip(load_weights(path), net.weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_that_are_no_weights_are_refused(net: TaggerNet, tmp_path: Path) -> None:
    path = tmp_path / "segmenter.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"segmenter\.npz: not an \.npz of enter"):
        load_weights(path)
    weights = net.weights()
    for name, wrong in (("leave", weights.leave[:, :-1]), ("enter_bias", np.full_like(weights.enter_bias, np.nan))):
        buffer = BytesIO()
        weights._replace(**{name: wrong}).save(buffer)
        path.write_bytes(buffer.getvalue())
        with pytest.raises(ValueError, match=f"{name} must be"):
            load_weights(path)
