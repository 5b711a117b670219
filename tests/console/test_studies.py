"""Studies in the console: the list, arms by seeds live, and running, stopping and going on with them."""

import asyncio
import re
import shlex
import signal
import subprocess
import time

import pytest

from revconsole.console import study_rows
from revconsole.console.widgets.live_table import LiveTable
from revconsole.lab.launchers import process
from revconsole.lab.search import launching
from revconsole.lab.study import Standing
from revconsole.records import devices, host
from revconsole.records.foresight import cache as foresight_cache
from revconsole.records.logs.events import EpochFinished, Failed, Finished, Started
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.identity import mine
from revconsole.records.runs.run import Summary
from tests.lab.fake_trials import searched, written

EVERY_SIZE = pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
PROCESS_SECONDS = 300.0
"""A process that has just begun loads torch, on a busy machine for long."""


@pytest.fixture(autouse=True)
def tiny(tiny_study):
    return tiny_study.absolute()


@pytest.fixture
def begun(store, lab):
    """Begin the run of an arm and a seed as a trainer would; its attempt."""

    def _begun(arm, seed, quick=False, **settings):
        planned = lab.study("tiny", settings, quick=quick)
        plan = next(p for p in planned.plans if (p.arm, p.seed) == (arm, seed))
        attempt = store.claim(store.create(plan, {}), 1)
        facts = {"steps": 10, "steps_per_epoch": 10, "device": "cpu", "fingerprint": "7d3f0c1a"}
        attempt.emit(Started(facts=facts))
        return attempt

    return _begun


@pytest.fixture
def finished(begun):
    """A run that has ended with this accuracy on the test images."""

    def _finished(arm, seed, accuracy, **form):
        attempt = begun(arm, seed, **form)
        values = {"validation_accuracy": accuracy, "kept_for_backward_bytes": 3 * 2**20}
        attempt.emit(EpochFinished(epoch=1, step=10, values=values))
        attempt.emit(Finished(outcome="completed", step=10, values={"test_accuracy": accuracy}))
        attempt.close()

    return _finished


async def open_list(stage):
    await stage.until(lambda: "Reading" not in stage.text)
    await stage.press("t")
    return await stage.shows("tiny", "mnist-patch")


async def go_to(stage, file):
    """Have the cursor on the study of this file, however many are shipped."""
    table = stage.app.screen.query_one(LiveTable)
    table.select(next(key.value for key in table.rows if key.value.endswith(file)))
    await stage.pilot.pause()
    assert table.selected.endswith(file)


async def open_tiny(stage, *texts):
    await open_list(stage)
    await go_to(stage, "/tiny.toml")
    await stage.press("enter")
    return await stage.shows("study · tiny", *(texts or ("seed 0",)))


async def eventually(happened):
    end = time.monotonic() + PROCESS_SECONDS
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


@EVERY_SIZE
async def test_the_list_says_of_each_study_what_it_asks_and_how_far_it_is(
    opened, finished, width, height
):
    finished("plain", 0, 0.9)
    async with opened(width, height) as stage:
        text = await open_list(stage)
        assert max(map(len, text.splitlines())) <= width
        row = stage.line("tiny ")
        assert "1/4" in row
        assert "0/2" in row
        assert "yours" in row
        assert "two ways, in seconds" in row
        assert "0/15" in stage.line("mnist-patch ")
        await go_to(stage, "/tiny.toml")
        await stage.shows("tiny.toml")
        await stage.press("escape")
        await stage.shows("1 run ")


@pytest.mark.parametrize("longer", [0, 80])
async def test_the_file_of_a_study_is_named_whole_however_long_its_folder_is(
    opened, tiny, tmp_path, monkeypatch, longer
):
    folder = tmp_path / ("d" * longer or ".")
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    tiny.rename(folder / "tiny.toml")
    async with opened() as stage:
        await open_list(stage)
        await go_to(stage, "/tiny.toml")
        await stage.shows("/tiny.toml")


