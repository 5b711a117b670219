"""How long a run will take, foretold from a few of its steps."""

import time

import pytest

from revconsole.training.learning import by_gradients
from revconsole.training.questions import pace

BATCH_SECONDS = 0.05


@pytest.fixture
def slow_data(monkeypatch):
    """Every batch takes a while to make; whatever the machine does, not less."""
    real = by_gradients.batches

    def slow(*given, **named):
        for batch in real(*given, **named):
            time.sleep(BATCH_SECONDS)
            yield batch

    monkeypatch.setattr(by_gradients, "batches", slow)


def test_making_the_batches_is_part_of_a_step(realise, slow_data):
    setting = realise(train={"epochs": 5})

    assert pace.seconds_of(setting) >= setting.steps * BATCH_SECONDS


def test_reporting_the_results_is_part_of_a_step(realise, monkeypatch):
    monkeypatch.setattr(by_gradients, "REPORTED", 5)
    monkeypatch.setattr(by_gradients, "encode", lambda _: time.sleep(BATCH_SECONDS))
    setting = realise(train={"epochs": 5})

    assert pace.seconds_of(setting) >= setting.steps * BATCH_SECONDS


def test_an_epoch_of_one_step_is_enough_to_be_timed(realise):
    setting = realise(train={"epochs": 3, "batch": 512})

    assert setting.steps_per_epoch == 1
    assert 0 < pace.seconds_of(setting) < 60


@pytest.mark.parametrize("probes", [0, 1])
def test_probes_are_in_it_where_there_are_any(realise, probes, monkeypatch):
    """A probe of an hour: only its time is made up."""
    real = pace.measure

    def long(setting):
        found = real(setting)
        return type(found)(
            error=found.error, block=found.block, gradient_error=found.gradient_error,
            side_bit_mean=found.side_bit_mean, seconds=3600.0,
        )  # fmt: skip

    monkeypatch.setattr(pace, "measure", long)
    changes = {"scheme": {"name": "additive"}, "backward": "reversible"}
    seconds = pace.seconds_of(realise(**changes, train={"epochs": 4, "probe_epochs": probes}))

    assert (seconds > 5 * 3600.0) is bool(probes)
