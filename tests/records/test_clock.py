"""When the steps of a run were taken, over its attempts."""

import math

import pytest

from revconsole.records.logs.clock import Clock, StepTimes


def test_times_between_two_reports_are_interpolated():
    clock = Clock()
    clock.begin(wall=1000.0, step=0)
    clock.add(10, 2.0)
    clock.add(20, 6.0)
    times = clock.times()

    assert (times.elapsed(15), times.wall(15)) == pytest.approx((4.0, 1004.0))
    assert (times.elapsed(5), times.elapsed(99)) == (2.0, 6.0)


def test_a_resume_goes_on_where_the_run_was_and_forgets_what_came_after():
    clock = Clock()
    clock.begin(wall=1000.0, step=0)
    for step in (10, 20, 30):
        clock.add(step, step / 10)
    before = clock.times()
    clock.begin(wall=5000.0, step=20)
    clock.add(30, 4.0)
    times = clock.times()

    assert [times.elapsed(s) for s in (10, 20, 30)] == [1.0, 2.0, 6.0]
    assert (times.wall(20), times.wall(30)) == (1002.0, 5004.0)
    assert before.elapsed(30) == 3.0  # what a reader holds does not change


def test_without_reports_no_time_is_known():
    assert math.isnan(StepTimes().elapsed(3))
