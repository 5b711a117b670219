"""Figures: the values and labels of plots. Console and exporters draw the same figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from revconsole.lab.compare import arm_name
from revconsole.lab.curves import axes, bands, columns, parts, subjects
from revconsole.lab.curves.columns import Highest
from revconsole.lab.curves.parts import MemoryBar
from revconsole.lab.curves.points import CurvePoints, PointReading
from revconsole.lab.curves.smoothing import Average
from revconsole.lab.curves.subjects import FigureSubject
from revconsole.lab.curves.units import MEBIBYTES, MIB, sized, unit_of
from revconsole.lab.curves.viewport import WHOLE, Viewport
from revconsole.records.logs.columns import NOWHERE, Pyramid
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.logs.noise import brief
from revconsole.records.runs.run import Run, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How a figure is looked at.

    width: columns of the plot. horizontal: see `axes`. smoothing: weight of the past in [0, 1) for metrics per step; None
    smooths what is noisy by `usual`. logarithmic: whether the vertical axis is; None leaves it to the subject.
    """

    width: int
    horizontal: str = axes.STEP
    smoothing: float | None = 0.0
    usual: float = 0.9
    view: Viewport = WHOLE
    logarithmic: bool | None = None
    logarithmic_x: bool = False
    united: bool = False
    """Whether runs that differ only in their seed are one curve, their mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One curve of a figure.

    gaps: the x of values that were not finite; they are not in `xs` and `ys`. raw: values as recorded, if the curve is
    smoothed. member: which of the metrics of its family it is. not_finite, dropped: how many values of the whole series
    are not finite, and how many a logarithmic axis cannot show. best, last: points of the whole series.
    """

    label: str
    run_id: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    gaps: tuple[float, ...] = ()
    raw: tuple[tuple[float, float], ...] = ()
    band: tuple[tuple[float, float, float], ...] = ()
    """(x, low, high) around a mean."""
    seeds: tuple[str, ...] = ()
    """The runs of which it is the mean; empty for the curve of one run."""
    member: int = 0
    word: str = ""
    """The word of its metric within the family."""
    weight: float = 0.0
    """Weight of the past in the smoothing; 0 for a curve as recorded."""
    not_finite: int = 0
    dropped: int = 0
    best: PointReading | None = None
    last: PointReading | None = None
    points: CurvePoints | None = field(default=None, compare=False, repr=False)
    members: tuple[CurvePoints, ...] = field(default=(), compare=False, repr=False)
    """The points of each of the `seeds`."""

    def points_of(self, run_id: str) -> CurvePoints | None:
        """The points of one of the runs of a mean; else those of the curve."""
        if run_id in self.seeds and len(self.members) == len(self.seeds):
            return self.members[self.seeds.index(run_id)]
        return self.points

    def of(self, run_id: str) -> bool:
        """Whether the curve shows a run, by itself or in a mean."""
        return run_id == self.run_id or run_id in self.seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Curves with labelled axes; the labels contain the units.

    logarithmic, logarithmic_x: the vertical and the horizontal axis. left, right: the ends of the horizontal axis; None:
    those of the curves. extent: the ends of everything that could be shown.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = field(default_factory=tuple)
    logarithmic: bool = False
    logarithmic_x: bool = False
    left: float | None = None
    right: float | None = None
    extent: tuple[float, float] = (0.0, 1.0)
    by_block: bool = False
    """Whether each curve is a block of a heat map."""
    bars: tuple[MemoryBar, ...] = ()
    """Bars in place of curves."""
    shortages: tuple[float, ...] = ()
    """The places where memory ran out."""
    horizontal: str = axes.STEP

    @property
    def gaps(self) -> int:
        """The number of values that are not finite."""
        return sum(curve.not_finite for curve in self.curves)

    @property
    def dropped(self) -> int:
        """The number of values that the logarithmic axis cannot show."""
        return sum(curve.dropped for curve in self.curves)


