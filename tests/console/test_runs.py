"""The runs screen: what the table says, live, and what its keys do."""

import asyncio
from dataclasses import replace

import pytest

from revconsole.console.run_list import RunList
from revconsole.console.run_words import title
from revconsole.console.screens import help, runs  # noqa: A004  the screen
from revconsole.console.screens.plotting import PlottingScreen
from revconsole.console.screens.runs import RunsScreen, RunsTable
from revconsole.console.snapshot import Snapshot
from revconsole.console.widgets.live_table import LiveTable
from revconsole.lab.lab import Lab
from revconsole.records.logs.events import Failed, Finished, Measured
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.header import write_header
from revconsole.records.runs.identity import mine

HOSTILE = "[bold]x[/] \x1b]52;c;aGVsbG8=\x07 \u202egnp.exe [@click=app.quit]"
PROCESS_SECONDS = 300.0
"""Generous: a run that begins loads torch, on a busy machine for long."""
EVERY_SIZE = pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])


@EVERY_SIZE
async def test_a_row_says_state_name_scheme_backward_epoch_and_accuracies(
    opened, recorder, width, height
):
    recorder.finished("demo-bdia", scheme="bdia", test=0.9996)
    async with opened(width, height) as stage:
        await stage.shows("demo-bdia")
        row = next(line for line in stage.text.splitlines() if " 99.96" in line)
        for text in ("demo-bdia", "✓ finished", "bdia", "4/4", "90.5", "99.96", "▂▁"):
            assert text in row
        head = stage.text.splitlines()[1]
        assert "val %" in head
        assert "test %" in head


async def test_a_wide_terminal_shows_memory_dataset_and_id_as_well(opened, recorder):
    run_id, attempt = recorder.begin("demo-bdia", scheme="bdia")
    recorder.epoch(attempt, 1)
    attempt.emit(Measured(step=10, epoch=1, values={"training_peak_bytes": 420.0 * 2**20}))
    attempt.emit(Finished(outcome="completed", step=10))
    attempt.close()
    async with opened(160, 45) as stage:
        text = await stage.shows("demo-bdia", "images/s", "kept MiB", "vit, 105,610 parameters")
        for part in (
            "digits",
            "420 MiB",
            "12.5",
            run_id,
            "bdia, reversible",
            "loss 2.21 → 1.542 nats",
        ):
            assert part in text


@pytest.mark.parametrize("width", [80, 100, 160])
async def test_the_twelve_runs_of_a_grid_are_told_apart_by_their_names(opened, recorder, width):
    for rate in (0.01, 0.02, 0.03):
        for seed in range(4):
            recorder.begin(f"demo-bdia-learning_rate{rate}-s{seed}")[1].close()
    async with opened(width, 24) as stage:
        await stage.shows("12 runs", "demo-bdia")
        rows = [line for line in stage.text.splitlines() if "demo-bdia" in line[:40]]
        assert len(rows) == 12
        names = {line.split()[2] for line in rows}
        assert len(names) == 12
        assert all("0.0" in name and name[-3:-1] == "-s" for name in names)


async def test_names_are_told_apart_in_a_comparison(opened, recorder):
    long = "a-study-of-many-words-and-settings"
    ids = [recorder.finished(f"{long}-learning_rate{rate}-s0") for rate in (0.1, 0.2)]
    async with opened(80, 24, ids) as stage:
        await stage.shows("comparison of 2 runs", "0.1-s0", "0.2-s0")


@pytest.mark.parametrize("depth", [0, 27, 54, 81])
async def test_the_folder_of_the_store_is_named_to_its_last_part(opened, tmp_path, depth):
    store = tmp_path / ("d" * depth or ".") / "last-part"
    async with opened(lab=Lab(store)) as stage:
        await stage.shows("No runs yet", "last-part")
        path = next(word for word in stage.text.splitlines()[0].split() if "/" in word)
        assert path.endswith("/last-part")


async def test_an_empty_store_says_what_to_press(opened):
    async with opened() as stage:
        await stage.shows("No runs yet", "n launches one")


