"""The run screen: plots with axes and units, facts, log."""

from dataclasses import replace

import pytest

from revconsole.records.logs.events import Advised, Bounded, EpochFinished, Started
from revconsole.records.settings.plan import Plan

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


@EVERY_SIZE
async def test_the_error_of_the_reconstruction_stands_beside_the_loss(
    opened, recorder, width, height
):
    _, attempt = recorder.begin("noisy", scheme="momentum")
    for number, error in enumerate((1e-6, 1e-4, 1e-2), start=1):
        recorder.epoch(attempt, number)
        recorder.probed(attempt, number, reconstruction=error, gradient=error / 100)
    async with opened(width, height) as stage:
        await stage.shows("noisy")
        await stage.press("enter")
        await stage.shows("error (relative)", "1e-8", "1e-4")
        heading = stage.line("error (relative)")
        assert heading.index("loss (nats)") < heading.index("error (relative)")
        assert "R 1e-02" in heading.replace("reconstruction ", "")
        await stage.until(lambda: ("memory (MiB)" in stage.text) == (width == 160))
    attempt.close()


async def test_a_key_exchanges_error_and_memory_where_there_is_no_room_for_both(opened, recorder):
    _, attempt = recorder.begin("noisy", scheme="momentum")
    recorder.epoch(attempt, 1)
    recorder.probed(attempt, 1, reconstruction=1e-6, gradient=1e-7)
    async with opened() as stage:
        await stage.shows("noisy")
        await stage.press("enter")
        await stage.shows("error (relative)")
        await stage.press("e")
        await stage.shows("memory (MiB)")
        assert "error (relative)" not in stage.text
        await stage.press("e")
        await stage.shows("error (relative)")
    attempt.close()


async def test_the_plot_of_errors_appears_with_the_first_probe(opened, recorder):
    _, attempt = recorder.begin("fresh", scheme="momentum")
    async with opened() as stage:
        await stage.shows("fresh")
        await stage.press("enter")
        await stage.shows("loss: nothing measured yet", "memory: nothing measured yet")
        await stage.press("e")
        recorder.probed(attempt, 0, reconstruction=1e-6, gradient=1e-7)
        stage.app.reader.wake()
        await stage.shows("error (relative)", "1e-6")
        await stage.hides("memory: nothing")
    attempt.close()


@pytest.mark.parametrize("width", [160, 140], ids=["beside-the-unit", "in-place-of-the-unit"])
async def test_an_exact_reconstruction_is_said_to_be_exact(opened, recorder, width):
    _, attempt = recorder.begin("lossless", scheme="bdia")
    recorder.epoch(attempt, 1)
    recorder.probed(attempt, 1, reconstruction=0.0, gradient=3e-8)
    async with opened(width, 45) as stage:
        await stage.shows("lossless")
        await stage.press("enter")
        await stage.shows("R 0, exact", "G 3e-08")
    attempt.close()


async def test_a_run_that_probes_nothing_has_no_plot_of_errors(opened, recorder):
    recorder.finished("plain")
    async with opened(160, 45) as stage:
        await stage.shows("plain")
        await stage.press("enter")
        await stage.shows("loss (nats)", "memory (MiB)")
        assert "error" not in stage.text


async def test_an_alarm_stands_under_the_state_of_a_run_that_goes_on(opened, recorder):
    _, attempt = recorder.begin("noisy", scheme="momentum")
    attempt.emit(Advised(level="alarm", text="the gradients of this run are wrong"))
    recorder.epoch(attempt, 1)
    async with opened() as stage:
        await stage.shows("noisy")
        await stage.press("enter")
        await stage.shows("! the gradients of this run are wrong")
    attempt.close()


async def test_an_alarm_that_is_over_stands_under_the_state_no_more(opened, recorder):
    _, attempt = recorder.begin("noisy", scheme="momentum")
    attempt.emit(Advised(level="alarm", text="the run has diverged: stop", rule="diverged"))
    attempt.emit(Advised(level="note", text="the alarm (diverged) is over", rule="diverged"))
    recorder.epoch(attempt, 1)
    async with opened() as stage:
        await stage.shows("noisy")
        await stage.press("enter")
        await stage.shows("epoch 1/")
        assert "! the run has diverged" not in stage.text
    attempt.close()


@EVERY_SIZE
async def test_the_boundary_of_points_is_drawn_while_the_run_trains(
    opened, recorder, width, height
):
    _, attempt = recorder.begin("plane")
    recorder.epoch(attempt, 1)
    left = Bounded(
        step=10, epoch=1, box=(-1.0, 1.0, -1.0, 1.0), columns=2, rows=2, cells="z0z0", of="probability",
        names=("outer", "inner"), points=[(0.9, 0.9, 0), (-0.9, -0.9, 0)],
    )  # fmt: skip
    attempt.emit(left)
    async with opened(width, height) as stage:
        await stage.shows("plane")
        await stage.press("enter")
        await stage.shows("boundary, epoch 1: o outer", "█", "o", "O█")
        assert stage.line("boundary").index("loss") < stage.line("boundary").index("boundary")
        await stage.until(lambda: ("memory (MiB)" in stage.text) == (width == 160))
        attempt.emit(replace(left, epoch=2, cells="0000", points=()))
        stage.app.reader.wake()
        await stage.shows("boundary, epoch 2")
        await stage.hides("█")
        await stage.press("e")
        await stage.until(lambda: ("memory (MiB)" in stage.text) or width == 160)
    attempt.close()


async def test_a_machine_that_is_fitted_has_no_loss_and_says_so(opened, recorder, store):
    plan = Plan.model_validate({"name": "vectors", "model": {"architecture": "svm"}})
    attempt = store.claim(store.create(plan, {}), 1)
    attempt.emit(Started(facts={"steps": 45}))
    values = {"validation_accuracy": 0.9, "train_accuracy": 0.9, "support_vectors": 412.0}
    attempt.emit(EpochFinished(epoch=1, step=45, values=values))
    async with opened(160, 45) as stage:
        await stage.shows("vectors")
        await stage.press("enter")
        await stage.shows("loss: a fitted machine has none", "412 support vectors", "C, gamma")
    attempt.close()


def line_of_axis(stage) -> str:
    return next((line for line in stage.text.splitlines() if line.startswith("nats")), "")


@pytest.mark.parametrize("key", ["s", "p", "r", "v"])
async def test_a_key_before_the_run_was_read_is_not_answered_by_silence(opened, key):
    async with opened(runs=["2pcea7ev"]) as stage:
        await stage.shows("facts", "is not in the store")
        await stage.press(key)
        await stage.shows("no run is here yet")
