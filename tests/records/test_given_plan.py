"""A run that another program trains has a given plan: it is listed, filtered, compared and reported; what needs a model refuses."""

import json
import time

import pytest

from revconsole.errors import NoSuchRun, ProfileError, WrongState
from revconsole.lab import given_facts, rows
from revconsole.lab.compare import compare
from revconsole.lab.lab import Lab
from revconsole.lab.listing.columns import telling
from revconsole.lab.listing.fields import metrics_of, named
from revconsole.lab.listing.groups import Grouping
from revconsole.lab.listing.where import filter_of
from revconsole.lab.report.document import document
from revconsole.records.given import LONGEST_VALUE, MOST_GIVEN, flat, given_plan
from revconsole.records.logs.events import EpochFinished, Finished, Measured, Started
from revconsole.records.runs import run_table
from revconsole.records.runs.attempt import Attempt
from revconsole.records.runs.header import UnreadPlan
from revconsole.records.runs.pace import pace_key
from revconsole.records.runs.plan_file import write_plan_file
from revconsole.records.runs.run import Summary
from revconsole.records.runs.starts import resolved
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan


def summary(name, given, **values):
    plan = GivenPlan.of(name, given, "a program")
    fixed = {"id": f"{name}-{plan.seed}", "name": name, "state": "finished", "created": 1.0}
    return Summary(**{**fixed, **values}, plan=plan)


def recorded(store, run_id, name, given, steps=(1, 2, 3)):
    folder = store.root / run_id
    folder.mkdir(parents=True)
    write_plan_file(folder, run_id, 5.0, given_plan(name, given, "a program"))
    attempt = Attempt.claim(folder, 1)
    attempt.emit(Started(facts={"device": "cpu"}))
    for step in steps:
        attempt.emit(Measured(step=step, epoch=0, values={"loss": 1.0 / step, "odd [red]": 1.0}))
    attempt.emit(EpochFinished(epoch=1, step=max(steps), values={"validation_accuracy": 0.5}))
    attempt.emit(Finished(outcome="completed", step=max(steps), values={"test_accuracy": 0.25}))
    attempt.close()
    return run_id


def test_settings_of_any_depth_become_a_flat_table_of_values_of_json():
    given = flat(
        {
            "lr": 3e-4, "layers": [1, 2], "opt": {"betas": (0.9, 0.99), "on": True, "none": {}}, "nan": float("nan"),
            1: None, "long": "x" * 5000, "huge": 10**30,
        }
    )  # fmt: skip

    assert given.pop("long") == "x" * LONGEST_VALUE
    assert given == {
        "lr": 3e-4, "layers": "[1, 2]", "opt.betas": "(0.9, 0.99)", "opt.on": True, "opt.none": "{}", "nan": "nan",
        "1": None, "huge": str(10**30),
    }  # fmt: skip
    assert len(flat({str(n): n for n in range(5000)})) == MOST_GIVEN
    json.dumps(given, allow_nan=False)


def test_a_whole_number_called_seed_is_the_seed():
    plan = GivenPlan.of("mine", {"seed": 7, "lr": 1}, "a program")

    assert (plan.seed, plan.given) == (7, {"lr": 1})
    for odd in (-1, True, 1.5, "7"):
        plan = GivenPlan.of("mine", {"seed": odd}, "a program")
        assert (plan.seed, plan.given) == (0, {"seed": odd})


def test_what_a_plan_says_of_our_settings_is_said_of_no_other_program():
    run, ours = summary("mine", {"epochs": 5}), Plan(name="mine")
    unread = Summary(id="x", name="x", state="damaged", plan=UnreadPlan(name="x"), created=0.0)

    assert (run.plan_known, run.readable, run.epochs, run.program) == (False, True, 5, "a program")
    assert (unread.plan_known, unread.readable, unread.epochs, unread.program) == (False, False, None, "")  # fmt: skip
    assert GivenPlan.of("mine", {}, "a program").digest() != ours.digest()
    assert pace_key(run.plan) != pace_key(ours)
    assert named("scheme.name").value(run) is None
    assert named("epochs").value(run) == 5


def test_a_given_setting_stands_in_the_column_of_ours_and_any_other_in_its_own():
    runs = [
        summary(f"r{n}", {"lr": 0.1 * n, "my.x": n % 2, "model": "resnet50"}) for n in (1, 2, 3)
    ]
    names = metrics_of(runs)

    assert [field.key for field in telling(runs)] == ["optimizer.learning_rate"]
    assert [named("lr", names).value(run) for run in runs] == [0.1, 0.2, 0.1 * 3]
    assert named("architecture").value(runs[0]) == "resnet50"
    assert [run.name for run in filter_of("my.x=0", names).chosen(runs)] == ["r2"]
    assert [run.name for run in filter_of("lr>0.15", names).chosen(runs)] == ["r2", "r3"]


