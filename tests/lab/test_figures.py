"""Figures: decimation keeps every spike, gaps are told, units are scaled."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from revconsole.lab.curves.figures import ACCURACY, ERROR, LOSS, MEMORY, decimated, figure, powers
from revconsole.records.logs.columns import MetricColumn, Pyramid
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings.plan import Plan


def decimate(steps, values, columns):
    """Steps and values that are drawn, and the steps of gaps."""
    kept, bad = decimated(Pyramid(values), len(values), columns)
    return [steps[i] for i, _ in kept], [y for _, y in kept], [steps[i] for i in bad]


def run(name="a", **columns):
    summary = Summary(id="aaaaaaaa", name=name, state="running", plan=Plan(name=name), created=0.0)
    series = {}
    for metric, values in columns.items():
        declared = MetricDeclared(name=metric, unit="", per="step", direction="down", meaning="")
        steps = list(range(1, len(values) + 1))
        series[metric] = Series(declared, steps, list(values), len(values))
    return Run(summary=summary, facts={"steps_per_epoch": 10}, series=series)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(1, 50))
def test_decimation_keeps_the_extremes_and_bounds_the_points(values, columns):
    steps = list(range(len(values)))

    xs, ys, gaps = decimate(steps, values, columns)

    assert (min(ys), max(ys)) == (min(values), max(values))
    assert len(ys) <= 2 * columns
    assert xs == sorted(xs)
    assert all(values[x] == y for x, y in zip(xs, ys, strict=True))
    assert gaps == []


def test_a_single_spike_survives_any_decimation():
    values = [1.0] * 10_000
    values[5_432] = 99.0

    _, ys, _ = decimate(list(range(10_000)), values, 40)

    assert 99.0 in ys


def test_values_that_are_not_finite_are_gaps_and_not_points():
    values = [1.0, math.nan, 2.0, math.inf, -math.inf, 3.0]

    xs, ys, gaps = decimate([10, 20, 30, 40, 50, 60], values, 6)

    assert ys == [1.0, 2.0, 3.0]
    assert xs == [10, 30, 60]
    assert gaps == [20, 40, 50]


def test_a_run_of_nothing_but_nan_draws_nothing_and_says_so():
    drawn = figure(LOSS, [run(loss=[math.nan, math.nan])], width=40)

    assert drawn.curves[0].ys == ()
    assert drawn.gaps == 2


def test_accuracy_is_drawn_in_percent_and_memory_in_mebibytes():
    accuracy = figure(ACCURACY, [run(validation_accuracy=[0.25, 0.5])], width=40)
    memory = figure(MEMORY, [run(resident_bytes=[2**20, 2**21])], width=40)

    assert (accuracy.y_label, accuracy.curves[0].ys) == ("%", (25.0, 50.0))
    assert (memory.y_label, memory.curves[0].ys) == ("MiB", (1.0, 2.0))


def test_several_runs_are_told_apart_by_name():
    drawn = figure(LOSS, [run("a", loss=[1.0]), run("b", loss=[2.0])], width=40)

    assert [curve.label for curve in drawn.curves] == ["a train", "b train"]


def test_the_horizontal_axis_can_count_epochs():
    drawn = figure(LOSS, [run(loss=[1.0] * 20)], width=100, horizontal="epoch")

    assert (drawn.x_label, drawn.curves[0].xs[-1]) == ("epoch", 2.0)


def test_errors_are_drawn_as_powers_of_ten_without_zeros_and_gaps_stay():
    errors = run(reconstruction_error=[0.0, 1e-6, math.nan, 1e-2], gradient_error=[0.0, 0.0])
    drawn = figure(ERROR, [errors], width=40)
    reconstruction, gradient = powers(drawn).curves

    assert drawn.logarithmic
    assert [curve.label for curve in drawn.curves] == ["reconstruction", "gradient"]
    assert drawn.curves[0].ys == (0.0, 1e-6, 1e-2)
    assert (reconstruction.xs, reconstruction.gaps) == ((2.0, 4.0), (3.0,))
    assert [round(y, 9) for y in reconstruction.ys] == [-6.0, -2.0]
    assert gradient.ys == ()


def plain(steps, values, columns):
    """Decimation as it is defined, by looking at every value."""
    size = max(1, math.ceil(len(values) / columns))
    points, gaps = [], []
    for start in range(0, len(values), size):
        here = range(start, min(start + size, len(values)))
        finite = [i for i in here if math.isfinite(values[i])]
        gaps += [steps[i] for i in here if not math.isfinite(values[i])][:1]
        if finite:
            ends = {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
            points += [(steps[i], values[i]) for i in sorted(ends)]
    return [x for x, _ in points], [y for _, y in points], gaps


rough = st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]) | st.floats()


@settings(deadline=None)  # thousands of values, on machines that do other things too
@given(st.lists(rough, max_size=20), st.integers(1, 600), st.integers(0, 63), st.integers(1, 200))
def test_a_pyramid_gives_the_same_picture_as_looking_at_every_value(some, times, more, columns):
    values = some * times + some[:more]
    steps = list(range(0, 2 * len(values), 2))

    assert decimate(steps, values, columns) == plain(steps, values, columns)


@settings(deadline=None)  # thousands of values, on machines that do other things too
@given(st.lists(st.lists(rough, max_size=150), max_size=6), st.sampled_from([0.0, 0.9]))
def test_a_curve_that_grows_is_drawn_as_if_it_had_been_there_at_once(parts, smoothing):
    metric = MetricDeclared(name="loss", unit="", per="step", direction="down", meaning="")
    column, whole = MetricColumn(), []
    for part in parts:
        for value in part:
            column.append(len(whole), value)
            whole.append(value)
        length = len(whole)
        grown = run()
        grown.series["loss"] = Series(metric, column.steps, column.values, length, column.pyramid)

        drawn = figure(LOSS, [grown], width=7, smoothing=smoothing)
        at_once = figure(LOSS, [run(loss=whole)], width=7, smoothing=smoothing)

        assert [(c.ys, len(c.gaps)) for c in drawn.curves] == [
            (c.ys, len(c.gaps)) for c in at_once.curves
        ]


def test_training_accuracy_says_where_noise_was_on():
    def label(meaning):
        declared = MetricDeclared(
            name="train_accuracy", unit="fraction", per="epoch", direction="up", meaning=meaning
        )
        series = {"train_accuracy": Series(declared, [1], [0.5], 1)}
        summary = Summary(
            id="aaaaaaaa", name="a", state="running", plan=Plan(name="a"), created=0.0
        )
        return figure(ACCURACY, [Run(summary=summary, series=series)], width=40).curves[0].label

    said = "Share of training images classified correctly before each update, "
    assert label(f"{said}with dropout 0.1.") == "train, noise on"
    assert label(f"{said}with neither augmentation nor dropout.") == "train"
    assert label("Share of training images classified correctly after the fit.") == "train"
