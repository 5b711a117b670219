"""Learning rates against their formulas."""

import math

import pytest
import torch

from revconsole.records.sections.schedule import (
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    StepSchedule,
)
from revconsole.training.setup.schedules import Rates

ROUNDING = 1e-12  # float64


def rates(schedule, *, epochs=10):
    return Rates(schedule=schedule, peak=0.2, steps_per_epoch=5, steps=5 * epochs)


@pytest.mark.parametrize("kind", [Constant, Cosine, StepSchedule, Exponential])
def test_a_warm_up_rises_linearly_to_the_peak(kind):
    rising = rates(kind(warmup_epochs=2.0))

    assert [rising.at(n) for n in range(1, 11)] == pytest.approx([0.02 * n for n in range(1, 11)])


@pytest.mark.parametrize("kind", [Constant, Cosine, StepSchedule, Exponential])
def test_without_a_warm_up_the_first_step_is_at_the_peak(kind):
    assert rates(kind()).at(1) == 0.2


def test_constant_stays():
    assert {rates(Constant()).at(n) for n in range(1, 51)} == {0.2}


def test_cosine_falls_from_the_peak_to_its_final_share():
    falling = rates(Cosine(final=0.1, warmup_epochs=1.0))
    values = [falling.at(n) for n in range(6, 51)]

    assert values[0] == 0.2
    assert falling.at(28) == pytest.approx(
        0.2 * (0.1 + 0.9 * (1 + math.cos(math.pi * 22 / 45)) / 2), rel=ROUNDING
    )
    assert values == sorted(values, reverse=True)
    assert 0.02 < values[-1] < 0.021


def test_step_falls_by_the_factor_at_the_border_of_an_epoch():
    falling = rates(StepSchedule(every_epochs=3, factor=0.1))

    assert falling.at(15) == pytest.approx(0.2)
    assert falling.at(16) == pytest.approx(0.02)
    assert falling.at(46) == pytest.approx(0.0002)


def test_exponential_falls_every_epoch():
    falling = rates(Exponential(factor=0.5))

    assert [falling.at(n) for n in (1, 5, 6, 11)] == pytest.approx([0.2, 0.2, 0.1, 0.05])


def test_a_warm_up_may_be_counted_in_steps():
    rising = rates(Cosine(warmup_steps=4, warmup_epochs=3.0))

    assert [rising.at(n) for n in (1, 2, 4, 5)] == pytest.approx([0.05, 0.1, 0.2, 0.2])


@pytest.mark.parametrize("epochs", [2, 10])
@pytest.mark.parametrize("cycle", [OneCycle(), OneCycle(rise=0.5, start=0.1, final=0.01)])
def test_one_cycle_is_that_of_torch(cycle, epochs):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.2, total_steps=5 * epochs, pct_start=cycle.rise,
        div_factor=1 / cycle.start,
        final_div_factor=cycle.start / cycle.final if cycle.final else 1e300,
    )  # fmt: skip
    expected = []
    for _ in range(5 * epochs):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < 5 * epochs:
            scheduler.step()

    ours = rates(cycle, epochs=epochs)
    assert [ours.at(n) for n in range(1, 5 * epochs + 1)] == pytest.approx(expected, abs=1e-12)


def test_one_cycle_may_have_its_peak_at_the_first_step():
    """Where torch's own divides by zero."""
    ours = rates(OneCycle(rise=0.2), epochs=1)

    assert [ours.at(n) for n in (1, 3, 5)] == pytest.approx([0.2, 0.1, 0.0])
