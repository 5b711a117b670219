"""Addresses: what people type where runs are asked for."""

from pathlib import Path

import pytest

from revconsole.errors import NoSuchRun
from revconsole.records.runs.address import one, several, to_resume
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

ROOT = Path("runs")


def row(run_id: str, name: str, state="finished", profile="") -> Summary:
    plan = Plan(name=name, profile=profile)
    return Summary(id=run_id * 8, name=name, state=state, plan=plan, created=0.0)


RUNS = [  # the newest first
    row("h", "mine"),
    row("g", "mine", "stopped"),
    row("f", "mine-bdia-dropout0.1-s1", "failed", "mine"),
    row("e", "mine-bdia-dropout0-s0", profile="mine"),
    row("d", "other-s0", profile="other"),
    row("c", "other-s1", profile="other"),
]


@pytest.mark.parametrize(
    ("address", "ids"),
    [
        ("cccccccc", "c"), ("ddd", "d"), ("@1", "h"), ("@6", "c"), ("mine", "gh"), ("mine@1", "h"), ("mine@2", "g"),
        ("other", "cd"), ("other@2", "c"), ("mine-*", "ef"), ("*dropout0-*", "e"), ("other-s1", "c"), ("*-s0@1", "e"),
        ("*-s[01]", "cdef"),
    ],
)  # fmt: skip
def test_an_address_means_runs_by_id_name_profile_pattern_or_number_the_oldest_first(address, ids):
    assert "".join(s.id[0] for s in several(address, RUNS, ROOT)) == ids


@pytest.mark.parametrize("address", ["", "@0", "@7", "mine@3", "none", "none@1", "x*", "@"])
def test_what_means_no_run_is_a_sentence(address):
    with pytest.raises(NoSuchRun):
        several(address, RUNS, ROOT)


def test_a_mistyped_name_gets_the_nearest():
    with pytest.raises(NoSuchRun, match="did you mean 'other'"):
        several("othr", RUNS, ROOT)


def test_runs_of_one_name_are_told_apart_and_what_to_type_is_said():
    with pytest.raises(NoSuchRun) as caught:
        one("mine", RUNS, ROOT)

    said = str(caught.value)
    assert "'mine' is ambiguous (2 runs: hhhhhhhh (mine, finished," in said
    assert "gggggggg (mine, stopped," in said
    assert "use an id, or mine@1 for the newest" in said
    assert one("mine@1", RUNS, ROOT).id == "hhhhhhhh"


def test_the_newest_run_that_ended_early_is_the_one_to_resume():
    assert to_resume(RUNS).id == "gggggggg"
    with pytest.raises(NoSuchRun, match="nothing to resume"):
        to_resume([row("a", "done"), row("b", "going", "running"), row("c", "broken", "damaged")])
