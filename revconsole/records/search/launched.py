"""Launched: one launch of a search, as its workers read it: which search, on which devices, and who has it.

<store>/.searches/<search>/<launch>.json    a launch, until none of its processes or jobs is left
                           output.log       what its processes wrote
                           slurm.sh         the script of its last jobs
                           optuna.journal   a copy of its trials for Optuna's own tools
"""

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from revconsole.errors import StoreError, WrongState
from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import make_folder
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.store import RunStore
from revconsole.records.search.planned_search import PlannedSearch, planned_search

FOLDER, OUTPUT, ENDING = ".searches", "output.log", ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLaunch:
    """A launch. search: what makes it one with others; see `SearchTable.digest`. name: of its file, without the ending.

    path, settings, quick: the search, as it was called. runs: those gone on with, each with the attempt to begin. slots: the
    device of each worker; empty for one that trains on any. now: whether its runs do not wait for their turn. need: bytes that have to be free on its device for a run to begin,
    where known. holder: its process; None for jobs of Slurm. job: theirs. tasks: what Slurm last said of each.
    """

    search: str
    path: str
    settings: Mapping[str, Any]
    quick: bool
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    runs: tuple[tuple[str, int], ...] = ()
    slots: tuple[str, ...] = ()
    now: bool = False
    need: int | None = None
    holder: Identity | None = None
    job: str = ""
    tasks: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """What its workers are told on their command line."""
        return f"{self.search}/{self.name}"

    @classmethod
    def read(cls, store: RunStore, address: str) -> Self:
        """The launch at an address. Raises WrongState if it is not there any more, or cannot be read."""
        search, _, name = address.partition("/")
        try:
            body = json.loads(
                bounded.read(folder_of(store, search) / f"{name}{ENDING}", RECORD_BYTES)
            )
            holder = body.pop("holder")
            body["runs"] = tuple((str(run), int(number)) for run, number in body["runs"])
            body["slots"] = tuple(map(str, body["slots"]))
            return cls(
                search=search,
                name=name,
                holder=Identity.from_dict(holder) if holder else None,
                **body,
            )
        except UNREADABLE as error:
            raise WrongState(
                f"the launch {address} of a search cannot be read ({error}); `revconsole study run` begins another"
            ) from None

    def write(self, store: RunStore) -> None:
        """Keep the launch. Raises StoreError."""
        path = made_folder_of(store, self.search) / f"{self.name}{ENDING}"
        body = {
            "path": self.path,
            "settings": dict(self.settings),
            "quick": self.quick,
            "runs": self.runs,
            "slots": self.slots,
            "now": self.now,
            "need": self.need,
            "holder": self.holder.to_dict() if self.holder else None,
            "job": self.job,
            "tasks": dict(self.tasks),
        }
        try:
            write_json(path, body, forced=False)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from None

    def noted(self, store: RunStore, **changes: Any) -> Self:
        """The launch with what became known of it since, which is kept if the disk takes it."""
        known = replace(self, **changes)
        with suppress(StoreError):
            known.write(store)
        return known

    def planned(self, store: RunStore) -> PlannedSearch:
        """The search. Raises WrongState if its file says another one by now, and as `planned_search` does."""
        planned = planned_search(self.path, self.settings, store, quick=self.quick)
        if planned.like.search != self.search:
            raise WrongState(
                f"{self.path} has been changed since the search was launched, and describes another one; `revconsole study "
                "run` begins that"
            )
        return planned

    def forget(self, store: RunStore) -> None:
        """Remove what is kept of the launch. Never raises."""
        with suppress(OSError):
            (folder_of(store, self.search) / f"{self.name}{ENDING}").unlink(missing_ok=True)


def folder_of(store: RunStore, search: str) -> Path:
    """The folder of a search; there need not be one."""
    return store.root / FOLDER / search


def made_folder_of(store: RunStore, search: str) -> Path:
    """The folder of a search, made if there is none. Raises StoreError."""
    folder = folder_of(store, search)
    try:
        for each in (folder.parent, folder):
            make_folder(each, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot create {folder}: {error.strerror}") from None
    return folder


def launches(store: RunStore, search: str) -> list[SearchLaunch]:
    """The launches of a search that are known, whether somebody still works for them or not."""
    found = []
    try:
        names = bounded.files(folder_of(store, search))
    except OSError:
        return []
    for name in sorted(names):
        if name.endswith(ENDING) and not name.startswith("."):
            with suppress(WrongState):
                found.append(SearchLaunch.read(store, f"{search}/{name.removesuffix(ENDING)}"))
    return found


def every_launch(store: RunStore) -> list[SearchLaunch]:
    """The launches of all searches of a store."""
    try:
        searches = bounded.folders(store.root / FOLDER)
    except OSError:
        return []
    return [each for search in sorted(searches) for each in launches(store, search)]
