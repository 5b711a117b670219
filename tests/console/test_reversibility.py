"""Where a run's memory goes, and how exactly its backward rebuilds what it did not keep, on the screen."""

import re

import pytest

from revconsole.records.foresight import cache
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment
from revconsole.records.logs.events import Apportioned, Audited, Measured

MIB = 2.0**20
EVERY_SIZE = pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])


def recorded(recorder, name="demo-bdia"):
    """A run of the scheme bdia with what was foreseen, measured, probed and audited."""
    run_id, attempt = recorder.begin(name, scheme="bdia")
    parts = {"parameters": 2 * MIB, "gradients": MIB, "kept": 5 * MIB, "side_bits": MIB}
    attempt.emit(Apportioned(of="foreseen", backward="stored", parts=parts | {"kept": 30 * MIB}))
    attempt.emit(Apportioned(of="foreseen", backward="reversible", parts=parts))
    attempt.emit(
        Audited(checks=[{"name": "inverse", "level": "passed", "figure": "", "advice": ""}])
    )
    for number in (1, 2):
        recorder.epoch(attempt, number)
        recorder.probed(attempt, number, reconstruction=0.0, gradient=2e-7)
        of_blocks = {f"reconstruction_of_block_{n}": 0.0 for n in range(3)}
        of_blocks |= {f"gradient_error_of_block_{n}": 10.0 ** (n - 9) for n in range(3)}
        of_blocks["side_bits_bytes"] = MIB
        attempt.emit(Measured(step=10 * number, epoch=number, values=of_blocks))
    attempt.emit(Apportioned(of="measured", backward="reversible", parts=parts))
    attempt.close()
    return run_id


@EVERY_SIZE
async def test_a_run_shows_where_its_memory_goes_beside_what_was_foreseen(
    opened, recorder, width, height
):
    recorded(recorder)
    async with opened(width, height) as stage:
        await stage.shows("demo-bdia")
        await stage.press("enter")
        await stage.shows("memory of a step", "foreseen +0.0 %", "W weights", "S side bits")
        assert re.search(r"measured .+ 9\.0\b", stage.text)
        assert re.search(r"stored .+ 34\.0\b", stage.text)


@EVERY_SIZE
async def test_one_key_shows_how_exact_a_run_is_and_the_errors_of_each_block(
    opened, recorder, width, height
):
    recorded(recorder)
    async with opened(width, height) as stage:
        await stage.shows("demo-bdia")
        await stage.press("enter")
        await stage.shows("memory of a step", "R Exact")
        await stage.press("R")
        await stage.shows(
            "✓ exact", "in float32", "x₊ ← γx₋", "arXiv 2407.09093", "error 0 in 2 probes",
            "1 bit for each number", "the audit before training: 1 passed",
            "reconstruction by block", "gradient error by block",
        )  # fmt: skip
        await stage.press("right")
        await stage.shows("step")
        await stage.press("escape", "escape")
        await stage.shows("memory of a step")


async def test_of_the_plain_network_the_key_is_not_offered_and_says_why(opened, recorder):
    recorder.finished("demo")
    async with opened(160, 45) as stage:
        await stage.shows("demo")
        await stage.press("enter")
        await stage.shows("loss (nats)")
        assert "R Exact" not in stage.text
        await stage.press("R")
        await stage.shows("not reversible", "has no inverse", "nothing is rebuilt")


async def test_a_covered_screen_does_not_take_the_charts_of_the_one_in_front_when_the_terminal_is_resized(
    opened, recorder
):
    recorded(recorder)
    async with opened(80, 24) as stage:
        await stage.shows("demo-bdia")
        await stage.press("enter")
        await stage.shows("memory of a step")
        await stage.press("R")
        await stage.shows("✓ exact", "by block")
        await stage.pilot.resize_terminal(160, 45)
        await stage.until(lambda: stage.app.reader.settled)
        text = await stage.shows("reconstruction by block", "gradient error by block")
        assert "loss" not in text
        await stage.pilot.resize_terminal(120, 36)
        stage.app.theme = "ansi-dark"
        await stage.until(lambda: stage.app.screen.styles.background.a < 1)
        again = await stage.shows("reconstruction by block", "gradient error by block")
        rows = again.splitlines()
        frame = next(n for n, row in enumerate(rows) if row.startswith("╭─ reconstruction"))
        assert not rows[frame - 1].strip(), "the screen below shows through in an ANSI theme"


async def test_a_run_whose_memory_was_only_measured_has_what_the_cache_foresees_by_now(
    opened, recorder, monkeypatch, tmp_path
):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foreseen")
    run_id, attempt = recorder.begin("demo-bdia", scheme="bdia")
    parts = {"parameters": 2 * MIB, "kept": 7 * MIB}
    attempt.emit(Apportioned(of="measured", backward="reversible", parts=parts))
    attempt.close()
    async with opened(160, 45, [run_id]) as stage:
        await stage.shows("memory of a step", "measured 9.0", "`revconsole plan` adds")
        moment = Moment(operator="mm", fixed=MemoryParts(kept=18 * MIB), per_image=MemoryParts())
        step = StepMemory(once=(moment,), accumulated=(moment,))
        steps = dict.fromkeys(("stored", "reversible", "checkpointed"), step)
        foresight = Foresight(device="cpu", steps=steps, left_out={})
        Foreseen(counts={"parameters": 1}, foresight=foresight).keep(
            recorder.store.plan(run_id), "cpu"
        )
        await stage.shows("foreseen +100.0 %")
        assert "18.0" in stage.line("stored ")
