"""The run store: one writer, many readers, states that are true."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from revconsole.errors import AlreadyClaimed, NoSuchRun, StoreError, UnknownName
from revconsole.records.logs.events import (
    Advised,
    Answered,
    EpochFinished,
    Failed,
    Finished,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.runs import control
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.control import Control
from revconsole.records.runs.identity import Identity, mine
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan


def begin(store: RunStore, plan: Plan, **facts):
    run_id = store.create(plan, {"title": "t"})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 10, "parameters": 7, "device": "cpu", **facts}))
    return run_id, attempt


def measure(attempt, *steps, epoch=1):
    for step in steps:
        attempt.emit(Measured(step=step, epoch=epoch, values={"loss": 1.0 / step}))


@pytest.fixture
def dead() -> Identity:
    """The identity of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = Identity.of(child.pid)
    child.communicate()
    return identity


def disown(store: RunStore, run_id: str, holder: Identity) -> None:
    """Make it look as if `holder` had claimed the first attempt."""
    write_json(store.folder(run_id) / "attempts" / "0001" / "claim.json", holder.to_dict())


def test_a_new_run_is_whole_and_queued(store, plan):
    run_id = store.create(plan, {"title": "t", "model": {"depth": 3}})

    (summary,) = store.list()

    assert (summary.id, summary.state, summary.plan) == (run_id, "queued", plan)
    assert "depth = 3" in (store.folder(run_id) / "profile.toml").read_text()
    assert (store.folder(run_id).stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize(("share", "mode"), [("group", 0o750), ("all", 0o755)])
def test_others_may_look_if_the_owner_lets_them(store, plan, monkeypatch, share, mode):
    monkeypatch.setenv("REVCONSOLE_SHARE", share)
    umask = os.umask(0o022)
    try:
        run_id, _ = begin(store, plan)
    finally:
        os.umask(umask)
    folder = store.folder(run_id)
    assert folder.stat().st_mode & 0o777 == mode
    assert (folder / "attempts" / "0001" / "events.jsonl").stat().st_mode & 0o044 == 0o044


def test_a_wrong_word_for_sharing_is_a_sentence(store, plan, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_SHARE", "gruop")
    with pytest.raises(
        UnknownName, match="no value of REVCONSOLE_SHARE 'gruop'; did you mean 'group'"
    ):
        store.create(plan, {})


def test_what_is_emitted_is_read(store, plan):
    run_id, attempt = begin(store, plan)
    attempt.emit(
        MetricDeclared(
            name="loss", unit="nats", per="step", direction="down", meaning="cross-entropy"
        )
    )
    measure(attempt, 1, 2, 4)
    attempt.emit(EpochFinished(epoch=1, step=4, values={"validation_accuracy": 0.5}))
    attempt.emit(Advised(level="warning", text="look out"))

    run = store.read(run_id)

    assert run.summary.state == "running"
    assert run.series["loss"].steps == [1, 2, 4]
    assert run.series["loss"].values == [1.0, 0.5, 0.25]
    assert run.series["loss"].metric.unit == "nats"
    assert (run.summary.best_validation_accuracy, run.summary.best_epoch) == (0.5, 1)
    assert [(line.level, line.text) for line in run.log] == [("warning", "look out")]


def test_a_follower_sees_what_is_new_and_old_views_do_not_change(store, plan):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1)
    tail = store.follow(run_id)
    before = tail.run()

    measure(attempt, 2, 3)

    assert tail.run().series["loss"].steps == [1, 2, 3]
    assert before.series["loss"].steps == [1]


def test_a_half_written_last_line_is_not_there_yet(store, plan):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1, 2)
    log = attempt.folder / "events.jsonl"
    whole = log.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    log.write_bytes(whole[: -len(last) // 2])
    tail = store.follow(run_id)
    assert tail.run().series["loss"].steps == [1]

    log.write_bytes(whole)

    run = tail.run()
    assert run.series["loss"].steps == [1, 2]
    assert run.summary.damaged_lines == 0


def test_a_damaged_line_is_counted_and_passed_over(store, plan):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1, 2, 3)
    log = attempt.folder / "events.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"step":2', b'"step":9'))

    run = store.read(run_id)

    assert run.series["loss"].steps == [1, 3]
    assert run.summary.damaged_lines == 1


def test_a_resumed_attempt_supersedes_what_lies_beyond_its_checkpoint(store, plan, dead):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1, 2, 3, 4)
    attempt.emit(EpochFinished(epoch=1, step=4, values={"validation_accuracy": 0.9}))
    tail = store.follow(run_id)
    tail.run()
    disown(store, run_id, dead)
    second = store.claim(run_id, 2)
    second.emit(Started(facts={"steps": 10}, resumed_from=2))
    measure(second, 3)

    for run in (tail.run(), store.read(run_id)):
        assert run.series["loss"].steps == [1, 2, 3]
        assert (
            "validation_accuracy" not in run.series or not run.series["validation_accuracy"].length
        )
        assert run.summary.best_validation_accuracy is None
        assert (run.summary.attempt, run.summary.state, run.summary.step) == (2, "running", 3)


