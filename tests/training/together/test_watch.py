"""What ends the other ranks: a rank that says why, one that is gone, one that stands still, and a launcher that is gone."""

import subprocess
import sys
import time

import psutil
import pytest

from revconsole.records.runs.identity import Identity
from revconsole.training.together import watch as watching
from revconsole.training.together.notes import RankNotes
from revconsole.training.together.watch import RankWatch


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Rank 1, a process that sleeps, as it has joined."""
    process = subprocess.Popen(
        [sys.executable, "-X", "preloaded", "-c", "import time; time.sleep(600)"]
    )
    with monkeypatch.context() as patch:
        patch.setattr("revconsole.training.together.notes.mine", lambda: Identity.of(process.pid))
        RankNotes(tmp_path, 1).join()
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def watch(tmp_path):
    notes = RankNotes(tmp_path, 0)
    notes.join()
    return RankWatch(notes, end=lambda _: None, stop=lambda: None)


def test_ranks_that_move_are_no_trouble(watch, other):
    assert watch.trouble() is None


def test_a_rank_that_is_gone_is_named_with_its_process_and_its_output(watch, other):
    other.kill()
    other.wait()
    reason = watch.trouble().reason
    assert f"rank 1 (process {other.pid} on" in reason
    assert "ranks/1.log" in reason


def test_a_rank_that_left_as_agreed_is_no_trouble(watch, other, tmp_path):
    RankNotes(tmp_path, 1).leave()
    other.kill()
    other.wait()
    assert watch.trouble() is None


def test_a_rank_that_stands_still_is_named_and_ended(watch, other, monkeypatch):
    assert watch.trouble() is None
    process = psutil.Process(other.pid)
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:  # the signal takes its time on a busy machine
        time.sleep(0.01)
    monkeypatch.setattr(watching, "SILENCE_SECONDS", 0.0)
    reason = watch.trouble().reason
    assert "has not moved" in reason
    assert "a signal holds it" in reason
    assert other.wait(10) == -9


def test_a_rank_that_moves_is_not_ended_however_short_the_silence(
    watch, other, tmp_path, monkeypatch
):
    assert watch.trouble() is None
    monkeypatch.setattr(watching, "SILENCE_SECONDS", 0.0)
    note = tmp_path / "ranks" / "1.json"
    note.touch()
    assert watch.trouble() is None


def test_after_this_process_was_held_up_itself_the_others_get_their_time_anew(
    watch, other, monkeypatch
):
    assert watch.trouble() is None
    monkeypatch.setattr(watching, "SILENCE_SECONDS", 0.0)
    monkeypatch.setattr(watching, "ASIDE_SECONDS", 0.0)
    assert watch.trouble() is None


def test_what_a_rank_said_before_it_ended_is_the_reason_though_others_are_gone(
    watch, other, tmp_path
):
    RankNotes(tmp_path, 2).end("ValueError: no such thing", "Traceback …")
    other.kill()
    other.wait()
    trouble = watch.trouble()
    assert trouble.reason == "rank 2: ValueError: no such thing"
    failure = trouble.failure()
    assert failure.reason.startswith(
        f"{trouble.reason}; its traceback is in crash.txt; `revconsole"
    )


def test_lack_of_memory_elsewhere_is_lack_of_memory_of_the_run(watch, tmp_path):
    RankNotes(tmp_path, 1).end("memory ran out", memory=True)
    assert watch.trouble().failure().cause == "memory"


def test_a_launcher_that_is_gone_is_trouble(tmp_path, other, monkeypatch):
    monkeypatch.setenv(watching.LAUNCHER_PID, str(other.pid))
    RankNotes(tmp_path, 1).leave()
    watch = RankWatch(RankNotes(tmp_path, 0), end=lambda _: None, stop=lambda: None)
    assert watch.trouble() is None
    other.kill()
    other.wait()
    assert "the launcher of the ranks" in watch.trouble().reason


def test_a_damaged_note_is_no_rank(watch, tmp_path):
    (tmp_path / "ranks" / "1.json").write_text("[")
    (tmp_path / "ranks" / "2.end.json").write_text("{}")
    assert watch.trouble() is None
