"""The confusion matrix of each arm on the test images. Shapes: K classes."""

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
"""Most classes for which every cell shows its number and both axes show names."""
MOST_NAMED = 110
"""Most classes for which every row shows its name."""
COLUMNS_APART = 5
MISTAKES = 3
Counts = list[list[int]]


def sheets(results: Results) -> Iterator[Sheet]:
    """Yield a figure for each arm whose runs recorded a confusion matrix."""
    for place, arm in enumerate(results.arms):
        confusion = summed(arm)
        if confusion is not None:
            yield Sheet(
                name=file_name(NAME, place, arm),
                caption=_caption(arm, confusion, quick=results.quick),
                figure=_draw(confusion),
            )


def summed(arm: ArmResult) -> Confusion | None:
    """The counts summed over seeds, without copies; None if a seed has none, or if the seeds have different classes."""
    confusions = [run.confusion for run in arm.originals if run.confusion is not None]
    if len(confusions) < len(arm.originals) or len({each.names for each in confusions}) != 1:
        return None
    stacked = zip(*(each.counts for each in confusions), strict=True)
    counts = tuple(tuple(map(sum, zip(*rows, strict=True))) for rows in stacked)
    return Confusion(names=confusions[0].names, counts=counts)


def shares(confusion: Confusion) -> list[list[float]]:
    """Percent of the images of each class (row) predicted as each class, (K, K); NaN for a class without images."""
    return [
        [100 * count / sum(row) if any(row) else float("nan") for count in row]
        for row in confusion.counts
    ]


def _caption(arm: ArmResult, confusion: Confusion, *, quick: bool) -> str:
    images = sum(map(sum, confusion.counts))
    how = "counts summed over" if len(arm.originals) > 1 else "of"
    text = (
        f"Confusion matrix of {arm.name} on the test images: rows are true classes, columns predicted ones, in "
        f"percent of each row; {how} {seeds(arm)}, {images:,} answers, weights of the best validation epoch."
    )
    if mistakes := _mistakes(confusion):
        text += f" Most frequent errors: {'; '.join(mistakes)}."
    return f"{text} Quick form, no result of the full study." if quick else text


def _mistakes(confusion: Confusion) -> list[str]:
    """The most frequent errors in words, the most frequent first."""
    cells = [
        (share, true, called)
        for true, row in enumerate(shares(confusion))
        for called, share in enumerate(row)
        if true != called and share > 0
    ]
    likeliest = sorted(cells, key=lambda cell: (-cell[0], cell[1:]))[:MISTAKES]
    return [f"{confusion.names[t]} for {confusion.names[c]} ({s:.1f} %)" for s, t, c in likeliest]


def _draw(confusion: Confusion) -> "Figure":
    classes = len(confusion.names)
    side = (
        min(4.4, drawing.room())
        if classes <= 10
        else 5.6
        if classes <= MOST_WRITTEN
        else drawing.WIDTH
    )
    tall = side if classes <= MOST_WRITTEN else 8.4 if classes > 50 else drawing.WIDTH
    figure, (axes,) = drawing.canvas(size=(side, tall * (0.84 if classes <= MOST_WRITTEN else 1.0)))
    values = shares(confusion)
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
    _name(axes, confusion.names, figure_height=tall)
    if classes <= MOST_WRITTEN:
        _write(axes, values, confusion)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, ticks=[0, 1, 5, 20, 50, 100])
    bar.set_label("of the true class (%)")
    return figure


def _name(axes: "Axes", names: Sequence[str], *, figure_height: float) -> None:
    """Label rows with class names, and columns too if they fit; otherwise with numbers."""
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


def _write(axes: "Axes", values: Sequence[Sequence[float]], confusion: Confusion) -> None:
    size = 8.0 if len(values) <= 10 else 6.0
    for row, cells in enumerate(values):
        for column, share in enumerate(cells):
            if confusion.counts[row][column]:
                axes.text(
                    column, row, whole(share), ha="center", va="center", fontsize=size,
                    color="white" if share > 35 else "black",
                )  # fmt: skip


def whole(percent: float) -> str:
    """Percent as a whole number, never rounded up to 100 nor down to 0."""
    if percent == 100:
        return "100"
    return "<1" if percent < 0.5 else str(min(99, max(1, round(percent))))