def test_only_runs_that_were_given_the_same_are_grouped():
    plans = [Plan(name="ours", seed=seed) for seed in (0, 1)]
    ours, other = (
        Summary(id=str(plan.seed), name="ours", state="finished", plan=plan, created=0.0) for plan in plans
    )  # fmt: skip
    given = summary("theirs", {"lr": 1.0})
    groups = Grouping().groups(
        [ours, given, summary("t", {"lr": 1.0, "seed": 3}), summary("bare", {}), other]
    )
    assert [[run.name for run in group.members] for group in groups] == [
        ["ours", "ours"], ["theirs", "t"], ["bare"],
    ]  # fmt: skip


def test_a_comparison_shows_what_was_given_beside_settings_of_ours():
    ours = Summary(id="a", name="ours", state="finished", plan=Plan(name="ours"), created=0.0)
    one, two = summary("one", {"lr": 1.0, "my.x": 1}), summary("two", {"lr": 2.0})
    compared = compare([ours, one, two])

    assert set(compared.differing) == {"optimizer.learning_rate", "my.x"}
    assert [row.settings.get("my.x") for row in compared.rows] == [None, 1, None]
    assert compared.rows[2].settings["optimizer.learning_rate"] == 2.0
    assert rows.comparison(compared)["runs"][1]["program"] == "a program"


def test_steps_in_any_order_are_one_curve_and_none_is_lost(store):
    run = store.read(recorded(store, "aaaaaaaa", "mine", {}, steps=(3, 1, 2, 2)))

    assert run.series["loss"].steps == [1, 2, 2, 3]
    assert run.series["loss"].values == [1.0, 0.5, 0.5, 1 / 3]


def test_its_row_survives_the_store_cache(store, monkeypatch):
    monkeypatch.setattr(run_table, "SETTLED_SECONDS", -1.0)
    monkeypatch.setattr(run_table, "UNSAVED_RUNS", 1)
    recorded(store, "aaaaaaaa", "mine", {"lr": 0.5, "seed": 3})
    (before,) = store.list()

    (row,) = RunStore(store.root).list()

    assert (store.root / "index.json").exists()
    assert row == before
    assert isinstance(row.plan, GivenPlan)
    assert (row.given, row.program, row.plan.seed) == ({"lr": 0.5}, "a program", 3)


def test_what_needs_a_model_refuses_in_one_sentence(store):
    run_id, lab = recorded(store, "aaaaaaaa", "mine", {}), Lab(store.root)
    for verb in (store.plan, lab.resume, lab.hand_over):
        with pytest.raises(
            WrongState, match=r"run mine is trained by another program \(a program\): "
        ):
            verb(run_id)
    vit = {"name": "vit", "model": {"architecture": "vit", "pretrained": "run:mine"}}
    with pytest.raises(
        ProfileError, match=r"here: model.pretrained: run mine is trained by another"
    ):
        resolved(Plan.model_validate(vit), store, where="here")
    with pytest.raises(NoSuchRun, match="no run ended early"):
        lab.to_resume()


def test_show_says_what_was_given_and_measured(store):
    run = store.read(recorded(store, "aaaaaaaa", "mine", {"lr": 0.5, "epochs": 2}))
    pairs = dict(given_facts.pairs(run))

    assert pairs["trained by"] == "a program"
    assert pairs["lr"] == "0.5"
    assert (pairs["epoch"], pairs["step"]) == ("1/2", "3")
    assert pairs["odd [red]"] == "1"
    assert rows.details(run)["settings"] == {"epochs": 2, "optimizer.learning_rate": 0.5}


def test_a_report_says_who_trained_and_nothing_that_is_not_known(store):
    for run_id, lr in (("aaaaaaaa", 0.5), ("bbbbbbbb", 0.25)):
        recorded(store, run_id, f"mine {lr}", {"lr": lr, "batch": 8})
        time.sleep(0.002)  # the order of equal times is that of the ids
    written = document(Lab(store.root).report_runs(["aaaaaaaa", "bbbbbbbb"]))

    assert "Other programs trained mine 0.5 and mine 0.25" in written.methods
    assert "batch 8" in written.methods
    assert "vision transformer" not in written.methods
    assert "adamw" not in written.methods
    assert any("whose figures these are" in note for note in written.table.notes)
    assert written.settings is not None
    assert ("lr", "0.5", "0.25") in written.settings.rows
