"""`revconsole config`: the path, the values with their origin, editing and checking."""

import json
import os
import shlex
import stat
from pathlib import Path

import pytest

from revconsole.records.config import places


def test_the_path_is_printed_whether_the_file_exists_or_not(run):
    assert run("config", "path").out == f"{places.user_file()}\n"


def test_each_value_is_shown_with_its_origin(run):
    places.user_file().write_text('theme = "nord"\n[keymap]\n"runs.stop" = "ctrl+s"')

    said = run("--set", "smoothing=0.5", "--readonly", "config", "show", "--json")

    shown = {row["key"]: (row["value"], row["origin"]) for row in json.loads(said.out)}
    assert said.code == 0
    assert shown["theme"] == ("nord", str(places.user_file()))
    assert shown["smoothing"] == (0.5, "flag")
    assert shown["readonly"] == (True, "flag")
    assert shown["drawing"] == ("auto", "default")
    assert shown["keymap.runs.stop"] == ("ctrl+s", str(places.user_file()))


def test_a_valid_configuration_ends_with_0_and_a_wrong_one_with_2_and_every_problem(run):
    assert run("config", "validate").code == 0
    places.user_file().write_text(
        'teme = "nord"\n[keymap]\n"runs.stopp" = "x"\n"runs.stop" = "n"\n"run.stop" = "ctrl+f"'
    )

    said = run("config", "validate")

    assert said.code == 2
    assert "teme: unknown key; did you mean 'theme'?" in said.err
    assert (
        "keymap.runs.stopp: there is no binding of that id; did you mean 'runs.stop'?" in said.err
    )
    assert "keymap.runs.stop: the key n is that of runs.launch on the same screen" in said.err
    assert "keymap.run.stop" not in said.err


def test_edit_opens_a_new_file_with_every_key_as_a_comment_and_checks_it(run, monkeypatch):
    editor = Path("editor")
    editor.write_text('#!/bin/sh\necho \'theme = "norrd"\' >> "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", shlex.quote(str(editor.resolve())))

    said = run("config", "edit")

    assert said.code == 2
    assert "# theme = " in places.user_file().read_text()
    # appended below [keymap], where it is a key of the console without such an id
    assert "keymap.theme: there is no binding of that id" in said.err


def test_edit_without_an_editor_says_what_to_do(run, monkeypatch):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)

    said = run("config", "edit")

    assert said.code == 2
    assert "name an editor" in said.err
    assert str(places.user_file()) in said.err


@pytest.mark.parametrize("editor", [" ", "''", "nosuchprogram", "'unclosed"])
def test_what_is_no_editor_starts_nothing_and_creates_nothing(run, monkeypatch, editor):
    monkeypatch.setenv("VISUAL", " ")
    monkeypatch.setenv("EDITOR", editor)
    assert run("config", "edit").code == 2
    assert not places.user_file().exists()


def test_columns_that_nothing_has_are_told(run):
    assert run("--set", "columns=lr,seed", "config", "validate").code == 0
    said = run("--set", "columns=lr,foo", "config", "validate")
    assert said.code == 2
    assert "columns: there is no setting or metric 'foo'" in said.err


def test_a_trial_notice_goes_to_everything_that_is_named_and_a_failure_is_told(run):
    assert "names nobody to tell" in run("config", "notify").err
    told = Path("told").resolve()
    command = f'notify.command=["sh", "-c", "cat > $0", "{told}"]'

    good = run("--set", command, "config", "notify")
    bad = run("--set", command, "--set", "notify.webhook=http://127.0.0.1:9/", "config", "notify")

    assert (good.code, good.err) == (0, "notify.command: sent\n")
    assert json.loads(told.read_text())["text"].startswith("trial (22222222): finished")
    assert bad.code == 1
    assert "notify.webhook: " in bad.err
    assert "refused" in bad.err


def test_a_value_of_the_call_holds_in_what_the_call_starts_and_not_after_it(run, monkeypatch):
    seen = []
    monkeypatch.setattr("revconsole.cli.output.ring", lambda: seen.append(os.environ["REVCONSOLE_NOTIFY_BELL"]))  # fmt: skip
    run("--set", "notify.bell=true", "config", "notify")
    assert seen == ["true"]
    assert "REVCONSOLE_NOTIFY_BELL" not in os.environ
