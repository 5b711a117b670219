"""Any command is a run: its output, its end, its metrics; the console stops and pauses it."""

import json
import signal
import sys
import threading
import time

import psutil
import pytest

from revconsole.cli.app import main
from revconsole.lab.lab import Lab
from revconsole.recording import claimed, handed, started_command, writer
from revconsole.recording.recording import record
from revconsole.recording.started_command import StartedCommand
from revconsole.records.runs.store import RunStore

ENDS = """
import os, sys
for step in range(1, 4):
    print(f"step {step} loss={1 / step} acc=50%")
print("val_acc=0.75 epoch 1", end="")
print("\\r\\x1b[31mred", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
WAITS = """
import signal, sys, time
def end(number, frame):
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, signal.SIG_IGN if sys.argv[1] == "deaf" else end)
print("step 1 loss=1.0", flush=True)
time.sleep(60)
"""

RECORDS = """
import os, signal, sys, time
import revconsole
from revconsole.recording import writer
writer.PERIOD_SECONDS = writer.REQUEST_SECONDS = 0.005
how = sys.argv[2]
print("step 1 loss=9", flush=True)
with revconsole.record("my-run", {"lr": 0.3, "seed": 4}) as run:
    for step in range(1, 6):
        run.log(step, loss=1 / step)
    while how == "waits" and not run.stop_asked():
        time.sleep(0.005)
    while run._writer._entries or not run._writer._began:
        time.sleep(0.005)
    while how == "waits" and not os.path.exists(sys.argv[1]):
        time.sleep(0.005)
    if how == "killed":
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
print("ended", flush=True)
if how == "twice":
    revconsole.record("other").finish()
