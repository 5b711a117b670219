"""`--demo`: recorded runs that ship, to look at without training, offline and without torch."""

import json

from revconsole.lab.recorded import RECORDED, recorded_store
from revconsole.records.runs.store import RunStore


def test_the_recorded_runs_are_whole_small_and_gone_afterwards():
    with recorded_store() as store:
        runs = RunStore(store).list()
        read = RunStore(store).read(next(r.id for r in runs if r.name == "demo-bdia"))
    assert {run.state for run in runs} == {"finished", "failed", "out of memory"}
    assert {run.plan.profile for run in runs} == {"demo", "bdia-dropout"}
    assert not any(run.damaged_lines for run in runs)
    assert read.series["loss"].length == read.summary.steps
    assert RECORDED.stat().st_size < 300_000
    assert not store.exists()


def test_verbs_look_at_the_recorded_runs_and_change_nothing(run):
    listed = json.loads(run("--demo", "ls", "--json").out)
    assert len(listed) == 18
    assert (
        run(
            "--demo", "compare", "demo-bdia", "demo-momentum", "demo-additive", "demo-residual"
        ).out.count("demo-")
        >= 4
    )
    refused = run("--demo", "rm", "@1")
    assert (refused.code, "read-only" in refused.err) == (2, True)
    printed = run("--demo").out
    assert [printed.count(row["id"]) for row in listed] == [1] * 18, (
        "without a terminal the runs are printed once"
    )
    beside = run("--demo", "--store", "x", "ls")
    assert (beside.code, "leave --store out" in beside.err) == (2, True)