@pytest.mark.parametrize(
    ("ending", "state", "reason"),
    [
        (Finished(outcome="completed", step=9), "finished", ""),
        (Finished(outcome="stopped", step=9, by="me@here"), "stopped", "at step 9 by me@here"),
        (Failed(reason="the loss was not finite"), "failed", "the loss was not finite"),
    ],
)
def test_an_ending_is_the_state(store, plan, ending, state, reason):
    run_id, attempt = begin(store, plan)
    attempt.emit(ending)

    (summary,) = store.list()

    assert (summary.state, summary.reason) == (state, reason)
    assert summary.ended
    assert store.find("@1") == run_id


def test_a_run_whose_process_is_gone_is_lost(store, plan, dead):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1)
    disown(store, run_id, dead)

    assert store.read(run_id).summary.state == "lost"


def test_a_reused_pid_is_not_taken_for_the_writer(store, plan):
    run_id, _ = begin(store, plan)
    me = mine()
    impostor = Identity(host=me.host, boot=me.boot, pid=me.pid, start=me.start - 1)
    disown(store, run_id, impostor)

    assert store.read(run_id).summary.state == "lost"


def test_a_queued_run_whose_launcher_is_gone_is_lost(store, plan, dead):
    run_id = store.create(plan, {})
    store.queue(run_id, 1, mine(), "thread")
    assert store.read(run_id).summary.state == "queued"

    store.queue(run_id, 1, dead, "thread")

    assert store.read(run_id).summary.state == "lost"


def test_an_ended_run_that_waits_to_be_resumed_is_queued(store, plan, dead):
    run_id, attempt = begin(store, plan)
    store.queue(run_id, 1, mine(), "thread")
    attempt.emit(Finished(outcome="stopped", step=9, by="me@here"))
    assert store.list()[0].state == "stopped", "the queue entry of its own attempt is spent"

    store.queue(run_id, 2, mine(), "thread")
    assert (store.list()[0].state, store.read(run_id).summary.state) == ("queued", "queued")

    store.queue(run_id, 2, dead, "thread")
    assert store.list()[0].state == "stopped"


def test_requests_show_until_they_are_answered(store, plan):
    run_id, attempt = begin(store, plan)
    ear = Control(store.folder(run_id))
    control.ask(store.folder(run_id), "pause")
    assert store.read(run_id).summary.state == "pausing"

    (request,) = ear.pending()
    attempt.emit(Answered(verb="pause", by=request.by, step=1))
    ear.answered(request)
    assert store.read(run_id).summary.state == "paused"

    control.ask(store.folder(run_id), "stop")
    assert store.read(run_id).summary.state == "stopping"
    assert ear.pending()[0].verb == "stop"