async def test_a_study_shows_its_facts_and_its_runs_by_arm_and_seed(opened):
    async with opened(80, 24) as stage:
        text = await open_tiny(stage, "two ways, in seconds", "source: this test")
        assert "0 of 4 runs done, 4 to do" in text
        for word in ("seed 0", "seed 1", "r Run", "m Measure", "esc Back", "q Quit"):
            assert word in text
        for arm in ("plain ", "two streams "):
            assert stage.line(arm).count("to do") == 2
        await stage.press("t")
        await stage.shows("quick form", "0 of 2 runs done")


async def test_accuracies_are_mean_and_deviation_over_seeds(opened, finished):
    for arm, accuracies in (("plain", (0.90, 0.94)), ("two streams", (0.91, 0.97))):
        for seed, accuracy in enumerate(accuracies):
            finished(arm, seed, accuracy)
    async with opened(120, 30) as stage:
        await open_tiny(stage, "4 of 4 runs done")
        row = stage.line("two streams ")
        assert "94.00 ± 4.24 %" in row
        assert "+2.0 pp" in row
        assert "✓ 91.0 %" in row
        assert "3.00" in row
        assert "baseline" in stage.line("plain ")


async def test_it_is_live_and_a_run_that_failed_is_shown_with_its_reason(opened, begun):
    attempt = begun("plain", 0)
    async with opened(80, 24) as stage:
        await open_tiny(stage, "● 0/1")
        attempt.emit(EpochFinished(epoch=1, step=10, values={"validation_accuracy": 0.5}))
        stage.app.reader.wake()
        await stage.shows("● 1/1")
        attempt.emit(Failed(reason="the loss is not finite at step 12"))
        attempt.close()
        stage.app.reader.wake()
        await stage.shows("✗ failed", ", 1 failed")
        await stage.shows("plain, seed 0", "the loss is not finite at step 12")


@EVERY_SIZE
async def test_several_runs_that_train_are_shown_with_their_devices(
    opened, begun, store, width, height
):
    for number, (arm, seed) in enumerate([("plain", 0), ("two streams", 1)]):
        attempt = begun(arm, seed)
        attempt.emit(Started(facts={"steps": 10, "device": f"cuda:{number}", "fingerprint": "f"}))
        note = {"attempt": 1, "slots": ["cuda:0", "cuda:1"], "devices": ["cuda:0", "cuda:1"]}
        write_json(attempt.run_folder / "launch.json", mine().to_dict() | note)
    async with opened(width, height) as stage:
        await open_tiny(stage)
        await stage.shows("cuda:0 plain 0, 0/1 · cuda:1 two streams 1, 0/1")


async def test_on_a_machine_of_several_cards_it_may_train_on_all_at_once(opened, monkeypatch, lab):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})
    launched = []
    monkeypatch.setattr(process, "launch", lambda _, ids, *__, **how: launched.append((ids, how)))
    async with opened() as stage:
        await open_tiny(stage, "plain", "to do")
        await stage.press("r")
        await stage.shows("2 at once on cuda:0 to cuda:1")
        await stage.press("d")
        await stage.until(lambda: launched)

    (ids, how) = launched[0]
    assert len(ids) == 4
    assert how["workers"].slots == ("cuda:0", "cuda:1")


async def test_it_trains_on_devices_that_are_named_and_wrong_names_are_one_sentence(
    opened, monkeypatch
):
    launched = []
    monkeypatch.setattr(process, "launch", lambda *_, **how: launched.append(how))
    monkeypatch.setattr(host, "cores", lambda: 2)
    async with opened(80, 24) as stage:
        await open_tiny(stage, "plain", "to do")
        for text, said in (("cpu:9", "not cpu:9"), ("cpu:2 --no", "NUMBER")):
            await stage.press("r", "w")
            await stage.shows("Devices: all, a number, or a list")
            await stage.press(*text, "enter")
            await stage.shows(said)
        assert not launched
        await stage.press("r", "w")
        await stage.shows("Devices: all, a number, or a list")
        await stage.press(*"cpu:2 --now", "enter")
        await stage.until(lambda: launched)
    ((how),) = launched
    assert (how["workers"].slots, how["now"]) == (("cpu", "cpu"), True)