sys.exit(3 if how == "fails" else 0)
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(writer, "PERIOD_SECONDS", 0.005)
    monkeypatch.setattr(writer, "REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(started_command, "LOOK_SECONDS", 0.01)


@pytest.fixture
def run(store, monkeypatch, capfd):
    """`run(words…)` → exit status, stdout, stderr of the verb."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["revconsole", "--store", str(store.root), "run", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


def only(store):
    (row,) = store.list()
    return store.read(row.id)


def python(code, *words):
    return ["--name", "mine", "--", sys.executable, "-c", code, *words]


def until(true):
    while not true():
        time.sleep(0.002)


def test_a_command_is_a_run_with_its_metrics_and_its_output(store, run):
    code, out, err = run(*python(ENDS, "0"))

    found = only(store)
    assert (code, found.summary.state, found.summary.program) == (0, "finished", "revconsole run")
    assert found.series["loss"].values == [1.0, 0.5, 1 / 3]
    assert found.series["train_accuracy"].values == [0.5] * 3
    assert (found.summary.best_validation_accuracy, found.summary.epoch, found.summary.step) == (0.75, 1, 3)  # fmt: skip
    assert "step 3 loss" in out
    assert [line.text for line in found.output][:1] == ["step 1 loss=1.0 acc=50%"]
    assert f"run {found.id} (mine)" in err


def test_a_command_that_fails_says_how_and_its_status_is_returned(store, run):
    code, _, _ = run(*python(ENDS, "3"))

    row = only(store).summary
    assert (code, row.state, row.reason) == (3, "failed", "exit status 3: \ufffd[31mred")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "there is no command: `revconsole run -- python train.py --lr 0.1`"),
        (("--", "/no/such/program"), "'/no/such/program' cannot be started: No such file or directory"),
        (("--", __file__), "test_started_command.py' cannot be started: Permission denied; `revconsole run -- python /"),
        (("--metric", "loss", "--", "true"), "--metric loss: write NAME=REGEX"),
        (("--metric", "loss=(", "--", "true"), "is no regular expression"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_and_leaves_nothing(store, run, words, sentence):
    code, out, err = run(*words)

    assert (code, out) == (2, "")
    assert sentence in err
    assert not store.root.exists() or store.list() == ()


def acted(store, act):
    """Does something to the run while the verb, which handles signals, has this thread."""

    def work():
        until(lambda: RunStore(store.root).ids() and RunStore(store.root).list()[0].step)
        lab, run_id = Lab(store.root), RunStore(store.root).list()[0].id
        try:
            act(lab, run_id)
        except BaseException:
            lab.stop(run_id)  # or the verb would follow the command for ever
            raise

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_console_pauses_a_command_and_stops_it_so_that_it_can_save(store, run):
    def act(lab, run_id):
        lab.pause(run_id)
        until(lambda: lab.summary(run_id).state == "paused")
        (child,) = (each for each in psutil.Process().children() if "hears" in each.cmdline())
        until(lambda: child.status() == psutil.STATUS_STOPPED)
        lab.pause(run_id)
        until(lambda: lab.summary(run_id).state == "running")
        lab.stop(run_id)

    thread = acted(store, act)
    code, out, _ = run(*python(WAITS, "hears"))
    thread.join()

    found = only(store)
    assert (code, found.summary.state) == (0, "stopped")
    assert out.endswith("saved\n")


def test_a_command_that_hears_nothing_is_stopped_harder(store, run, monkeypatch):
    monkeypatch.setattr(started_command, "PATIENCE_SECONDS", 0.05)
    thread = acted(store, lambda lab, run_id: lab.stop(run_id))
    code, _, _ = run(*python(WAITS, "deaf"))
    thread.join()

    assert (code, only(store).summary.state) == (128 + signal.SIGTERM, "stopped")


def test_ctrl_c_reaches_the_command_once(store, run):
    thread = acted(store, lambda *_: signal.raise_signal(signal.SIGINT))
    code, out, _ = run(*python(WAITS, "hears"))
    thread.join()

    assert code == 0
    assert out.endswith("saved\n")
    assert only(store).summary.reason == "at step 1 by Ctrl-C"


@pytest.mark.parametrize(
    ("how", "status", "state", "reason"),
    [
        ("ends", 0, "finished", ""),
        ("killed", 128 + signal.SIGKILL, "failed", "ended by SIGKILL: step 1 loss=9"),
        ("fails", 3, "failed", "exit status 3: ended"),
    ],
)
def test_a_command_that_records_itself_is_one_run_and_ends_as_the_command_does(
    store, run, tmp_path, how, status, state, reason
):
    (tmp_path / "train.py").write_text(RECORDS)
    code, out, _ = run("--", sys.executable, str(tmp_path / "train.py"), "--batch=8", how)

    found = only(store)
    row = found.summary
    assert (code, row.state, row.reason, row.name) == (status, state, reason, "my-run")
    assert (row.given, found.plan.seed) == ({"batch": 8, "lr": 0.3}, 4)
    assert found.series["loss"].values == [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5], (
        "what it logs, not what it prints"
    )
    assert [line.text for line in found.output] == out.splitlines()


def test_of_what_a_command_records_the_first_is_its_run_and_its_name_is_that_which_was_given(
    store, run
):
    run(*python(RECORDS, "--", "twice"))

    assert {row.name: row.program for row in store.list()} == {"mine": "revconsole run", "other": "revconsole.record"}  # fmt: skip


def test_a_command_that_obeys_by_itself_is_sent_no_signal(store, run, monkeypatch, tmp_path):
    made, looked, due = [], [], StartedCommand._is_due
    monkeypatch.setattr(started_command, "RecordWriter", lambda *of, **options: made.append(writer.RecordWriter(*of, **options)) or made[0])  # fmt: skip
    monkeypatch.setattr(StartedCommand, "_is_due", lambda self: (looked.append(self), due(self))[1])

    def act(lab, run_id):
        until(lambda: made[0].handed and lab.summary(run_id).state == "running")
        lab.stop(run_id)
        until(lambda: made[0].obeyed)
        monkeypatch.setattr(started_command, "PATIENCE_SECONDS", 0.0)
        before = len(looked)
        until(lambda: len(looked) > before + 2)
        (tmp_path / "go").touch()

    thread = acted(store, act)
    code, out, _ = run(*python(RECORDS, str(tmp_path / "go"), "waits"))
    thread.join()

    assert (code, only(store).summary.state) == (0, "stopped")
    assert out.endswith("ended\n")


@pytest.mark.parametrize("changed", ["start", "pid", "host"])
def test_a_run_is_handed_to_nobody_whose_variable_names_another_process(
    store, monkeypatch, changed
):
    writes = writer.RecordWriter(
        claimed.WantedRecord(
            name="theirs", settings={}, program="revconsole run", store=store.root
        ),
        {},
        None,
        offers=True,
    )
    body = json.loads(
        handed.offer(writes.await_run(30).attempt.run_folder, named=False)[handed.VARIABLE]
    )
    theirs = body["writer"][changed]
    body["writer"][changed] = theirs + 1 if isinstance(theirs, int) else "elsewhere"
    monkeypatch.setenv(handed.VARIABLE, json.dumps(body))
    record("mine", store=store.root).finish()
    writes.close(writer.Finished(outcome="completed", step=0), "", 30)

    assert sorted(row.name for row in store.list()) == ["mine", "theirs"]
