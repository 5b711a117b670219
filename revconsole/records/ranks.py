"""Ranks: starts the processes that train one run together, under torchrun, and tells how they ended.

    attempts/0001/ranks/1.json      written by rank 1 while it takes part: which process it is; touched every second
                        1.log       its output
                        1.end.json  why it ended the run, if it did

The launcher and its ranks have a session of their own: no signal of a terminal reaches them. Requests go through the run
folder as to every run. This process only waits, and needs no torch.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from revconsole.errors import RevconsoleError
from revconsole.records import child as children
from revconsole.records import host
from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import LAUNCH_LOG, Outcome
from revconsole.records.runs.queued import FILE as LAUNCH
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import NODES
from revconsole.records.settings.rank_rules import KEY

LAUNCHER = "REVCONSOLE_LAUNCHER"
"""Environment variable of the ranks: the launcher that the claim names."""
NOTE = "REVCONSOLE_NOTE"
"""Environment variable of the ranks: a warning that the first one records; empty for none."""
MODULE = "revconsole.training.together.launcher"
POLL_SECONDS = 0.1
THREADS = "OMP_NUM_THREADS"
OUTCOMES: dict[str, Outcome] = {"finished": "completed", "stopped": "stopped", "pruned": "pruned"}


def count(store: RunStore, run_id: str) -> int:
    """On how many ranks the next attempt of a run trains; 1 if its plan cannot be read, which its claim will tell."""
    try:
        planned: object = store.plan(run_id).train.ranks
        queued = read_queued(store.folder(run_id) / LAUNCH)
    except RevconsoleError:
        return 1
    wanted = planned if queued is None else queued.changes.get(KEY, planned)
    return wanted if isinstance(wanted, int) else 1


def train(
    store: RunStore,
    run_id: str,
    number: int,
    *,
    ranks: int,
    launcher: str,
    note: str = "",
    begun: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train attempt `number` of a run on `ranks` ranks, and wait for its end.

    launcher: recorded in the claim. note: a warning that the run records. begun: called once the attempt is claimed. An attempt that cannot begin is refused;
    one that another process has claimed is "gone".
    """
    folder = store.folder(run_id)
    log, claimed = folder / LAUNCH_LOG, folder / "attempts" / f"{number:04d}"
    if claimed.is_dir():
        return "gone"
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
                _command(store, run_id, number, ranks),
                env=_environment(launcher, ranks) | {NOTE: note},
                cwd=store.root.resolve(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        store.refuse(run_id, number, f"cannot start its ranks: {error.strerror}")
        return "failed"
    while child.poll() is None and not claimed.is_dir():
        time.sleep(POLL_SECONDS)
    if claimed.is_dir():
        begun()
    child.wait()
    if not claimed.is_dir() and folder.is_dir():
        store.refuse(run_id, number, f"its ranks did not begin: {_last_line(log)}")
        return "failed"
    return _outcome(store, run_id, number)


def _command(store: RunStore, run_id: str, number: int, ranks: int) -> list[str]:
    """What starts the ranks: their launcher, in a job of Slurm with several nodes one on each of them."""
    root, address = str(store.root.resolve()), f"{run_id}:{number}"
    nodes = int(os.environ.get(NODES, "1"))
    if nodes == 1:
        return children.command(MODULE, root, address, str(ranks))
    launcher = children.command(MODULE, root, address, str(ranks), str(nodes), _endpoint())
    each = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    return ["srun", "--overlap", "--export=ALL", *each, *launcher]


def _endpoint() -> str:
    """Where the launchers of several nodes meet: this machine, at a port that is free now."""
    with socket.create_server(("", 0)) as free:
        return f"{socket.gethostname()}:{free.getsockname()[1]}"


def _environment(launcher: str, ranks: int) -> dict[str, str]:
    """The environment of the ranks, which share the cores of this machine."""
    variables = children.environment() | {LAUNCHER: launcher}
    variables.setdefault(THREADS, str(host.threads_of_rank(ranks)))
    return variables


def _outcome(store: RunStore, run_id: str, number: int) -> Outcome:
    with suppress(Exception):
        folder = store.folder(run_id)
        if attempts.handed_over(folder, number):
            return "handed over"
        return OUTCOMES.get(store.follow(run_id).summary().state, "failed")
    return "gone"


def _last_line(log: Path) -> str:
    try:
        lines = bounded.read(log, RECORD_BYTES).decode(errors="replace").splitlines()
    except UNREADABLE:
        lines = []
    return next(
        (line.strip()[:300] for line in reversed(lines) if line.strip()), "no reason is known"
    )
