"""What of an axis is in view, and where the cursor on it stands."""

from dataclasses import replace

import pytest

from revconsole.lab.curves import cursor, scales
from revconsole.lab.curves.colours import ON_DARK, ColourPlaces
from revconsole.lab.curves.figures import Frame, figure
from revconsole.lab.curves.scales import Scale
from revconsole.lab.curves.subjects import LOSS
from revconsole.lab.curves.viewport import WHOLE, Viewport
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings.plan import Plan


def drawn(steps, values, *, run_id="aaaaaaaa", frame=None):
    metric = MetricDeclared(name="loss", unit="nats", per="step", direction="down", meaning="")
    summary = Summary(
        id=run_id, name="a", state="running", plan=Plan(name="a"), created=0.0, step=steps[-1]
    )
    run = Run(summary=summary, series={"loss": Series(metric, steps, values, len(steps))})
    return figure(LOSS, [run], frame or Frame(width=40))


def test_a_zoom_keeps_its_place_when_data_arrives():
    view = WHOLE.zoomed(0.5, 0, 100, around=50)
    assert view.window(0, 100) == (25, 75)
    assert view.window(0, 400) == (25, 75)


def test_a_zoom_at_the_right_end_follows_the_newest_data():
    view = WHOLE.zoomed(0.5, 0, 100)
    assert view.following
    assert view.window(0, 100) == (50, 100)
    assert view.window(0, 400) == (350, 400)


def test_zooming_out_as_far_as_it_goes_shows_everything_again():
    view = WHOLE.zoomed(0.5, 0, 100, around=50)
    assert view.zoomed(2, 0, 100).whole
    assert WHOLE.zoomed(2, 0, 100) == WHOLE


@pytest.mark.parametrize(("share", "expected"), [(-0.5, (0, 50)), (-9, (0, 50)), (0.2, (35, 85))])
def test_panning_stops_at_the_ends(share, expected):
    view = WHOLE.zoomed(0.5, 0, 100, around=50)
    assert view.panned(share, 0, 100).window(0, 100) == pytest.approx(expected)


def test_panning_to_the_right_end_follows_again():
    view = WHOLE.zoomed(0.5, 0, 100, around=20).panned(9, 0, 100)
    assert view.following
    assert view.window(0, 200) == (150, 200)


def test_whole_and_recent_alternate():
    recent = WHOLE.toggled(0, 100)
    assert recent.window(0, 100) == (80, 100)
    assert recent.toggled(0, 100) == WHOLE


def test_the_view_moves_just_far_enough_to_hold_the_cursor():
    view = Viewport(10, 50)
    assert view.holding(45, 0, 100) is view
    assert view.holding(60, 0, 100).window(0, 100) == (50, 60)
    assert view.holding(30, 0, 100).window(0, 100) == (30, 40)


def test_the_cursor_goes_by_columns_and_stands_on_points():
    dense = drawn(list(range(1, 1001)), [1.0] * 1000)
    first = cursor.moved(dense, None, -1, column_share=0.01)
    assert first == 1000
    assert cursor.moved(dense, first, -1, column_share=0.01) == 990


def test_the_cursor_goes_from_point_to_point_where_they_are_far_apart():
    sparse = drawn([10, 500, 1000], [1.0, 2.0, 3.0])
    assert cursor.moved(sparse, 1000, -1, column_share=0.01) == 500
    assert cursor.moved(sparse, 10, -1, column_share=0.01) == 10


def test_the_reading_is_the_nearest_point_of_the_whole_series_smoothed_and_raw():
    values = [1.0, 3.0] * 500
    smooth = drawn(list(range(1, 1001)), values, frame=Frame(width=10, smoothing=0.9))
    (read,) = cursor.read([smooth], 500.4)
    assert (read.reading.step, read.reading.raw) == (500, 3.0)
    assert 1.9 < read.reading.y < 2.15


def test_the_difference_is_to_the_baseline_at_the_same_place():
    one = drawn([1, 2], [1.0, 2.0], run_id="aaaaaaaa")
    two = drawn([1, 2], [1.5, 5.0], run_id="bbbbbbbb")
    both = replace(one, curves=(*one.curves, *two.curves))
    deltas = [read.delta for read in cursor.read([both], 2, baseline="aaaaaaaa")]
    assert deltas == [None, 3.0]


def test_nothing_is_read_beyond_the_end_of_a_run():
    short = drawn([1, 2], [1.0, 2.0], run_id="aaaaaaaa")
    long = drawn([1, 2, 9], [1.5, 5.0, 7.0], run_id="bbbbbbbb")
    both = replace(short, curves=(*short.curves, *long.curves))
    assert [(r.curve.run_id, r.delta) for r in cursor.read([both], 9, baseline="aaaaaaaa")] == [
        ("bbbbbbbb", None)
    ]


def test_an_axis_holds_still_until_values_leave_it_or_take_little_of_it():
    first = scales.steady(None, [0.0, 10.0])
    assert scales.steady(first, [0.5, 6.0]) is first
    assert scales.steady(first, [0.0, 12.0]).high >= 12
    assert scales.steady(first, [1.0, 2.0]).high == 2


def test_a_logarithmic_axis_ends_at_powers_of_ten_and_goes_back_and_forth():
    scale = scales.fitting([0.0, 3e-7, 2e-3], logarithmic=True)
    assert (scale.low, scale.high) == pytest.approx((1e-7, 1e-2))
    assert scale.value(scale.share(4e-5)) == pytest.approx(4e-5)
    assert [text for _, text in scale.ticks(10)] == ["1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-2"]


def test_an_axis_shorter_than_a_power_of_ten_has_its_ends_as_ticks():
    scale = scales.fitting([2.0, 3.0], logarithmic=True)
    assert Scale(scale.low, scale.high, logarithmic=True).ticks(2)[0][0] == scale.low


def test_a_run_keeps_its_colour_whatever_is_shown_beside_it():
    ids = [f"run{n:05d}" for n in range(40)]
    alone = [ColourPlaces().of([run_id])[run_id] for run_id in ids]
    again = [ColourPlaces().of([run_id])[run_id] for run_id in ids]
    assert alone == again
    assert len(set(alone)) == len(ON_DARK)


def test_runs_shown_together_differ_as_far_as_the_palette_goes():
    ids = [f"run{n:05d}" for n in range(len(ON_DARK))]
    assert len(set(ColourPlaces().of(ids).values())) == len(ON_DARK)
    places = ColourPlaces()
    places.of(ids[:2])
    before = dict(places.of(ids[:2]))
    assert places.of(ids).items() >= before.items()
