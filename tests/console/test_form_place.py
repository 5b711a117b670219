"""Where the runs of a form train: its last rows, and a question that leaves room for its answers."""

import pytest
from textual.widgets import Input

from revconsole.console import form_place
from revconsole.console.form_place import BEGINS, DEVICES, LAUNCHER, FormPlace
from revconsole.console.screens.ask import Answer, Ask
from revconsole.console.widgets.setting import SettingList
from revconsole.lab.launchers.process import Workers
from revconsole.records import devices, host


@pytest.mark.parametrize(
    ("launcher", "begins", "command"),
    [
        ("thread", "turn", "revconsole train demo"),
        ("thread", "now", "revconsole train demo --now"),
        ("process", "now", "revconsole train demo --detach --now"),
        ("slurm:big", "now", "revconsole train demo --on slurm:big"),
        ("devices", "now", ""),
    ],
)
def test_the_place_is_part_of_the_command(launcher, begins, command):
    place = FormPlace(launcher, "cpu", begins)
    assert place.command("revconsole train demo") == command
    assert place.command("") == ""
    assert (BEGINS in form_place.shown(launcher)) is (launcher != "slurm:big")
    assert (DEVICES in form_place.shown(launcher)) is (launcher == "devices")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cuda:9", "there is no cuda:9 on this machine"),
        ("gpu", "there is no device 'gpu'"),
        ("cpu:99", "takes at most cpu:2"),
        ("cpu --per-devices 2", "what follows should be --per-device"),
        ("cpu 'open", "No closing quotation"),
        ("cpu:2", ""),
    ],
)
def test_devices_that_are_not_there_are_told_beside_them(text, why, monkeypatch):
    monkeypatch.setattr(devices, "candidates", lambda _: ("cpu",))
    monkeypatch.setattr(host, "cores", lambda: 2)
    said = FormPlace("devices", text, "turn").problem
    assert why in said
    assert bool(said) is bool(why)
    assert FormPlace("process", text, "turn").problem == ""


async def test_runs_are_launched_on_devices_by_name_beside_others(opened, lab, monkeypatch):
    monkeypatch.setattr(host, "cores", lambda: 2)
    asked = []
    monkeypatch.setattr(
        type(lab), "launch", lambda _, planned, launcher, now: asked.append((planned.plans, launcher, now)) or ["none"]
    )  # fmt: skip
    async with opened(100, 40) as stage:
        await stage.press("n")
        await stage.shows("launches 4 runs")
        rows = stage.app.screen.query_one(SettingList)
        rows.choose(LAUNCHER, "devices")
        rows.choose(BEGINS, "now")
        await stage.shows("`train` has not", "now, beside others")
        rows.go(DEVICES)
        stage.app.screen.query_one(Input).value = "cpu:7"
        await stage.shows("not ready, devices: takes at most cpu:2")
        await stage.press("ctrl+l")
        await stage.shows("devices: takes at most cpu:2, a core for each run")
        assert not asked
        stage.app.screen.query_one(Input).value = "cpu:2"
        await stage.shows("launches 4 runs")
        await stage.press("ctrl+l")
        await stage.until(lambda: asked)
    plans, launcher, now = asked[0]
    assert (len(plans), launcher.slots, now) == (4, ("cpu", "cpu"), True)
    assert isinstance(launcher, Workers)


async def test_a_question_with_much_to_say_leaves_room_for_every_answer(opened):
    choices = [Answer(answer=key, key=key, label=f"way {key}") for key in "abcde"]
    async with opened(80, 24) as stage:
        detail = "\n".join(f"line {number}" for number in range(30))
        stage.app.push_screen(Ask("Which way?", detail, choices))
        await stage.shows("line 0", *(f"way {key} [{key}]" for key in "abcde"), "Cancel [n]")
        assert "line 29" not in stage.text
        await stage.press("pagedown", "pagedown", "pagedown", "pagedown")
        await stage.shows("line 29", "Which way?", "Cancel [n]")
