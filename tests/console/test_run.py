"""The run screen: plots with axes and units, facts, log."""

import pytest

EVERY_SIZE = pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])


@EVERY_SIZE
async def test_a_run_shows_plots_with_axes_and_units_facts_and_log(opened, recorder, width, height):
    recorder.finished("demo-bdia", scheme="bdia")
    async with opened(width, height) as stage:
        await stage.shows("demo-bdia")
        await stage.press("enter")
        await stage.shows("loss (nats)", "accuracy (%)", "memory (MiB)", "step", "└", "⠒")
        await stage.shows("4/4", "val 90.5 %", "test 97.2 %", "warning: validation")
        axis = next(line for line in stage.text.splitlines() if line.startswith("nats"))
        assert "step" in axis


async def test_facts_say_what_was_asked_for_and_measured(opened, recorder):
    recorder.finished("demo-bdia", scheme="bdia")
    async with opened(160, 45) as stage:
        await stage.shows("demo-bdia")
        await stage.press("enter")
        await stage.shows("105,610", "7d3f0c1a99be", "12.5 MiB", "bdia, gamma 0.5", "cpu")


async def test_curves_grow_while_the_run_trains(opened, recorder):
    _, attempt = recorder.begin("alive")
    async with opened(160, 45) as stage:
        await stage.shows("alive")
        await stage.press("enter")
        await stage.shows("loss: nothing measured yet")
        recorder.epoch(attempt, 1)
        stage.app.reader.wake()
        await stage.shows("loss (nats)", "img/s", "step 10/40")
    attempt.close()


async def test_a_loss_that_is_not_finite_is_announced(opened, recorder):
    recorder.finished("gone", nan=True)
    async with opened(160, 45) as stage:
        await stage.shows("gone")
        await stage.press("enter")
        await stage.shows("not finite from step 6", "×")


async def test_the_axis_counts_steps_or_epochs(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        await stage.press("x")
        await stage.until(lambda: "epoch" in line_of_axis(stage))


async def test_smoothing_is_said_in_the_title(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter", "plus")
        await stage.shows("loss, smoothed 0.6")
        await stage.press("0")
        await stage.shows("loss (nats)")


async def test_a_pane_fills_the_screen_and_escape_steps_out(opened, recorder):
    recorder.finished("demo")
    async with opened() as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)", "memory (MiB)")
        await stage.press("f")
        await stage.hides("memory (MiB)")
        await stage.press("escape")
        await stage.shows("memory (MiB)")
        await stage.press("escape")
        await stage.shows("✓ finished", "val")


async def test_a_frozen_picture_holds_still(opened, recorder):
    _, attempt = recorder.begin("alive")
    recorder.epoch(attempt, 1)
    async with opened(160, 45) as stage:
        await stage.shows("alive")
        await stage.press("enter")
        await stage.shows("step 10/40")
        await stage.press("space")
        await stage.shows("FROZEN")
        recorder.epoch(attempt, 2)
        stage.app.reader.wake()
        await stage.until(lambda: stage.app.reader.latest.summaries[0].epoch == 2)
        assert "step 10/40" in stage.text
        await stage.press("space")
        await stage.shows("step 20/40")
    attempt.close()


def line_of_axis(stage) -> str:
    return next((line for line in stage.text.splitlines() if line.startswith("nats")), "")
