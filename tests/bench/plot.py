"""The plot: how far on the good side of its goal each figure is."""

from pathlib import Path

from tests.bench.figure import Figure, number

GOOD, BAD = "#2a7f62", "#b3402a"


def draw(figures: list[Figure], path: Path) -> None:
    """Write a PNG; figures without a goal, and those whose goal is zero, are not in it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [figure for figure in figures if figure.margin and figure.goal and figure.goal.limit][::-1]
    canvas, axes = plt.subplots(figsize=(10, 0.45 * len(shown) + 1.4))
    margins = [figure.margin or 0.0 for figure in shown]
    bars = axes.barh(
        [figure.name for figure in shown],
        [margin - 1 for margin in margins],
        left=1,
        color=[GOOD if figure.met else BAD for figure in shown],
    )
    for bar, figure, margin in zip(bars, shown, margins, strict=True):
        label = f" {number(figure.value)} {figure.unit} (goal {figure.goal}) "
        axes.text(
            margin,
            bar.get_y() + bar.get_height() / 2,
            label,
            va="center",
            ha="left" if margin >= 1 else "right",
            size=8,
        )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(min([0.3, *margins]) / 3, max([3, *margins]) * 6)
    axes.set_xlabel("times better than the goal (log scale; 1 = goal)")
    canvas.tight_layout()
    canvas.savefig(path, dpi=130)
    plt.close(canvas)
