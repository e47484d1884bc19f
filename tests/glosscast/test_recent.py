from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.recent import START, RecentFrames

LIMIT = 3 * START


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 200)), max_size=30))
def test_it_holds_as_many_frames_as_a_queue(steps: list[tuple[int, int]]) -> None:
    recent = RecentFrames(LIMIT)
    queue = deque[tuple[float, np.ndarray, np.ndarray, int]](maxlen=LIMIT)
    now = 0.0
    for frames, keep in steps:
        for _ in range(frames):
            now += 1.0
            keypoints = np.full((POINTS, CHANNELS), now, np.float32)
            picture = np.zeros((2, 2, 3), np.uint8)
            people = int(now) % 3
            recent.append(now, keypoints, picture, people)
            queue.append((now, keypoints, picture, people))
        recent.drop_before(now - keep)
        while queue[0][0] < now - keep:
            queue.popleft()
        assert recent.t_ms.tolist() == [t for t, *_ in queue]
        assert np.array_equal(recent.keypoints, np.stack([k for _, k, *_ in queue]))
        assert recent.people.tolist() == [n for *_, n in queue]
        assert len(recent) == len(queue)
        assert recent.pictures is not None
        assert [id(p) for p in recent.pictures] == [id(p) for _, _, p, _ in queue]  # as they came, and no others


def test_frames_without_pictures_have_none() -> None:
    recent = RecentFrames(LIMIT)
    recent.append(0.0, np.zeros((POINTS, CHANNELS), np.float32))
    assert recent.pictures is None


def test_memory_is_proportional_to_the_kept_frames() -> None:
    recent = RecentFrames(LIMIT)
    for t_ms in range(20 * START):
        recent.append(t_ms, np.zeros((POINTS, CHANNELS), np.float32))
        recent.drop_before(t_ms - START)
    assert recent.keypoints.base is not None
    assert len(recent.keypoints.base) <= 4 * len(recent)
