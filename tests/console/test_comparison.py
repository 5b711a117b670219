"""The comparison screen: overlay and table, live."""

import pytest

from revconsole.console.screens.comparison import name_width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_runs_opened_at_once_are_overlaid_and_tabled(opened, recorder, width, height):
    ids = [
        recorder.finished("plain", test=0.95),
        recorder.finished("reversible", scheme="bdia", test=0.962),
    ]
    async with opened(width, height, ids) as stage:
        await stage.shows("comparison of 2 runs", "A plain", "B reversible", "+1.2 pp")
        await stage.shows(
            "one seed each", "training loss" if width == 80 else "training loss (nats)"
        )
        assert stage.line("A plain").count("97.2 %") == 0
        await stage.press("enter")
        await stage.shows("memory (MiB)")


async def test_settings_that_differ_are_shown_and_another_baseline_chosen(opened, recorder):
    ids = [
        recorder.finished("plain", test=0.95),
        recorder.finished("reversible", scheme="bdia", test=0.962),
    ]
    async with opened(200, 45, ids) as stage:
        await stage.shows("+1.2 pp", "backward", "bdia", "reversible")
        await stage.press("down", "b")
        await stage.shows("-1.2 pp")


async def test_the_overlay_is_live(opened, recorder):
    one, first = recorder.begin("one")
    two, second = recorder.begin("two", scheme="bdia")
    async with opened(120, 30, [one, two]) as stage:
        await stage.shows("2 going", "training loss", "nothing measured yet")
        recorder.epoch(first, 1)
        recorder.epoch(second, 1)
        stage.app.reader.wake()
        await stage.shows("training loss (nats)", "1/4")
    first.close()
    second.close()


async def test_the_run_under_the_cursor_comes_to_the_front_and_others_can_be_hidden(
    opened, recorder
):
    ids = [recorder.finished("plain"), recorder.finished("reversible", scheme="bdia")]
    async with opened(160, 45, ids) as stage:
        await stage.shows("A plain", "training loss (nats)", "40 step")
        await stage.press("down")
        await stage.until(lambda: stage.app.screen.emphasis().front == ids[1])
        await stage.press("right", "left")  # the table, wider than the screen by now, has the focus
        await stage.until(lambda: stage.app.screen.charts.cursor < 40)
        await stage.press("right")
        await stage.shows("at step 40", "step 40 · epoch 4 · 0:00", "B   training loss 0.4644 Δ 0")
        await stage.press("z")
        await stage.until(lambda: [c.run_id for c in drawn(stage)] == ids[:1])
        await stage.press("z", "o")
        await stage.until(lambda: [c.run_id for c in drawn(stage)] == ids[1:])
        await stage.press("o")
        await stage.until(lambda: [c.run_id for c in drawn(stage)] == ids)


async def test_seeds_of_one_arm_are_drawn_as_their_mean_until_asked_otherwise(opened, recorder):
    ids = [recorder.finished("arm", seed=seed) for seed in (0, 1)]
    async with opened(160, 45, ids) as stage:
        await stage.shows("A arm, mean of 2 seeds 0.4644")
        await stage.press("u")
        await stage.until(lambda: len(drawn(stage)) == 2)


def drawn(stage):
    return stage.app.screen.figures()[0].curves


async def test_a_comparison_is_written_to_a_file_that_the_message_names(
    opened, recorder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ids = [
        recorder.finished("plain", test=0.95),
        recorder.finished("rev", scheme="bdia", test=0.962),
    ]
    async with opened(160, 45, ids) as stage:
        await stage.shows("A plain")
        await stage.press("w")
        await stage.shows("write to a new file")
        await stage.press(*"t.md", "enter")
        await stage.until((tmp_path / "t.md").exists)
        await stage.shows("written:")
        assert "| rev |" in (tmp_path / "t.md").read_text("utf-8")

        await stage.press("w", *"t.md", "enter")
        await stage.shows("exists:")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_accuracy_against_memory_and_time_takes_the_place_of_the_curves(
    opened, recorder, width, height
):
    ids = [
        recorder.finished(name, scheme="bdia" if name == "reversible" else "residual", test=test)
        for name, test in (("plain", 0.95), ("reversible", 0.97), ("third", 0.93))
    ]
    async with opened(width, height, ids) as stage:
        await stage.shows("training loss (nats)", "A plain")
        await stage.press("t")
        await stage.shows("(s)", "A")
        await stage.hides("training loss (nats)")
        await stage.press("t")
        await stage.shows("training loss (nats)")


async def test_letter_name_and_baseline_stay_where_they_are_when_the_table_is_scrolled(
    opened, recorder
):
    ids = [recorder.finished(f"run-{n}", seed=n, epochs=1) for n in range(12)]
    async with opened(80, 24, ids) as stage:
        await stage.shows("A run-0")
        table = stage.app.screen.query_one("#compared")
        await stage.press(*["down"] * 11)
        table.scroll_to(x=table.max_scroll_x, animate=False)
        await stage.shows("run-11", "parameters")
        assert "run-0 " in stage.text


def test_no_column_is_cut_at_the_edge():
    left = [74, 63, 55, 47, 39, 31, 22, 13, 6]
    assert name_width(40, left) == 22, "the names are shortened for a whole column more"
    assert name_width(40, [74, 47, 39, 30, 12]) == 30, "else they get what a part of it would take"
    assert name_width(12, [74, 47, 39]) == 12
    assert name_width(40, [90, 60, 50]) == 40


async def test_a_sentence_longer_than_its_room_can_be_scrolled_to_its_end(opened, recorder):
    tests = {
        "plain": (0.95, 0.94),
        "reversible": (0.951, 0.94),
    }  # of two alike the slower is beaten
    ids = [
        recorder.finished(
            name, scheme="bdia" if name == "reversible" else "residual", seed=seed, test=value
        )
        for name, values in tests.items()
        for seed, value in enumerate(values)
    ]
    async with opened(80, 24, ids) as stage:
        await stage.shows("comparison of 4 runs", "test accuracy of plain")
        stage.app.screen.query_one("#sentences").focus()
        await stage.press("end")
        await stage.shows(
            "no other run is better in both", ids[2]
        )  # the last, as the most accurate
