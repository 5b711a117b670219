"""How long the runs of a form take, from steps that are timed when it is asked for; the process that times them is made up."""

import json
import threading
import time
from collections import Counter
from dataclasses import asdict, replace
from typing import ClassVar

import pytest

from revconsole.console.form_foresight import FormForesight, FormQuestion
from revconsole.console.prospect import prospect
from revconsole.console.widgets.setting import SettingList
from revconsole.lab import estimate
from revconsole.lab import format as shown
from revconsole.lab.foreseer import Foreseer
from revconsole.lab.lab import Lab
from revconsole.records.foresight import cache
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.foresight.parts import MemoryParts, Moment

END = 5.0
"""Seconds of the end of every run here."""
MOMENT = Moment(operator="mm", fixed=MemoryParts(parameters=1024), per_image=MemoryParts(kept=1024))
COUNTED = Foreseen(
    counts={"parameters": 12, "multiply_adds_per_image": 5},
    foresight=Foresight(
        device="cpu",
        steps={"stored": StepMemory(once=(MOMENT,), accumulated=(MOMENT,))},
        left_out={"checkpointed": "is left out", "reversible": "has no inverse"},
    ),
)
"""What is known of every model here."""


class Timer:
    """Times each plan as so many seconds an epoch as its batch has images; waits where it is held, and ends as a process does."""

    asked: ClassVar[Counter[int]] = Counter()
    held = threading.Event()
    why = ""

    def __init__(self, *_):
        self._over = threading.Event()

    def ask(self, question):
        batch = json.loads(question)["train"]["batch"]
        Timer.asked[batch] += 1
        while Timer.held.is_set():
            if self._over.wait(0.01):
                return json.dumps({"error": "the process has ended", "unavailable": False})
        if Timer.why:
            return json.dumps({"error": Timer.why, "unavailable": True})
        pace = KeptPace(
            epoch_seconds=float(batch), end_seconds=END, step_seconds=(1.0, 1.0, 1.0), steps=3, at=time.time(),
        )  # fmt: skip
        return json.dumps({"pace": asdict(pace), "step_bytes": None, "device_name": "here"})

    def end(self):
        self._over.set()


@pytest.fixture(autouse=True)
def timer(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foreseen")
    monkeypatch.setattr(estimate, "OtherProcess", Timer)
    monkeypatch.setattr(estimate.devices, "called", lambda _: "here")
    monkeypatch.setattr(Timer, "asked", Counter())
    monkeypatch.setattr(Timer, "why", "")
    yield Timer
    Timer.held.clear()


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "runs")


def planned(lab, **settings):
    """Runs whose model was counted before."""
    made = lab.plan(
        "demo", {"scheme.name": "residual", "train.device": "cpu", "train.epochs": 4} | settings
    )
    COUNTED.keep(made.plans[0], "cpu")
    return made


def timed(foresight, made):
    """All that is told, until the last is."""
    told, over = [], threading.Event()

    def tell(found):
        told.append(found)
        if not found.measuring.startswith("timing"):
            over.set()

    foresight.time(FormQuestion(planned=made, drawn=0, wanted=lambda: True, tell=tell))
    assert over.wait(60)
    return told


def test_each_kind_of_run_is_timed_once_and_a_grid_takes_the_sum(lab, timer):
    made = planned(lab, **{"train.batch": [16, 64], "seeds": [0, 1, 2]})
    foresight = FormForesight(lab)
    assert len(foresight.known(made).untimed) == 2

    *under_way, last = timed(foresight, made)

    assert [found.duration for found in under_way] == ["timing 1 of 2…", "timing 2 of 2…"]
    assert timer.asked == {16: 1, 64: 1}
    assert last.seconds == 3 * (4 * 16 + END) + 3 * (4 * 64 + END)
    assert last.duration == f"about {shown.duration(last.seconds)}"


def test_a_grid_that_is_stopped_is_timed_no_further(lab, timer):
    made, foresight, begun = (
        planned(lab, **{"train.batch": [16, 64]}),
        FormForesight(lab),
        threading.Event(),
    )
    timer.held.set()
    foresight.time(
        FormQuestion(planned=made, drawn=0, wanted=lambda: True, tell=lambda _: begun.set())
    )
    assert begun.wait(60)

    assert foresight.stop_timing()
    for thread in threading.enumerate():
        if thread.name == "timing":
            thread.join(60)
    assert timer.asked.total() <= 1
    assert foresight.known(made).duration == "f3 tells how long"


def test_forms_to_come_know_what_was_timed_whatever_the_length(lab):
    timed(FormForesight(lab), planned(lab))

    later = FormForesight(lab).known(planned(lab, **{"train.epochs": 9}))
    assert later.seconds == 9 * 64 + END
    assert later.untimed, "it may be timed again"
    assert "3 of its steps with their data timed here just now" in later.timing.known_from


def test_why_nothing_was_timed_is_told_until_it_is_asked_again(lab, timer):
    made, foresight = planned(lab), FormForesight(lab)
    timer.why = "there are no images"
    assert timed(foresight, made)[-1].duration == "not timed: there are no images"

    assert foresight.stop_timing()
    assert foresight.known(made).duration == "f3 tells how long"


def test_the_steps_of_several_ranks_are_not_timed_in_one_process(lab, timer):
    made = planned(lab, **{"train.gpus": 2})
    assert (
        "the pace of 2 ranks is not that of one process"
        in timed(FormForesight(lab), made)[-1].duration
    )
    assert not timer.asked


async def test_a_key_times_the_runs_of_the_form_and_a_change_of_it_stops_that(opened, lab, timer):
    planned(lab, **{"train.device": "auto"})
    timer.held.set()
    async with opened(200, 40) as stage:
        await stage.press("n")
        rows = stage.app.screen.query_one(SettingList)
        rows.choose("scheme.name", "residual")
        await stage.shows("launches 1 run · 12 parameters · f3 tells how long")
        await stage.press("f3")
        await stage.shows("timing a few steps…")
        await stage.press("f3")
        await stage.shows("f3 tells how long")
        await stage.press("f3")
        await stage.shows("timing a few steps…")
        rows.choose("train.epochs", "5")
        await stage.shows("12 parameters · f3 tells how long")
        timer.held.clear()
        await stage.press("f3")
        await stage.shows(f"12 parameters · about {shown.duration(5 * 64 + END)}")


def test_nothing_is_to_be_timed_where_an_earlier_run_tells(lab):
    made = planned(lab)
    lab.store.create(made.plans[0], {})
    run = replace(
        lab.store.list()[0], state="finished", device="cpu", seconds_per_epoch=2.0, seconds_at_end=1.0
    )  # fmt: skip

    found = prospect(made.plans, Foreseer(), [run])
    assert (found.untimed, found.seconds) == ((), 9.0)
