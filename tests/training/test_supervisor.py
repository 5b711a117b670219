"""Whoever was killed for memory is known by what the kernel counts, in the control group and on the machine."""

import signal
import subprocess
import sys

import pytest

from revconsole.records.config import places
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan
from revconsole.training.supervisor import GROUPS, group_of, memory_kills

EVENTS = "low 0\nhigh 12\nmax 40\noom 9\noom_kill {}\noom_group_kill 7\n"
VMSTAT = "nr_free_pages 1\noom_kill {}\nnuma_hit 5\n"
TRAINER = """
import os, signal, sys
from pathlib import Path
from revconsole.records.logs.events import Measured, Started
from revconsole.records.runs.store import RunStore
from revconsole.training.supervisor import supervised

root, run_id, group, machine, counter, now, number = sys.argv[1:]
store = RunStore(Path(root))

def work():
    attempt = store.claim(run_id, 1, "process")
    attempt.emit(Started(facts={"steps": 9}))
    attempt.emit(Measured(step=3, epoch=1, values={"loss": 1.0}))
    if counter:
        Path(counter).write_text(now)
    os.kill(os.getpid(), int(number))

sys.exit(supervised(store, lambda: [run_id], [work], group=Path(group), machine=Path(machine)))
"""


@pytest.fixture
def counters(tmp_path):
    """The file of a control group and that of the machine, with a few kills of long ago."""
    events, machine = tmp_path / "group" / "memory.events", tmp_path / "vmstat"
    events.parent.mkdir()
    events.write_text(EVENTS.format(2))
    machine.write_text(VMSTAT.format(30))
    return events, machine


def ended(tmp_path, counters, *, rises=None, number=signal.SIGKILL):
    """State and reason of a run whose trainer a signal ended; rises: the counter that had gone up by then."""
    events, machine = counters
    places.user_file().write_text('[notify]\ncommand = ["true"]')
    store = RunStore(tmp_path / "runs")
    run_id = store.create(Plan(name="mine", profile="mine"), {})
    now = EVENTS.format(3) if rises == events else VMSTAT.format(31)
    code = subprocess.run(
        [
            sys.executable, "-X", "preloaded", "-c", TRAINER, str(store.root), run_id, str(events.parent), str(machine),
            str(rises or ""), now, str(int(number)),
        ],
        check=False, timeout=300,
    ).returncode  # fmt: skip
    assert code == 128 + number
    assert (store.folder(run_id) / "attempts" / "0001" / "told").exists()
    summary = RunStore(store.root).follow(run_id).summary()
    return summary.state, summary.reason


def test_a_kill_that_its_control_group_counts_is_want_of_memory(tmp_path, counters):
    state, reason = ended(tmp_path, counters, rises=counters[0])
    assert state == "out of memory"
    assert reason.startswith("the system killed it for memory after step 3")


def test_a_kill_of_somebody_else_on_the_machine_is_not_where_the_group_counts(tmp_path, counters):
    state, reason = ended(tmp_path, counters, rises=counters[1])
    assert state == "killed"
    assert "memory" not in reason


def test_where_no_group_counts_the_machine_tells_that_it_may_have_been(tmp_path, counters):
    counters[0].unlink()
    state, reason = ended(tmp_path, counters, rises=counters[1])
    assert state == "killed"
    assert reason.startswith("by SIGKILL after step 3")
    assert "memory" in reason


def test_a_kill_that_nothing_counts_is_a_kill(tmp_path, counters):
    state, reason = ended(tmp_path, counters)
    assert (state, "memory" in reason) == ("killed", False)


def test_another_signal_is_never_want_of_memory(tmp_path, counters):
    state, reason = ended(tmp_path, counters, rises=counters[0], number=signal.SIGSEGV)
    assert state == "killed"
    assert reason.startswith("by SIGSEGV")
    assert "memory" not in reason


def test_kills_alone_are_counted_and_not_what_is_called_like_them(counters):
    events, machine = counters
    assert memory_kills(events.parent, machine) == {"group": 2, "machine": 30}


@pytest.mark.parametrize(
    "text", ["", "low 0\n", "oom_kill\n", "oom_kill many\n", "oom_group_kill 4\n"]
)
def test_a_group_that_does_not_count_says_nothing(counters, text):
    events, machine = counters
    events.write_text(text)
    assert memory_kills(events.parent, machine) == {"machine": 30}
    assert memory_kills(events.parent / "gone", machine.parent / "gone") == {}


def test_the_group_is_that_of_version_2_and_none_where_there_is_only_version_1(tmp_path):
    both, old = tmp_path / "both", tmp_path / "old"
    both.write_text("4:memory:/old\n0::/user.slice/job 7\n")
    old.write_text("4:memory:/old\n")
    assert group_of(both) == GROUPS / "user.slice" / "job 7"
    assert memory_kills(group_of(old), tmp_path / "gone") == {}
    assert memory_kills(group_of(tmp_path / "gone"), tmp_path / "gone") == {}