def figure(chosen: FigureSubject, runs: Sequence[Run], frame: Frame) -> Figure:
    """The figure of a subject for one or more runs, with at most two points of each curve per column."""
    logarithmic = chosen.logarithmic if frame.logarithmic is None else frame.logarithmic
    low, high = axes.extent(runs, frame.horizontal)
    left, right = frame.view.window(low, high)
    unit, times = _sized(chosen, runs, subjects.unit(chosen, runs))
    curves: list[Curve] = []
    shown = runs[:1] if chosen.by_block else runs
    for arm in bands.arms(shown) if frame.united else [(run,) for run in shown]:
        for member, (name, word) in enumerate(chosen.metrics):
            drawing = _Drawing(word, member, several=len(runs) > 1, times=times)
            curves += _of_arm(arm, name, frame, (left, right), drawing)
    if logarithmic:
        curves = [replace(curve, dropped=_dropped(curve)) for curve in curves]
    return Figure(
        title=chosen.title,
        x_label=axes.WORDS.get(frame.horizontal, frame.horizontal.replace("_", " ")),
        y_label=unit,
        curves=tuple(curves),
        logarithmic=logarithmic,
        logarithmic_x=frame.logarithmic_x,
        left=left,
        right=right,
        extent=(low, high),
        horizontal=frame.horizontal,
        by_block=chosen.by_block,
        bars=parts.bars(runs) if chosen.by_part else (),
        shortages=_shortages(chosen, runs, frame),
    )