def test_a_request_nobody_can_mean_is_ignored(store, plan):
    run_id, _ = begin(store, plan)
    folder = store.folder(run_id) / "control"
    folder.mkdir()
    (folder / "1-explode-aaa.json").write_text('{"verb": "explode", "by": "x"}')
    (folder / "2-stop-bbb.json").write_text("{")

    assert Control(store.folder(run_id)).pending() == ()


def test_a_living_writer_cannot_be_displaced(store, plan):
    run_id, _ = begin(store, plan)

    with pytest.raises(AlreadyClaimed, match="is being written by process"):
        store.claim(run_id, 2)


def test_of_many_claims_at_once_one_wins(store, plan):
    run_id = store.create(plan, {})
    barrier, won, lost = threading.Barrier(8), [], []

    def claim():
        barrier.wait()
        try:
            won.append(store.claim(run_id, 1))
        except AlreadyClaimed:
            lost.append(1)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(lost)) == (1, 7)
    assert [p.name for p in (store.folder(run_id) / "attempts").iterdir()] == ["0001"]


def test_a_damaged_run_is_listed_and_the_others_are_unaffected(store, plan):
    bad, good = store.create(plan, {}), store.create(plan, {})
    (store.root / bad / "plan.json").write_text('{"plan": ')

    states = {s.id: s.state for s in store.list()}

    assert states == {bad: "damaged", good: "queued"}
    with pytest.raises(StoreError, match="is damaged"):
        store.plan(bad)


@pytest.mark.parametrize(
    "address", ["../x", "..", "/etc", "@0", "@9", "", "zzzzzzzz", "a/b", ".new-abc"]
)
def test_an_address_that_means_no_run_is_refused(store, plan, address):
    store.create(plan, {})

    with pytest.raises(NoSuchRun):
        store.find(address)
    with pytest.raises(NoSuchRun):
        store.folder(address)


def test_runs_answer_to_id_prefix_name_and_number(store):
    first = store.create(Plan(name="one"), {})
    second = store.create(Plan(name="two"), {})

    assert store.find(first) == first
    assert store.find(second[:7]) == second
    assert store.find("two") == second
    assert {store.find("@1"), store.find("@2")} == {first, second}


def test_an_ambiguous_name_lists_the_runs_it_could_mean(store, plan):
    ids = {store.create(plan, {}), store.create(plan, {})}

    with pytest.raises(NoSuchRun) as caught:
        store.find(plan.name)

    assert all(run_id in str(caught.value) for run_id in ids)


def test_the_fingerprint_is_kept_in_the_plan(store, plan):
    run_id = store.create(plan, {})

    store.keep_fingerprint(run_id, "a" * 64)

    assert RunStore(store.root).plan(run_id).data_fingerprint == "a" * 64


def test_a_store_without_permission_says_so(tmp_path: Path, plan):
    tmp_path.chmod(0o500)
    closed = Path("/sys") if os.geteuid() == 0 else tmp_path  # root may write almost anywhere
    with pytest.raises(
        StoreError, match=r"(not permitted|Permission denied).*; choose another store"
    ):
        RunStore(closed / "runs").create(plan, {})
    tmp_path.chmod(0o700)


def test_a_store_that_is_a_file_says_so(tmp_path: Path, plan):
    (tmp_path / "runs").write_text("")

    with pytest.raises(
        StoreError, match=r"cannot create a run in .*; choose another store with --store"
    ):
        RunStore(tmp_path / "runs").create(plan, {})


def test_a_run_folder_deleted_underneath_is_no_run_and_no_crash(store, plan):
    run_id, _ = begin(store, plan)
    tail = store.follow(run_id)
    tail.run()
    shutil.rmtree(store.root / run_id)

    assert store.list() == ()
    assert tail.run().id == run_id


