"""The words of the launch form: its fields and its free line are one set of settings."""

import shlex
from pathlib import Path

import pytest

from revconsole.console import form
from revconsole.errors import ProfileError
from revconsole.lab.lab import Lab, command_line
from revconsole.records.settings.profile import parse_assignments

FIELDS = form.asked()


def words(typed: dict[str, str], other: str, kinds: dict[str, set[str]] | None = None):
    return form.settings(FIELDS, typed, kinds or {}, other)


@pytest.mark.parametrize(
    ("typed", "other", "seen"),
    [
        ({"optimizer.learning_rate": "0.05"}, "optimizer.name=sgd", ("optimizer", "learning_rate", 0.05)),
        ({"scheme.gamma": "0.25"}, "scheme.name=bdia", ("scheme", "gamma", 0.25)),
        ({"model.depth": "8"}, "model.architecture=cct scheme.name=bdia", ("model", "depth", 8)),
        ({"scheme.name": "momentum"}, "scheme.gamma=0.7", ("scheme", "gamma", 0.7)),
        ({}, "schedule.warmup_epochs=7 schedule.name=constant", ("schedule", "warmup_epochs", 7.0)),
    ],
)  # fmt: skip
def test_a_field_is_obeyed_whatever_kind_the_free_line_names(typed, other, seen, tmp_path: Path):
    section, key, value = seen
    settings = words(typed, other)
    plans = Lab(tmp_path).plan("demo", settings).plans

    assert {getattr(getattr(plan, section), key) for plan in plans} == {value}


def test_the_command_shown_is_read_back_as_the_settings_of_the_form():
    other = """scheme='[{name="bdia",gamma=0.25},residual]' train.clip=none model.pool="mean" data.folder='a b'"""
    settings = words({"model.depth": "[2,3]", "train.epochs": "4"}, other)
    shown = shlex.split(command_line("demo", settings))

    assert shown[:3] == ["revconsole", "train", "demo"]
    assert parse_assignments(shown[3:]) == settings


def test_a_key_that_field_and_free_line_say_otherwise_is_an_error_that_names_both():
    with pytest.raises(ProfileError) as caught:
        words({"train.epochs": "3"}, "train.epochs=4")
    assert caught.value.key == form.OTHER
    assert caught.value.reason == "train.epochs is 3 in its field and 4 here; leave one out"
    assert words({"train.epochs": "3"}, "train.epochs=3") == {"train.epochs": 3}


def test_a_field_is_there_as_soon_as_one_run_has_a_use_for_it(tmp_path: Path):
    planned = Lab(tmp_path).plan("demo")
    kinds = form.kinds_of(planned)
    gamma = next(field for field in FIELDS if field.key == "scheme.gamma")

    assert form.applies(gamma, kinds)
    assert form.shown(planned, "scheme.gamma") == "[0.9, 0.5]"
    assert not form.applies(gamma, {"scheme": {"residual", "additive"}})
    assert (
        form.why_not(gamma, {"scheme": {"residual", "additive"}})
        == "not for scheme additive, residual"
    )
