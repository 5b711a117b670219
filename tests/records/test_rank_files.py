"""What is known of a run on several ranks: their processes, their output, the device."""

import json
import os
from dataclasses import replace

from revconsole.console import facts
from revconsole.lab.listing.fields import named
from revconsole.lab.listing.texts import text
from revconsole.lab.system import SystemReader
from revconsole.records.logs.events import Started
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.process_output import ProcessOutput
from revconsole.records.runs.rank_files import processes


def begun(store, plan):
    """A run on two ranks, the second of which is the parent of this process."""
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"device": "cpu", "device_name": "2 ranks on a processor"}))
    folder = store.folder(run_id) / "attempts" / "0001" / "ranks"
    folder.mkdir()
    (folder / "1.json").write_text(json.dumps(Identity.of(os.getppid()).to_dict() | {"rank": 1}))
    (folder / "1.log").write_text("loading\nTraceback\n")
    return run_id, attempt, folder


def test_a_run_on_ranks_says_so_wherever_its_device_stands(store, plan):
    run_id, attempt, folder = begun(store, plan)
    os.utime(folder / "1.json", (1e9, 1e9))
    run, row = store.read(run_id), store.list()[0]
    assert (row.ranks, row.trained_on) == (2, "2×cpu")
    assert text(named("device"), row) == "2×cpu"
    assert "2 ranks on cpu" in facts.status(run, {}).plain
    told = dict(facts.pairs(run))
    assert told["device"] == "cpu (2 ranks on a processor)"
    assert told["ranks"].startswith(f"1 process {os.getppid()} of ")
    assert "silent for" in told["ranks"]

    os.utime(folder / "1.json")
    assert "silent" not in dict(facts.pairs(store.read(run_id)))["ranks"]
    attempt.close()
    assert replace(row, device_name="a processor").trained_on == "cpu"


def test_the_output_of_each_rank_is_read_and_named(store, plan):
    run_id, attempt, folder = begun(store, plan)
    folder.with_name("output.log").write_text("of the first\n")
    (folder / "10.log").write_text("last\n")
    (folder / "x.log").write_text("not of a rank\n")
    (folder / "2.log").symlink_to("/etc/hostname")
    found = [line.text for line in store.read(run_id).output]
    attempt.close()
    assert found == ["of the first", "rank 1: loading", "rank 1: Traceback", "rank 10: last"]
    assert ProcessOutput().lines(store.root, [1]) == ()


def test_a_damaged_note_of_a_rank_is_left_out(store, plan):
    _, attempt, folder = begun(store, plan)
    (folder / "2.json").write_text("{")
    (folder / "3.json").write_text('{"pid": "x"}')
    attempt.close()
    assert [each.rank for each in processes(folder.parent)] == [1]
    assert processes(folder) == ()


def test_every_rank_of_a_run_is_its_own_on_this_machine(store, plan):
    run_id, attempt, _ = begun(store, plan)
    (training,) = SystemReader(store).read(store.list()).trainings
    attempt.close()
    assert (training.id, training.pid, training.ranks) == (run_id, os.getpid(), (os.getppid(),))
    assert training.device == "2×cpu"
