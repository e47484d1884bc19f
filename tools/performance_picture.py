"""The picture at the head of `docs/performance.md`, drawn from the tables of that page.

    python -m tools.performance_picture

Draw it again when a table has changed.
"""

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "performance.md", DOCS / "pictures" / "performance.png"
MODEL = ("slowfast_8x8_r50, 224x224", "1")  # model and batch of the right panel
MEDIAN, LATE = "#0072B2", "#D55E00"  # of Okabe and Ito's palette

Table = list[dict[str, str]]


def main() -> None:
    """Draw the picture."""
    page = PAGE.read_text(encoding="utf-8")
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    _draw_streams(left, table(page, "streams"))
    _draw_engines(right, table(page, "model"))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})
    plt.close(figure)


def table(page: str, first: str) -> Table:
    """The rows of the first table whose first column has this name."""
    found = re.search(rf"^\| {first} \|.*\n\|[-|: ]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    if found is None:
        raise ValueError(f"{PAGE} has no table of {first}")
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].strip().splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def _number(text: str) -> float:
    return float(text.split()[0].replace(",", ""))


def _draw_streams(axes: Axes, rows: Table) -> None:
    names = [row["streams"] for row in rows][::-1]
    medians = [_number(row["end of sign to final, median"]) for row in rows][::-1]
    late = [_number(row["p95"]) for row in rows][::-1]
    dropped = [row["frames dropped"] for row in rows][::-1]
    axes.barh(names, late, color=LATE, height=0.7, label="95 % of finals")
    axes.barh(names, medians, color=MEDIAN, height=0.7, label="median")
    for row, (end, share) in enumerate(zip(late, dropped, strict=True)):
        axes.annotate(
            f"{share} dropped", (end, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set(title="Live streams on two cores: end of sign to final, ms", xlim=(0, max(late) * 1.25))
    axes.legend(loc="upper right", frameon=False, fontsize=8)


def _draw_engines(axes: Axes, rows: Table) -> None:
    chosen = [row for row in rows if (row["model"], row["batch"]) == MODEL][::-1]
    medians = [_number(row["median"]) for row in chosen]
    axes.barh([row["engine"] for row in chosen], medians, color=MEDIAN, height=0.7)
    for row, median in enumerate(medians):
        axes.annotate(
            f"{median:.0f}", (median, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set(title="SlowFast 8x8 R50, 224x224 px, one window, ms", xlim=(0, max(medians) * 1.12))


if __name__ == "__main__":
    main()
