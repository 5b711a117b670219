"""Tracking: starts the process that gives a run's metrics to the trackers of `train.track` while it trains.

It is a process of its own that reads the record as any other reader does, so no tool of others runs inside of a training, and
none can slow or end it. It ends when the run has ended; what it says, and what fails, is in `attempts/NNNN/tracking.log`.
"""

from typing import TYPE_CHECKING

from revconsole.errors import RevconsoleError
from revconsole.records import child
from revconsole.records.logs.events import Advised

if TYPE_CHECKING:
    from revconsole.records.runs.attempt import Attempt
    from revconsole.records.runs.store import RunStore

LOG = "tracking.log"


def begin(store: "RunStore", run_id: str, attempt: "Attempt") -> None:
    """Start the process if the run asks for trackers; that it could not be started is a warning in the run's log."""
    names = ""
    try:
        names = store.plan(run_id).train.track or ""
        if names:
            words = (
                "--store",
                str(store.root.absolute()),
                "sync",
                run_id,
                "--to",
                names,
                "--follow",
            )
            with (attempt.folder / LOG).open("ab") as log:
                child.detached(
                    child.command("revconsole", *words), child.working_folder(), log, stdout=log
                )
    except (OSError, RevconsoleError) as error:
        text = f"no metrics are given to {names}: {error}"
        attempt.emit(Advised(level="warning", text=text))
