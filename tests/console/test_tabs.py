"""The tabs of the first line: a digit or a click leads to each of four places from everywhere."""

import pytest

from revconsole.console import tabs
from revconsole.console.screens.launch import LaunchScreen
from revconsole.console.screens.runs import RunsScreen
from revconsole.console.screens.studies import StudiesScreen
from revconsole.console.screens.system import SystemScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Title
from revconsole.console.widgets.prompt import Prompt

HOMES = {"1": RunsScreen, "2": StudiesScreen, "4": SystemScreen}
ABOVE = {"1": (), "2": ("2", "G", "enter"), "4": ("enter", "R")}
"""The keys before each digit, from the runs."""


@pytest.fixture(autouse=True)
def some_runs(recorder, tiny_study):
    recorder.finished("one", scheme="bdia")
    recorder.finished("two")


async def test_a_digit_leads_to_its_place_and_leaves_one_screen_above_the_runs(opened):
    async with opened(120, 36) as stage:
        await stage.shows("one", "two")
        for digit, home in HOMES.items():
            await stage.press_at_once("1", *ABOVE[digit], digit)
            await stage.until(lambda home=home: isinstance(stage.app.screen, home))
            kinds = [type(screen) for screen in stage.app.screen_stack]
            assert kinds == [RunsScreen] + [home] * (home is not RunsScreen)
        await stage.shows("disk of the store")
        made = stage.app.screen
        await stage.press_at_once("1", "4")
        await stage.until(lambda: stage.app.screen is made)


async def test_a_digit_is_text_where_text_is_typed_and_leaves_neither_a_dialog_nor_the_form(opened):
    async with opened(120, 36) as stage:
        await stage.shows("one", "two")
        await stage.press_at_once("slash", "2")
        await stage.shows("filter '2'")
        await stage.press_at_once("escape", "D", "4")
        await stage.shows("Delete")
        await stage.press_at_once("escape", "3")
        await stage.until(lambda: isinstance(stage.app.screen, LaunchScreen))
        await stage.press_at_once("4", "2")
        await stage.shows("esc leaves the form")
        assert isinstance(stage.app.screen, LaunchScreen)
        said = [each.message for each in stage.app._notifications]
        assert sum("esc leaves" in each for each in said) == 1, "once, not for each digit"


async def test_a_click_on_a_tab_leads_there_and_the_tab_of_the_screen_is_set_off(opened):
    async with opened(120, 36) as stage:
        await stage.shows("one", "two", "1 Runs")
        title = stage.line("1 Runs")
        await stage.pilot.click(Title, offset=(title.index("2 Studies") + 1, 0))
        await stage.shows("question")
        assert isinstance(stage.app.screen, StudiesScreen)
        shown = tabs.line(stage.app.theme_variables, stage.app.screen, 80)
        bold = [shown.plain[span.start : span.end] for span in shown.spans if span.style.bold]
        assert bold == ["2 Studies"]


async def test_where_there_is_little_room_the_other_tabs_are_digits_and_a_title_keeps_its_words(
    opened,
):
    async with opened(62, 20) as stage:
        await stage.shows("one", "two", "1 Runs 2 3 4")
        assert "2 runs" in stage.line("revconsole")
        assert not tabs.line(stage.app.theme_variables, stage.app.screen, 11)
        title = stage.line("1 Runs")
        await stage.pilot.click(Title, offset=(title.index(" 4") + 1, 0))
        await stage.shows("disk of the store")


async def test_keys_stand_apart_where_there_is_room_and_a_click_presses_the_one_under_it(opened):
    async with opened(160, 36) as stage:
        await stage.shows("one", "two", "t Studies")
        line = stage.text.splitlines()[-1]
        assert "   t Studies   " in line
        await stage.pilot.click(KeyBar, offset=(line.index("t Studies") + 1, 0))
        await stage.shows("question")
    async with opened(80, 24) as stage:
        await stage.shows("one", "two", "n New")
        line = stage.text.splitlines()[-1]
        assert line.startswith("⏎ Open g Group")
        await stage.pilot.click(KeyBar, offset=(line.index("/ Filter") + 1, 0))
        await stage.until(lambda: stage.app.screen.query_one(Prompt).has_focus)
