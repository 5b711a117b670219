"""What is said before a launch knows the runs that train meanwhile."""

import pytest

from revconsole.lab.noted import entries, noted
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

PLAN = {
    "model": {"architecture": "vit", "patch": 2, "dim": 64, "depth": 4, "heads": 4},
    "train": {"epochs": 25, "batch": 64},
    "schedule": {"name": "cosine", "warmup_epochs": 3},
}


def plan(device="auto", **changes):
    return Plan.model_validate(
        {"name": "new", **PLAN, "train": PLAN["train"] | {"device": device}, **changes}
    )


def running(device, asked="auto", state="running"):
    return Summary(id="a", name="old", state=state, plan=plan(asked), created=0.0, device=device)


@pytest.mark.parametrize(
    ("asked", "other", "said"),
    [
        ("auto", running("cpu"), True),
        ("cpu", running("cpu", "cpu"), True),
        ("cuda:1", running("cuda:1"), True),
        ("auto", running("cuda:0"), False),  # the emptiest GPU may be another one
        ("cuda:1", running("cuda:0"), False),
        ("auto", running("cpu", state="finished"), False),
        ("auto", running("cpu", state="queued"), False),
    ],
)
def test_a_run_that_trains_on_the_device_is_said(asked, other, said):
    rules = [entry["rule"] for entry in entries(plan(asked), [other])]
    assert rules == (["same device"] if said else [])


def test_of_a_grid_each_thing_is_said_once_and_every_sentence_is_known():
    odd = [plan(model=PLAN["model"] | {"patch": 8, "depth": depth}) for depth in (2, 4)]
    notes = noted([plan(), *odd], [])

    assert [line.rule for line in notes.lines] == ["tokens"]
    assert notes.lines[0].text.startswith("2 of 3 runs, first new: the whole image is one token")
    assert len(notes.texts) == 1
