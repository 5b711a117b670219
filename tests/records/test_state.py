"""The state of a run is what is true of it, judged the same way for everybody."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import pytest

from revconsole.errors import AlreadyClaimed
from revconsole.records.files import bounded, clock
from revconsole.records.logs.events import Failed, Finished, HandedOver, Measured, Started
from revconsole.records.runs import control, state
from revconsole.records.runs.glimpse import glimpse
from revconsole.records.runs.identity import UNKNOWN, Identity, mine


@pytest.fixture
def run(store, plan):
    """A run that this process writes, ten steps into it."""
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 100}))
    for step in range(1, 11):
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1.0, "resident_bytes": 1e8}))
    return run_id, attempt


def said(store, run_id):
    """State and reason, alike for a list, a row and the whole run; the first frame of the console shows the state."""
    rows = [store.list()[0], store.follow(run_id).summary(), store.read(run_id).summary]
    assert len({(row.state, row.reason) for row in rows}) == 1
    assert {row.id: row.state for row in glimpse(store.root, 9, math.inf)}[run_id] == rows[0].state
    return rows[0].state, rows[0].reason


def claimed_by(store, run_id, identity):
    path = store.folder(run_id) / "attempts" / "0001" / "claim.json"
    path.write_text(json.dumps(identity.to_dict()), encoding="utf-8")


def aged(path, seconds):
    """Set back from what its file system stamps now, whatever this machine's clock says."""
    with tempfile.TemporaryFile(dir=path.parent) as now:
        then = os.fstat(now.fileno()).st_mtime - seconds
    os.utime(path, (then, then))


def silent_for(attempt, seconds):
    aged(attempt.folder / "events.jsonl", seconds)


def until(happened):
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end


