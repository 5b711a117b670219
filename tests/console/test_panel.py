"""What the launch form says of the cost of its runs, beside arithmetic by hand; its rows, lists and saved profiles."""

from pathlib import Path

import pytest
from textual.widgets import Input

from revconsole.console import form, form_rows
from revconsole.console import prospect as prospects
from revconsole.console.draft import Draft
from revconsole.console.panel import PanelStyles, in_short, panel
from revconsole.console.prospect import Prospect, prospect, summary
from revconsole.console.screens.choices import Choices
from revconsole.console.widgets.setting import LineField, SettingList
from revconsole.console.widgets.setting_rows import cell
from revconsole.errors import ProfileError
from revconsole.lab import room, saved_profile
from revconsole.lab.foreseer import Foreseer
from revconsole.lab.lab import Lab
from revconsole.lab.timing import Timing
from revconsole.records.foresight import cache
from revconsole.records.foresight.foreseen import Foreseen, known
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment

MIB = 2**20


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """What is foreseen here is made up."""
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foreseen")


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "runs")


def planned(lab, **settings):
    return lab.plan("demo", {"scheme.name": "residual", "train.device": "cpu"} | settings)


def step(per_image):
    """10 MiB of weights, and so many MiB for each image."""
    moment = Moment(
        operator="backward mm",
        fixed=MemoryParts(parameters=10 * MIB),
        per_image=MemoryParts(kept=per_image * MIB),
    )
    return StepMemory(once=(moment,), accumulated=(moment,))


def made_up():
    steps = {"stored": step(2), "checkpointed": step(1)}
    left_out = {"reversible": "has no inverse"}
    foresight = Foresight(device="cpu", steps=steps, left_out=left_out)
    return Foreseen(
        counts={"parameters": 1234567, "multiply_adds_per_image": 2000000}, foresight=foresight
    )


@pytest.mark.usefixtures("own_cache")
def test_what_was_foreseen_is_read_back_from_a_line_and_from_the_cache(lab):
    plan, found = planned(lab).plans[0], made_up()
    assert known(plan, "cpu") is None

    again = Foreseen.from_line(found.as_line())
    again.keep(plan, "cpu")
    assert again == found
    assert known(plan, "cpu") == found


@pytest.mark.usefixtures("own_cache")
def test_the_prospect_of_a_grid_is_of_its_largest_run_and_says_what_is_unknown(lab):
    foreseer = Foreseer()
    grid = planned(lab, **{"train.batch": [16, 64], "seeds": [0, 1]}).plans
    nothing = prospect(grid, foreseer, ())
    assert (nothing.worst, nothing.counted, len(nothing.uncounted)) == (None, "", 1)
    assert (
        summary("launches 4 runs", nothing, looking=False) == "launches 4 runs · reading the model…"
    )

    made_up().keep(grid[0], "cpu")
    found = prospect(grid, foreseer, ())
    assert (found.uncounted, found.unforeseen) == ((), ())
    said = summary("launches 4 runs", found, looking=False)
    assert said == "launches 4 runs · 1,234,567 parameters · f3 tells how long"
    assert found.worst.micro_batch == 64
    assert found.worst.own.peak_bytes == (10 + 2 * 64) * MIB
    assert found.seconds is None, "no run tells how long"


@pytest.mark.usefixtures("own_cache")
def test_the_time_of_a_search_is_that_of_its_longest_run_so_many_times(lab, monkeypatch):
    runs = planned(lab, **{"train.epochs": [4, 5]}).plans
    made_up().keep(runs[0], "cpu")

    def known(plan, *_):
        seconds = 3.0 * plan.epochs
        return Timing(seconds=seconds, epoch_seconds=3.0, known_from="")

    monkeypatch.setattr(prospects, "timing", known)
    assert prospect(runs, Foreseer(), ()).seconds == 12 + 15
    found = prospect(runs, Foreseer(), (), 33)
    assert (found.runs, found.seconds) == (33, 33 * 15)
    assert "time at most about 8 min 15 s" in panel(found, runs[0], 78, PanelStyles()).plain
    said = summary("searches 30 trials", found, looking=False)
    assert said == "searches 30 trials · 1,234,567 parameters · at most about 8 min 15 s"


