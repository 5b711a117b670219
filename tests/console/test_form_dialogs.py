"""The lists that the launch form opens: choices and several of them, timm's models, what to start from."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from textual.widgets import Input

from revconsole.console import clipboard, several
from revconsole.console.form_place import LAUNCHER
from revconsole.console.origin import Origins
from revconsole.console.screens import form_dialogs
from revconsole.console.screens.choices import Choices
from revconsole.console.widgets.setting import SettingList
from revconsole.console.widgets.setting_rows import Row
from revconsole.lab.lab import Lab
from revconsole.lab.timm_list import TimmList
from revconsole.records.findings import survey
from revconsole.records.findings.survey import Surveyed
from revconsole.records.foresight import cache, counts
from revconsole.records.runs.run import Summary
from revconsole.records.settings.profile import parse_assignments

SCHEMES = (("residual", "residual"), ("additive", "additive"), ("bdia", "bdia"))


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "runs")


async def test_space_ticks_before_a_dialog_is_laid_out_as_a_fast_typist_is_ahead_of_that(
    opened, monkeypatch
):
    async with opened(100, 24) as stage:
        monkeypatch.setattr(Choices, "on_resize", lambda dialog: None)
        await stage.app.push_screen(Choices("title", SCHEMES, ticked=("bdia",), only_ticked=True))
        field = stage.app.screen.query_one(Input)

        assert not field.check_consume_key("space", " ")
        assert field.check_consume_key("a", "a")


async def test_what_is_said_beside_a_choice_ends_with_an_ellipsis_where_it_is_cut(opened):
    async with opened(80, 24) as stage:
        await stage.app.push_screen(Choices("title", SCHEMES, remark=lambda _: "words " * 40))
        await stage.shows("words…")


@pytest.mark.parametrize(
    ("values", "text"), [(["bdia"], "bdia"), (["residual", "bdia"], "[residual, bdia]")]
)
def test_several_choices_are_a_list_that_a_command_line_reads(values, text):
    assert several.joined(values) == text
    assert list(several.apart(text)) == values
    (read,) = parse_assignments([f"scheme.name={text}"]).values()
    assert read in (values, *values)
    assert several.among(text, ["residual", "bdia"])
    assert not several.among(text, ["residual", "additive"])


def test_a_menu_is_a_list_in_which_several_can_be_ticked_but_for_the_place_of_training():
    menu = form_dialogs.choices(Row(key="scheme.name", label="scheme", options=SCHEMES), None)
    assert menu.check_action("tick", ())
    launcher = form_dialogs.choices(Row(key=LAUNCHER, label="trains in", options=SCHEMES), None)
    assert not launcher.check_action("tick", ())


def test_the_models_of_timm_have_what_is_known_of_them(lab, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foreseen")
    file = tmp_path / "survey.json"
    monkeypatch.setattr(survey, "kept_file", file.with_stem)
    plan = lab.plan(
        "demo", {"model.architecture": "timm", "model.name": "resnet18", "scheme.name": "residual"}
    ).plans[0]
    known = TimmList(plan)
    assert {"resnet18", "vit_tiny_patch16_224"} <= set(known.names)
    assert list(known.names) == sorted(known.names)
    assert "revconsole models --reversible" in known.title
    assert known.remark("resnet18") == ""

    counts.keep(plan, {"parameters": 11_173_962})
    seen = [
        Surveyed(model="resnet18", family="resnet"),
        Surveyed(model="vit", family="v", blocks=12),
    ]
    survey.keep(file.with_stem(f"timm-{version('timm')}"), seen)
    known = TimmList(plan)
    assert known.remark("resnet18") == "11,173,962 parameters, not reversible"
    assert known.remark("vit") == "12 blocks reversible"
    assert known.title == "timm model"
    assert TimmList(None).remark("resnet18") == "not reversible"


def summary(lab, run_id, created, **settings) -> Summary:
    plan = lab.plan("demo", {"scheme.name": "residual", "seeds": [0], **settings}).plans[0]
    plan = plan.model_copy(update={"name": f"name-{run_id}"})
    return Summary(id=run_id, name=plan.name, state="finished", plan=plan, created=created)


def test_a_form_starts_from_a_run_a_profile_or_the_last_run(lab):
    old, new = summary(lab, "old", 1.0), summary(lab, "new", 2.0, **{"model.depth": 2})
    origins = Origins(None, (old, new))
    assert origins.first == "demo"
    (last, value), (earlier, _), *profiles = origins.every()
    assert (last, value, earlier) == ("last run name-new", "@new", "run name-old")
    assert ("demo", "demo") in profiles
    assert origins.run(value) == new
    assert origins.run("demo") is None

    assert origins.options("demo") == tuple(profiles)
    assert origins.options(value)[0] == ("as run name-new", value)
    opened = Origins(old, (old, new))
    assert opened.first == "@old"
    assert [name for name, _ in opened.options(value)][:2] == ["as run name-new", "as run name-old"]

    planned = lab.plan("demo", {"scheme.name": "residual"})
    assert origins.remark("@new", planned) == "finished · depth 2"
    assert origins.remark("@old", planned) == "finished · the settings of this form"
    assert (
        origins.remark("demo", planned)
        == "Four ways to wire one vision transformer, on real digits"
    )


@pytest.mark.parametrize(
    ("environment", "without"),
    [
        ({"TERM": "linux"}, True),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, True),
    ],
)
def test_a_terminal_without_a_clipboard_is_known(environment, without):
    assert clipboard.lacking(environment) is without


def read(path: str) -> str:
    return Path(path).read_text()


def form(stage) -> SettingList:
    return stage.app.screen.query_one(SettingList)


async def test_ticked_schemes_are_a_grid_whose_profile_is_shown_copied_and_saved(
    opened, monkeypatch, tmp_path
):
    async with opened(120, 40) as stage:
        await stage.shows("No runs yet")
        await stage.press("n")
        await stage.shows("launches")
        form(stage).go("scheme.name")
        await stage.press("enter")
        await stage.shows("tab ticks several")
        await stage.press("down", "space", *"bdia", "tab", "enter")
        await stage.shows("'scheme.name=[residual,bdia]'", "launches 2 runs", "the first of 2 runs")
        assert "[residual, bdia]" in stage.line(" scheme ")

        await stage.press("ctrl+t")
        await stage.shows("^s saves it as a profile", "[model]", 'dataset = "digits"')
        await stage.press("ctrl+y")
        await stage.shows("copied the profile")
        written = stage.app.clipboard
        assert tomllib.loads(written)["vary"]["scheme"][1]["name"] == "bdia"
        monkeypatch.setenv("TERM", "linux")
        monkeypatch.setenv("REVCONSOLE_STATE", str(tmp_path / "state"))
        await stage.press("ctrl+y")
        kept = tmp_path / "state" / "copied.txt"
        await stage.until(lambda: kept.is_file() and kept.read_text() == f"{written.rstrip()}\n")

        await stage.press("ctrl+s", *"mine", "enter")
        await stage.until(Path("profiles/mine.toml").is_file)
        assert read("profiles/mine.toml") == written
        await stage.press("ctrl+t")
        await stage.hides("^s saves it as a profile")


async def test_a_form_is_filled_from_another_run_and_applies_what_is_advised(opened, lab):
    plans = [summary(lab, str(n), 0.0, **{"optimizer.learning_rate": 0.5 * n}).plan for n in (1, 2)]
    for plan in plans:
        lab.store.create(plan, {})
    async with opened(160, 45, lab=lab) as stage:
        await stage.shows("name-1", "name-2")
        await stage.press("n")
        await stage.shows("launches", "as run name-")
        await stage.press("ctrl+n")
        await stage.until(lambda: isinstance(stage.app.screen, Choices))
        await stage.shows("last run name-2", "learning_rate 0.5")
        await stage.press(*"name-1", "enter")
        await stage.shows("as run name-1", "→ optimizer.learning_rate=0.001", "f2 Apply")
        assert "0.5" in stage.line(" learning rate ")
        await stage.press("f2")
        await stage.hides("→ optimizer.learning_rate=0.001")
        assert form(stage).text("optimizer.learning_rate") == "0.001"

        form(stage).go("train.batch")
        stage.app.screen.query_one(Input).value = "many"
        await stage.shows("not ready, batch: should be a whole number")
        assert "◀ should be a whole number, not 'many'" in stage.line(" batch ")
        await stage.hides("^l Launch")
        assert not any(words in stage.text for words in ("^y Copy", "^s Save", "^o Samples"))
        await stage.press("ctrl+l")
        await stage.shows("nothing launched, batch: should be a whole number")
