"""A theme that is chosen while a screen is open: what was written in colours of the theme before is written anew."""

import pytest
from rich.text import Text
from textual.app import App

from revconsole.console import tabs
from revconsole.console.colours import themed
from revconsole.console.screens.launch import LaunchScreen
from revconsole.console.widgets.form_result import FormResult
from revconsole.console.widgets.log_view import LogView
from revconsole.console.widgets.odd import OddSettings
from revconsole.console.widgets.panes import PaneHeading, Title, Words
from revconsole.console.widgets.prospect_panel import ProspectPanel
from revconsole.console.widgets.toml_view import TomlView
from revconsole.records.logs.events import Advised


@pytest.fixture
def advised(recorder):
    """The id of a run with a warning in its log."""
    run_id, attempt = recorder.begin("one")
    recorder.epoch(attempt, 1)
    attempt.emit(Advised(level="warning", text="look out"))
    yield run_id
    attempt.close()


def styles(text):
    """The styles of a text as they are written."""
    return {str(span.style) for span in text.spans}


async def becomes_light(stage):
    before = stage.app.theme_variables
    stage.app.theme = "revconsole-light"
    await stage.until(lambda: stage.app.theme_variables != before)
    return before, stage.app.theme_variables


async def test_tabs_and_figures_of_the_form_take_the_colours_of_a_theme_that_is_chosen(
    opened, advised, monkeypatch
):
    async with opened(120, 36) as stage:
        await stage.shows("one")
        await stage.press_at_once("3")
        await stage.until(lambda: isinstance(stage.app.screen, LaunchScreen))
        await stage.shows("1 Runs", "parameters")
        screen = stage.app.screen
        panel = screen.query_one(ProspectPanel)
        accent = themed(stage.app.theme_variables, "accent")
        await stage.until(lambda: any(accent in style for style in styles(panel._words or Text())))
        monkeypatch.setattr(panel, "say", lambda *_: None)  # nothing new comes to be known
        dark, light = await becomes_light(stage)
        wanted = styles(tabs.line(light, screen, 60))
        assert wanted.isdisjoint(styles(tabs.line(dark, screen, 60)))
        await stage.until(lambda: wanted <= styles(screen.query_one(Title)._words))
        accents = [themed(light, "accent"), accent]
        await stage.until(
            lambda: (
                [any(accent in style for style in styles(panel._words)) for accent in accents]
                == [True, False]
            )
        )


async def test_a_heading_takes_another_colour_with_the_same_words():
    class Alone(App):
        def compose(self):
            yield PaneHeading(Text("log: alarms", style="red"))

    async with Alone().run_test() as pilot:
        heading = pilot.app.query_one(PaneHeading)
        heading.say(Text("log: alarms", style="blue"))
        assert heading._words.style == "blue"


async def test_profile_notes_and_outcome_of_the_form_take_the_colours_of_a_theme():
    class Alone(App):
        def compose(self):
            yield from (TomlView(), OddSettings(), FormResult())

    async with Alone().run_test() as pilot:
        pilot.app.query_one(TomlView).say("[model]")
        pilot.app.query_one(OddSettings).say([Advised(level="warning", text="look out")])
        pilot.app.query_one(FormResult).say("not ready", wrong=True)
        said = [pilot.app.query_one(name, Words) for name in ("#toml", "OddSettings", "#outcome")]
        before = [(str(each._words.style), styles(each._words)) for each in said]
        pilot.app.theme = "textual-light"
        await pilot.pause()
        after = [(str(each._words.style), styles(each._words)) for each in said]
        assert [a != b for a, b in zip(after, before, strict=True)] == [True] * 3


async def test_levels_of_the_log_take_the_colours_of_a_theme_that_is_chosen(opened, advised):
    async with opened(120, 36, runs=[advised]) as stage:
        await stage.shows("look out")
        log = stage.app.screen.query_one(LogView)
        _, light = await becomes_light(stage)

        def warned():
            return styles(log.get_option_at_index(log.option_count - 1).prompt)

        wanted = themed(light, "text-warning")
        await stage.until(lambda: any(wanted in style for style in warned()))
