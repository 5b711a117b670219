"""Which class was taken for which in the test, as a matrix for each arm.

Shapes: K classes.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from revconsole.lab.report import drawing
from revconsole.lab.report.figures.sheet import Sheet, file_name, seeds
from revconsole.lab.report.results import ArmResult, Results
from revconsole.records.runs.run import Confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "confusion"
MOST_WRITTEN = 20
"""Classes up to which every cell has its number and both axes have names."""
MOST_NAMED = 110
"""Classes up to which every row has its name."""
COLUMNS_APART = 5
MISTAKES = 3
Counts = list[list[int]]


def sheets(results: Results) -> Iterator[Sheet]:
    """A figure for each arm whose runs recorded what their test confused."""
    for place, arm in enumerate(results.arms):
        found = summed(arm)
        if found is not None:
            yield Sheet(
                name=file_name(NAME, place, arm),
                caption=_caption(arm, found, quick=results.quick),
                figure=_draw(found),
            )


def summed(arm: ArmResult) -> Confusion | None:
    """The counts of all seeds together, copies once; None where a seed has none, or they are not of the same classes."""
    found = [run.confusion for run in arm.originals if run.confusion is not None]
    if len(found) < len(arm.originals) or len({each.names for each in found}) != 1:
        return None
    stacked = zip(*(each.counts for each in found), strict=True)
    counts = tuple(tuple(map(sum, zip(*rows, strict=True))) for rows in stacked)
    return Confusion(names=found[0].names, counts=counts)


def shares(confusion: Confusion) -> list[list[float]]:
    """Percent of the images of each class (row) that were called each class, (K, K); NaN for a class without images."""
    return [
        [100 * count / sum(row) if any(row) else float("nan") for count in row]
        for row in confusion.counts
    ]


def _caption(arm: ArmResult, found: Confusion, *, quick: bool) -> str:
    images = sum(map(sum, found.counts))
    how = "counts summed over" if len(arm.originals) > 1 else "of"
    text = (
        f"Confusion matrix of {arm.name} on the test images: rows are true classes, columns predicted ones, in "
        f"percent of each row; {how} {seeds(arm)}, {images:,} answers, weights of the best validation epoch."
    )
    if mistakes := _mistakes(found):
        text += f" Most often taken for another: {'; '.join(mistakes)}."
    return f"{text} Quick form, no result of the full study." if quick else text


def _mistakes(found: Confusion) -> list[str]:
    """The likeliest mistakes in words, the likeliest first."""
    cells = [
        (share, true, called)
        for true, row in enumerate(shares(found))
        for called, share in enumerate(row)
        if true != called and share > 0
    ]
    likeliest = sorted(cells, key=lambda cell: (-cell[0], cell[1:]))[:MISTAKES]
    return [f"{found.names[t]} for {found.names[c]} ({s:.1f} %)" for s, t, c in likeliest]


def _draw(found: Confusion) -> "Figure":
    classes = len(found.names)
    side = 4.4 if classes <= 10 else 5.6 if classes <= MOST_WRITTEN else drawing.WIDTH
    tall = side if classes <= MOST_WRITTEN else 8.4 if classes > 50 else drawing.WIDTH
    figure, (axes,) = drawing.canvas(size=(side, tall * (0.84 if classes <= MOST_WRITTEN else 1.0)))
    values = shares(found)
    # Rare mistakes are what one looks for, and a linear scale would leave them white.
    image = drawing.picture(
        axes,
        values,
        low=0.0,
        high=100.0,
        colours="Blues",
        power=0.5,
        square=classes <= MOST_WRITTEN,
    )
    _name(axes, found.names, figure_height=tall)
    if classes <= MOST_WRITTEN:
        _write(axes, values, found)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, ticks=[0, 1, 5, 20, 50, 100])
    bar.set_label("of the true class (%)")
    return figure


def _name(axes: "Axes", names: Sequence[str], *, figure_height: float) -> None:
    """Names of rows, and of columns where there is room; numbers otherwise."""
    classes = len(names)
    shown = [drawing.label(name, 18) for name in names]
    every = 1 if classes <= MOST_NAMED else -(-classes // MOST_NAMED)
    size = min(9.0, 62 * 0.8 * figure_height / (classes / every))
    rows = range(0, classes, every)
    if classes <= MOST_WRITTEN:
        longest = max(map(len, shown))
        axes.set_xticks(rows, shown, rotation=90 if longest > 2 else 0, fontsize=size)
        axes.set_yticks(rows, shown, fontsize=size)
        return
    axes.set_yticks(rows, [f"{shown[row]}  {row}" for row in rows], fontsize=size)
    columns = range(0, classes, COLUMNS_APART * every)
    axes.set_xticks(columns, [str(column) for column in columns], fontsize=max(size, 6.0))
    axes.tick_params(length=1.5)


def _write(axes: "Axes", values: Sequence[Sequence[float]], found: Confusion) -> None:
    size = 8.0 if len(values) <= 10 else 6.0
    for row, cells in enumerate(values):
        for column, share in enumerate(cells):
            if found.counts[row][column]:
                axes.text(
                    column, row, whole(share), ha="center", va="center", fontsize=size,
                    color="white" if share > 35 else "black",
                )  # fmt: skip


def whole(percent: float) -> str:
    """Percent in whole numbers, neither rounded up to all nor down to nothing."""
    if percent == 100:
        return "100"
    return "<1" if percent < 0.5 else str(min(99, max(1, round(percent))))
