"""Figures: decimation keeps every spike, gaps are told, units are scaled."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from revconsole.lab.curves import axes, cursor, legend
from revconsole.lab.curves.canvas import Mark
from revconsole.lab.curves.figures import Frame, decimated, figure
from revconsole.lab.curves.subjects import (
    ACCURACY,
    ERROR,
    FAMILIES,
    LOSS,
    MEMORY,
    PROCESS_MEMORY,
    offered,
    subject,
)
from revconsole.lab.curves.units import worded
from revconsole.lab.curves.viewport import Viewport
from revconsole.records.logs.clock import StepTimes
from revconsole.records.logs.columns import MetricColumn, Pyramid
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings.plan import Plan

UNITS = {"_bytes": "B", "_accuracy": "fraction", "_error": "relative"}


def decimate(steps, values, columns):
    """Steps and values that are drawn, and the steps of gaps."""
    kept, bad = decimated(Pyramid(values), 0, len(values), columns)
    return [steps[i] for i, _ in kept], [y for _, y in kept], [steps[i] for i in bad]


def test_sizes_that_would_have_five_digits_are_in_gib_the_whole_figure():
    mib = 2.0**20
    small, large = run(resident_bytes=[900 * mib]), run(resident_bytes=[18_432 * mib, 9_216 * mib])
    for runs, unit, ys, words in (
        ([small], "MiB", [900.0], "900.0"),
        ([large], "GiB", [18.0, 9.0], "18.00"),
        ([small, large], "GiB", [900 / 1024], "0.88"),
    ):
        shown = figure(PROCESS_MEMORY, runs, Frame(width=40))
        assert shown.y_label == unit
        assert list(shown.curves[0].ys) == ys
        assert worded(ys[0], unit) == words
    assert worded(1.5, "GiB", signed=True) == "+1.50"


def run(name="a", **columns):
    summary = Summary(id="aaaaaaaa", name=name, state="running", plan=Plan(name=name), created=0.0)
    series = {}
    for metric, values in columns.items():
        unit = next((u for end, u in UNITS.items() if metric.endswith(end)), "")
        declared = MetricDeclared(name=metric, unit=unit, per="step", direction="down", meaning="")
        steps = list(range(1, len(values) + 1))
        series[metric] = Series(declared, steps, list(values), len(values))
    latest = max((len(values) for values in columns.values()), default=0)
    summary = replace(summary, step=latest)
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
    drawn = figure(LOSS, [run(loss=[math.nan, math.nan])], Frame(width=40))

    assert drawn.curves[0].ys == ()
    assert drawn.gaps == 2


def test_accuracy_is_drawn_in_percent_and_memory_in_mebibytes():
    accuracy = figure(ACCURACY, [run(validation_accuracy=[0.25, 0.5])], Frame(width=40))
    memory = figure(PROCESS_MEMORY, [run(resident_bytes=[2**20, 2**21])], Frame(width=40))

    assert (accuracy.y_label, accuracy.curves[0].ys) == ("%", (25.0, 50.0))
    assert (memory.y_label, memory.curves[0].ys) == ("MiB", (1.0, 2.0))


def test_several_runs_are_told_apart_by_name():
    drawn = figure(LOSS, [run("a", loss=[1.0]), run("b", loss=[2.0])], Frame(width=40))

    assert [curve.label for curve in drawn.curves] == ["a train", "b train"]


def test_the_horizontal_axis_can_count_epochs():
    drawn = figure(LOSS, [run(loss=[1.0] * 20)], Frame(width=100, horizontal="epoch"))

    assert (drawn.x_label, drawn.curves[0].xs[-1]) == ("epoch", 2.0)


def test_a_logarithmic_axis_counts_what_it_cannot_show_and_gaps_stay():
    errors = run(reconstruction_error=[0.0, 1e-6, math.nan, 1e-2], gradient_error=[0.0, 0.0])
    drawn = figure(ERROR, [errors], Frame(width=40))
    reconstruction, gradient = drawn.curves

    assert drawn.logarithmic
    assert [curve.label for curve in drawn.curves] == ["reconstruction", "gradient"]
    assert reconstruction.ys == (0.0, 1e-6, 1e-2)
    assert (reconstruction.dropped, gradient.dropped, drawn.dropped) == (1, 2, 3)
    assert (reconstruction.gaps, reconstruction.not_finite) == ((3.0,), 1)
    assert figure(ERROR, [errors], Frame(width=40, logarithmic=False)).dropped == 0


def test_what_is_noisy_is_smoothed_unless_asked_otherwise_and_raw_points_stay():
    noisy = [1.0, 3.0] * 40
    usual = figure(LOSS, [run(loss=noisy)], Frame(width=100, smoothing=None)).curves[0]
    steady = figure(
        LOSS, [run(loss=[1 / n for n in range(1, 80)])], Frame(width=100, smoothing=None)
    )
    asked = figure(LOSS, [run(loss=noisy)], Frame(width=100, smoothing=0.0)).curves[0]

    assert usual.weight == 0.9
    assert max(usual.ys[40:]) - min(usual.ys[40:]) < 0.3
    assert {y for _, y in usual.raw} == {1.0, 3.0}
    assert (steady.curves[0].weight, steady.curves[0].raw) == (0.0, ())
    assert (asked.ys, asked.raw) == (tuple(noisy), ())


def test_a_constant_stays_constant_when_it_is_smoothed():
    drawn = figure(LOSS, [run(loss=[0.3] * 500)], Frame(width=30, smoothing=0.98))

    assert set(drawn.curves[0].ys) == {0.3}


def test_best_and_last_are_of_the_whole_series_whatever_part_is_in_view():
    loss = [2.0, 0.5, 1.0, 1.5, 1.25]
    drawn = figure(LOSS, [run(loss=loss)], Frame(width=40, view=Viewport(1.0, 5.0)))
    curve = drawn.curves[0]

    assert (drawn.left, drawn.right) == (4.0, 5.0)
    assert (curve.best.step, curve.best.y, curve.last.step, curve.last.y) == (2, 0.5, 5, 1.25)
    assert curve.xs[-2:] == (4.0, 5.0)


def test_a_peak_is_never_below_what_it_is_the_peak_of():
    drawn = figure(
        PROCESS_MEMORY,
        [run(resident_bytes=[2**20, 4 * 2**20, 3 * 2**20], resident_peak_bytes=[2**20, 3.9 * 2**20, 2**20])],
        Frame(width=40),
    )  # fmt: skip

    assert drawn.curves[1].ys == (1.0, 4.0, 4.0)


def test_memory_is_that_of_the_device_where_there_is_one_else_what_the_backward_needs():
    on_cpu = run(kept_for_backward_bytes=[2**20], training_peak_bytes=[2**21], resident_bytes=[9e8])
    on_gpu = run(device_allocated_bytes=[2**20], resident_bytes=[9e8])

    assert [w for _, w in subject(MEMORY, [on_cpu]).metrics] == ["kept for backward", "peak"]
    assert [w for _, w in subject(MEMORY, [on_gpu]).metrics] == [
        "allocated",
        "reserved",
        "peak",
        "limit",
    ]


def test_the_peak_of_a_cpu_run_is_that_of_the_allocator_where_it_is_known():
    known = replace(
        run(kept_for_backward_bytes=[2**20], loss=[1.0] * 9),
        facts={"foreseen_peak_bytes": 3 * 2**20},
    )
    kept, peak = figure(subject(MEMORY, [known]), [known], Frame(width=40)).curves

    assert (kept.ys, peak.ys) == ((1.0, 1.0), (3.0, 3.0))
    assert (kept.xs[-1], peak.xs[-1]) == (9.0, 9.0)


def test_a_peak_of_the_process_is_not_below_what_one_pass_keeps():
    early = run(kept_for_backward_bytes=[2**21], training_peak_bytes=[2**20, 3 * 2**20])

    assert figure(subject(MEMORY, [early]), [early], Frame(width=40)).curves[1].ys == (2.0, 3.0)


def test_what_is_measured_for_every_block_is_one_subject_in_the_order_of_the_blocks():
    names = {f"gradient_of_block_{n}": [1.0] for n in (10, 2, 0)}
    many = run(**names)

    assert "gradient by block" in offered([many])
    assert not set(offered([many])) & set(names)
    drawn = figure(subject("gradient by block", [many]), [many, many], Frame(width=40))
    assert [curve.word for curve in drawn.curves] == ["block 0", "block 2", "block 10"]
    assert drawn.by_block


def test_everything_that_was_recorded_is_offered_and_families_come_first():
    names = offered([run(loss=[1.0], validation_loss=[1.0], learning_rate=[0.1], own_metric=[3.0])])

    assert names[:2] == ["loss", "training loss"]
    assert {"learning_rate", "own_metric", "validation_loss"} <= set(names)
    assert "accuracy" not in names
    assert subject("own_metric", []).metrics == (("own_metric", ""),)
    assert set(FAMILIES) >= {"loss", "accuracy", "error"}


def test_the_axis_can_be_another_metric():
    both = run(loss=[3.0, 2.0, 1.0], validation_accuracy=[0.1, 0.3, 0.2])
    drawn = figure(LOSS, [both], Frame(width=40, horizontal="validation_accuracy"))

    assert drawn.curves[0].xs == (10.0, 30.0, 20.0)
    assert (drawn.left, drawn.right) == (10.0, 30.0)


def test_the_axis_can_be_the_time_since_the_start_or_the_time_of_day():
    one = replace(
        run(loss=[3.0, 2.0, 1.0]),
        times=StepTimes(steps=[1, 3], seconds=[10.0, 30.0], walls=[1010.0, 1030.0], length=2),
    )
    elapsed = figure(LOSS, [one], Frame(width=40, horizontal=axes.ELAPSED))
    wall = figure(LOSS, [one], Frame(width=40, horizontal=axes.WALL))

    assert elapsed.curves[0].xs == (10.0, 20.0, 30.0)
    assert wall.curves[0].xs == (1010.0, 1020.0, 1030.0)
    assert (wall.left, wall.right) == (1010.0, 1030.0)


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

        drawn = figure(LOSS, [grown], Frame(width=7, smoothing=smoothing))
        at_once = figure(LOSS, [run(loss=whole)], Frame(width=7, smoothing=smoothing))

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
        return (
            figure(ACCURACY, [Run(summary=summary, series=series)], Frame(width=40)).curves[0].label
        )

    said = "Share of training images classified correctly before each update, "
    assert label(f"{said}with dropout 0.1.") == "train (dropout)"
    assert (
        label(f"{said}augmented (flip True) and with bdia's random signs.")
        == "train (augmented, random signs)"
    )
    assert label(f"{said}with neither augmentation nor dropout.") == "train"
    assert label("Share of training images classified correctly after the fit.") == "train"


def test_a_step_without_a_place_on_the_axis_of_a_metric_is_neither_drawn_nor_pointed_at():
    one = run(loss=[4.0, 3.0, 2.0, 1.0], wait=[math.nan, 0.5, 0.25, math.nan])
    drawn = figure(LOSS, [one], Frame(width=20, horizontal="wait", smoothing=0.9))
    (curve,) = drawn.curves
    assert all(math.isfinite(x) for x, _ in curve.raw)
    places = [cursor.moved(drawn, 0.25, by) for by in (-1, 1)]
    assert all(place in {0.25, 0.5} for place in places)

    nowhere = figure(
        LOSS, [run(loss=[4.0, 3.0], wait=[math.nan] * 2)], Frame(width=20, horizontal="wait")
    )
    assert cursor.moved(nowhere, None, 1) is None
    assert list(cursor.read([nowhere], 0.0)) == []
    assert legend.placed(math.nan) == "–"


def test_a_legend_says_how_much_its_values_are_smoothed_or_gives_them_as_recorded():
    noisy = [4.0 + (-1) ** n * 0.5 for n in range(40)]
    drawn = figure(LOSS, [run(loss=noisy)], Frame(width=40, smoothing=0.9))
    mark = Mark(letter="L", colour=(0, 0, 0))
    for form in legend.forms(drawn, [mark]):
        text = "".join(form)
        assert "smoothed 0.9" in text or "3.5" in text or not any(c.isdigit() for c in text)


def test_the_mean_of_seeds_knows_the_own_value_of_each_of_them_at_the_cursor():
    runs = [replace(run("arm", loss=[4.0, value]), summary=None) for value in (1.0, 3.0)]
    runs = [
        replace(
            each,
            summary=replace(
                run("arm", loss=[1.0, 1.0]).summary, id=f"run{n}", plan=Plan(name="arm", seed=n)
            ),
        )
        for n, each in enumerate(runs)
    ]
    drawn = figure(LOSS, runs, Frame(width=40, united=True))
    (mean,) = cursor.read([drawn], 2.0)
    assert mean.reading.raw == 2.0
    own = {
        each.id: next(cursor.read([drawn], 2.0, run_id=each.id, baseline="run0")) for each in runs
    }
    assert {key: each.reading.raw for key, each in own.items()} == {"run0": 1.0, "run1": 3.0}


def test_a_size_below_a_mebibyte_keeps_two_digits_in_a_chart():
    assert worded(62.8 / 1024, "MiB") == "0.061"
    assert worded(-0.061, "MiB", signed=True) == "-0.061"
    assert (worded(12.345, "MiB"), worded(0.0, "MiB")) == ("12.3", "0.0")
