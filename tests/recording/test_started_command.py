"""Any command is a run: its output, its end, its metrics; the console stops and pauses it."""

import signal
import sys
import threading
import time

import psutil
import pytest

from revconsole.cli.app import main
from revconsole.lab.lab import Lab
from revconsole.recording import started_command, writer
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
        until(lambda: RunStore(store.root).ids() and RunStore(store.root).list()[0].step == 1)
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
