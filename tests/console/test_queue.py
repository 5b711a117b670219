"""The queue in the console: its order, how long it takes, keys that change it, and another console that sees the same."""

import pytest

from revconsole.console.app import Console
from revconsole.lab.lab import Lab
from revconsole.records.runs import identity
from revconsole.records.runs.queued import read_queued
from tests.console.conftest import Stage


@pytest.fixture
def waiting(recorder):
    """A run that trains, and three that wait behind it; returns the ids of those by name."""
    run_id, _ = recorder.begin("first")
    recorder.store.queue(run_id, 1, identity.mine(), "thread")
    ids = {}
    for name in ("second", "third", "fourth"):
        ids[name] = recorder.store.create(recorder.plan(name), {})
        recorder.store.queue(ids[name], 1, identity.mine(), "thread")
    return ids


def order(stage):
    lines = [line for line in stage.text.splitlines() if "queued" in line]
    return [
        word for line in lines for word in line.split() if word in {"second", "third", "fourth"}
    ]


async def test_what_trains_comes_first_then_the_queue_from_its_head(opened, waiting):
    async with opened() as stage:
        await stage.shows("1 training", "3 waiting", "first", "fourth")
        assert order(stage) == ["second", "third", "fourth"]


async def test_how_long_the_queue_takes_is_told_from_runs_like_those(opened, recorder, waiting):
    recorder.finished("like them")
    async with opened(120, 24) as stage:
        await stage.shows("3 waiting, ", " in all")


async def test_keys_move_the_waiting_run_under_the_cursor(opened, waiting):
    async with opened() as stage:
        await stage.shows("fourth")
        await stage.press("down", "down", "down", "K")
        await stage.until(lambda: order(stage) == ["second", "fourth", "third"])
        await stage.press("K")
        await stage.until(lambda: order(stage) == ["fourth", "second", "third"])
        await stage.press("J")
        await stage.until(lambda: order(stage) == ["second", "fourth", "third"])
        await stage.shows("fourth: is number 2 of 3 that wait")


async def test_a_run_that_trains_has_no_place_in_a_queue(opened, waiting):
    async with opened() as stage:
        await stage.shows("fourth")
        await stage.press("K")
        await stage.shows("only a run that waits has a place")


async def test_a_second_console_sees_the_same_queue_and_what_the_first_makes_of_it(
    opened, waiting, store
):
    async with opened() as stage, Console(Lab(store.root)).run_test(size=(80, 24)) as pilot:
        other = Stage(pilot.app, pilot)
        await other.shows("fourth")
        assert order(other) == ["second", "third", "fourth"]
        await stage.shows("fourth")
        await stage.press("down", "J")
        await other.until(lambda: order(other) == ["third", "second", "fourth"])


async def test_what_a_run_waits_for_stands_in_its_own_screen_and_beside_the_table(opened, waiting):
    async with opened(120, 24, [waiting["second"]]) as stage:
        await stage.shows("waits for ", "behind first")
        await stage.press("escape")
        await stage.press("down")
        await stage.shows("behind first")


async def test_a_waiting_run_may_begin_beside_what_trains(opened, waiting, store):
    async with opened() as stage:
        await stage.shows("fourth")
        await stage.press("down", "N")
        await stage.shows("Begin second beside what trains?", "Both become slower")
        await stage.press("y")
        await stage.until(lambda: read_queued(store.folder(waiting["second"]) / "launch.json").now)


async def test_a_waiting_run_is_taken_out_of_the_queue(opened, waiting, store):
    async with opened() as stage:
        await stage.shows("fourth")
        await stage.press("down", "s")
        await stage.shows("Take second out of the queue?")
        await stage.press("y")
        await stage.until(lambda: order(stage) == ["third", "fourth"])
    assert store.follow(waiting["second"]).summary().state == "stopped"