@EVERY_SIZE
async def test_a_running_run_is_brought_up_to_date_in_place(opened, recorder, width, height):
    _, attempt = recorder.begin("alive", epochs=9)
    async with opened(width, height) as stage:
        await stage.shows("● running", "0/9")
        recorder.epoch(attempt, 1)
        stage.app.reader.wake()
        await stage.shows("1/9", "57.5")
        attempt.emit(Failed(reason="the loss is not finite at step 12"))
        stage.app.reader.wake()
        await stage.shows("✗ failed")
    attempt.close()


async def test_the_cursor_stays_on_its_run_when_another_appears_above(opened, recorder):
    first = recorder.finished("first")
    async with opened() as stage:
        await stage.shows("first")
        recorder.finished("second")
        stage.app.reader.wake()
        await stage.shows("second")
        assert stage.app.screen.query_one("#runs").selected == first


async def test_words_that_arrive_with_the_key_of_the_filter_are_filtered_by(opened, recorder):
    recorder.finished("opened")
    async with opened() as stage:
        await stage.shows("opened")
        await stage.press_at_once("slash", *"spyq", "enter")
        await stage.shows("No run matches 'spyq'")
        await stage.press("escape")
        await stage.press_at_once("slash", *"ope")
        await stage.shows("filter 'ope'", "1 run")


async def test_words_filter_by_name_scheme_and_state(opened, recorder):
    recorder.finished("one", scheme="bdia")
    recorder.finished("two", scheme="additive")
    async with opened() as stage:
        await stage.shows("one", "two")
        await stage.press("slash", *"bdia")
        await stage.hides("two")
        await stage.press("enter", "slash", *"xx")
        await stage.shows("No run matches 'bdiaxx'")
        await stage.press("enter", "escape")
        await stage.shows("one", "two")


@EVERY_SIZE
async def test_of_very_many_runs_the_first_are_shown_and_words_find_the_others(
    opened, recorder, monkeypatch, width, height
):
    monkeypatch.setattr(runs, "MOST_SHOWN", 2)
    for name in ("oldest", "middle", "newest"):
        recorder.finished(name)
    async with opened(width, height) as stage:
        await stage.shows("3 runs", "first 2 of 3 shown, / filters", "newest", "middle")
        assert "oldest" not in stage.text
        await stage.press("slash", *"oldest")
        await stage.hides("newest")
        assert "✓ finished" in stage.text
        assert "of 3 shown" not in stage.text


async def test_rows_can_be_put_in_order_of_accuracy(opened, recorder):
    recorder.finished("good", epochs=6)
    recorder.finished("poor", epochs=1)
    async with opened() as stage:
        await stage.shows("good", "poor")
        assert stage.text.index("poor") < stage.text.index("good")
        await stage.press_at_once("o", *"best", "enter")
        await stage.shows("by val % ▼")
        assert stage.text.index("good") < stage.text.index("poor")
        await stage.press_at_once("o", *"best", "enter")
        await stage.shows("by val % ▲")
        assert stage.text.index("poor") < stage.text.index("good")


@EVERY_SIZE
async def test_a_hostile_name_is_text_everywhere(opened, recorder, width, height):
    other = recorder.finished("other")
    run_id, attempt = recorder.begin(HOSTILE)
    recorder.epoch(attempt, 1)
    async with opened(width, height) as stage:
        assert "[bold]x" in await stage.shows("[bold]x", "other")
        assert clean(stage)
        await stage.press("s")
        await stage.shows("[bold]x[/]", "Stop after this step")
        assert clean(stage)
        await stage.press("escape", "ctrl+p", *"bold")
        await stage.shows("Open run [bold]x[/]")
        assert clean(stage)
        await stage.press("escape", "enter")
        await stage.shows("[bold]x[/]", "nats")
        assert clean(stage)
    attempt.close()
    async with opened(width, height, [run_id, other]) as stage:
        await stage.shows("comparison of 2 runs", "[bold]x")
        assert clean(stage)


async def test_a_sentence_of_an_error_is_shown_and_the_console_goes_on(opened, recorder):
    recorder.finished("done")
    async with opened() as stage:
        await stage.shows("done")
        await stage.press("r")
        await stage.shows("there is nothing")
        await stage.press("p")
        await stage.shows("is finished: only")


