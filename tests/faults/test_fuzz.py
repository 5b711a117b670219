"""Profiles and overrides from anybody: a sentence, never a traceback."""

import os
from pathlib import Path

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revconsole.errors import RevconsoleError
from revconsole.records.settings import profile, search_path
from revconsole.records.settings.complaints import fields_of
from revconsole.records.settings.profile import PLAN_KEYS

EXAMPLES = int(os.environ.get("REVCONSOLE_FAULTS", "1")) * 50
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

keys = st.one_of(
    st.sampled_from([f"{s}.{f}" for s in sorted(PLAN_KEYS) for f in fields_of(s)]),
    st.sampled_from([*sorted(PLAN_KEYS), "seeds", "title", "vary"]),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["bdia", "momentum", "residual", "timm", "vit", "digits", "auto", "../../etc"])
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def written(table):
    """A table as TOML, as far as TOML can hold it."""
    try:
        return tomli_w.dumps(table).encode()
    except (TypeError, ValueError, AttributeError):
        return repr(table).encode("utf-8", "replace")


def harmless(work):
    """Whatever is wrong is a sentence without control characters of its own."""
    said = None
    try:
        work()
    except RevconsoleError as error:
        said = error
    assert said is None or (str(said) and said.exit_code in {1, 2, 3, 4})


@FUZZ
@given(st.dictionaries(keys, values, max_size=5))
def test_any_override_of_a_profile_is_a_plan_or_a_sentence(table):
    known = search_path.find("demo")
    harmless(lambda: known.plans(table))


@FUZZ
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=4))
def test_any_words_on_the_command_line_are_settings_or_a_sentence(words):
    harmless(lambda: search_path.find("demo").plans(profile.parse_assignments(words)))


@FUZZ
@given(keys, st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_value_of_a_key_is_a_setting_or_a_sentence(key, text):
    words = [f"{key}={text}"]
    harmless(lambda: search_path.find("demo").plans(profile.parse_assignments(words)))


@FUZZ
@given(st.binary(max_size=200) | st.dictionaries(keys, values, max_size=5).map(written))
def test_any_file_is_a_profile_or_a_sentence(content):
    path = Path("fuzzed.toml")
    path.write_bytes(content)
    harmless(lambda: search_path.find(str(path)).plans())