@pytest.fixture
def child():
    """A process that does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_moves_runs(store, run):
    assert said(store, run[0]) == ("running", "")


def test_a_run_that_stands_still_for_long_is_stalled_and_recovers(store, run):
    run_id, attempt = run
    silent_for(attempt, state.STALL_SECONDS - 5)
    assert said(store, run_id)[0] == "running"

    silent_for(attempt, state.STALL_SECONDS + 5)
    assert said(store, run_id) == ("stalled", "nothing has moved for 25 s after step 10")

    attempt.beat()
    assert said(store, run_id)[0] == "running"


def test_slow_steps_are_not_taken_for_a_stall(store, plan):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 100}))
    silent_for(attempt, state.FIRST_STEP_SECONDS - 20)
    assert said(store, run_id)[0] == "running", "the first step may take long"

    for step in (1, 2):
        attempt._began -= 60.0  # a minute a step
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1.0, "resident_bytes": 1e8}))
    silent_for(attempt, 19 * 60)
    assert said(store, run_id)[0] == "running"
    silent_for(attempt, 21 * 60)
    assert said(store, run_id)[0] == "stalled"


def test_a_clock_set_back_stalls_nothing(store, run):
    silent_for(run[1], -7200)
    assert said(store, run[0]) == ("running", "")


def test_a_process_held_by_a_signal_is_stalled_at_once(store, run, child):
    claimed_by(store, run[0], Identity.of(child.pid))
    assert said(store, run[0])[0] == "running"
    child.send_signal(signal.SIGSTOP)
    until(Identity.of(child.pid).held)
    found = said(store, run[0])
    assert found[0] == "stalled"
    assert f"kill -CONT {child.pid}" in found[1]
    child.send_signal(signal.SIGCONT)
    until(lambda: not Identity.of(child.pid).held())
    assert said(store, run[0])[0] == "running"


def test_a_process_that_nobody_saw_go_is_lost(store, run, child):
    claimed_by(store, run[0], Identity.of(child.pid))
    child.kill()
    child.wait()
    assert said(store, run[0]) == (
        "lost",
        "its process is gone after step 10; `revconsole resume` goes on",
    )


def test_an_unreaped_process_does_not_live(store, run, child):
    claimed_by(store, run[0], Identity.of(child.pid))
    identity = Identity.of(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not identity.alive())
    assert said(store, run[0])[0] == "lost"


@pytest.mark.parametrize(
    ("changed", "state", "reason"),
    [
        ({"start": 1}, "lost", "its process is gone after step 10"),
        ({"boot": "another"}, "lost", "was restarted after step 10"),
        ({"host": "elsewhere"}, "running", ""),
    ],
)
def test_the_same_pid_is_not_the_same_process(store, run, changed, state, reason):
    claimed_by(store, run[0], replace(mine(), **changed))
    found = said(store, run[0])
    assert found[0] == state
    assert reason in found[1]


def test_another_host_is_lost_only_after_a_long_silence(store, run):
    claimed_by(store, run[0], replace(mine(), host="elsewhere"))
    silent_for(run[1], state.FOREIGN_SILENCE_SECONDS + 5)
    assert said(store, run[0]) == (
        "lost",
        "nothing has been heard from elsewhere after step 10; if it is gone, `revconsole resume --take-over` goes on",
    )


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        ({"signal": 9, "memory": False}, "killed", "by SIGKILL after step 10"),
        ({"signal": 11, "memory": False}, "killed", "by SIGSEGV after step 10"),
        ({"signal": 9, "memory": True}, "out of memory", "the system killed it for memory"),
        ({"signal": "nine"}, "lost", "its process is gone"),
    ],
)
def test_what_the_supervisor_saw_is_told(store, run, child, seen, state, reason):
    claimed_by(store, run[0], Identity.of(child.pid))
    child.kill()
    child.wait()
    (run[1].folder / "exit.json").write_text(json.dumps(seen), encoding="utf-8")
    found = said(store, run[0])
    assert found[0] == state
    assert found[1].startswith(reason)


def test_want_of_memory_is_not_any_failure(store, run):
    run[1].emit(Failed(reason="no room for 3 GiB", cause="memory"))
    assert said(store, run[0]) == ("out of memory", "no room for 3 GiB")


def test_a_run_handed_over_starts_again_and_is_lost_if_nobody_took_it(
    store, run, child, monkeypatch
):
    run_id, attempt = run
    store.queue(run_id, 2, Identity.of(child.pid), "process")
    attempt.emit(HandedOver(step=10, to="a background process"))
    assert said(store, run_id) == ("starting", "")

    child.kill()
    child.wait()
    assert said(store, run_id) == ("starting", ""), "another process may be about to claim it"
    monkeypatch.setattr(state, "HANDED_SECONDS", 0.0)
    found = said(store, run_id)
    assert found[0] == "lost"
    assert "handed over to a background process at step 10, which never began" in found[1]


def test_nothing_is_written_after_the_end(store, run):
    run_id, attempt = run
    attempt.emit(Finished(outcome="stopped", step=10, by="me@here"))
    attempt.emit(Measured(step=11, epoch=1, values={"loss": 1.0}))
    attempt.emit(Failed(reason="too late"))
    assert said(store, run_id) == ("stopped", "at step 10 by me@here")
    assert store.read(run_id).series["loss"].steps[-1] == 10


def test_who_asked_and_why_is_recorded(store, run):
    control.ask(store.folder(run[0]), "stop", "SIGTERM")
    (request,) = control.Control(store.folder(run[0])).pending()
    assert request.by == f"{control.whoami()} (SIGTERM)"


def test_a_trainer_notices_that_its_run_went_elsewhere(store, run):
    run_id, attempt = run
    ear = control.Control(store.folder(run_id), attempt)
    assert ear.heartbeat()
    (store.folder(run_id) / "attempts" / "0002").mkdir()
    assert not ear.heartbeat()


def test_a_signal_reaches_the_very_process_and_no_other(child):
    reused = replace(Identity.of(child.pid), start=1)
    assert not reused.send(9)
    assert child.poll() is None
    assert Identity.of(child.pid).send(9)
    assert child.wait(300) == -9


def test_a_run_that_nobody_queued_is_lost_after_a_while(store, plan):
    """Its launcher was killed between making it and queueing it: it would wait for ever."""
    run_id = store.create(plan, {})
    assert said(store, run_id) == ("queued", "")

    aged(store.folder(run_id) / "plan.json", state.QUEUED_WITHIN_SECONDS + 1)

    assert said(store, run_id)[0] == "lost"
    assert "`revconsole resume` starts it" in said(store, run_id)[1]


@pytest.fixture
def unreadable(monkeypatch):
    """A function: reading files of this name fails from now on, as on a disk or a server in trouble."""
    failing = set()
    read, opened = bounded.read, bounded.opened

    def refuse(path):
        if path.name in failing:
            raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(bounded, "read", lambda path, most: refuse(path) or read(path, most))
    monkeypatch.setattr(bounded, "opened", lambda path, most: refuse(path) or opened(path, most))
    return failing.add


@pytest.mark.parametrize("silent", [0, state.STALL_SECONDS + 5, state.FOREIGN_SILENCE_SECONDS + 5])
def test_a_claim_that_cannot_be_read_is_unknown_and_nobody_takes_the_run_over(
    store, run, unreadable, silent
):
    run_id, attempt = run
    silent_for(attempt, silent)
    unreadable("claim.json")

    found = said(store, run_id)

    assert found[0] == ("stalled" if silent else "running")
    assert "its claim cannot be read now" in found[1]
    with pytest.raises(AlreadyClaimed, match="its claim cannot be read now"):
        store.claim(run_id, 2)


def test_a_log_that_cannot_be_read_is_no_death(store, run, unreadable, child):
    run_id, attempt = run
    attempt.emit(Finished(outcome="completed", step=10))
    claimed_by(store, run_id, Identity.of(child.pid))
    child.kill()
    child.wait()
    unreadable("events.jsonl")
    row = store.follow(run_id).summary()
    assert (row.state, row.reason) == ("stalled", "its log cannot be read now: Input/output error")


def test_a_launcher_that_cannot_be_read_leaves_a_run_in_the_queue(store, plan, unreadable):
    run_id = store.create(plan, {})
    os.utime(store.folder(run_id) / "plan.json", (1, 1))
    store.queue(run_id, 1, mine(), "thread")
    unreadable("launch.json")
    assert said(store, run_id) == ("queued", "its launch.json cannot be read now")


def test_a_process_of_another_pid_namespace_is_judged_as_one_of_another_host(store, run):
    run_id, attempt = run
    claimed_by(store, run_id, replace(mine(), pid=2**22 + 1, namespace="pid:[1]"))
    assert said(store, run_id) == ("running", "")
    with pytest.raises(AlreadyClaimed, match="of another pid namespace of this machine"):
        store.claim(run_id, 2)

    silent_for(attempt, state.FOREIGN_SILENCE_SECONDS + 5)
    assert said(store, run_id)[1].startswith(
        "nothing has been heard from another pid namespace of "
    )


def test_a_claim_of_before_namespaces_were_noted_is_of_this_one(store, run):
    body = mine().to_dict()
    del body["namespace"]
    assert Identity.from_dict(body).alive() is True


@pytest.mark.parametrize("ahead", [3600.0, 25.0, -25.0, -86400.0])
def test_how_long_a_run_has_been_silent_is_told_by_the_clock_that_stamps_its_log(
    store, run, monkeypatch, ahead
):
    """The clock of whoever looks may be set as it likes, as that of another machine is."""
    run_id, attempt = run
    ours = time.time
    monkeypatch.setattr(time, "time", lambda: ours() + ahead)
    clock._readings.clear()
    assert said(store, run_id) == ("running", "")

    silent_for(attempt, state.STALL_SECONDS + 5)
    assert said(store, run_id) == ("stalled", "nothing has moved for 25 s after step 10")


def test_a_signal_needs_no_descriptor_of_the_process(monkeypatch, child):
    """macOS has none."""
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(signal, "pidfd_send_signal")
    identity = Identity.of(child.pid)

    assert not replace(identity, start=identity.start + 1).send(signal.SIGKILL)
    assert child.poll() is None
    assert identity.send(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not identity.send(signal.SIGKILL)


def test_nobody_elsewhere_is_signalled():
    for elsewhere in (UNKNOWN, replace(mine(), host="elsewhere"), replace(mine(), namespace="x")):
        assert not elsewhere.send(signal.SIGKILL)


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        ({"signal": 9, "memory": True}, "out of memory", "the system killed it for memory after"),
        ({"signal": 9, "memory": False, "possibly_memory": True}, "killed", "possibly for memory"),
        ({"signal": 9, "memory": False}, "killed", "by SIGKILL after step 10; `revconsole"),
    ],
)
def test_an_end_for_want_of_memory_is_said_as_surely_as_it_is_known(
    store, run, child, seen, state, reason
):
    run_id, attempt = run
    claimed_by(store, run_id, Identity.of(child.pid))
    child.kill()
    child.wait()
    (attempt.folder / "exit.json").write_text(json.dumps(seen))
    found = said(store, run_id)
    assert found[0] == state
    assert reason in found[1]


def test_what_is_no_attempt_beside_the_attempts_is_passed_over(store, run):
    for name in ("²", "1", "99999999999999999999", "0001.bak"):
        (store.folder(run[0]) / "attempts" / name).mkdir()
    assert store.next_attempt(run[0]) == 2
    assert said(store, run[0])[0] == "running"


def disk(*, free=1000, blocks=5000, flags=0):
    """What a file system says of itself."""
    return os.statvfs_result((4096, 4096, blocks, free, free, 100, 50, 50, flags, 255))


def test_a_disk_that_takes_nothing_more_is_said_and_one_that_counts_nothing_is_no_full_one():
    assert state.disk_warning(disk()) == ""
    assert state.disk_warning(disk(flags=os.ST_NOSUID)) == ""
    assert state.disk_warning(disk(free=0)).startswith("the disk of the store is full")
    assert state.disk_warning(disk(free=0, blocks=0)) == ""
    for free in (0, 1000):
        said_of_it = state.disk_warning(disk(free=free, flags=os.ST_RDONLY | os.ST_NOSUID))
        assert said_of_it.startswith("the file system of the store is read-only")


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77
exec "$2" -c '
import sys
from pathlib import Path
from revconsole.records.runs.store import RunStore
(row,) = RunStore(Path(sys.argv[1])).list()
print(row.state, row.reason, sep=": ")
' "$1"
"""


def test_a_run_on_a_read_only_file_system_says_that_nothing_can_be_seen_of_it(store, run):
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here to mount anything read-only with")
    seen = subprocess.run(
        ["unshare", "-rm", "sh", "-c", READ_ONLY, "sh", str(store.root), sys.executable],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if "unshare" in seen.stderr or seen.returncode == 77:
        pytest.skip("this system lets no ordinary user mount anything")
    # How old its log is nobody can tell where nothing can be touched and this machine's clock is another one's.
    assert seen.stdout.split(":")[0] in {"running", "stalled"}, seen.stderr
    assert (
        "the file system of the store is read-only: nothing can be seen of the run" in seen.stdout
    )


def test_a_process_is_known_that_ended_before_its_parent_looked():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(mine().to_dict()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        own = Identity.from_dict(json.load(said))
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # a zombie from here on
    seen = Identity.of(child)
    assert seen == own
    assert not seen.alive()
    os.waitpid(child, 0)
