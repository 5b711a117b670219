"""The configuration: which source wins, what is refused, and that nothing wrong stops the program."""

from pathlib import Path

import pytest

from revconsole.records.config import places
from revconsole.records.config.config import read_config
from revconsole.records.config.options import OPTIONS
from revconsole.records.config.template import template


def user(text: str) -> None:
    places.user_file().write_text(text)


def project(text: str) -> None:
    Path("revconsole.toml").write_text(text)


def test_without_files_every_value_is_the_default():
    config = read_config()

    assert {key: config[key] for key in OPTIONS} == {k: o.default for k, o in OPTIONS.items()}
    assert set(config.origins.values()) == {"default"}
    assert config.problems == ()


def test_a_flag_wins_over_the_environment_that_over_the_project_and_that_over_the_user(monkeypatch):
    sources = []
    user('smoothing = 0.1\ntheme = "nord"')
    sources.append(read_config())
    project("smoothing = 0.2")
    sources.append(read_config())
    monkeypatch.setenv("REVCONSOLE_SMOOTHING", "0.3")
    sources.append(read_config())
    sources.append(read_config(["smoothing=0.4"]))

    assert [config["smoothing"] for config in sources] == [0.1, 0.2, 0.3, 0.4]
    assert [config.origins["smoothing"] for config in sources] == [
        str(places.user_file()),
        str(Path.cwd() / "revconsole.toml"),
        "environment, REVCONSOLE_SMOOTHING",
        "flag",
    ]
    assert sources[-1]["theme"] == "nord"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("smoothing = 1.5", "smoothing: should be from 0 to 0.99, not 1.5"),
        ('smoothing = "much"', "smoothing: should be a number from 0 to 0.99, not 'much'"),
        ("smoothing = nan", "smoothing: should be from 0 to 0.99, not nan"),
        ("readonly = 3", "readonly: should be true or false, not 3"),
        ('theme = "drakula"', "theme: 'drakula' is not known; did you mean 'dracula'?"),
        ('thème = "nord"', "cannot be read"),
        ('teme = "nord"', "teme: unknown key; did you mean 'theme'?"),
        ('[notify]\non = ["finished"]', "notify.on: ['finished'] is not known"),
        ('[notify]\nwebhook = "file:///etc/passwd"', "notify.webhook: should begin with http:// or https://"),
        ('[notify]\nwebhook = "http://"', "notify.webhook: should name a host"),
        ('[notify]\ncommand = "ls -l"', "notify.command: should be a list with a text for each argument"),
        ("[keymap]\n'runs.stop' = 3", "keymap.runs.stop: should be a key in quotes"),
        ("keymap = 3", "keymap: should be a table of ids and keys"),
        ("theme", "cannot be read"),
        ("version = 2", "a newer revconsole wrote this file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_the_rest_holds(text, said):
    user(text)
    project("refresh_seconds = 2")

    config = read_config()

    assert len(config.problems) == 1
    assert said in config.problems[0]
    assert str(places.user_file()) in config.problems[0]
    assert config["theme"] == OPTIONS["theme"].default
    assert config["smoothing"] == OPTIONS["smoothing"].default
    assert config["refresh_seconds"] == 2.0


def test_a_folder_from_somebody_else_can_neither_run_a_command_nor_send_a_message():
    project('[notify]\ncommand = ["touch", "x"]\nwebhook = "http://localhost"')

    config = read_config()

    assert (config["notify.command"], config["notify.webhook"]) == ((), "")
    assert all("belongs in your own file" in problem for problem in config.problems)
    assert len(config.problems) == 2


def test_a_folder_or_a_device_in_place_of_the_file_is_reported():
    places.user_file().mkdir()

    assert "is not a regular file" in read_config().problems[0]


def test_keys_of_the_project_are_added_to_those_of_the_user():
    user('[keymap]\n"runs.stop" = "ctrl+s"\n"app.help" = "f1"')
    project('[keymap]\nruns.stop = "S"')

    assert read_config().keymap == {"runs.stop": "S", "app.help": "f1"}


def test_the_template_is_valid_and_names_every_key(tmp_path):
    lines = template().splitlines()
    bare = [line.removeprefix("# ") if " = " in line else line for line in lines]
    user("\n".join(bare).replace('"runs.stop" = "ctrl+s"', '"runs.stop" = "f9"'))

    config = read_config()

    assert config.problems == ()
    assert {k for k, origin in config.origins.items() if origin != "default"} >= set(OPTIONS)
    assert user_text_of_defaults(config) == {k: o.default for k, o in OPTIONS.items()}


def user_text_of_defaults(config):
    return {key: config[key] for key in OPTIONS}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("yes", True), ("0", False), ("no", False), ("maybe", True), ("[", True)],
)
def test_a_wrong_value_of_readonly_counts_as_true(monkeypatch, text, value):
    monkeypatch.setenv("REVCONSOLE_READONLY", text)
    assert read_config()["readonly"] is value


def test_columns_may_stand_between_commas():
    assert read_config(["columns=lr, seed"])["columns"] == ("lr", "seed")


def test_a_file_whose_name_is_too_long_is_reported(monkeypatch):
    monkeypatch.setenv("REVCONSOLE_CONFIG", f"{'x' * 300}.toml")

    (problem,) = read_config().problems
    assert problem.endswith("cannot be read: File name too long")