def test_what_trains_where_is_cut_at_the_width(plan):
    standing = [
        Standing(plan=plan.model_copy(update={"arm": f"arm-{n}"}), summary=training(plan, n))
        for n in range(12)
    ]

    said = study_rows.by_device(standing, 80)

    assert said.startswith("cuda:0 arm-0 0, 0/10 · ")
    assert said.endswith(" more")
    assert len(said) <= 80
    assert study_rows.by_device(standing[:1], 80) == ""


def training(plan, number):
    return Summary(
        id=f"r{number}", name="r", state="running", plan=plan, created=0.0, device=f"cuda:{number}"
    )


async def test_enter_opens_the_run_under_the_cursor(opened, finished):
    finished("plain", 0, 0.9)
    async with opened(120, 30) as stage:
        await open_tiny(stage, "✓ 90.0 %")
        await stage.press("down", "enter")
        await stage.shows("put the cursor on a run that has begun")
        await stage.press("up", "enter")
        await stage.shows("facts", "tiny-plain-s0")
        await stage.press("escape")
        await stage.shows("study · tiny")


def test_of_more_arms_than_are_compared_it_is_said_which_are():
    assert study_rows.told_apart(["a", "b"], 2) == (["a", "b"], "")
    assert study_rows.told_apart(["a", "b", "c"], 2)[1].startswith("the first 2 of 3 arms")


async def test_the_runs_of_one_seed_are_compared(opened, finished):
    async with opened(120, 30) as stage:
        await open_tiny(stage)
        await stage.press("c")
        await stage.shows("fewer than two arms")
        finished("plain", 0, 0.9)
        finished("two streams", 0, 0.8)
        stage.app.reader.wake()
        await stage.shows("✓ 80.0 %")
        await stage.press("c")
        await stage.shows("comparison of 2 runs", "-10.0 pp")


async def test_the_question_before_it_runs_says_the_estimate_and_what_happens(
    opened, finished, lab, monkeypatch, tmp_path
):
    # what other tests have foreseen of such a run would be one thing more
    monkeypatch.setattr(foresight_cache, "folder", lambda: tmp_path / "nothing foreseen")
    async with opened() as stage:
        await open_tiny(stage)
        await stage.press("r")
        text = await stage.shows("Train 4 runs of tiny, full form?", "Measure time and memory")
        assert "Time: unknown" in text
        assert "Odd: 4 things" in text
        await stage.press("escape")
        assert "odd: this run makes 1 step in all" in " ".join(stage.text.split())
        finished("plain", 0, 0.9)
        finished("two streams", 0, 0.9)
        stage.app.reader.wake()
        await stage.shows("2 of 4 runs done")
        await stage.press("r")
        text = await stage.shows("Train 2 runs of tiny", "In the background [b]", "[y]")
        assert "2 runs as long as earlier ones took" in " ".join(text.split())
        assert "they outlive this" in text
        await stage.press("escape")
        assert len(lab.store.list()) == 2


async def test_it_runs_in_this_console_to_its_end(opened, lab):
    async with opened() as stage:
        await open_tiny(stage)
        await stage.press("t")
        await stage.shows("0 of 2 runs done")
        await stage.press("r", "y")
        await stage.shows("2 runs queued")
        await eventually(lambda: [r.state for r in lab.store.list()] == ["finished"] * 2)
        await stage.shows("2 of 2 runs done", "✓ ")
        await stage.press("r")
        await stage.shows("every run of the quick form is done")
        await stage.until(lambda: not lab.busy())


