"""What exists on Linux alone has a way round: macOS is promised, and no Mac is here to try it on."""

import ast
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from revconsole.errors import AlreadyClaimed
from revconsole.lab import killing, room
from revconsole.lab.lab import Lab
from revconsole.records.files import bounded
from revconsole.records.files.shared import force
from revconsole.records.logs.events import Measured, Started
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.identity import HUNDREDTHS, Identity, mine
from revconsole.records.runs.store import RunStore
from revconsole.records.sysctl import sysctl
from revconsole.training import supervisor
from revconsole.training.questions import real_steps

ROOT = Path(__file__).resolve().parents[1] / "revconsole"
FILES = {
    "records/runs/identity.py",  # which boot, which pid namespace
    "training/supervisor.py",  # whom the kernel killed for memory
    "records/processor.py",  # what the CPU is called
    "records/host.py",  # how much memory a container allows
    "training/questions/real_steps.py",  # how much this process holds before it is limited
    "training/machine/resident.py",  # the peak of the resident memory begins anew
    "recording/process_samples.py",  # the resident memory of a recorded loop; psutil knows it elsewhere
}
"""Who reads /proc or /sys; each has a test below, or in the tests of its room, of what happens where there is none."""


def used(source: str, system) -> set[str]:
    """`module.name` of everything that is used on a system."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in system.reached(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_no_name_of_the_standard_library_is_used_that_macos_has_not(alone_on_linux, on_macos):
    assert {"os.pidfd_open", "signal.pidfd_send_signal", "os.sched_getaffinity"} < alone_on_linux
    assert not {"os.fork", "signal.SIGHUP", "os.pread", "os.O_NOFOLLOW"} & alone_on_linux
    sources = {path: path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}

    named = {p: s for p, s in sources.items() if any(name in s for name in alone_on_linux)}
    assert ROOT / "records/runs/identity.py" in named
    assert not any(used(source, on_macos) & alone_on_linux for source in named.values())


def test_files_of_the_kernel_are_read_where_it_is_known_what_happens_without_them():
    paths = [
        path
        for path in ROOT.rglob("*.py")
        if '"/proc' in (text := path.read_text()) or '"/sys' in text
    ]

    assert {str(path.relative_to(ROOT)) for path in paths} == FILES


@pytest.fixture
def child():
    """A process that does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(params=["linux", "macos"])
def system(request):
    """Both ways of looking at a process."""
    return request.getfixturevalue("macos") if request.param == "macos" else None


def until(happened):
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.usefixtures("system")
def test_a_process_is_told_from_every_other_alive_held_and_dead(child):
    known = Identity.of(child.pid)
    other = replace(known, start=known.start + 1)

    assert (known.alive(), other.alive(), mine().alive()) == (True, False, True)
    assert Identity.of(child.pid) == known != mine()
    assert not known.held()
    assert known.send(signal.SIGSTOP)
    until(known.held)
    assert not other.send(signal.SIGKILL)
    assert child.poll() is None
    assert known.send(signal.SIGKILL)
    until(lambda: not known.alive())  # before anybody has waited for it
    assert not known.send(signal.SIGKILL)
    assert not known.held()
    assert known.command() == []


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 1, 2**31, 2**70])
def test_a_claim_that_names_no_process_is_of_none(pid):
    assert not replace(mine(), pid=pid).alive()
    assert not replace(mine(), pid=pid).send(signal.SIGKILL)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 1.0])
def test_setting_the_clock_makes_no_process_another_one(monkeypatch, ahead):
    """psutil counts from 1970 and so adds the boot by today's clock: `create_time` moves with it."""
    known, before = mine(), psutil.Process().create_time()
    booted = psutil.boot_time()
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: booted + ahead)

    assert psutil.Process().create_time() == pytest.approx(before + ahead)
    assert known.alive()
    assert mine() == known


@pytest.mark.skipif(not psutil.LINUX, reason="/proc is Linux's")
def test_the_start_of_a_process_is_that_of_psutil_without_its_boot():
    for process in (psutil.Process(), psutil.Process(os.getppid())):
        start = round((process.create_time() - psutil.boot_time()) * HUNDREDTHS)
        assert Identity.of(process.pid).start == start


@pytest.mark.usefixtures("macos")
def test_setting_the_clock_makes_no_process_another_one_on_macos(monkeypatch, child):
    """There psutil moves every creation time by what the clock was set since it was imported."""
    known, told = Identity.of(child.pid), psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: told(process) + 3600.0)

    assert known.alive()
    assert Identity.of(child.pid) == known


