"""The launcher of the ranks: `python -m revconsole.training.together.launcher STORE RUN_ID:ATTEMPT RANKS`.

It is torchrun, by its Python interface: one node, no restarts, because a run resumes from its checkpoint and not from
within. A signal that ended the rank which writes the run is recorded in the attempt, as a supervisor does.
"""

import os
import signal
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from revconsole.records import child
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import LIMIT_SIGNAL
from revconsole.training.supervisor import (
    GROUP_OF_THIS,
    MACHINE,
    for_memory,
    group_of,
    memory_kills,
    note,
)
from revconsole.training.together.watch import LAUNCHER_PID

MODULE = "revconsole.training"


def main(
    store: str, address: str, ranks: str, nodes: str = "1", endpoint: str = "localhost:0"
) -> int:
    """Start the ranks of this node, and wait for their end. Returns 0 if every one ended well.

    ranks: on all nodes together. endpoint: where the launchers of several nodes meet.
    """
    run_store, (run_id, _, number) = RunStore(Path(store)), address.partition(":")
    config = LaunchConfig(
        min_nodes=int(nodes),
        max_nodes=int(nodes),
        nproc_per_node=int(ranks) // int(nodes),
        run_id=f"{run_id}-{number}",
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        max_restarts=0,
    )
    os.environ[LAUNCHER_PID] = str(os.getpid())
    python, *arguments = child.command(MODULE, store, address)
    group = group_of(GROUP_OF_THIS)
    before = memory_kills(group, MACHINE)
    try:
        elastic_launch(config, python)(*arguments)
    except ChildFailedError as error:
        first = error.failures.get(0)
        writer = attempts.owner(run_store.folder(run_id), int(number))
        if first is not None and first.exitcode < 0 and writer is not None:
            ended_by = -first.exitcode
            memory = for_memory(ended_by, before, memory_kills(group, MACHINE))
            note(run_store, run_id, writer, {"signal": ended_by, **memory})
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(getattr(signal, LIMIT_SIGNAL), signal.SIG_IGN)  # it reaches the ranks, too
    sys.exit(main(*sys.argv[1:]))