async def test_an_arm_that_cannot_be_trained_is_left_out_with_its_reason(opened, lab, tiny):
    arm = 'scheme.name = "additive"'
    tiny.write_text(tiny.read_text().replace(arm, f'{arm}\ntrain.device = "cuda:9"'))
    async with opened(160, 45) as stage:
        await open_tiny(stage)
        await stage.press("t")
        await stage.shows("0 of 2 runs done")
        await stage.press("r", "y")
        await eventually(lambda: "left out:" in stage.text)
        assert "device 'cuda:9'" in stage.text
        await eventually(lambda: [r.state for r in lab.store.list()] == ["finished"])
        await stage.until(lambda: not lab.busy())


async def test_in_the_background_it_outlives_the_console_and_is_stopped_and_resumed(
    opened, lab, tiny
):
    tiny.write_text(tiny.read_text().replace("train.epochs = 2", "train.epochs = 100000"))
    async with opened() as stage:
        await open_tiny(stage)
        await stage.press("t")
        await stage.shows("0 of 2 runs done")
        await stage.press("r", "b")
        await stage.shows("2 runs queued")
        await stage.press("q")
        await stage.until(lambda: not stage.app.is_running)
    await eventually(lambda: "running" in {run.state for run in lab.store.list()})
    async with opened() as stage:
        await open_tiny(stage)
        await stage.press("t")
        await stage.shows("1 running, 1 waiting")
        await stage.press("r")
        await stage.shows("every run of the quick form")
        await stage.press("s")
        await stage.shows("Stop the 2 runs of tiny", "with a checkpoint")
        await stage.press("y")
        await eventually(lambda: {run.state for run in lab.store.list()} == {"stopped"})
        await stage.shows("2 interrupted")
        await stage.press("r")
        await stage.shows("Train 2 runs of tiny, quick form?")


async def test_settings_make_other_runs_and_wrong_ones_are_answered(opened):
    async with opened() as stage:
        await open_tiny(stage)
        await stage.press("o", *"train.epochs=7", "enter")
        await stage.shows("study · tiny · full form · train.epochs=7")
        await stage.press("o", *["backspace"] * 20, *"train.epohs=7", "enter")
        await stage.shows("did you mean")
        await stage.press("r")
        await stage.hides("Train 4 runs")
        await stage.press("y")
        *words, path, setting = shlex.split(stage.app.clipboard)
        assert (words, setting) == (["revconsole", "study", "run"], "train.epohs=7")
        assert path.endswith("/tiny.toml")


async def test_settings_that_arrive_with_their_key_are_typed_and_not_obeyed(opened):
    async with opened() as stage:
        await open_tiny(stage)
        await stage.press_at_once("o", *"seeds=[4]", "enter")
        await stage.shows("study · tiny · full form · 'seeds=[4]'")


async def test_what_was_launched_with_other_settings_has_a_form_of_its_own(opened, finished):
    finished("plain", 0, 0.9, **{"train.epochs": 9})
    async with opened() as stage:
        await open_tiny(stage, "0 of 4 runs done")
        await stage.press("t", "t")
        await stage.shows("as launched", "1 of 1 run done", "✓ 90.0 %")


async def test_a_file_that_is_wrong_is_one_sentence_in_the_list_and_on_its_screen(opened, tiny):
    tiny.write_text(tiny.read_text() + "\n[nonsense]\nx = 1\n")
    async with opened(160, 45) as stage:
        await open_list(stage)
        assert "nonsense" in stage.line("tiny ")
        await go_to(stage, "/tiny.toml")
        await stage.press("enter")
        await stage.shows("study · tiny", "nonsense")
        await stage.press("r", "s", "m", "c")
        assert stage.app.is_running


async def test_names_of_arms_are_text(opened, tiny):
    hostile = r"[bold]x[/] \u001b]52;c;aGk=\u0007"
    tiny.write_text(tiny.read_text().replace('"two streams"', f'"{hostile}"'))
    async with opened(160, 45) as stage:
        text = await open_tiny(stage, "[bold]x[/]")
        assert not re.search("[\x1b\x07]", text)


