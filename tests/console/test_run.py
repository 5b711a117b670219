"""The run screen: plots with axes and units, facts, log."""

import pytest
from textual import events

from revconsole.records.logs.events import Advised, Bounded, EpochFinished, Started
from revconsole.records.settings.plan import Plan

WHEEL = events.MouseScrollUp(
    None, 30, 3, 0, -1, 0, shift=False, meta=False, ctrl=False
)  # fmt: skip
EVERY_SIZE = pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])


@EVERY_SIZE
async def test_a_run_shows_plots_with_axes_and_units_facts_and_log(opened, recorder, width, height):
    recorder.finished("demo-bdia", scheme="bdia")
    async with opened(width, height) as stage:
        await stage.shows("demo-bdia")
        await stage.press("enter")
        await stage.shows("loss (nats)", "accuracy (%)", "memory (MiB)", "step", "│", "⠤")
        await stage.shows("4/4", "val 90.5 %", "test 97.2 %", "warning: validation")
        assert "train 0.4644" in stage.line("loss (nats)")
        assert "40 step" in stage.text


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
        await stage.shows("loss", "nothing measured yet")
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
        await stage.shows("4 epoch")
        await stage.press("x")
        await stage.shows(" time")
        await stage.press("x", "x")
        await stage.shows("40 step")


async def test_smoothing_is_said_in_the_title(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter", "full_stop")
        await stage.shows("smoothed 0.8")
        await stage.press("comma", "comma")
        await stage.hides("smoothed")


async def test_a_zoom_by_keys_shows_a_part_and_the_cursor_reads_every_chart(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("40 step")
        await stage.press("left", "left")
        await stage.shows("step 39 · epoch 3.9", "loss train 0.4833", "validation 90.5 %")
        await stage.press("plus")
        await stage.until(lambda: stage.app.screen.figures()[0].left == 19.5)
        await stage.press("shift+left")
        await stage.until(lambda: stage.app.screen.figures()[0].right == 34.5)
        await stage.press("0")
        await stage.until(lambda: stage.app.screen.figures()[0].left == 0)
        await stage.press("escape")
        await stage.hides("step 39")


async def test_the_wheel_zooms_and_a_click_sets_the_cursor(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("40 step")
        await stage.pilot.click("#chart-0 .plot", offset=(30, 3))
        await stage.shows("step 2", "loss train")
        stage.app.screen.query("#chart-0 .plot").first().on_mouse_scroll_up(WHEEL)
        await stage.until(lambda: stage.app.screen.figures()[0].left > 0)


async def test_any_metric_is_found_by_typing_and_charts_are_added_and_removed(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        await stage.press("m")
        await stage.shows("images_per_second", "1,234 images/s")
        await stage.press(*"per sec")
        await stage.hides("validation_loss")
        await stage.press("enter")
        await stage.shows("images per second (images/s)")
        assert "loss (nats)" not in stage.text
        await stage.press("a", *"train", "enter")
        await stage.until(lambda: len(stage.app.screen.charts.metrics) == 4)
        await stage.press("backspace")
        await stage.until(lambda: len(stage.app.screen.charts.metrics) == 3)


async def test_the_palette_knows_every_metric_of_the_run(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        await stage.press("ctrl+p", *"chart images per")
        await stage.shows("Chart images per second")
        await stage.press("enter")
        await stage.shows("images per second (images/s)")


async def test_the_axis_can_be_any_metric_and_only_a_metric(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        await stage.press("X")
        await stage.shows("Axis", "type to narrow the list", "validation_accuracy")
        await stage.press(*"memory")
        await stage.shows("no choice has 'memory'")
        await stage.press(*["backspace"] * 6)
        await stage.press(*"validation acc", "enter")
        await stage.shows("90.53 validation accuracy")


async def test_a_logarithmic_axis_is_switched_by_a_key(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        await stage.press("y")
        await stage.shows("0.01")


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
        await stage.shows("error ", "1e-02")
        heading = stage.line("loss (nats)")
        assert heading.index("loss (nats)") < heading.index("error ")
        assert "1e-02" in heading
        await stage.shows("memory (MiB)")
    attempt.close()


async def test_a_key_shows_the_charts_that_found_no_room(opened, recorder):
    _, attempt = recorder.begin("noisy", scheme="momentum")
    recorder.epoch(attempt, 1)
    recorder.probed(attempt, 1, reconstruction=1e-6, gradient=1e-7)
    async with opened(60, 16) as stage:
        await stage.shows("noisy")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        assert "error (relative)" not in stage.text
        await stage.press("e")
        await stage.shows("error (relative)")
        assert "loss (nats)" not in stage.text
    attempt.close()


async def test_the_plot_of_errors_appears_with_the_first_probe(opened, recorder):
    _, attempt = recorder.begin("fresh", scheme="momentum")
    async with opened() as stage:
        await stage.shows("fresh")
        await stage.press("enter")
        await stage.shows("loss", "nothing measured yet")
        recorder.probed(attempt, 0, reconstruction=1e-6, gradient=1e-7)
        stage.app.reader.wake()
        await stage.shows("error rebuilt 1e-06")
    attempt.close()


@EVERY_SIZE
async def test_an_exact_reconstruction_is_said_to_be_exact(opened, recorder, width, height):
    _, attempt = recorder.begin("lossless", scheme="bdia")
    recorder.epoch(attempt, 1)
    recorder.probed(attempt, 1, reconstruction=0.0, gradient=3e-8)
    async with opened(width, height) as stage:
        await stage.shows("lossless")
        await stage.press("enter")
        await stage.shows("rebuilt 0, exact" if width == 80 else "reconstruction 0, exact")
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
        attempt.emit(left._replace(epoch=2, cells="0000", points=()))
        stage.app.reader.wake()
        await stage.shows("boundary, epoch 2")
        await stage.hides("█")
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
        await stage.shows("a support vector machine has none", "412 support vectors", "C, gamma")
    attempt.close()


@pytest.mark.parametrize("key", ["s", "p", "r", "v"])
async def test_a_key_where_the_run_is_not_in_the_store_is_not_answered_by_silence(opened, key):
    async with opened(runs=["2pcea7ev"]) as stage:
        await stage.shows("facts", "is not in the store")
        await stage.press(key)
        await stage.shows("there is no run here")


async def test_the_log_is_searched_and_tied_to_the_cursor(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("epoch 4, step 40", "training on 1,437 images")
        await stage.press("slash", *"epoch 2", "enter")
        await stage.hides("training on 1,437 images")
        await stage.press("down", "enter")
        await stage.shows("step 20 · epoch 2")
        await stage.press("escape")
        await stage.shows("training on 1,437 images")
        await stage.press("L", "L")
        await stage.hides("training on 1,437 images")
        await stage.shows("log: warning and above", "warning: validation accuracy fell")