async def test_stopping_asks_first_and_then_writes_the_request(opened, recorder, store):
    run_id, attempt = recorder.begin("alive")
    async with opened() as stage:
        await stage.shows("● running")
        await stage.press("s")
        await stage.shows("Stop alive?", "with a checkpoint", "Cancel")
        await stage.press("enter")
        await stage.hides("Stop alive?")
        assert not (store.folder(run_id) / "control").exists()
        await stage.press("s", "y")
        await stage.shows("stopping")
        assert [p.name.split("-")[1] for p in (store.folder(run_id) / "control").iterdir()] == [
            "stop"
        ]
    attempt.close()


async def test_pausing_asks_first(opened, recorder, store):
    run_id, attempt = recorder.begin("alive")
    async with opened() as stage:
        await stage.shows("● running")
        await stage.press("p")
        await stage.shows("Pause alive?")
        await stage.press("p")
        await stage.shows("pausing")
        assert (store.folder(run_id) / "control").exists()
    attempt.close()


async def test_marked_runs_are_compared(opened, recorder):
    recorder.finished("one", scheme="bdia", test=0.95)
    recorder.finished("two", test=0.93)
    async with opened(120, 30) as stage:
        await stage.shows("one", "two")
        await stage.press("c")
        await stage.shows("mark two or more runs")
        await stage.press("space", "space")
        await stage.shows("2 marked", "◆")
        await stage.press("c")
        await stage.shows("comparison of 2 runs", "training loss (nats)", "validation accuracy (%)")


async def test_help_lists_the_keys_of_every_screen(opened):
    async with opened(80, 45) as stage:
        await stage.press("question_mark")
        await stage.shows("One run", "Filter the runs by words and by any")
        await stage.press("escape")
        await stage.shows("No runs yet")


def keys_shown(stage):
    return stage.text.splitlines()[-1]


async def test_only_keys_that_do_something_to_the_run_at_hand_are_shown(opened, recorder):
    recorder.finished("done")
    _, attempt = recorder.begin("alive")
    async with opened(120, 30) as stage:
        await stage.shows("done", "● running", "s Stop")
        await stage.until(lambda: "Resume" not in keys_shown(stage))
        await stage.press("down")
        await stage.until(lambda: "Stop" not in keys_shown(stage))
        assert "Resume" not in keys_shown(stage)
        await stage.press("up")
        attempt.emit(Failed(reason="the loss is not finite at step 12"))
        attempt.close()
        stage.app.reader.wake()
        await stage.shows("✗ failed", "r Resume")
        assert "Stop" not in keys_shown(stage)
        await stage.press("enter")
        await stage.shows("facts", "r Resume")
        assert "Pause" not in keys_shown(stage)


async def test_an_empty_run_folder_shows_no_settings_and_is_not_to_be_resumed(opened, lab):
    (lab.store.root / "zzzzzzzz").mkdir(parents=True)
    async with opened(120, 30) as stage:
        text = await stage.shows("! damaged", "plan.json cannot be read", "n New")
        for invented in ("digits", "residual", "stored", "0/10", "Resume"):
            assert invented not in text
        await stage.press("enter")
        text = await stage.shows("facts", "plan.json cannot be read", "settings –")
        for invented in ("digits", "residual", "dim 192", "0/10", "Resume", "Samples"):
            assert invented not in text


async def test_without_runs_no_key_is_shown_that_needs_one(opened):
    async with opened(120, 30) as stage:
        await stage.shows("No runs yet", "n New")
        assert not {"Open", "Group"} & set(keys_shown(stage).split())
        await stage.until(lambda: "Stop" not in keys_shown(stage))
        assert not {"Mark", "Compare", "Resume", "Filter"} & set(keys_shown(stage).split())


async def test_help_begins_with_the_keys_of_the_screen_one_is_on(opened):
    async with opened(80, 24) as stage:
        await stage.shows("No runs yet")
        await stage.press("t")
        await stage.shows("studies")
        await stage.press("question_mark")
        text = await stage.shows("Go back to the runs", "Mark or unmark the run")
        assert text.index("Go back to the runs") < text.index("Mark or unmark the run")


