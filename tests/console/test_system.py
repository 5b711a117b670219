"""The system screen: the machine, and the runs that train on it."""

import pytest

from revconsole.console.screens.system import SystemScreen
from revconsole.console.widgets.plot_view import PlotView
from revconsole.records.host import HostReader
from revconsole.records.logs.events import Measured, MetricDeclared
from tests.lab.test_system import MACHINE


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_the_machine_and_its_trainings_are_shown_and_escape_leads_back(
    opened, store, plan, width, height
):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    async with opened(width, height) as stage:
        await stage.shows(plan.name)
        await stage.press("S")
        text = await stage.shows(
            "system · 1 run training", "processors", "memory", "disk of the store", run_id
        )
        assert "GiB" in text
        await stage.press("escape")
        await stage.shows("1 run", plan.name)
    attempt.close()


async def test_what_a_run_measured_of_the_machine_is_drawn_over_the_time_of_day(
    opened, recorder, monkeypatch
):
    monkeypatch.setattr(HostReader, "read", lambda _: MACHINE)
    _, attempt = recorder.begin("samples")
    attempt.emit(
        MetricDeclared(name="cpu_use", unit="fraction", per="step", direction="none", meaning="")
    )
    for step, use in enumerate((0.25, 0.75), 1):
        values = {"loss": 1.0, "resident_bytes": 1.0, "cpu_use": use}
        attempt.emit(Measured(step=step, epoch=1, values=values))
    async with opened(120, 36) as stage:
        await stage.press("S")
        await stage.shows("measured by samples", "processors in use (%)", "75.0 %", "clock")
        (drawn,) = (view.figure for view in stage.app.screen.query(PlotView) if view.display)
        assert drawn.curves[0].ys == (25.0, 75.0)
        await stage.pilot.resize_terminal(120, 18)
        await stage.until(lambda: "measured by" not in stage.text)
        assert isinstance(stage.app.screen, SystemScreen)
    attempt.close()
