"""The console and its configuration: keys, theme, and that it opens whatever the files hold."""

import ast
import json
from pathlib import Path

import pytest

import revconsole.console
from revconsole.console.app import Console
from revconsole.console.keymap import usable
from revconsole.console.screens.help import bindings_by_screen
from revconsole.console.view_state import ViewState
from revconsole.errors import RevconsoleError
from revconsole.lab.lab import Lab
from revconsole.lab.recorded import recorded_store
from revconsole.records.config import options, places


def bindings() -> list[tuple[str, ...]]:
    """Every binding that is written in the console's sources, each as its place and its id."""
    found = []
    for path in Path(revconsole.console.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Binding":
                ids = [word.value for word in node.keywords if word.arg == "id"]
                key = ast.unparse(node.args[0])
                place = f"{path.name}:{node.lineno}" if not ids else f"{path.name} {key}"
                found.append((place, *(ast.literal_eval(i) for i in ids)))
    return found


def test_every_binding_has_an_id_of_its_own():
    """A list that repeats a key of its screen, because it takes that key itself, repeats the id too."""
    found = bindings()
    ids = [each[1] for each in set(found) if each[1:]]

    assert len(found) > 50
    assert [place for place, *named in found if not named] == []
    assert [each for each in ids if ids.count(each) > 1] == []


def test_the_themes_that_can_be_configured_are_those_there_are(lab):
    assert set(Console(lab).available_themes) == {*options.THEMES, *options.OTHER_THEMES}
    assert Console(lab).theme == options.THEMES[0]


async def test_a_configured_key_acts_and_the_old_one_does_not(opened):
    places.user_file().write_text('[keymap]\n"runs.filter" = "f"')
    async with opened() as stage:
        await stage.press("slash")
        assert not stage.app.screen.query_one("#filter").display
        await stage.press("f")
        assert stage.app.screen.query_one("#filter").display


async def test_a_bad_configuration_is_one_sentence_and_the_console_opens(opened):
    places.user_file().write_text('theme = "norrd"\n[keymap]\n"runs.stop" = "n"')
    async with opened(120, 36) as stage:
        await stage.until(lambda: stage.app._notifications)
        (said,) = [notice.message for notice in stage.app._notifications]
        assert " ".join(said.split()).startswith("configuration: ")
        assert "(and 1 more); the default is used" in " ".join(said.split())
        await stage.press("question_mark")
        await stage.shows("Mark or unmark")


@pytest.mark.parametrize("unchanged", [True, False])
async def test_a_chosen_theme_is_remembered_until_the_configured_one_changes(opened, unchanged):
    async with opened() as stage:
        stage.app.theme = "gruvbox"
        await stage.until(lambda: stage.app.views.get("console", {"theme": ""})["theme"])
    if not unchanged:
        places.user_file().write_text('theme = "nord"')
    async with opened() as stage:
        theme = stage.app.get_theme("gruvbox" if unchanged else "nord")
        assert stage.app.theme == theme.name
        assert stage.app.screen.styles.background.hex.lower() == theme.surface.lower()


async def test_a_damaged_file_of_views_is_set_aside_and_said(opened, store):
    file = places.view_file(store.root)
    file.parent.mkdir(parents=True)
    file.write_text("{")
    async with opened(120, 36) as stage:
        await stage.until(lambda: "the old file is" in str([*stage.app._notifications]))
    assert [path.read_text() for path in file.parent.glob("*.bad-*")] == ["{"]


def test_views_are_remembered_by_screen_and_what_has_another_type_is_not_used(tmp_path):
    file = tmp_path / "views" / "one.json"
    views = ViewState(file)
    views.set("runs", {"order": "name", "columns": ["lr"]})
    views.set("runs", {"filter": "bdia"})
    usual = {"order": "newest first", "filter": "", "columns": [], "groups": False}

    assert ViewState(file).get("runs", usual) == {
        "order": "name", "filter": "bdia", "columns": ["lr"], "groups": False,
    }  # fmt: skip
    assert ViewState(file).get("runs", {"order": 0}) == {"order": 0}


@pytest.mark.parametrize("body", [[], {"version": 9}, {"version": 1, "screens": [1]}])
def test_views_of_another_version_or_shape_are_not_used(tmp_path, body):
    file = tmp_path / "one.json"
    file.write_text(json.dumps(body))

    views = ViewState(file)

    assert "the old file is" in views.notice
    assert views.get("runs", {"order": ""}) == {"order": ""}


def test_a_key_that_another_binding_has_is_refused_with_a_sentence():
    screens = bindings_by_screen(Console)

    assert usable({"runs.stop": "n"}, screens) == (
        {}, ["keymap.runs.stop: the key n is that of runs.launch on the same screen"],
    )  # fmt: skip
    assert usable({"app.help": "/"}, screens)[0] == {}  # everywhere but where the filter is
    assert usable({"runs.stop": "n", "runs.launch": "s"}, screens)[1] == []


async def test_a_read_only_console_neither_stops_nor_launches(opened, recorder, store):
    run_id, attempt = recorder.begin("mine")
    async with opened(lab=Lab(store.root, readonly=True)) as stage:
        await stage.shows("mine", "running")
        assert "s Stop" not in stage.text
        for key in ("s", "n"):
            await stage.press(key)
            await stage.until(lambda: len(stage.app._notifications) == 1)
            assert {n.message for n in stage.app._notifications} == {"this console is read-only"}
            stage.app.clear_notifications()
        with pytest.raises(RevconsoleError, match="read-only"):
            stage.app.lab.stop(run_id)
    attempt.close()


async def test_the_help_begins_with_the_screen_in_front_and_can_be_searched(opened, recorder):
    places.user_file().write_text('[keymap]\n"run.freeze" = "z"')
    async with opened(80, 24, [recorder.finished("one")]) as stage:
        await stage.shows("loss")
        await stage.press("question_mark")
        text = await stage.shows("/ searches", "One run")
        assert "Mark or unmark" not in text
        await stage.press("slash", *"freeze")
        await stage.hides("Stop the run")
        assert stage.line("Freeze the").split()[1] == "z"


@pytest.mark.parametrize("key", ["nokey", "ctrl-s", "\x01", "ctrl+nokey", "ctrl+", "ctrl+c"])
def test_a_key_that_cannot_be_pressed_is_left_out(key):
    kept, (problem,) = usable({"a": key}, {"screen": {"a": "x"}})
    assert kept == {}
    assert problem.startswith("keymap.a: ")
    assert problem.isprintable()


@pytest.mark.parametrize("key", ["/", "slash", "+", "ctrl+s", "f9", "shift+tab", "S", "j,down"])
def test_keys_that_exist_are_kept(key):
    assert usable({"a": key}, {"screen": {"a": "x"}}) == ({"a": key}, [])


async def test_the_demo_says_so_on_every_screen_remembers_nothing_and_changes_no_run(opened):
    with recorded_store() as store:
        async with opened(lab=Lab(store, readonly=True), demo=True) as stage:
            await stage.shows("DEMO of recorded runs", "18 runs")
            await stage.press("s")
            await stage.shows("this console is read-only")
            await stage.press("enter")
            await stage.shows("DEMO of recorded runs", "accuracy (%)")
    assert not list(places.state_folder().glob("views/*"))