@pytest.mark.usefixtures("macos")
def test_the_boot_is_named_by_macos_itself_and_not_by_when_the_clock_says_it_was():
    assert mine().boot == "5B0C8F36-6C9C-4C39-9D1C-5F0C3F0E7C11"
    assert mine().namespace == ""


def test_what_a_system_says_nothing_of_is_empty(monkeypatch):
    assert sysctl("kern.bootsessionuuid") == ""  # Linux has no such name
    monkeypatch.setenv("PATH", "/nowhere")
    assert sysctl("machdep.cpu.brand_string") == ""


@pytest.mark.usefixtures("macos")
def test_runs_are_claimed_read_and_fenced_on_macos(store, plan):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1, "process")
    attempt.emit(Started(facts={"steps": 9}))
    attempt.emit(Measured(step=3, epoch=1, values={"loss": 1.0}))

    (row,) = RunStore(store.root).list()
    assert (row.state, row.step) == ("running", 3)
    with pytest.raises(AlreadyClaimed, match="is being written by process"):
        store.claim(run_id, 2)
    assert killing.held_by_signal(store, row) is None
    attempt.close()


@pytest.mark.usefixtures("macos")
def test_without_files_of_the_kernel_nobody_is_said_to_be_killed_for_memory():
    group = supervisor.group_of(supervisor.GROUP_OF_THIS)

    assert supervisor.memory_kills(group, supervisor.MACHINE) == {}


@pytest.mark.usefixtures("macos")
def test_without_files_of_the_kernel_free_memory_is_the_machines_and_no_process_is_limited():
    limit = resource.getrlimit(resource.RLIMIT_DATA)
    free = room.free_on("cpu")

    real_steps.limit_data(1 << 40)

    assert free is not None
    assert free > 0
    assert resource.getrlimit(resource.RLIMIT_DATA) == limit


def test_a_link_and_a_socket_are_no_files_by_whatever_error_the_system_says_so(monkeypatch):
    for number in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP):

        def refuse(*_, number=number):
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", refuse)
            with pytest.raises(bounded.OddFile, match="is not a regular file"):
                bounded.opened(Path("socket"), 10)


@pytest.mark.parametrize("able", [True, False])
def test_macos_forces_a_file_through_the_cache_of_its_disk(monkeypatch, able):
    """Where the file system can; elsewhere fsync is what there is."""
    forced = []

    def full(_, command):
        forced.append(command)
        if not able:
            raise OSError

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full)
    monkeypatch.setattr(os, "fsync", lambda _: forced.append("fsync"))

    force(1)
    assert forced == ([51] if able else [51, "fsync"])


OF_A_CHILD = """
import os, signal
import revconsole.records.child as child
child.FORKS = False
for name in {names!r}.split():
    module, _, name = name.partition(".")
    vars({{"os": os, "signal": signal}}[module]).pop(name, None)
"""
"""What a Python runs as it begins: it takes away what a Mac has not."""
TINY = """
title = "a network that trains for long, a step in milliseconds"
model = { patch = 4, dim = 16, depth = 1, heads = 2 }
data = { train_limit = 100 }
train = { epochs = 100000, batch = 64, threads = 1, audit = false, checkpoint_epochs = 1000 }
"""


@pytest.mark.slow
def test_a_run_in_the_background_trains_and_takes_a_signal_where_no_process_may_fork(
    tmp_path, monkeypatch, alone_on_linux
):
    begins = tmp_path / "begins"
    begins.mkdir()
    names = " ".join(name for name in alone_on_linux if name.startswith(("os.", "signal.")))
    (begins / "sitecustomize.py").write_text(OF_A_CHILD.format(names=names))
    monkeypatch.setenv("PYTHONPATH", f"{begins}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    Path("tiny.toml").write_text(TINY, encoding="utf-8")
    lab = Lab(tmp_path / "runs")

    (run_id,) = lab.launch(lab.plan("tiny.toml"), "process")
    until(lambda: lab.summary(run_id).step)
    trainer = attempts.owner(lab.store.folder(run_id), 1)
    assert trainer is not None
    above = psutil.Process(trainer.pid).parent()
    assert above is not None
    above.send_signal(signal.SIGTERM)
    until(lambda: not trainer.alive())

    assert trainer.pid != above.pid
    assert lab.summary(run_id).state == "stopped"
