"""A training loop of one's own is recorded by three lines, and nothing of the recording gets in its way."""

import os
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from types import SimpleNamespace

import pytest

import revconsole
from revconsole.lab.curves import axes
from revconsole.lab.lab import Lab
from revconsole.recording import claimed as claiming
from revconsole.recording import recorded_run, writer
from revconsole.recording.recorded_run import RecordedRun
from revconsole.recording.recording import RANKS, TASKS
from revconsole.records.logs.log import Log
from revconsole.records.runs import attempt as attempts

LOOP = """
import os, sys
import revconsole
run = revconsole.record("mine", {"lr": 0.1}, store=sys.argv[1])
for step in range(1, 21):
    run.log(step, loss=1 / step)
print(sorted({"torch", "pydantic", "numpy", "typer", "textual"} & set(sys.modules)), run.id, flush=True)
if sys.argv[2] == "killed":
    sys.stdin.read()
if sys.argv[2] == "raises":
    raise ValueError("no such layer")
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """The thread that writes looks again at once, and gives up early."""
    monkeypatch.setattr(writer, "PERIOD_SECONDS", 0.005)
    monkeypatch.setattr(writer, "REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(recorded_run, "LOOK_SECONDS", 0.005)
    for name in (*RANKS, TASKS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def begin(store):
    """Begins a run in the store; those that a test leaves open are ended."""
    begun = []

    def begin(name="mine", settings=None, **options) -> RecordedRun:
        begun.append(revconsole.record(name, settings, **{"store": store.root} | options))
        return begun[-1]

    yield begin
    for run in begun:
        run.finish()


def until(true):
    """Wait until something that another thread or process does has happened."""
    while not true():
        time.sleep(0.002)


def only(store):
    (row,) = store.list()
    return store.read(row.id)


def steps(run, metric="loss"):
    return dict(zip(run.series[metric].steps, run.series[metric].values, strict=True))


def test_three_lines_record_a_run(store):
    with revconsole.record("my-run", {"lr": 3e-4, "seed": 2}, store=store.root, steps=3) as run:
        for step in (1, 2, 3):
            run.log(step, loss=1 / step, accuracy=step / 10)
        assert run.id == store.list()[0].id

    found = only(store)
    assert (found.summary.name, found.summary.state, found.summary.step) == ("my-run", "finished", 3)  # fmt: skip
    assert (found.summary.given, found.plan.seed) == ({"lr": 3e-4}, 2)
    assert found.summary.program == "revconsole.record"
    assert found.summary.steps == 3
    assert steps(found) == {1: 1.0, 2: 0.5, 3: 1 / 3}
    assert steps(found, "train_accuracy") == {1: 0.1, 2: 0.2, 3: 0.3}
    assert found.series["resident_bytes"].last > 1e6


def test_the_time_that_is_left_is_known_from_the_steps_so_far(store, begin):
    run = begin(steps=100)
    for step in range(1, 11):
        run.log(step, loss=1.0)
        until(lambda: not run._writer._entries)
    run.log(10, val_acc=0.5)
    assert run.id
    until(lambda: store.list()[0].epoch == 1)

    row = store.list()[0]
    assert row.eta_seconds is not None
    assert row.steps == 100


def test_what_others_call_a_validation_is_one_and_fills_its_columns(store, begin):
    run = begin()
    for epoch, top1 in ((1, 50.0), (2, 75.0), (3, 60.0)):
        run.log(
            10 * epoch, {"train/loss": 1.0, "val/loss": 2.0 / epoch, "eval_top1": top1}, epoch=epoch
        )
    run.log(30, {"test_acc": 0.7, "lr": 0.1, "my metric": 4})
    run.finish()

    found = only(store)
    row = found.summary
    assert (row.best_validation_accuracy, row.best_epoch, row.epoch) == (0.75, 2, 3)
    assert (row.best_validation_loss, row.test_accuracy) == (1.0, 0.7)
    assert steps(found, "learning_rate") == {30: 0.1}
    assert steps(found, "my metric") == {30: 4.0}
    assert found.series["validation_accuracy"].metric.unit == "fraction"
    assert "eval_top1 in percent" in found.series["validation_accuracy"].metric.meaning


def test_two_names_for_one_thing_stay_two_metrics(store, begin):
    run = begin()
    run.log(1, {"loss": 1.0, "train_loss": 2.0, "val_acc": 0.25, "eval_accuracy": 0.5})
    run.finish()

    found = only(store)
    values = {
        name: found.series[name].last
        for name in ("loss", "train_loss", "validation_accuracy", "eval_accuracy")
    }
    assert values == {
        "loss": 1.0,
        "train_loss": 2.0,
        "validation_accuracy": 0.25,
        "eval_accuracy": 0.5,
    }


def test_steps_in_disorder_are_kept_and_said_once(store, begin, capsys):
    run = begin()
    for step in (3, 1, 2, 5, 4):
        run.log(step, loss=step)
    run.finish()

    found = only(store)
    assert found.series["loss"].steps == [1, 2, 3, 4, 5]
    assert (
        capsys.readouterr().err
        == "revconsole: step 1 came after step 3: it is kept, and drawn in order\n"
    )
    assert [line.level for line in found.log if "came after" in line.text] == ["warning"]


def test_without_a_step_the_next_one_is_meant_and_further_counters_are_axes(store, begin):
    run = begin()
    run.log(loss=4.0)
    run.log(at={"step": 10, "tokens": 1000}, loss=2.0)
    run.log(at={"tokens": 1500}, loss=1.0)
    run.finish()

    found = only(store)
    assert steps(found) == {1: 4.0, 10: 2.0, 11: 1.0}
    assert [axes.place(found, "tokens")(step) for step in (10, 11)] == [1000.0, 1500.0]


def test_a_step_that_is_refused_or_cut_is_said_and_leaves_the_count_as_it_was(store, begin, capsys):
    with begin() as run:
        run.log(3, loss=4.0)
        run.log(2**62, loss=0.0)
        run.log(loss=3.0)
        run.log(4.25, loss=2.0)
        run.log(4.75, loss=1.0)

    loss = only(store).series["loss"]
    assert (loss.steps, loss.values) == ([3, 4, 4, 4], [4.0, 3.0, 2.0, 1.0])
    said = capsys.readouterr().err
    assert said.count("not between") == said.count("a whole number") == 1


def test_a_run_that_goes_on_hides_what_it_overwrites(store, begin):
    run = begin()
    for step in range(1, 11):
        run.log(step, loss=1.0)
    run.finish()
    again = begin(resume=True)
    again.text("before the first step")
    for step in range(6, 9):
        again.log(step, loss=2.0)
    again.finish()

    found = only(store)
    assert steps(found) == dict.fromkeys(range(1, 6), 1.0) | dict.fromkeys(range(6, 9), 2.0)
    assert (found.summary.attempt, found.summary.step) == (2, 8)
    assert any(line.text == "before the first step" for line in found.log)

    begin(resume=3).finish()
    assert list(steps(only(store))) == [1, 2, 3]


def test_there_may_be_nothing_to_go_on_with(store, begin):
    begin("other").finish()
    begin("mine", resume=True).finish()

    assert sorted(row.name for row in store.list()) == ["mine", "other"]


def test_a_run_that_somebody_still_writes_is_not_taken_away(store, begin, monkeypatch, capsys):
    monkeypatch.setattr(claiming, "SILENT_SECONDS", 0.02)
    first = begin()
    first.log(1, loss=1.0)
    assert first.id
    second = begin(resume=True)
    second.log(1, loss=2.0)
    assert {first.id, second.id} == {row.id for row in store.list()}
    assert "is being written by process" in capsys.readouterr().err


def test_a_silent_run_of_another_machine_is_taken_over(store, begin, monkeypatch):
    first = begin()
    first.log(1, loss=1.0)
    assert first.id
    monkeypatch.setattr(claiming.clock, "age", lambda _: 21.0)
    monkeypatch.setattr(attempts, "alive", lambda *of: False if attempts.taken_over(*of) else None)
    second = begin(resume=True)
    assert second.id == first.id
    assert attempts.taken_over(store.folder(first.id), 1)


class Raises:
    def __float__(self):
        raise RuntimeError("no luck")


class Elsewhere(Raises):
    """A tensor of a device that is gone by the time at which it is read."""

    device = SimpleNamespace(type="cuda")

    def numel(self):
        return 1

    def detach(self):
        return self

    clone = detach


def test_nothing_that_is_logged_raises(store, begin, capsys):
    run = begin(settings={"odd": Raises()})
    run.log(1, gone=Elsewhere(), loss=Raises(), text="high", many=[1, 2], none=None, good=1.0)
    run.log("one", loss=1.0)
    run.log(-4, loss=1.0)
    run.confusion([[1, 2]])
    run.image("x", object())
    run.artifact("/no/such/file")
    run.artifact("/dev/zero")
    run.artifact("..")
    run.log(2, {3: 1.0}, at=7)
    run.finish()
    run.log(3, loss=1.0)
    run.finish()

    assert steps(only(store), "good") == {1: 1.0}
    told = capsys.readouterr().err.splitlines()
    assert "revconsole: gone is not recorded: RuntimeError: no luck" in told
    assert "revconsole: text is not recorded: str: TypeError: a text is no number" in told
    assert all(line.startswith("revconsole: ") for line in told)
    assert len(told) == len(set(told)) >= 8
    assert "loss" not in only(store).series


def test_where_nothing_can_be_recorded_the_training_goes_on(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with revconsole.record("mine", store=tmp_path / "file" / "runs") as run:
        run.log(1, loss=1.0)
        assert (run.id, run.folder, run.stop_asked()) == ("", None, False)

    told = capsys.readouterr().err
    assert told.count("the training goes on and is not recorded") == 1
    assert f"no run can be made in {tmp_path / 'file' / 'runs'}: Not a directory" in told


def test_what_is_no_table_and_no_number_costs_that_and_not_the_run(store, begin, capsys):
    run = begin("odd", 5, steps="many", facts={"model": Raises(), "parameters": 7})
    run.log(1, loss=1.0)
    run.finish()
    begin("parsed", Namespace(lr=0.1)).finish()
    assert begin("nowhere", store="\0").id == ""

    told = capsys.readouterr().err
    assert "settings are a table" in told
    assert "steps is a whole number, and 'many' is none" in told
    assert "embedded null byte; the training goes on and is not recorded" in told
    parsed, odd = (store.read(row.id) for row in store.list())
    assert (odd.summary.state, odd.summary.parameters, odd.summary.step) == ("finished", 7, 1)
    assert parsed.summary.given == {"lr": 0.1}


def test_an_accuracy_in_percent_is_doubted(begin, capsys):
    run = begin()
    run.log(1, val_acc=93.1)
    run.log(2, val_acc=94.2)
    run.finish()

    assert capsys.readouterr().err.count("log val_acc / 100") == 1


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (ValueError("odd\nshape"), "failed", "ValueError: odd shape"),
        (MemoryError("no room"), "out of memory", "MemoryError: no room"),
        (KeyboardInterrupt(), "stopped", "at step 1 by Ctrl-C"),
        (SystemExit(0), "finished", ""),
    ],
)  # fmt: skip
def test_how_a_program_ends_is_how_its_run_ends(store, error, state, reason):
    def train():
        with revconsole.record("mine", store=store.root) as run:
            run.log(1, loss=1.0)
            raise error

    with pytest.raises(type(error)):
        train()

    row = only(store).summary
    assert (row.state, row.reason) == (state, reason)
    crash = store.folder(row.id) / "attempts" / "0001" / "crash.txt"
    assert crash.exists() == (state in {"failed", "out of memory"})


def test_the_console_stops_and_pauses_it(store, begin):
    run, lab = begin(), Lab(store.root)
    run.log(1, loss=1.0)
    assert not run.stop_asked()
    lab.pause(run.id)
    until(lambda: run._writer.pause)
    waiting = threading.Thread(target=run.stop_asked)
    waiting.start()
    until(lambda: store.list()[0].state == "paused")
    assert waiting.is_alive()
    lab.pause(run.id)
    waiting.join()
    assert lab.stop(run.id).startswith("is asked to stop")
    until(run.stop_asked)
    run.finish()

    row = only(store).summary
    assert (row.state, row.reason.partition(" by ")[0]) == ("stopped", "at step 1")


@pytest.fixture
def stalled(monkeypatch):
    """A disk that takes nothing until the event is set."""
    goes, append = threading.Event(), Log.append
    monkeypatch.setattr(Log, "append", lambda log, *lines: goes.wait(30) and append(log, *lines))
    yield goes
    goes.set()


def test_a_stalled_disk_holds_up_no_training(store, begin, stalled):
    run = begin()
    for step in range(1, 2001):
        run.log(step, loss=1.0)
        run.stop_asked()
    assert not stalled.is_set()
    stalled.set()
    run.finish()

    assert len(only(store).series["loss"].steps) == 2000


def test_what_waited_is_written_by_few_calls_at_each_of_which_a_training_might_wait(
    store, begin, stalled, monkeypatch
):
    writes, written = [], Log.append
    monkeypatch.setattr(Log, "append", lambda *of: (writes.append(len(of) - 1), written(*of))[1])
    run = begin()
    for step in range(1, 501):
        run.log(step, loss=1.0)
    stalled.set()
    run.finish()

    assert sum(writes) > 500
    assert len(writes) < 10
    found = only(store)
    assert (found.series["loss"].length, found.summary.damaged_lines) == (500, 0)


def test_what_finds_no_room_in_memory_is_counted_and_said(
    store, begin, stalled, monkeypatch, capsys
):
    monkeypatch.setattr(writer, "MOST_WAITING", 10)
    run = begin()
    for step in range(1, 101):
        run.log(step, loss=1.0)
    stalled.set()
    run.finish()

    kept = len(only(store).series["loss"].steps)
    assert kept < 100
    assert f"{100 - kept} entries were lost: 10 waited already" in capsys.readouterr().err


def test_a_disk_that_never_answers_is_given_up_at_the_end(begin, stalled, monkeypatch, capsys):
    monkeypatch.setattr(recorded_run, "END_SECONDS", 0.05)
    run = begin()
    run.log(1, loss=1.0)
    run.finish()

    assert "the disk takes nothing: " in capsys.readouterr().err


def test_only_the_first_rank_records(store, begin, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    run = begin()
    run.log(1, loss=1.0)
    run.finish()
    assert store.list() == ()
    begin(ranks="each").finish()
    assert len(store.list()) == 1
    monkeypatch.setenv("RANK", "0")
    begin().finish()
    assert len(store.list()) == 2


def test_tasks_of_srun_are_said_to_be_taken_for_ranks(begin, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_PROCID", "0")
    begin()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    begin()
    assert "the first of 4 tasks" in capsys.readouterr().err


def test_a_process_that_was_forked_records_nothing(store, begin, monkeypatch):
    run = begin()
    run.log(1, loss=1.0)
    with monkeypatch.context() as forked:
        forked.setattr(recorded_run.os, "getpid", lambda: 1)
        run.log(2, loss=1.0)
        run.finish()
    run.finish()

    assert steps(only(store)) == {1: 1.0}


def test_a_run_that_was_deleted_is_left_alone(store, begin, capsys):
    run = begin()
    run.log(1, loss=1.0)
    folder = run.folder
    folder.rename(folder.with_name("elsewhere"))
    run._writer._thread.join(30)

    assert not folder.exists()
    assert "nothing more is recorded" in capsys.readouterr().err


def looped(store, how, **options):
    words = [sys.executable, "-c", LOOP, str(store.root), how]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # fmt: skip


def test_a_killed_program_leaves_a_lost_run_that_goes_on(store, begin):
    process = looped(store, "killed")
    assert process.stdout.readline().split()[0] == "[]"  # neither torch nor pydantic
    until(lambda: store.list()[0].step == 20)
    process.kill()
    process.communicate()

    row = only(store).summary
    assert (row.state, row.step) == ("lost", 20)
    assert row.reason.endswith("its program, started again with `resume=True`, goes on")
    again = begin(resume=True)
    again.log(11, loss=5.0)
    again.finish()
    assert list(steps(only(store))) == list(range(1, 12))


@pytest.mark.parametrize(("how", "state"), [("ends", "finished"), ("raises", "failed")])
def test_a_program_that_ends_no_run_ends_it_all_the_same(store, how, state):
    _, errors = looped(store, how).communicate()

    row = only(store).summary
    assert (row.state, row.step) == (state, 20)
    assert ("no such layer" in row.reason) == ("no such layer" in errors) == (how == "raises")


def test_a_full_disk_loses_nothing(store, begin, monkeypatch):
    full = []

    def write(file, data):
        if full:
            raise OSError(28, "No space left on device")
        return os.writev(file, [data])

    monkeypatch.setattr("revconsole.records.logs.log.os.write", write)
    monkeypatch.setattr("revconsole.records.logs.log.RETRY_SECONDS", 0.0)
    run = begin()
    run.log(1, loss=1.0)
    assert run.id
    until(lambda: store.list()[0].step == 1)
    full.append(1)
    for step in range(2, 50):
        run.log(step, loss=1.0)
    until(lambda: not run._writer._entries)
    full.clear()
    run.finish()

    found = only(store)
    assert found.series["loss"].steps == list(range(1, 50))
    assert any("nothing was lost" in line.text for line in found.log)


def test_signals_of_the_program_stay_its_own(begin):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    begin()

    assert before == {number: signal.getsignal(number) for number in before}
