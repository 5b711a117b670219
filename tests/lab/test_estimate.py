"""Time and memory of planned runs, measured in another process."""

import threading

import pytest

from revconsole.errors import DataUnavailable, RevconsoleError
from revconsole.lab.estimate import Measurer
from revconsole.lab.lab import Lab
from revconsole.records.settings.plan import Plan

SMALL = {
    "name": "small",
    "model": {"architecture": "vit", "patch": 4, "dim": 16, "depth": 1, "heads": 2},
}


@pytest.fixture
def measurer():
    made = Measurer()
    yield made
    made.end()


def test_a_plan_is_measured_and_known_to_the_forecast_and_one_without_data_does_not_end_the_process(
    measurer, monkeypatch, tmp_path, tiny_study
):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "nowhere"))
    small = Plan.model_validate(SMALL)

    with pytest.raises(DataUnavailable, match="put "):
        measurer.ask(Plan.model_validate({"name": "absent", "data": {"dataset": "cifar10"}}))
    one = measurer.ask(small)
    double = measurer.ask(
        small.model_copy(update={"train": small.train.model_copy(update={"batch": 256})})
    )

    assert one.pace.steps >= 3
    assert 0 < one.pace.step_seconds[0] <= one.pace.step_seconds[1] <= one.pace.step_seconds[2]
    assert one.step_bytes < double.step_bytes

    lab = Lab(tmp_path / "runs")
    standing = lab.standings(lab.study("tiny", quick=True))
    arms = [arm for arm, error in lab.estimate(standing, measurer) if error is None]
    assert arms == ["plain", "two streams"]
    assert "2 runs from a few steps measured" in lab.forecast(standing).sentence
    assert "MiB for a training step" in lab.memory(standing)
    assert list(lab.estimate(standing, measurer)) == []


@pytest.mark.interpreter  # which can be made to begin and never answer
def test_a_process_that_was_ended_is_an_error_and_no_wait(measurer, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(1e6)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    plan = Plan.model_validate(SMALL)
    threading.Timer(0.3, measurer.end).start()

    with pytest.raises(RevconsoleError, match="has ended"):
        measurer.ask(plan)
    with pytest.raises(RevconsoleError, match="has ended"):
        measurer.ask(plan)
