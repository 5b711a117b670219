"""Trackers: each is given every value once; TensorBoard's files are read again, by another reader than its own."""

import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from revconsole.cli.app import app
from revconsole.errors import NotLoaded, UnknownName
from revconsole.lab.trackers.syncing import Sync
from revconsole.lab.trackers.tracker import TrackerFailed, failed, refuse_unknown
from revconsole.records import child
from revconsole.records.foreign.formats import tensorboard
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Reach
from revconsole.records.logs.events import EpochFinished, Finished, Measured, MetricDeclared
from revconsole.records.runs import tracking
from revconsole.records.sections import Train
from revconsole.records.settings.plan import Plan


@pytest.fixture
def trained(store):
    """A run that has recorded `steps` steps, and goes on with `more(first, last)`."""
    plan = Plan(name="mine", train=Train(epochs=1))
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    for name in ("loss", "validation_accuracy"):
        attempt.emit(
            MetricDeclared(name=name, unit="", per="step", direction="none", meaning=name.title())
        )

    def more(first, last):
        for step in range(first, last):
            attempt.emit(Measured(step=step, epoch=1, values={"loss": 1 / step}))
        return store.read(run_id)

    def end():
        attempt.emit(EpochFinished(epoch=1, step=3, values={"validation_accuracy": 0.5}))
        attempt.emit(Finished(outcome="completed", step=9, values={"test_accuracy": 0.25}))
        attempt.close()
        return store.read(run_id)

    more.end = end
    return more


class Wandb(types.ModuleType):
    """What of W&B is called: it keeps what it was given."""

    Settings = staticmethod(lambda **given: given)

    def __init__(self):
        super().__init__("wandb")
        self.rows, self.begun, self.ended, self.summary = [], [], [], {}
        self.url, self.dir = "", "\x1b[31mfolder"

    def init(self, **given):
        self.begun.append(given)
        return self

    def define_metric(self, *names, **given):
        """Take the axis."""

    def log(self, row):
        self.rows.append(row)

    def finish(self, exit_code):
        self.ended.append(exit_code)


@pytest.fixture
def wandb(monkeypatch):
    made = Wandb()
    made.__spec__ = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "wandb", made)
    monkeypatch.delitem(sys.modules, "revconsole.lab.trackers.to_wandb", raising=False)
    return made


def test_tensorboard_s_files_hold_every_value_once(trained, store):
    run = trained(1, 5)
    sync = Sync(store.root, run, "tensorboard", "tb")
    assert sync.push(run) == 4
    assert sync.push(run) == 0
    run = trained.end()
    again = Sync(store.root, run, "tensorboard", "tb")
    assert again.push(run) > 0
    again.close(run)
    sync.close(run)

    read = Gathered()
    for file in sorted((Path("tb") / f"mine-{run.id}").iterdir()):
        tensorboard.take(file.read_bytes(), Reach(), read)
    assert read.settings["train.epochs"] == "1"
    assert read.damaged == 0
    for name, series in run.series.items():
        column = read.columns[name]
        assert list(column.steps) == series.steps
        assert list(column.values) == pytest.approx(series.values)


def test_wandb_gets_the_values_of_a_step_together_and_the_run_s_end(trained, store, wandb):
    run = trained(1, 3)
    sync = Sync(store.root, run, "wandb", "group/project")
    sync.push(run)
    run = trained.end()
    sync.push(run)
    sync.close(run)

    assert wandb.begun[0]["entity"] == "group"
    assert wandb.begun[0]["project"] == "project"
    assert wandb.begun[0]["id"] == run.id
    assert wandb.begun[0]["config"]["train.epochs"] == "1"
    assert wandb.rows[0] == {"step": 1, "loss": 1.0}
    late = [row for row in wandb.rows if "validation_accuracy" in row]
    assert late[0]["step"] == 3
    assert wandb.ended == [0]
    assert wandb.summary == {"test_accuracy": 0.25}
    assert "\x1b" not in sync.where


