"""Nothing foreign in a store: odd files block no reader, fill no memory, and stop no listing."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from revconsole.errors import StoreError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import OddFile
from revconsole.records.logs import column_cache
from revconsole.records.logs.events import Finished, Measured, Started
from revconsole.records.runs import store_cache
from revconsole.records.runs.control import Control
from revconsole.records.runs.identity import mine
from revconsole.records.runs.store import RunStore

PATIENCE_SECONDS = 300.0
"""A reader that waits for a FIFO waits for ever; none that does not takes a second."""
SPARSE = 1 << 40


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def elsewhere(path: Path) -> None:
    other = path.with_name(f"{path.name}-elsewhere")
    other.write_text("{}")
    path.symlink_to(other)


def folder(path: Path) -> None:
    path.mkdir()


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SPARSE)


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is at most 108 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


ODD = [fifo, device, loop, elsewhere, folder, sparse, listening]
FILES = [
    "plan.json", "launch.json", "attempts", "attempts/0001", "control",
    "attempts/0001/claim.json", "attempts/0001/exit.json", "attempts/0001/events.jsonl",
    f"attempts/0001/{column_cache.FILE}", f"../{store_cache.FILE}",
]  # fmt: skip


def soon(work: Callable[[], object]) -> object:
    """What `work` returns, which must not wait for anything."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert answers, "it waits, or it raised"
    return answers[0]


def finished(store: RunStore, plan) -> str:
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 1}))
    attempt.emit(Measured(step=1, epoch=1, values={"loss": 1.0}))
    attempt.emit(Finished(outcome="completed", step=1))
    attempt.close()
    return run_id


def put_aside(path: Path) -> None:
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}-before"))
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("odd", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("file", FILES)
def test_one_odd_file_stops_neither_its_reader_nor_the_listing_of_the_others(
    store, plan, file, odd
):
    bad, good = finished(store, plan), finished(store, plan)
    store.queue(bad, 2, mine(), "thread")
    path = store.folder(bad) / file
    put_aside(path)
    odd(path)

    rows = {row.id: row for row in soon(RunStore(store.root).list)}

    assert rows[good].state == "finished"
    assert set(rows) == {bad, good}
    if file in {"plan.json", "attempts/0001/events.jsonl"} and odd is not folder:
        assert rows[bad].state == "damaged"
        assert "is not a regular file" in rows[bad].reason or "is larger than" in rows[bad].reason
    assert soon(lambda: Control(store.folder(bad)).pending()) == ()
    if rows[bad].state != "damaged":
        assert soon(lambda: store.read(bad).summary.id) == bad


def test_a_log_without_the_end_of_a_line_is_not_read_into_memory(store, plan):
    """A sparse file of 2 GiB takes no room on a disk, and would take that much of memory."""
    run_id = finished(store, plan)
    log = store.folder(run_id) / "attempts" / "0001" / "events.jsonl"
    os.truncate(log, 2 << 30)

    run = soon(lambda: store.read(run_id))

    assert (run.summary.state, run.summary.damaged_lines) == ("finished", 1)
    assert run.series["loss"].steps == [1]


def test_a_run_folder_that_is_a_link_is_listed_and_not_followed(store, plan, tmp_path):
    other = RunStore(tmp_path / "other")
    run_id = finished(other, plan)
    store.root.mkdir()
    (store.root / run_id).symlink_to(other.folder(run_id))

    (row,) = store.list()

    assert (row.state, row.test_accuracy) == ("damaged", None)
    assert "link" in row.reason
    with pytest.raises(StoreError, match="link"):
        store.plan(run_id)


def test_a_file_is_read_whole_up_to_its_limit_and_not_beyond(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")

    assert bounded.read(path, 5) == b"12345"
    with pytest.raises(OddFile, match="larger than 4 bytes"):
        bounded.read(path, 4)
    with pytest.raises(FileNotFoundError):
        bounded.read(tmp_path / "g", 4)


def test_files_and_folders_are_told_apart_and_links_are_neither(tmp_path):
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    (place / "file").touch()
    (place / "to-file").symlink_to("file")
    (place / "to-folder").symlink_to("folder")

    assert bounded.files(place) == ["file"]
    assert bounded.folders(place) == ["folder"]
    with pytest.raises(OSError, match=r"[Dd]irectory|[Ll]ink"):
        bounded.files(place / "to-folder")


@pytest.mark.parametrize(
    ("share", "mode"), [("", 0o600), ("group", 0o640), ("all", 0o644)], ids=["mine", "group", "all"]
)
def test_the_index_is_as_private_as_the_runs_it_has_rows_of(store, plan, monkeypatch, share, mode):
    monkeypatch.setenv("REVCONSOLE_SHARE", share)
    runs = [finished(store, plan) for _ in range(2)]
    for run_id in runs:
        old = 1_000_000_000
        for path in (store.folder(run_id), *store.folder(run_id).rglob("*")):
            os.utime(path, (old, old))
    store.list()
    store_cache.write(store.root, store._table._kept)
    kept = store.root / store_cache.FILE

    assert len(store_cache.read(store.root)) == 2
    assert kept.stat().st_mode & 0o777 == mode

    monkeypatch.setenv("REVCONSOLE_SHARE", "")
    private = store.folder(finished(store, plan))
    for path in (private, *private.rglob("*")):
        os.utime(path, (old, old))
    store.list()
    store_cache.write(store.root, store._table._kept)

    assert len(store_cache.read(store.root)) == 3
    assert kept.stat().st_mode & 0o777 == 0o600, "one private run makes it private"


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize(("share", "entered"), [("", 0o700), ("group", 0o750), ("all", 0o755)])
def test_who_may_read_a_run_does_not_depend_on_the_umask(
    store, plan, monkeypatch, umask, share, entered
):
    monkeypatch.setenv("REVCONSOLE_SHARE", share)
    before = os.umask(umask)
    try:
        run_id = finished(store, plan)
        store.queue(run_id, 2, mine(), "thread")
    finally:
        os.umask(before)

    run = store.folder(run_id)
    assert run.stat().st_mode & 0o777 == entered
    root = store.root.stat().st_mode & 0o777
    assert root == (0o755 if share or umask == 0o000 else 0o700), (
        "shared runs are got at; only we add one"
    )
    for path in run.rglob("*"):
        wanted = 0o755 if path.is_dir() else 0o644
        assert path.stat().st_mode & 0o777 == wanted, path
