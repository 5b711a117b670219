"""A search is made in the launch form, saved as a study, and asked about on its own screen."""

import tomllib
from pathlib import Path
from typing import Any

from textual.widgets import Input

from revconsole.console import form, form_search
from revconsole.console.screens.study import StudyScreen
from revconsole.console.widgets.setting import SettingList
from revconsole.records.settings import search


def typed(stage: Any, key: str, text: str) -> None:
    """Type a text into a field as a user does."""
    stage.app.screen.query_one(SettingList).go(key)
    stage.app.screen.query_one(Input).value = text


def read(path: str) -> dict[str, Any]:
    return tomllib.loads(Path(path).read_text())


async def test_a_range_makes_a_search_that_is_saved_and_asked_about(opened):
    async with opened(100, 40) as stage:
        await stage.press("n")
        await stage.shows("launches 4 runs")
        stage.app.screen.query_one(SettingList).choose(form.PROFILE, "small")
        await stage.shows("launches 1 run ·")
        typed(stage, "model.depth", "1.5..4")
        await stage.shows("not ready, depth: is a whole number")
        typed(stage, "model.depth", "1..6")
        await stage.shows("not ready, trials: the space has only 6 combinations")
        typed(stage, "search.trials", "5")
        await stage.shows(
            "searches 5 trials, then the best with 3 seeds, 2 epochs each at most", "^l saves it as a study",
        )  # fmt: skip
        assert "bayes" in stage.line("▸ search")
        assert "trains in" not in stage.text

        await stage.press("ctrl+l")
        await stage.shows("save as profiles/studies/NAME.toml", "small-search")
        await stage.press("enter")
        await stage.shows("Train 8 runs of the search small-search?", "In the background [y]")
        written = read("profiles/studies/small-search.toml")
        assert written["search"]["space"]["model"]["depth"] == {"from": 1, "to": 6}
        await stage.press("n")
        await stage.shows("drawn: by bayes, 5 trials, stop early halving: model.depth 1 to 6")

        await stage.press("n")
        await stage.shows("search small-search", "searches 5 trials")
        assert "1..6" in stage.line(" depth ")
        typed(stage, "model.depth", "3")
        typed(stage, "model.dim", "[8, 16, 24, 32, 40]")
        await stage.shows("searches 5 trials, then")
        await stage.press("ctrl+s", "b", "enter")
        await stage.until(Path("profiles/studies/b.toml").is_file)
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.app.screen, StudyScreen))


def test_every_key_of_a_search_has_a_row_and_is_found_by_its_meaning():
    keys = {field.name for field in form.asked() if field.section == form_search.SECTION}
    assert keys == set(search._CHECKS)
    assert [each.name for each in form.found(form.asked(), "behind after some epochs")] == [
        "stop_early"
    ]