async def test_a_screenshot_is_saved_where_it_can_be_and_the_place_is_said(
    opened, recorder, monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    recorder.finished("done")
    async with opened(120, 30) as stage:
        await stage.shows("done")
        await stage.press("ctrl+p", *"screenshot", "enter")
        await stage.shows("saved ", ".svg")
        (picture,) = (tmp_path / "work").glob("*.svg")
        assert "done" in picture.read_text()


async def test_a_screenshot_that_cannot_be_saved_says_why(opened, tmp_path):
    (tmp_path / "file").touch()
    async with opened(120, 30) as stage:
        await stage.shows("No runs yet")
        stage.app.deliver_screenshot(path=str(tmp_path / "file"))
        await stage.shows("no screenshot: ", "Not a directory")


async def test_the_palette_has_every_action(opened, recorder):
    recorder.finished("done")
    async with opened() as stage:
        await stage.shows("done")
        await stage.press("ctrl+p", *"copy the")
        await stage.shows("Copy the id")


async def test_an_id_is_copied(opened, recorder):
    run_id = recorder.finished("done")
    async with opened() as stage:
        await stage.shows("done")
        await stage.press("y")
        await stage.shows(f"copied {run_id}")
        assert stage.app.clipboard == run_id


async def test_a_store_that_cannot_be_read_is_said_not_raised(opened, store):
    store.root.parent.mkdir(exist_ok=True)
    store.root.write_text("a file, not a folder")
    async with opened() as stage:
        await stage.shows("cannot read the store")


def clean(stage) -> bool:
    return not any(c in stage.text for c in ("\x1b", "\x07", "\u202e"))


async def test_a_run_of_another_host_is_taken_over_by_a_key_that_asks(opened, lab, recorder):
    run_id, attempt = recorder.begin("far")
    recorder.epoch(attempt, 1)
    claim = attempt.folder / "claim.json"
    elsewhere = replace(mine(), host="docker-3f2a", boot="b")
    attempts.write_json(claim, elsewhere.to_dict())
    async with opened() as stage:
        await stage.shows("far")
        await stage.press("r")
        text = await stage.shows("Take far over?", "Take over [y]", "docker-3f2a")
        assert "at step 10" in " ".join(text.split())
        await stage.press("escape")
        assert lab.store.next_attempt(run_id) == 2, "nothing was done"
        await stage.press("r")
        await stage.shows("Take far over?")
        await stage.press("y")
        await stage.until(lambda: lab.store.next_attempt(run_id) == 3)
        lab.stop_all()
        assert await asyncio.to_thread(lab.wait, PROCESS_SECONDS)


@pytest.mark.parametrize("name", ["my best run", "ü" * 100])
async def test_a_run_folder_that_was_renamed_is_told_as_ls_does(opened, lab, recorder, name):
    recorder.finished("kept")
    moved = recorder.finished("moved")
    lab.store.folder(moved).rename(lab.store.root / name)
    async with opened(80, 24) as stage:
        text = await stage.shows("1 folder is not named as a run", f"its plan says {moved}")
        assert "kept" in text


def grid(recorder):
    """48 runs that differ in scheme, seed and name, none of them ended but the first of each scheme."""
    for scheme in ("residual", "bdia", "momentum"):
        for seed in range(16):
            plan = recorder.plan(f"grid-of-many-words-{scheme}-s{seed}", scheme=scheme)
            recorder.store.create(plan.model_copy(update={"seed": seed, "profile": "grid"}), {})


async def test_48_runs_of_a_grid_are_told_apart_at_80_columns(opened, recorder):
    grid(recorder)
    async with opened(80, 54) as stage:
        await stage.shows("48 runs", "scheme", "seed")
        rows = [line for line in stage.text.splitlines() if " grid " in line]
        assert len({tuple(line.split()) for line in rows}) == len(rows) == 48


async def test_a_filter_of_the_command_line_works_and_a_faulty_one_keeps_the_table(
    opened, recorder
):
    recorder.finished("one", scheme="bdia", test=0.9)
    recorder.finished("two", test=0.5)
    async with opened(100, 24) as stage:
        await stage.shows("one", "two")
        await stage.press("slash", *"test", "greater_than_sign", *"0.6")
        await stage.hides("two")
        await stage.press("enter", "escape", "slash", *"tst", "greater_than_sign", "1")
        await stage.shows("there is no setting or metric 'tst'; did you mean 'test'?", "one", "two")
        await stage.press("escape")
        await stage.hides("tst")


async def test_seeds_are_one_row_that_opens(opened, recorder):
    for seed, test in enumerate((0.90, 0.92, 0.94)):
        run_id, attempt = recorder.begin(f"many-s{seed}")
        header = recorder.store.folder(run_id)
        attempt.emit(Finished(outcome="completed", step=1, values={"test_accuracy": test}))
        attempt.close()
        plan = recorder.store.plan(run_id).model_copy(update={"seed": seed})
        write_header(header, run_id, float(seed), plan)
    async with opened(100, 24) as stage:
        await stage.shows("many-s0", "many-s2")
        await stage.press("g")
        row = (await stage.shows("seeds grouped", "3/3")) and stage.line("3/3")
        assert "92.0 ± 2.0" in row
        await stage.press("enter")
        await stage.shows("· seed 0", "· seed 2")
        await stage.press("space")
        await stage.shows("3 marked")
        await stage.press("g")
        await stage.hides("seeds grouped")


async def test_columns_are_chosen_by_typing(opened, recorder):
    recorder.finished("one")
    async with opened(100, 24) as stage:
        await stage.shows("one")
        await stage.press("C")
        await stage.shows("type to narrow the list")
        await stage.press_at_once(*"learning", "space", *"steps", "space", "enter")
        head = (await stage.shows("  lr ")).splitlines()[1]
        assert head.split() == ["state", "name", "lr", "steps"]


async def test_columns_say_that_nothing_is_ticked_and_show_again_what_is(opened, recorder):
    recorder.finished("one")
    async with opened(80, 24) as stage:
        await stage.shows("finished", "n New")
        await stage.press("C")
        await stage.shows("type to narrow the list", "space ticks", "esc closes")
        assert "n New" not in stage.text, "the table's keys do nothing here"
        await stage.press("enter")
        await stage.shows("nothing is ticked", "type to narrow the list")
        await stage.press(*"patience")
        await stage.press("space", "enter")
        await stage.shows("n New", "patience")
        await stage.press("C")
        await stage.shows("◆ train.patience")
        await stage.pilot.resize_terminal(60, 16)
        await stage.shows("space ticks", "esc closes")


def test_every_list_of_keys_is_found_by_what_the_line_of_keys_calls_it():
    found = help.described([("Runs", RunsScreen), ("Charts", PlottingScreen)], "group", {}).plain
    assert "runs that differ only in their seed" in found
    assert "→" in help.described([("Charts", PlottingScreen)], "right", {}).plain


def test_a_key_of_the_table_and_of_its_screen_is_configured_by_one_name():
    groups = [
        b.id for owner in (RunsTable, RunsScreen) for b in owner.BINDINGS if "Group" in str(b)
    ]
    assert groups == ["runs.group", "runs.group"]


def test_no_number_of_runs_is_told_before_the_store_is_read():
    assert not any(title(Snapshot(), RunList(), [], 0, 500))
    assert title(Snapshot(complete=True), RunList(), [], 0, 500)[0] == "0 runs"


async def test_the_palette_lists_keys_as_the_help_does(opened):
    async with opened(80, 24) as stage:
        keys = [c for c in stage.app.get_system_commands(stage.app.screen) if c.title == "Keys"]
        await keys[0].callback()
        await stage.shows("searches, esc closes")
        await stage.press("escape")
        await stage.shows("No runs yet")


async def test_a_click_on_a_heading_sorts(opened, recorder):
    recorder.finished("one", test=0.9)
    recorder.finished("two", test=0.8)
    async with opened(100, 24) as stage:
        await stage.shows("one", "two")
        place = stage.text.splitlines()[1].index("test %")
        await stage.pilot.click(offset=(place, 1))
        await stage.shows("by test % ▼")
        assert stage.text.index("one") < stage.text.index("two")


async def test_the_baseline_is_marked_and_comes_first_in_a_comparison(opened, recorder):
    first, second = recorder.finished("one"), recorder.finished("two")
    async with opened(100, 30) as stage:
        await stage.shows("one", "two")
        await stage.press("down", "b")
        await stage.shows("◇")
        assert stage.app.baseline == first
        await stage.press("up", "space", "c")
        await stage.shows("comparison of 2 runs")
        assert stage.app.screen.query_one(LiveTable).selected == first
        assert second


async def test_a_run_is_renamed_and_tagged_and_that_is_undone(opened, recorder):
    run_id = recorder.finished("one")
    async with opened(100, 30) as stage:
        await stage.shows("one")
        await stage.press("e")
        await stage.shows("Notes of one")
        await stage.press("home", *"the_", "tab", *"paper", "enter")
        await stage.shows("the_one")
        assert recorder.store.list()[0].tags == ("paper",)
        await stage.press("slash", *"tag", "colon", *"paper", "enter")
        await stage.shows("the_one", "filter 'tag:paper'")
        await stage.press("escape", "u")
        await stage.hides("the_one")
        assert recorder.store.list()[0].id == run_id


async def test_a_run_is_deleted_after_a_question_and_put_back(opened, recorder):
    recorder.finished("one")
    recorder.finished("two")
    async with opened(100, 30) as stage:
        await stage.shows("one", "two")
        await stage.press("D")
        await stage.shows("Delete two?", "Cancel")
        await stage.press("enter")
        await stage.shows("one", "two")
        await stage.press("D", "y")
        await stage.shows("1 run ")
        await stage.press("u")
        await stage.shows("2 runs")


async def test_an_archived_run_is_left_out(opened, recorder):
    recorder.finished("one")
    recorder.finished("two")
    async with opened(100, 30) as stage:
        await stage.shows("one", "two")
        await stage.press("A", "y")
        await stage.shows("1 of 2 runs")


async def test_a_run_that_trains_is_not_deleted(opened, recorder):
    _, attempt = recorder.begin("alive")
    async with opened(100, 30) as stage:
        await stage.shows("● running")
        await stage.press("D")
        await stage.shows("alive has not ended: stop it first (s)")
    attempt.close()


async def test_all_listed_runs_are_marked_at_once(opened, recorder):
    for name in ("one", "two", "three"):
        recorder.finished(name)
    async with opened(100, 30) as stage:
        await stage.shows("3 runs")
        await stage.press("a")
        await stage.shows("3 marked")
        await stage.press("a")
        await stage.hides("marked")


async def test_columns_order_groups_and_baseline_are_remembered_for_the_store(opened, recorder):
    first = recorder.finished("one")
    for opening in ("first", "second"):
        async with opened(100, 24) as stage:
            await stage.shows("one")
            if opening == "first":  # what is remembered may come later than the rows
                await stage.press_at_once("o", *"test", "enter", "b")
                await stage.press_at_once("C", *"steps", "space", "enter")
            await stage.shows("by test % ▼", "steps", "◇")
            assert stage.app.baseline == first


async def test_a_read_only_console_deletes_and_renames_nothing(opened, recorder, store):
    recorder.finished("one")
    async with opened(100, 24, lab=Lab(store.root, readonly=True)) as stage:
        await stage.shows("one")
        for key in ("D", "A", "e", "u"):
            await stage.press(key)
            await stage.shows("this console is read-only")


@pytest.mark.parametrize("width", [62, 80, 120])
async def test_help_quit_and_the_palette_are_in_the_line_of_keys_at_every_width(
    opened, recorder, width
):
    recorder.finished("one")
    _, attempt = recorder.begin("alive")
    async with opened(120, 24) as stage:
        await stage.shows("● running", "s Stop")
        await stage.pilot.resize_terminal(width, 16)
        await stage.until(lambda: "? Help" in keys_shown(stage))
        assert " ".join(keys_shown(stage).split()).endswith("? Help q Quit ^p Find")
        assert "⏎ Open" in keys_shown(stage)
    attempt.close()