async def test_time_and_memory_are_measured_with_a_key(opened, tiny):
    async with opened(120, 30) as stage:
        await open_tiny(stage)
        await stage.press("t", "m")
        await stage.shows("measuring a few steps of")
        await eventually(lambda: "2 runs from a few steps measured" in stage.text)
        await stage.shows("MiB for a training step")
        await stage.press("r")
        text = await stage.shows("Train 2 runs of tiny")
        assert "from a few steps measured" in " ".join(text.split())
        assert "Measure time" not in text


async def test_the_palette_and_the_help_have_the_keys_of_a_study(opened):
    async with opened(80, 45) as stage:
        await open_tiny(stage)
        await stage.press("ctrl+p", *"measure")
        await stage.shows("key m")
        await stage.press("escape", "question_mark")
        await stage.shows("One study", "Estimate time and memory")


async def test_the_line_of_keys_fits_and_begins_with_what_does_something(opened, finished):
    """At 80 columns, of the list, a study, its images and the form; a key that would do nothing is not in it."""

    def said(stage, keys):
        """Whether the line of keys has these, which stand further apart where there is room."""
        return keys in " ".join(stage.text.split())

    async with opened(80, 24) as stage:
        await open_tiny(stage)
        first = "⏎ Open r Run esc Back t Full/quick m Measure o Settings ? Help q Quit"
        await stage.until(lambda: said(stage, first))
        await stage.press("t")
        for arm in ("plain", "two streams"):
            finished(arm, 0, 0.9, quick=True)
        stage.app.reader.wake()
        await stage.shows("2 of 2 runs done")
        done = "⏎ Open esc Back t Full/quick o Settings ? Help q Quit"
        await stage.until(lambda: said(stage, done))
        await stage.press("v")
        images = "esc Back n Other samples p Previous f Facts r Read again ? Help q Quit"
        await stage.until(lambda: said(stage, images))
        await stage.press("escape", "escape")
        await stage.until(lambda: said(stage, "⏎ Open esc Back ? Help q Quit"))
        await stage.press("escape", "n", "tab", "tab")
        keys = "^l Launch ^n Start from ^f Search"  # no command makes such a run
        await stage.until(lambda: said(stage, keys))
        assert "Copy" not in stage.text.splitlines()[-1]


@EVERY_SIZE
async def test_a_search_is_listed_with_its_best_and_shown_trial_by_trial(
    opened, lab, width, height
):
    searched(lab, written())
    async with opened(width, height) as stage:
        await open_list(stage)
        await go_to(stage, "/fake.toml")
        text = await stage.shows("14/14", "12 of 12 trials", "pruned")
        assert max(map(len, text.splitlines())) <= width
        await stage.press("enter")
        await stage.shows("study · fake", "◇ pruned", "best validation accuracy")
        await stage.press("r")
        await stage.shows("every trial is settled")


@pytest.fixture
def process_of_search(monkeypatch):
    """What takes the place of the process of a search."""
    with subprocess.Popen(["sleep", "100"]) as process:
        monkeypatch.setattr(launching.children, "detached", lambda *_: process)
        yield process
        process.kill()


async def test_a_search_goes_on_in_a_process_of_its_own_and_is_stopped(
    opened, lab, process_of_search
):
    searched(lab, written(), runs=3)
    async with opened(160, 45) as stage:
        await open_list(stage)
        await go_to(stage, "/fake.toml")
        await stage.press("enter")
        await stage.shows("study · fake", "3 of 12 trials")
        await stage.press("r")
        await stage.shows("Train 11 runs of the search fake?", "at most about")
        await stage.press("y")
        await stage.shows(f"trained by 1 worker, process {process_of_search.pid} of this machine")
        await stage.press("r")
        await stage.shows("it trains already: 1 worker")
        await stage.press("s")
        await stage.shows("Stop the search fake?", "No other trial is drawn")
        await stage.press("y")
        assert await asyncio.to_thread(process_of_search.wait, 60) == -signal.SIGTERM
