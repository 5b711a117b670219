"""Ends: who tells that a run has ended. Each end is told once, by whoever sees it first.

The trainer tells of its own end. One that was killed cannot: its supervisor tells, or whoever watches the run, in the
console or by `watch`; also of one that was refused before it began. A file in the attempt, made exclusively, keeps all others from telling it again.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from revconsole.errors import StoreError
from revconsole.records.config.config import Config, read_config
from revconsole.records.files.shared import create
from revconsole.records.notices.notice import Notice, addressed, send
from revconsole.records.printable import one_line
from revconsole.records.runs.queued import FILE as LAUNCH
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

TOLD = "told"
"""Empty file in an attempt whose end has been told; with its number, in the run of an attempt that was refused."""
LONGEST_REASON = 2000


class Watched:
    """Runs as they were seen last, to see which of them end."""

    def __init__(self) -> None:
        self._going: set[str] = set()

    def ended(self, runs: Iterable[Summary]) -> list[Summary]:
        """The runs that have ended since they were last seen to go on."""
        listed = list(runs)
        ended = [run for run in listed if run.ended and run.id in self._going]
        self._going = {run.id for run in listed if not run.ended}
        return ended


def notice_of(run: Summary) -> Notice:
    """The notice of the end of a run."""
    reason = one_line(run.reason, LONGEST_REASON)
    return Notice(
        id=run.id, name=run.name, state=run.state, alarm=run.alarm, reason=reason, tags=run.tags
    )


def tell_of(store: RunStore, run: Summary, config: Config | None = None) -> bool:
    """Tell of the end of a run, if somebody is to be told and nobody has; returns whether. Never raises, never waits."""
    config = read_config() if config is None else config
    notice = notice_of(run)
    if not (addressed(config) and notice.wanted(config) and _first(store.root, run)):
        return False
    send(notice)
    return True


def tell_of_end(store: RunStore, run_id: str) -> None:
    """Tell of a run that a process of ours trained, if it has ended; a run that was deleted is not told of."""
    with suppress(StoreError, OSError):
        tell_of(store, store.follow(run_id).summary())


def _note(folder: Path, attempt: int) -> Path:
    """The file that says that an end has been told. One that was refused has no folder: it is beside the attempts then."""
    queued = read_queued(folder / LAUNCH)
    if queued is not None and queued.refused and queued.attempt > attempt:
        return folder / f"{TOLD}-{queued.attempt:04d}"
    return folder / "attempts" / f"{attempt:04d}" / TOLD


def _first(root: Path, run: Summary) -> bool:
    """Whether nobody has told of this end. A store of somebody else, who is told by processes of their own, counts as told."""
    path = _note(root / run.id, run.attempt)
    try:
        create(path, b"")
    except (FileExistsError, FileNotFoundError, PermissionError):
        return False
    except OSError:  # a full disk is worth telling of
        return True
    return True
