"""The stream of rows: everything that a run records, once, in order, and its end last."""

import json

from revconsole.lab.row_stream import RowStream
from revconsole.records.logs.events import (
    Advised,
    EpochFinished,
    Finished,
    Logged,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.settings.plan import Plan


def begun(store, number=1, run_id=None, resumed_from=None):
    run_id = run_id or store.create(Plan(name="small", train={"epochs": 2}), {})
    attempt = store.claim(run_id, number)
    facts = {"steps": 4, "steps_per_epoch": 2}
    attempt.emit(Started(facts=facts, resumed_from=resumed_from))
    for name, per in (("loss", "step"), ("validation_accuracy", "epoch")):
        attempt.emit(MetricDeclared(name=name, unit="", per=per, direction="up", meaning=""))
    return run_id, attempt


def kinds(rows):
    return [(row["kind"], row.get("state") or row.get("step") or row.get("text")) for row in rows]


def test_every_step_line_and_change_of_state_is_given_once_and_the_end_comes_last(store):
    run_id, attempt = begun(store)
    tail, stream = store.follow(run_id), RowStream(now=lambda: 5.0)
    attempt.emit(Measured(step=1, epoch=1, values={"loss": 2.0}))
    attempt.emit(Logged(text="what was read"))

    first = list(stream.new(tail.run()))
    assert kinds(first) == [("state", "running"), ("values", 1), ("log", "what was read")]
    assert first[1]["values"] == {"loss": 2.0}
    assert first[1]["epoch"] == 0.5
    assert list(stream.new(tail.run())) == []

    attempt.emit(Measured(step=2, epoch=1, values={"loss": float("nan")}))
    attempt.emit(EpochFinished(epoch=1, step=2, values={"validation_accuracy": 0.5}))
    attempt.emit(Advised(level="warning", text="not finite"))
    attempt.emit(Finished(outcome="completed", step=2, values={"test_accuracy": 0.75}))
    attempt.close()

    last = list(stream.new(tail.run()))
    assert kinds(last) == [
        ("values", 2), ("log", "not finite"), ("log", "completed at step 2"), ("state", "finished"),
    ]  # fmt: skip
    values = {"loss": "nan", "validation_accuracy": 0.5, "test_accuracy": 0.75}
    assert last[0]["values"] == values
    assert (last[-1]["test_accuracy"], last[-1]["time"]) == (0.75, 5.0)
    assert {row["run"] for row in last} == {run_id}
    assert [json.loads(json.dumps(row, allow_nan=False)) for row in last] == last


def test_an_epoch_that_is_measured_after_its_last_step_was_given_is_a_row_of_its_own(store):
    run_id, attempt = begun(store)
    tail, stream = store.follow(run_id), RowStream()
    attempt.emit(Measured(step=2, epoch=1, values={"loss": 1.0}))
    list(stream.new(tail.run()))

    attempt.emit(EpochFinished(epoch=1, step=2, values={"validation_accuracy": 0.5}))

    (row,) = stream.new(tail.run())
    assert (row["step"], row["values"]) == (2, {"validation_accuracy": 0.5})
    attempt.close()


def test_a_step_that_is_taken_again_after_a_resume_is_not_repeated(store):
    run_id, attempt = begun(store)
    tail, stream = store.follow(run_id), RowStream()
    for step in (1, 2, 3):
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1.0}))
    attempt.emit(Finished(outcome="stopped", step=3))
    attempt.close()
    list(stream.new(tail.run()))

    _, again = begun(store, 2, run_id, resumed_from=1)
    for step in (2, 3, 4):
        again.emit(Measured(step=step, epoch=2, values={"loss": 1.0}))

    assert kinds(stream.new(tail.run())) == [("state", "running"), ("values", 4)]
    again.close()