def test_a_peak_says_what_it_is_of(store):
    def peak(**values):
        run_id, attempt = begin(store, Plan(name="any"))
        attempt.emit(Measured(step=1, epoch=1, values=values))
        attempt.close()
        summary = store.read(run_id).summary
        return summary.peak_memory_bytes, summary.peak_memory_of

    assert peak(resident_bytes=2.0) == (None, "")
    assert peak(resident_peak_bytes=3.0, training_peak_bytes=1.0) == (
        1,
        "resident, above what was there before",
    )
    assert peak(resident_peak_bytes=3.0, device_peak_allocated_bytes=1.0) == (1, "allocated on cpu")


def test_an_alarm_that_names_nothing_is_one_all_the_same_and_what_else_is_said_does_not_end_it(
    store, plan
):
    run_id, attempt = begin(store, plan)
    attempt.emit(Advised(level="alarm", text="an image is two"))
    attempt.emit(Advised(level="note", text="the machine is busy"))
    attempt.emit(Advised(level="alarm", text="all images are one picture", rule="data"))
    attempt.emit(Advised(level="warning", text="few grey levels", rule="data"))
    attempt.emit(Advised(level="alarm", text="pixels mix", rule="failed check: uses its input"))
    attempt.emit(
        Advised(level="alarm", text="samples mix", rule="failed check: no leak across batch")
    )

    summary = store.follow(run_id).summary()
    assert summary.alarm == "alarm, data, failed check"
    assert summary.alarm_text == "an image is two all images are one picture pixels mix samples mix"


def test_the_row_has_what_rules_said_with_their_commands_until_it_is_taken_back_or_undone(
    store, plan
):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1, 2)
    attempt.emit(Advised(level="note", text="no rule said this"))
    attempt.emit(Advised(level="warning", text="memory grows", rule="memory grows", command="a b"))
    measure(attempt, 3, 4)
    attempt.emit(Advised(level="alarm", text="it has diverged", rule="diverged", command="c d"))

    told = store.follow(run_id).run()
    assert [(a.rule, a.step, a.command) for a in told.summary.advice] == [
        ("memory grows", 2, "a b"),
        ("diverged", 4, "c d"),
    ]
    assert told.summary.alarm_text == "it has diverged: `c d`"
    assert [line.text for line in told.log if line.level == "warning"] == ["memory grows: `a b`"]

    attempt.emit(Advised(level="note", text="the alarm is over", rule="diverged"))
    attempt.emit(Finished(outcome="stopped", step=4))
    attempt.close()
    row = store.follow(run_id).summary()
    assert [a.rule for a in row.advice] == ["memory grows"]
    assert RunStore(store.root).list()[0].advice == row.advice

    resumed = store.claim(run_id, 2)
    resumed.emit(Started(facts={}, resumed_from=1))
    assert store.follow(run_id).summary().advice == ()
    resumed.close()


def test_an_alarm_stands_until_it_is_taken_back_or_what_it_was_about_is_undone(store, plan):
    run_id, attempt = begin(store, plan)
    measure(attempt, 1, 2)
    attempt.emit(Advised(level="alarm", text="the run has diverged", rule="diverged"))
    attempt.emit(Advised(level="warning", text="memory grows", rule="memory grows"))

    summary = store.follow(run_id).summary()
    assert (summary.alarm, summary.alarm_text) == ("diverged", "the run has diverged")
    assert summary.standing == "running, diverged"

    attempt.emit(Advised(level="note", text="the alarm is over", rule="diverged"))
    assert store.follow(run_id).summary().alarm == ""

    measure(attempt, 3, 4)
    attempt.emit(Advised(level="alarm", text="again", rule="diverged"))
    attempt.emit(Finished(outcome="stopped", step=4))
    attempt.close()
    assert store.follow(run_id).summary().alarm == "diverged"
    assert RunStore(store.root).list()[0].alarm == "diverged"

    resumed = store.claim(run_id, 2)
    resumed.emit(Started(facts={}, resumed_from=2))
    assert store.follow(run_id).summary().alarm == "", "its steps are made again"
