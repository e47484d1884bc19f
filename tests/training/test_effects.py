import numpy as np
import pytest
from matplotlib.axes import Axes

from training.comparison.bootstrap import FIGURES, Difference
from training.comparison.effects import CERTAIN, PAPER, UNCERTAIN, Effect, Panel, draw_effects, panels_of

NONE = Difference(None, None, None, None)
SURE = Difference(-0.02, (-0.03, -0.01), -0.25, (-0.4, -0.1), 0.001)
UNSURE = Difference(0.01, (-0.01, 0.03), 0.1, (-0.1, 0.3), 0.4)


def differences(**changed: Difference) -> dict[str, dict[str, Difference]]:
    return {"sure": dict.fromkeys(FIGURES, SURE) | changed, "unsure": dict.fromkeys(FIGURES, UNSURE) | changed}


def drawn(axes: Axes) -> list[tuple[list[float], str]]:
    """x and colour of each line of a panel, but for the line at 0."""
    lines = [(np.asarray(line.get_xdata(), float).tolist(), str(line.get_color())) for line in axes.lines]
    return [(x, colour) for x, colour in lines if any(x)]


def test_pairs_are_relative_and_the_rest_are_points() -> None:
    pairs, accuracy, _, auroc, one_shot = panels_of(differences(), unknown=True)
    assert pairs.effects["sure"] == Effect(-25.0, (-40.0, -10.0), certain=True)
    assert pairs.less_is_better
    assert pairs.paper == -18.0
    for panel in (accuracy, auroc, one_shot):
        assert panel.effects["unsure"] == Effect(1.0, (-1.0, 3.0), certain=False)
        assert not panel.less_is_better
        assert panel.paper is None


def test_figures_that_nobody_has_are_left_out() -> None:
    assert len(panels_of(differences(), unknown=False)) == 3
    titles = [panel.title for panel in panels_of(differences(pair_error=NONE), unknown=False)]
    assert [title.split(",")[0] for title in titles] == ["accuracy", "macro F1"]


def test_marks_intervals_and_the_paper_are_where_their_numbers_are() -> None:
    panel = panels_of(differences(), unknown=False)[0]
    figure = draw_effects([panel], "ce")
    (axes,) = figure.axes
    assert drawn(axes) == [
        ([-40.0, -10.0], CERTAIN),
        ([-25.0], CERTAIN),
        ([-10.0, 30.0], UNCERTAIN),
        ([10.0], UNCERTAIN),
        ([-18.0, -18.0], PAPER),
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sure", "unsure"]
    assert axes.get_xlabel() == "← better"
    assert figure.get_suptitle().startswith("Difference to ce:")


@pytest.mark.parametrize("panels", [1, 2, 5])
def test_the_title_fits_into_the_picture(panels: int) -> None:
    panel = Panel("accuracy", {"keypoints+adaptive-aligned": Effect(2.0, (1.0, 3.0), certain=True)})
    figure = draw_effects([panel] * panels, "keypoints+ce:label_smoothing=0.2")
    figure.canvas.draw()
    (title,) = (text for text in figure.texts if text.get_text().startswith("Difference"))
    extent = title.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width


def test_without_an_interval_there_is_a_mark_alone_and_without_a_value_nothing() -> None:
    panel = Panel("accuracy", {"a": Effect(2.0, None, certain=False), "b": Effect(None, None, certain=False)})
    (axes,) = draw_effects([panel], "ce").axes
    assert drawn(axes) == [([2.0], UNCERTAIN)]
    assert axes.get_xlabel() == "better →"
