"""Curves over epochs with a band over seeds: mean ± sample deviation, training beside validation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from revconsole.lab.report import drawing, noise
from revconsole.lab.report.alike import Alike
from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.statistics import MeanSpread, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BANDS = 3
"""Most arms with a band each; with more, the deviation is a bar at the last epoch."""
PANELS = ("training", "validation")
MOST_MARKS = 30
"""Most points of a curve that has a mark for each."""


def band(arm: ArmResult, metric: str) -> list[MeanSpread]:
    """Mean and deviation over seeds for each epoch that every run has."""
    series = [run.series[metric].values for run in arm.runs if metric in run.series]
    spreads = [spread(values) for values in zip(*series, strict=False)]
    return [each for each in spreads if each is not None]


def draw_pair(
    results: Results, metrics: Sequence[str], axis: str, scale: float = 1.0
) -> "Figure | None":
    """Training and validation curves side by side; None if no run has either."""
    if not any(band(arm, metric) for arm in results.arms for metric in metrics):
        return None
    figure, panels = drawing.canvas(2)
    for axes, metric, word in zip(panels, metrics, PANELS, strict=True):
        for index, arm in enumerate(results.arms):
            if points := band(arm, metric):
                _curve(
                    axes, points, arm.name, drawing.style(index), scale, band=not _crowded(results)
                )
        axes.set_title(word)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(drawing.whole_numbers())
    panels[0].set_ylabel(axis)
    drawing.legend(figure, panels[-1])
    return figure


def about_curves(results: Results) -> str:
    """The end of a caption of curves: how the training values were measured, and where the deviation is drawn."""
    several = any(len(arm.originals) > 1 for arm in results.arms)
    ends = (
        " The deviation is drawn at the last epoch alone." if several and _crowded(results) else ""
    )
    if any(len({run.summary.epoch for run in arm.runs}) > 1 for arm in results.arms):
        ends += " An arm's curve ends where its shortest run ended."
    return f"{about(results)}{ends}{noise.sentence(Alike.of(results))}"


def _crowded(results: Results) -> bool:
    """Whether there are too many arms for a band each."""
    return len(results.arms) > MOST_BANDS


def about(results: Results) -> str:
    """The end of a caption: the number of seeds, and a note on the quick form."""
    counts = {len(arm.originals) for arm in results.arms}
    seeds = f"{min(counts)} to {max(counts)} seeds" if len(counts) > 1 else f"{min(counts)} seeds"
    one = counts == {1}
    form = " Quick form, no result of the full study." if results.quick else ""
    return (f"one seed.{form}") if one else f"{seeds}, mean ± sample standard deviation.{form}"


def _curve(
    axes: "Axes",
    points: Sequence[MeanSpread],
    name: str,
    style: drawing.Style,
    scale: float,
    *,
    band: bool,
) -> None:
    epochs = range(1, len(points) + 1)
    means = [each.mean * scale for each in points]
    spreads = [(each.deviation or 0.0) * scale for each in points]
    marker = style.marker if len(points) <= MOST_MARKS else ""
    axes.plot(
        epochs, means, style.line, color=style.colour, marker=marker, markersize=3.5, linewidth=1.4,
        label=drawing.label(name),
    )  # fmt: skip
    if any(spreads) and not band:
        axes.errorbar(
            [epochs[-1]], [means[-1]], yerr=[spreads[-1]], color=style.colour, capsize=2.5, linewidth=1.0
        )  # fmt: skip
    elif any(spreads):
        low = [m - s for m, s in zip(means, spreads, strict=True)]
        high = [m + s for m, s in zip(means, spreads, strict=True)]
        axes.fill_between(epochs, low, high, color=style.colour, alpha=0.15, linewidth=0)