@pytest.mark.usefixtures("own_cache")
def test_the_panel_has_the_bytes_of_each_backward_within_its_width(lab, monkeypatch):
    monkeypatch.setattr(room, "free_on", lambda _: 400 * MIB)
    runs = planned(lab).plans
    made_up().keep(runs[0], "cpu")
    found = prospect(runs, Foreseer(), ())
    text = panel(found, runs[0], 78, PanelStyles()).plain

    stored, checkpointed = (
        next(line for line in text.splitlines() if f" {word} " in line)
        for word in ("stored", "checkpointed")
    )
    assert "138 MiB" in stored
    assert "74.0 MiB" in checkpointed
    assert stored.startswith("▸ "), "the backward of the profile"
    letters = sum(letter in "█▓░" for letter in stored), sum(l in "█▓░" for l in checkpointed)  # noqa: E741
    assert letters[0] / letters[1] == pytest.approx(138 / 74, rel=0.15)
    assert "2.00 M multiply-adds" in text
    assert max(len(line) for line in text.splitlines()) <= 78
    assert "stored 138 MiB, checkpointed 74.0 MiB of 400 MiB" in in_short(found)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"model.patch": 2}, "16 patches of 2 × 2"),
        ({"model.patch": 4}, "4 patches of 4 × 4"),
        ({"model.depth": 3}, "▮▮▮ 3, residual"),
        ({"model.heads": 2}, "▕━▏▕━▏ 2 of 32"),
        ({"model.dim": 32}, "of 32 numbers"),
        ({"model.architecture": "cnn"}, "images of 8 × 8"),
    ],
)
def test_the_drawing_follows_the_settings(lab, settings, shown):
    runs = planned(lab, **settings).plans
    assert shown in panel(Prospect(runs=1), runs[0], 60, PanelStyles()).plain


def test_of_what_has_no_parameters_nothing_is_being_read(lab):
    runs = planned(lab, **{"model.architecture": "svm"}).plans
    found = Prospect(runs=1, problem="")
    assert (
        summary("launches 1 run", found, looking=False) == "launches 1 run · no parameters to count"
    )
    assert "reading" not in panel(found, runs[0], 40, PanelStyles()).plain


def test_where_lines_are_few_the_drawing_is_left_out_and_the_memory_stays(lab):
    runs = planned(lab).plans
    text = panel(Prospect(runs=1), runs[0], 60, PanelStyles(), height=4).plain
    assert "patches" not in text
    assert "memory" in text


def test_every_setting_has_a_row_and_is_found_by_name_or_meaning(lab):
    draft = Draft("demo")
    keys = [field.key for field in draft.fields]
    assert {"train.clip", "data.mixup", "seeds", "model.name", "objective.name"} <= set(keys)
    assert len(keys) == len(set(keys))
    assert form_rows.shown(draft, "clip", set())[1] == "train.clip"
    assert "train.clip" in form_rows.shown(draft, "norm gradient largest", set())
    assert "train.clip" not in form_rows.shown(draft, "", set())
    assert "train.clip" in form_rows.shown(draft, "", {"train"})
    draft.change("train.clip", "1")
    assert "train.clip" in form_rows.shown(draft, "", set()), "what is typed stays visible"


def test_a_setting_is_explained_with_its_range_and_default():
    field = next(each for each in form.asked() if each.key == "train.batch")
    said = form.explained(field, {})
    assert said.startswith("train.batch · ≥ 1, ≤ 1048576 · default 128")
    assert "Images per optimiser step, over all micro-batches." in said


def test_a_grid_is_saved_as_a_profile_that_plans_the_same_runs(lab):
    grid = planned(lab, **{"model.depth": [2, 3], "seeds": [0, 5], "train.clip": 1.0})
    path = saved_profile.save(grid, "mine")

    assert path == Path.cwd() / "profiles" / "mine.toml"
    assert {p.digest() for p in lab.plan("mine").plans} == {p.digest() for p in grid.plans}
    with pytest.raises(ProfileError, match="exists"):
        saved_profile.save(grid, "mine")
    with pytest.raises(ProfileError, match="no name"):
        saved_profile.save(grid, "../mine")


@pytest.mark.parametrize("text", ["", "abc", "abcdefgh", "日本語の名前"])
@pytest.mark.parametrize("width", [0, 1, 4, 6, 9])
def test_a_cell_is_as_wide_as_asked_for(text, width):
    from rich.cells import cell_len

    assert cell_len(cell(text, width)) == width


async def test_a_key_moves_one_text_field_and_groups_open(opened):
    """Few widgets, however many settings: a key lays out next to nothing."""
    async with opened(160, 45) as stage:
        await stage.shows("No runs yet")
        await stage.press("n")
        await stage.shows("launches")
        rows = stage.app.screen.query_one(SettingList)
        rows.go("train.batch")
        await stage.press("ctrl+g")
        await stage.shows("accumulate", "label smoothing", "Images per optimiser step")
        assert len(list(stage.app.screen.walk_children())) < 40
        await stage.press("ctrl+f", *"mixup")
        await stage.shows("Alpha of mixup")
        assert "accumulate" not in stage.text
        await stage.press("down", "1")
        await stage.shows("data.mixup=1")
        await stage.press("escape")
        await stage.shows("accumulate")
        assert rows.text("data.mixup") == "1"
        assert len(stage.app.screen.query(LineField)) == 1


async def test_a_list_is_narrowed_by_typing(opened):
    async with opened() as stage:
        await stage.shows("No runs yet")
        await stage.press("n")
        await stage.shows("launches")
        stage.app.screen.query_one(SettingList).go("scheme.name")
        await stage.press("enter", *"momen")
        await stage.until(lambda: isinstance(stage.app.screen, Choices))
        await stage.until(lambda: stage.app.screen.query_one(Input).value == "momen")
        assert "bdia" not in stage.line("momentum")
        await stage.press("enter")
        await stage.shows("scheme.name=momentum")