def _shortages(chosen: FigureSubject, runs: Sequence[Run], frame: Frame) -> tuple[float, ...]:
    """Where the memory of a device ran out: where a run ended for it, or went on with less at once."""
    if chosen != subjects.DEVICE_MEMORY:
        return ()
    found = []
    for run in runs:
        place, s = axes.place(run, frame.horizontal), run.summary
        steps = [given.step for given in s.advice if given.rule == subjects.RAN_OUT]
        steps += [s.step] if s.state == "out of memory" else []
        found += [x for step in steps if math.isfinite(x := place(step))]
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How curves of a metric are called and drawn. several: whether runs have to be told apart. times: what values are multiplied with."""

    word: str
    member: int
    several: bool
    times: float


def _sized(chosen: FigureSubject, runs: Sequence[Run], unit: str) -> tuple[str, float]:
    """The unit of a figure: of sizes by the largest of them; and what values in the usual unit are multiplied with."""
    if unit != MEBIBYTES:
        return unit, 1.0
    found = [s for run in runs for name, _ in chosen.metrics if (s := _series(run, name))]
    sizes = [s.pyramid.extremes(0, s.length).high for s in found]
    if chosen.by_part:
        sizes = [bar.total for bar in parts.bars(runs)]
    unit, each = sized(max(sizes, default=0.0))
    return unit, MIB / each


def _of_arm(
    arm: Sequence[Run], name: str, frame: Frame, window: tuple[float, float], drawing: _Drawing
) -> list[Curve]:
    """The curves of one metric: of the mean of several runs, or of each run if there is none."""
    pairs = [(run, series) for run in arm if (series := _series(run, name)) and series.length]
    mean = bands.mean([series for _, series in pairs]) if len(pairs) > 1 else None
    if mean is None:
        return [_of_run(run, series, frame, window, drawing) for run, series in pairs]
    run = max(pairs, key=lambda pair: pair[1].length)[0]
    curve = _of_run(run, mean, frame, window, drawing)
    place = axes.place(run, frame.horizontal)
    alike = replace(frame, smoothing=curve.weight)
    members = [_points(each, series, place, alike, drawing.times)[0] for each, series in pairs]
    label = f"{arm_name(run.summary)} {drawing.word}".strip()
    return [
        replace(
            curve,
            run_id=pairs[0][0].id,
            label=f"{label}, mean of {len(pairs)} seeds",
            seeds=tuple(each.id for each, _ in pairs),
            members=tuple(members),
            band=tuple(bands.band(members, curve.xs, curve.ys)),
        )
    ]


def _of_run(
    run: Run, series: Series, frame: Frame, window: tuple[float, float], drawing: _Drawing
) -> Curve:
    place = axes.place(run, frame.horizontal)
    points, weight = _points(run, series, place, frame, drawing.times)
    curve = _curve(points, frame, window, member=drawing.member, weight=weight)
    label = _label(run, series, drawing.word, several=drawing.several)
    return _named(curve, run, label, drawing.word)


def _dropped(curve: Curve) -> int:
    return columns.tally(curve.points.series).not_positive if curve.points else 0


def _series(run: Run, name: str) -> Series | None:
    """A metric of a run, or a fact that is drawn like one."""
    fact = run.facts.get(name)
    if name not in subjects.OF_FACTS or not isinstance(fact, int | float):
        return run.series.get(name)
    metric = MetricDeclared(name=name, unit="B", per="step", direction="none", meaning="")
    return Series(metric, (0,), (float(fact),), 1)


def _label(run: Run, series: Series, word: str, *, several: bool) -> str:
    noise = brief(series.metric)
    of = f"{word} ({noise})" if noise else word
    return " ".join(part for part in (run.summary.name if several else "", of) if part)


def _points(
    run: Run, series: Series, place: axes.Place, frame: Frame, times: float
) -> tuple[CurvePoints, float]:
    """The points of a series as they are drawn, and the weight of the past in their smoothing."""
    peak_of = subjects.PEAK_OF.get(series.metric.name)
    weight = 0.0
    if peak_of is not None:
        column: Highest | Average | None = columns.highest(series, run.series.get(peak_of))
    else:
        weight = _weight(series, frame)
        column = columns.average(series, weight) if weight else None
    points = CurvePoints(
        series=series,
        drawn=None if column is None else column.values,
        pyramid=series.pyramid if column is None else column.pyramid,
        place=place,
        scale=times * unit_of(series.metric)[1],
        ordered=axes.ordered(frame.horizontal),
        end=place(axes.newest(run)),
    )
    return points, weight


def _weight(series: Series, frame: Frame) -> float:
    """The weight of the past with which a series is smoothed."""
    if series.metric.per != "step":
        return 0.0
    if frame.smoothing is not None:
        return frame.smoothing
    return frame.usual if columns.is_rough(series) else 0.0


def _curve(
    points: CurvePoints, frame: Frame, window: tuple[float, float], *, member: int, weight: float
) -> Curve:
    """The curve of some points within a window of the axis; its names are still to come."""
    start, stop = points.stretch(*window)
    kept, bad = decimated(points.pyramid, start, stop, frame.width)
    drawn = [(points.x_at(i), y * points.scale) for i, y in kept]
    drawn = [(x, y) for x, y in drawn if math.isfinite(x)]
    if points.series.metric.name in subjects.CONSTANT | subjects.OF_FACTS and drawn:
        drawn.append((max(window[1], drawn[-1][0]), drawn[-1][1]))
    raw: list[tuple[float, float]] = []
    if weight:
        as_recorded, _ = decimated(points.series.pyramid, start, stop, frame.width)
        raw = [(points.x_at(i), y * points.scale) for i, y in as_recorded]
        raw = [(x, y) for x, y in raw if math.isfinite(x)]
    return Curve(
        label="",
        run_id="",
        xs=tuple(x for x, _ in drawn),
        ys=tuple(y for _, y in drawn),
        gaps=tuple(x for x in map(points.x_at, bad) if math.isfinite(x)),
        raw=tuple(raw),
        member=member,
        weight=weight,
        points=points,
    )


def _named(curve: Curve, run: Run, label: str, word: str) -> Curve:
    """The curve with what is known of its whole series."""
    points = curve.points
    if points is None:
        return curve
    counts = columns.tally(points.series)
    return replace(
        curve,
        label=label,
        run_id=run.id,
        word=word,
        not_finite=counts.not_finite,
        best=_best(points),
        last=points.reading(points.length - 1),
    )


def _best(points: CurvePoints) -> PointReading | None:
    """The best point of a series; None where neither direction is better, for a size, or if nothing is finite."""
    metric = points.series.metric
    direction = "none" if unit_of(metric)[0] == MEBIBYTES else metric.direction
    extremes = points.pyramid.extremes(0, points.length)
    at = {"down": extremes.low_at, "up": extremes.high_at}.get(direction, NOWHERE)
    return None if at == NOWHERE else points.reading(at)


def decimated(
    pyramid: Pyramid, start: int, stop: int, columns: int
) -> tuple[list[tuple[int, float]], list[int]]:
    """The lowest and highest point of each column, so that no spike is lost, and the values that are not finite.

    Returns (index, value) of the points of [start, stop) in order, and the index of the first value of each column that is
    not finite.
    """
    size = max(1, math.ceil((stop - start) / max(1, columns)))
    kept: list[tuple[int, float]] = []
    bad: list[int] = []
    for first in range(start, stop, size):
        extremes = pyramid.extremes(first, min(stop, first + size))
        kept += extremes.points
        bad += [extremes.gap_at] if extremes.gap_at != NOWHERE else []
    return kept, bad
