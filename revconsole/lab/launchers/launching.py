"""Launching: the launcher that a user chose has the runs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from revconsole.lab.launchers import process
from revconsole.lab.launchers.process import Workers
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.lab.launchers.thread import ThreadLauncher
from revconsole.records.runs.store import RunStore

Launcher = Literal["thread", "process"] | Workers | SlurmLauncher
"""A thread of this process, a background process with one worker or several, or jobs of Slurm."""


def start(
    store: RunStore,
    threads: ThreadLauncher,
    launcher: Launcher,
    run_ids: list[str],
    changes: Mapping[str, Any] = MappingProxyType({}),
    *,
    now: bool = False,
) -> process.Child | None:
    """Give the runs to a launcher; returns its process if it starts one. Raises RevconsoleError if it does not take them."""
    if isinstance(launcher, Workers):
        return process.launch(store, run_ids, changes, now=now, workers=launcher)
    if launcher == "process":
        return process.launch(store, run_ids, changes, now=now)
    if launcher == "thread":
        threads.launch(run_ids, changes, now=now)
    else:
        launcher.launch(store, run_ids, changes)
    return None
