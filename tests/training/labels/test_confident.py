import numpy as np
import pytest

from training.labels.confident import suggestions, thresholds

# Three classes; clips 0 and 1 are labelled 0, 2 and 3 labelled 1, 4 to 6 labelled 2.
LABELS = np.array([0, 0, 1, 1, 2, 2, 2])
READ = np.array(
    [
        [0.9, 0.1, 0.0],
        [0.3, 0.7, 0.0],  # 1 is over its threshold of 0.45
        [0.2, 0.8, 0.0],
        [0.55, 0.1, 0.35],  # 0 is below its threshold of 0.6, 2 is over its own of 0.3
        [0.5, 0.1, 0.4],  # nothing is over its threshold but the label
        [0.0, 0.6, 0.4],
        [0.65, 0.25, 0.1],
    ],
    np.float32,
)


def test_a_class_has_a_threshold_of_its_own() -> None:
    np.testing.assert_allclose(thresholds(READ, LABELS), [0.6, 0.45, 0.3], rtol=1e-6)


def test_a_label_is_contradicted_by_a_class_over_its_threshold_alone() -> None:
    assert suggestions(READ, LABELS).tolist() == [0, 1, 1, 2, 2, 1, 0]


def test_a_suggestion_is_more_probable_than_the_label() -> None:
    # Both are over their thresholds (0.4 and 0.25), and the label is the more probable one.
    read = np.array([[0.5, 0.4, 0.1], [0.3, 0.4, 0.3], [0.45, 0.25, 0.3], [0.1, 0.1, 0.8]], np.float32)
    assert suggestions(read, np.array([0, 0, 1, 2])).tolist() == [0, 1, 0, 2]


def test_a_class_without_a_clip_has_no_threshold() -> None:
    with pytest.raises(ValueError, match="class 1 has no clip"):
        suggestions(READ, np.array([0, 0, 0, 0, 2, 2, 2]))
