"""The filter language: what it keeps, and what it says of a filter that means nothing."""

import re
import time

import pytest

from revconsole.lab.format import toml
from revconsole.lab.listing.fields import every, metrics_of, named
from revconsole.lab.listing.where import BadFilter, filter_of
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan


def run(name: str = "one", scheme: str = "bdia", **values: object) -> Summary:
    settings = {"name": name, "scheme": {"name": scheme}, "seed": values.pop("seed", 0)}
    settings |= {"optimizer": {"name": "adamw", "learning_rate": values.pop("lr", 3e-3)}}
    backward = "stored" if scheme == "residual" else "reversible"
    plan = Plan.model_validate({**settings, "backward": backward})
    fixed = {"id": f"id-{name}", "name": name, "state": "finished", "created": time.time() - 3600}
    return Summary(**{**fixed, **values}, plan=plan)


RUNS = [
    run("a", seed=1, lr=1e-2, best_validation_accuracy=0.95, tags=("paper",)),
    run("b", seed=2, lr=1e-3, state="running", best_validation_accuracy=0.5, metrics={"norm": 7.0}),
    run("c", scheme="residual", lr=1e-2, kept_for_backward_bytes=5 * 2**20, note="try again"),
    run("d", scheme="momentum", lr=1e-1, created=time.time() - 3 * 86400, loss=float("nan")),
    run("e", archived=True),
]


def kept(text: str) -> str:
    chosen = filter_of(text, metrics_of(RUNS)).chosen(RUNS)
    return "".join(each.name for each in chosen)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "abcd"),
        ("  ", "abcd"),
        ("bdia", "ab"),
        ("BDIA finished", "a"),
        ("bdia AND finished", "a"),
        ("bdia OR momentum", "abd"),
        ("bdia OR momentum NOT running", "abd"),
        ("(bdia OR momentum) NOT running", "ad"),
        ("NOT (bdia OR momentum)", "c"),
        ("NOT NOT bdia", "ab"),
        ("'bdia'", "ab"),
        ('"try again"', "c"),
        ("again* OR re?idual", "c"),
        ("lr>1e-3", "acd"),
        ("best>60", "a"),
        ("best>49.9 best<=50", "b"),
        ("val=95", "a"),
        ("best>1", ""),
        ("best<=1", "ab"),
        ("lr >= 0.001", "abcd"),
        ("lr>3e-3 scheme:bdia", "a"),
        ("learning_rate<=1e-2", "abc"),
        ("optimizer.learning_rate=0.01", "ac"),
        ("lr!=0.01", "bd"),
        ("scheme:bd* state=running", "b"),
        ("scheme:bd", "ab"),
        ("seed=2", "b"),
        ("has:best", "ab"),
        ("NOT has:best", "cd"),
        ("best>0.9", "a"),
        ("best>=95%", "a"),
        ("best<95%", "b"),
        ("norm>6", "b"),
        ("has:norm", "b"),
        ("tag:paper", "a"),
        ("tag:pap", ""),
        ("tag:pap*", "a"),
        ("kept>4", "c"),
        ("kept>=5MiB", "c"),
        ("kept>6000KiB", ""),
        ("age<2d", "abc"),
        ("age>2d", "d"),
        ("age<48:00:00", "abc"),
        ("age>2880:00", "d"),
        ("loss=nan", "d"),
        ("loss<1", ""),
        ("archived=true", "e"),
        ("backward=stored", "c"),
        ("arch:vit", "abcd"),
        ("name:a", "a"),
        ("id:id-*", "abcd"),
        ("loss=none", "abc"),
        ("kept=none", "abd"),
        ("schedule:cos*", "abcd"),
    ],
)
def test_a_filter_keeps(text, names):
    assert kept(text) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learnin_rate>1", "'learnin_rate>1': there is no setting or metric 'learnin_rate'; did you mean 'learning_rate'?"),
        ("has:nrm", "did you mean 'norm'?"),
        ("lr>fast", "'lr>fast': 'fast' is no number, such as 3, 0.5 or 1e-3"),
        ("age<soon", "'age<soon': 'soon' is no duration, such as 90, 5m, 1:30, 2h or 3d"),
        ("best=good", "no fraction, such as 0.9, 90 or 90%"),
        ("kept>2lb", "no size, such as 12"),
        ("state>running", "'state>running': state is no number; write state=running"),
        ("lr>", "'lr>' needs a value after '>'"),
        ("bdia OR", "'OR' needs something after it"),
        ("OR bdia", "'OR' needs something before it"),
        ("NOT", "'NOT' needs something after it"),
        ("(bdia", "'(' is never closed"),
        ("bdia)", "')' closes no '('"),
        ("()", "'(' needs something after it"),
        ("name:'a", "the quote ' is never closed: 'a"),
        ('"a', 'the quote " is never closed: "a'),
        ("momentum=0.9", "'momentum=0.9': 'momentum' may be "),
        ("lr==0.01", "'lr==0.01': there is no operator '=='; there are : = != <"),
        ("lr=slow", "'lr=slow': 'slow' is no number"),
        (">3", "'>3' compares nothing"),
        ("a-b>3", "'a-b>3' compares nothing: write NAME>VALUE, or quote it"),
        ("x" * 2001, "at most 2000 characters"),
        ("(" * 60 + "a", "at most 50 parentheses"),
        ("bad\x1b]0;x\x07>1", "compares nothing"),
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_says_why(text, said):
    with pytest.raises(BadFilter) as raised:
        kept(text)
    assert said in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_setting_wins_over_a_metric_of_its_name_which_has_its_own_spelling():
    row = run("f", lr=0.1, metrics={"learning_rate": 1e-5})
    recorded = metrics_of([row])
    for name, value in (("learning_rate", 0.1), ("lr", 0.1), ("metric.learning_rate", 1e-5)):
        assert named(name, recorded).value(row) == value
        assert filter_of(f"{name}={value}", recorded).chosen([row]) == [row]
    assert all(named(field.key, recorded).key == field.key for field in every(recorded))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state=foo", "there is no state 'foo'"),
        ("state=finishd", "did you mean 'finished'"),
        ("archived:x", "there is no archived 'x'"),
        ("scheme=bd", "did you mean 'bdia'"),
        ("NOT scheme=bdai", "did you mean 'bdia'"),
        ("backward!=storde", "did you mean 'stored'"),
        ("deterministic=yes", "no train.deterministic 'yes'"),
        ("optimizer.name:zz*", "is never met"),
    ],
)
def test_a_filter_that_no_run_can_meet_names_the_nearest_word_that_there_is(text, said):
    with pytest.raises(BadFilter, match=re.escape(said)):
        filter_of(text)


def test_every_text_that_a_setting_is_can_be_asked_for():
    """By the values of real plans: whatever a run has, `key=value` finds it."""
    for each in RUNS:
        for field in every():
            if field.words:
                value = toml(field.value(each))
                assert value in field.words, field.key
                found = filter_of(f'archived:* {field.key}="{value}"').chosen(RUNS)
                assert each in found, (field.key, value)
    assert {field.key for field in every() if field.words} > {
        "state", "archived", "scheme.name", "backward", "model.architecture", "train.deterministic",
    }  # fmt: skip
    assert not named("data.dataset").words