def test_mlflow_gets_batches_that_it_takes(trained, store, monkeypatch):
    calls = []
    client = types.SimpleNamespace(
        get_experiment_by_name=lambda name: None,
        create_experiment=lambda name: "7",
        search_runs=lambda *given, **more: [],
        create_run=lambda *given, **more: types.SimpleNamespace(info=types.SimpleNamespace(run_id="r")),
        log_batch=lambda run, **given: calls.append(given),
        set_terminated=lambda run, state: calls.append(state),
    )  # fmt: skip
    entities = types.SimpleNamespace(
        Metric=lambda *given: given, Param=lambda key, value: (key, value)
    )
    for name, module in (
        ("mlflow", types.SimpleNamespace(__spec__=types.SimpleNamespace(), __path__=[])),
        ("mlflow.entities", entities),
        ("mlflow.tracking", types.SimpleNamespace(MlflowClient=lambda: client)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "revconsole.lab.trackers.to_mlflow", raising=False)
    trained(1, 1300)
    run = trained.end()

    sync = Sync(store.root, run, "mlflow")
    sent = sync.push(run)
    sync.close(run)

    batches = [call["metrics"] for call in calls if isinstance(call, dict) and "metrics" in call]
    assert max(map(len, batches)) == 1000
    assert sum(map(len, batches)) == sent
    assert max(len(call.get("params", ())) for call in calls if isinstance(call, dict)) <= 100
    assert calls[-1] == "FINISHED"


def test_several_runs_are_followed_beside_each_other(store, wandb, monkeypatch):
    attempts = [store.claim(store.create(Plan(name=name), {}), 1) for name in ("one", "two")]
    for attempt in attempts:
        attempt.emit(MetricDeclared(name="loss", unit="", per="step", direction="none", meaning=""))
        attempt.emit(Measured(step=1, epoch=1, values={"loss": 1.0}))

    def end(_seconds):
        assert len(wandb.rows) == 2, "of both, while both train"
        for attempt in attempts:
            attempt.emit(Finished(outcome="completed", step=9, values={}))
            attempt.close()

    monkeypatch.setattr("revconsole.cli.sync.time.sleep", end)
    command = ["--store", str(store.root), "sync", "one", "two", "--to", "wandb", "--follow"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert wandb.ended == [0, 0]


def test_what_a_tool_raises_is_one_sentence_and_nothing_counts_as_sent(trained, store, wandb):
    def refuse(row):
        raise ValueError("no\nkey [bold]")

    run = trained(1, 3)
    wandb.log = refuse
    sync = Sync(store.root, run, "wandb")
    with pytest.raises(TrackerFailed, match=r"wandb: ValueError: no.*key \[bold\]"):
        sync.push(run)
    wandb.log = wandb.rows.append
    assert Sync(store.root, run, "wandb").push(run) == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"loss": "x"}'])
def test_a_damaged_memory_of_what_was_sent_sends_again(trained, store, wandb, content):
    run = trained(1, 3)
    Sync(store.root, run, "wandb").push(run)
    (kept,) = (store.root / ".trackers" / run.id).iterdir()
    kept.write_text(content, encoding="utf-8")

    assert Sync(store.root, run, "wandb").push(run) == 2


def test_a_tracker_that_is_not_there_is_said_with_what_to_do(monkeypatch):
    with pytest.raises(UnknownName, match="no tracker 'tensorbord'; did you mean 'tensorboard'"):
        refuse_unknown(["tensorbord"])
    monkeypatch.setattr("revconsole.lab.trackers.tracker.find_spec", lambda name: None)
    with pytest.raises(NotLoaded, match=r"pip install 'revconsole\[mlflow\]'"):
        refuse_unknown(["mlflow"])


@pytest.mark.parametrize(("track", "begun"), [(None, 0), ("tensorboard,wandb", 1)])
def test_a_run_that_asks_for_trackers_begins_a_process_that_follows_it(
    store, monkeypatch, track, begun
):
    started = []
    monkeypatch.setattr(child, "detached", lambda words, *given, **more: started.append(words))
    run_id = store.create(Plan(name="mine", train=Train(track=track)), {})
    attempt = store.claim(run_id, 1)

    tracking.begin(store, run_id, attempt)

    assert len(started) == begun
    if begun:
        assert started[0][-5:] == ["sync", run_id, "--to", "tensorboard,wandb", "--follow"]
    attempt.close()


def test_a_process_that_cannot_begin_is_a_warning_of_the_run(store, monkeypatch):
    def refuse(*given, **more):
        raise OSError("no processes left")

    monkeypatch.setattr(child, "detached", refuse)
    run_id = store.create(Plan(name="mine", train=Train(track="wandb")), {})
    attempt = store.claim(run_id, 1)
    tracking.begin(store, run_id, attempt)
    attempt.close()

    (line,) = [line for line in store.read(run_id).log if line.level == "warning"]
    assert line.text == "no metrics are given to wandb: no processes left"


def test_trackers_do_not_decide_the_result():
    assert Plan(name="a", train=Train(track="wandb")).digest() == Plan(name="a").digest()


def test_no_name_of_a_run_leads_out_of_the_folder_that_was_given(trained, store):
    run = trained(1, 2)
    named = replace(run, summary=replace(run.summary, name="a/../../../up"))
    sync = Sync(store.root, named, "tensorboard", "tb")

    assert Path(sync.where).parent == Path("tb").absolute()


def test_a_folder_that_cannot_be_is_one_sentence_with_its_place():
    error = FileNotFoundError(2, "No such file or directory", "/proc/x\x1b[31m")
    assert str(failed("tensorboard", error)) == "tensorboard: cannot write /proc/x\ufffd[31m: No such file or directory"  # fmt: skip
