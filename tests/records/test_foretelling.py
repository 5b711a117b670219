"""What a run records of its own predictions: the time foreseen at its start, and how good its ETA has been."""

import pytest

from revconsole.errors import DataUnavailable
from revconsole.records.foresight import cache
from revconsole.records.logs.events import Answered, EpochFinished, Finished, Measured, Started
from revconsole.records.runs.foretelling import Foretelling
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

STEPS, EPOCHS = 100, 10
FACTS = {
    "steps": STEPS, "epochs": EPOCHS, "steps_per_epoch": 10, "evaluated_per_epoch": 0, "evaluated_at_end": 0,
    "image_seconds": 0.0, "device": "cpu", "device_name": "a processor", "multiply_adds_per_image": 1000,
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foresight")


class Clock:
    """Stands still unless told to go on."""

    now = 0.0

    def __call__(self):
        return self.now


def trained(seconds_of, *, resumed_from=None, pause_at=None):
    """The last event of a run whose step `n` takes `seconds_of(n)`."""
    clock = Clock()
    telling = Foretelling(Plan(name="small"), list, clock)
    telling.completed(Started(facts=FACTS, resumed_from=resumed_from))
    telling.completed(Measured(step=0, epoch=0, values={"resident_bytes": 1.0}))
    for step in range(1, STEPS + 1):
        clock.now += seconds_of(step)
        epoch = (step - 1) // 10 + 1
        values = {"loss": 1.0, "resident_bytes": 1.0}
        telling.completed(Measured(step=step, epoch=epoch, values=values))
        if step == pause_at:
            telling.completed(Answered(verb="pause", by="me", step=step))
        if step % 10 == 0:
            took = {"epoch_seconds": 10 * seconds_of(step), "validation_seconds": 0.0}
            telling.completed(EpochFinished(epoch=epoch, step=step, values=took))
    return telling.completed(Finished(outcome="completed", step=STEPS))


def test_an_even_run_is_told_right():
    assert trained(lambda _: 0.5).eta == pytest.approx({"10": 1.0, "25": 1.0, "50": 1.0}, rel=0.02)


def test_of_a_run_that_slows_down_it_is_told_by_how_much_the_eta_was_too_short():
    """The first half takes a second a step, the second three."""
    eta = trained(lambda step: 1.0 if step <= STEPS / 2 else 3.0).eta

    assert eta == pytest.approx({"10": 190 / 90, "25": 175 / 75, "50": 150 / 50}, rel=0.03)


@pytest.mark.parametrize("apart", [{"resumed_from": 10}, {"pause_at": 30}])
def test_nothing_is_told_of_a_run_that_did_not_train_at_one_go(apart):
    assert trained(lambda _: 0.5, **apart).eta == {}


def test_the_start_records_what_earlier_runs_tell_and_nothing_where_nothing_is_known():
    plan = Plan(name="small")
    earlier = Summary(
        id="a" * 8, name="small", state="finished", plan=plan, created=0.0, device="cpu", device_name="a processor",
        seconds_per_epoch=2.0, seconds_at_end=1.0,
    )  # fmt: skip
    started = Started(facts=FACTS)

    told = Foretelling(plan, lambda: [earlier]).completed(started).facts
    assert told["foreseen_epoch_seconds"] == 2.0
    assert told["foreseen_seconds"] == pytest.approx(2.0 * plan.epochs + 1.0)
    assert told["foreseen_time_from"] == "run"
    assert Foretelling(plan, list).completed(started) == started


def test_a_run_trains_though_what_earlier_ones_read_is_gone():
    def gone():
        raise DataUnavailable("the folder of images is gone")

    started = Started(facts=FACTS)

    assert Foretelling(Plan(name="small"), gone).completed(started) == started
