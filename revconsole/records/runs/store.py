"""RunStore: a folder of run folders. One writer per run, any number of readers, no locks to read.

<store>/<id>/plan.json           what is to be done, and the data's fingerprint once known
             profile.toml        the settings as they were given
             launch.json         who queued it, until a trainer claims it, and its place in the queue
             whereabouts.json    what Slurm last said of its job; see `whereabouts`
             attempts/0001/      claim.json, events.jsonl (the only truth), output.log, crash.txt, told,
                                 digest.bin (derived: the log by columns, for logs of more than 128 KiB)
             control/            requests to the trainer
             notebook.json       name, tags and note that a user gave the run
             checkpoints/        written and read by training
        .queue/                  locks: whose turn it is on each device; see `turns`
        index.json               derived: the rows of runs that have ended, each valid while its run is unchanged
"""

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w

from revconsole.errors import AlreadyClaimed, NoSuchRun, StoreError
from revconsole.records import devices
from revconsole.records.files import bounded
from revconsole.records.files.bounded import NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import create
from revconsole.records.logs.events import Finished
from revconsole.records.runs import address as addresses
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import identity, turns
from revconsole.records.runs.attempt import Attempt, overwrite, write_json
from revconsole.records.runs.control import whoami
from revconsole.records.runs.header import Header, read_header, write_header
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.new_folder import (
    ALPHABET,
    ENVIRONMENT,
    ID_LENGTH,
    is_id,
    make_root,
    new_folder,
    new_id,
)
from revconsole.records.runs.queued import FILE as LAUNCH
from revconsole.records.runs.queued import FIRST_OF_ALL, read_queued
from revconsole.records.runs.run import Run, Summary, refuse_given
from revconsole.records.runs.run_reader import OtherRuns, RunReader
from revconsole.records.runs.run_table import RunTable
from revconsole.records.runs.strays import Stray, strays
from revconsole.records.runs.tail import Tail
from revconsole.records.sections.trial import word_of
from revconsole.records.settings.plan import Plan


class RunStore:
    """Creates, lists, reads and follows runs. Thread-safe.

    others: runs that are listed too, and only read. kept: whether the rows of ended runs may be kept in the store's folder.
    """

    def __init__(self, root: Path, *, others: OtherRuns | None = None, kept: bool = True) -> None:
        self.root, self._others = root, others
        self._table = RunTable(root, kept=kept)
        self._lock = threading.Lock()

    def create(self, plan: Plan, profile: Mapping[str, Any], known_id: str = "") -> str:
        """Create a complete run folder by one rename; returns the run's id.

        known_id: its id where everybody who might create this run knows it, so that one does: of a trial that of its number in its
        search. Raises AlreadyClaimed if a run of that id is there already, StoreError if the store cannot be written, and UnknownName
        for a wrong `REVCONSOLE_SHARE`.
        """
        trial = plan.trial
        run_id = known_id or (id_of_trial(trial.search, trial.number) if trial else new_id())

        def fill(folder: Path) -> None:
            create(folder / "profile.toml", tomli_w.dumps(dict(profile)).encode())
            write_header(folder, run_id, time.time(), plan)

        try:
            new_folder(self.root, run_id, fill)
        except OSError as error:
            if (known_id or trial) and error.errno in attempts.TAKEN:
                what = f"trial {trial.number} of the search" if trial else plan.name
                raise AlreadyClaimed(f"{what} was begun by another process") from None
            raise StoreError(
                f"cannot create a run in {self.root}: {error.strerror}; choose another store with --store "
                f"or {ENVIRONMENT}"
            ) from None
        return run_id

    @contextmanager
    def launching(self) -> Iterator[None]:
        """A context in which no other process of this machine creates the runs of a study here. Raises as `create` does."""
        with suppress(OSError):  # `create` says why
            make_root(self.root)
        with turns.launching(self.root):
            yield

    def folder(self, run_id: str) -> Path:
        """The folder of a run. Raises NoSuchRun unless `run_id` is the id of a run in this store, and OnlyRead for one beside it."""
        path = self.root / run_id
        self.refuse_other(run_id)
        if not self._has(run_id):
            raise NoSuchRun(
                f"there is no run {run_id!r} in {self.root}; `revconsole ls` lists them"
            )
        return path

    def list(self) -> tuple[Summary, ...]:
        """Rows of all runs, newest first; a run that cannot be read is listed as damaged."""
        with self._lock, identity.asked_once():
            rows = self._table.rows(self.ids())
        if self._others is not None:
            mine = {row.id for row in rows}
            rows += [row for row in self._others.rows() if row.id not in mine]
        return tuple(sorted(rows, key=lambda s: (-s.created, s.id)))

    def read(self, run_id: str) -> Run:
        """Everything about one run. Raises NoSuchRun, and StoreError if its plan is damaged."""
        return self.follow(run_id).run()

    def refuse_other(self, run_id: str) -> None:
        """Raise OnlyRead for a run that lies beside the store."""
        if self._others is not None and not self._has(run_id):
            self._others.refuse(run_id)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences on what could not be searched of the runs beside the store."""
        return self._others.problems if self._others is not None else ()

    def follow(self, run_id: str, *, series: bool = True) -> RunReader:
        """A reader of one run for one thread; each `run()` reads only new lines. series: as in `Tail`."""
        if self._others is not None and not self._has(run_id):
            other = self._others.follow(run_id, series=series)
            if other is not None:
                return other
        return Tail(self._header(run_id), self.root / run_id, series=series)

    def plan(self, run_id: str) -> Plan:
        """The plan of a run. Raises NoSuchRun, StoreError if the plan is damaged, and WrongState if another program trains it."""
        header = self._header(run_id)
        if header.plan is None:
            raise StoreError(f"the plan of run {run_id} is damaged: {header.why}")
        refuse_given(header.plan)
        return header.plan

    def keep_fingerprint(self, run_id: str, fingerprint: str) -> Plan:
        """Write the data's fingerprint into the original plan; returns the plan with all later changes."""
        folder = self.folder(run_id)
        header = read_header(folder, with_changes=False)
        if header.plan is None:
            raise StoreError(f"the plan of run {run_id} is damaged: {header.why}")
        plan = header.plan.model_copy(update={"data_fingerprint": fingerprint})
        write_header(folder, run_id, header.created, plan)
        return self.plan(run_id)

    def queue(
        self,
        run_id: str,
        number: int,
        holder: Identity,
        launcher: str,
        changes: Mapping[str, Any] = MappingProxyType({}),
        *,
        now: bool = False,
        job: str | None = None,
        slots: Sequence[str] = (),
        needs: int | None = None,
    ) -> None:
        """Record who will claim attempt `number`, so that a dead launcher leaves no run queued forever.

        The run stands last in the queue of its device, but for one that moves to another process: that keeps its place.
        changes: plan changes that the attempt begins with; see `settings.changes`. now: it does not wait for its turn. job:
        the Slurm job that trains it; it waits for no device of this machine. slots: the device of each worker that may take
        it, where several do. needs: bytes that have to be free there. Raises StoreError.
        """
        folder, plan = self.folder(run_id), self._header(run_id).plan
        place, before_now = _kept_place(folder, number)
        device = str(changes.get("train.device", plan.train.device if plan else ""))
        device = device if job is None else ""
        kind = slots[0].partition(":")[0] if slots else device
        if slots and device.partition(":")[0] != kind:
            changes = {**changes, "train.device": kind}
        mine = tuple(dict.fromkeys(slots)) or (devices.candidates(device) if device else ())
        body = holder.to_dict() | {"attempt": number, "launcher": launcher, "time": time.time()}
        ranks = changes.get("train.gpus", plan.train.ranks if plan else 1)
        if isinstance(ranks, int) and ranks > 1 and mine and not slots:
            # Ranks take the first GPUs, or share the CPU.
            cards = devices.candidates("auto") if mine[0].startswith("cuda") else mine
            mine, body["at_once"] = cards[:ranks], True
        body |= {"place": place, "devices": list(mine)}
        body |= {"slots": list(slots)} if slots else {}
        body |= {"needs": needs} if needs else {}
        body |= {"changes": dict(changes)} if changes else {}
        body |= {"now": True} if now or before_now else {}
        body |= {} if job is None else {"job": job}
        try:
            write_json(folder / LAUNCH, body, forced=False)  # no launcher outlasts a loss of power
        except OSError as error:
            raise StoreError(
                f"cannot queue run {run_id}: {folder} cannot be written: {error.strerror}; free disk "
                "space, or correct the permissions"
            ) from None

    def move(
        self, run_id: str, number: int, *, place: float | None = None, now: bool = False
    ) -> None:
        """Give the waiting attempt `number` another place in its queue, or let it begin now, beside what trains.

        Nothing happens if it waits no more. Raises StoreError.
        """
        path = self.folder(run_id) / LAUNCH
        try:
            body = json.loads(bounded.read(path, NOTE_BYTES))
            if body["attempt"] != number or "refused" in body:
                return
            body |= {"now": True} if now else {}
            body |= {} if place is None else {"place": place}
            write_json(path, body, forced=False)
        except OSError as error:
            raise StoreError(f"cannot move run {run_id}: {path}: {error.strerror}") from None
        except UNREADABLE:
            raise StoreError(f"cannot move run {run_id}: {path} is damaged") from None

    def say_lack(self, run_id: str, number: int, why: str) -> None:
        """Record why the waiting attempt `number` cannot begin although it is its turn. Never raises."""
        path = self.root / run_id / LAUNCH
        with suppress(*UNREADABLE):
            body = json.loads(bounded.read(path, NOTE_BYTES))
            if body["attempt"] == number and body.get("lacks", "") != why:
                write_json(path, body | {"lacks": why}, forced=False)

    def queue_again(self, run_id: str, number: int) -> None:
        """Let a run whose trainer was lost wait as attempt `number`, for the same workers and where it stood.

        Never raises: whoever claims the attempt needs no note.
        """
        path = self.root / run_id / LAUNCH
        with suppress(*UNREADABLE):
            body = json.loads(bounded.read(path, NOTE_BYTES))
            if body["attempt"] < number:
                body.pop("changes", None)  # the lost attempt has them
                write_json(path, body | {"attempt": number}, forced=False)

    def refuse(self, run_id: str, number: int, why: str) -> None:
        """Record why attempt `number` cannot begin, so that the run does not wait forever.

        The note overwrites the one of `queue` in place, which works on a full disk. Never raises; a deleted run needs
        no note.
        """
        path = self.root / run_id / LAUNCH
        body = identity.mine().to_dict() | {"attempt": number, "time": time.time(), "refused": why}
        with suppress(OSError):
            overwrite(path, json.dumps(body).encode())

    def next_attempt(self, run_id: str) -> int:
        """The number that the next writer of a run claims. Raises StoreError."""
        try:
            return max(attempts.numbers(self.folder(run_id)), default=0) + 1
        except OSError as error:
            raise StoreError(
                f"cannot read the attempts of run {run_id}: {error.strerror}"
            ) from None

    def claim(self, run_id: str, number: int, launcher: str = "") -> Attempt:
        """Become the writer of a run as attempt `number`. launcher: name of the launcher.

        The caller takes the number from `next_attempt` when it queues the run. Raises AlreadyClaimed if another
        process took that number meanwhile, to resume the run or to stop it in the queue.
        """
        return Attempt.claim(self.folder(run_id), number, launcher)

    def stop_queued(self, run_id: str, number: int, why: str = "") -> None:
        """Record a queued run as stopped by claiming the attempt that it waits for. Raises AlreadyClaimed if it has begun."""
        step = self.follow(run_id).summary().step
        attempt = self.claim(run_id, number)
        attempt.emit(Finished(outcome="stopped", step=step, by=whoami(why)))
        attempt.close()

    def find(self, address: str) -> str:
        """The id of the run that an address means; see `address`. Raises NoSuchRun."""
        try:
            return addresses.one(address, self.list(), self.root).id
        except NoSuchRun as error:
            for stray in self.strays():
                if address in {stray.name, stray.run_id}:
                    raise NoSuchRun(f"{error}; there is the folder {stray.sentence}") from None
            raise self._not_found(error) from None

    def _not_found(self, error: NoSuchRun) -> NoSuchRun:
        """The error with what could not be searched beside the store, where the run may be."""
        return NoSuchRun("; ".join([str(error), *self.problems[:1]]))

    def strays(self) -> tuple[Stray, ...]:
        """Folders of the store that hold a run but are not named by its id."""
        return strays(self.root, set(self.ids()))

    def find_all(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Ids of the runs that the addresses mean, each once. Raises NoSuchRun."""
        runs = self.list()
        try:
            ids = [s.id for text in texts for s in addresses.several(text, runs, self.root)]
        except NoSuchRun as error:
            raise self._not_found(error) from None
        return tuple(dict.fromkeys(ids))

    def ids(self) -> frozenset[str]:
        """The ids of all runs. Raises StoreError if the store cannot be read."""
        try:
            return frozenset(entry.name for entry in os.scandir(self.root) if is_id(entry.name))
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise StoreError(
                f"cannot read the store {self.root}: {error.strerror}; choose another store with --store or REVCONSOLE_STORE"
            ) from None

    def _has(self, run_id: str) -> bool:
        """Whether the store itself has a run."""
        return is_id(run_id) and (self.root / run_id).is_dir()

    def _header(self, run_id: str) -> Header:
        """The header of a run. Raises NoSuchRun, also if the run is deleted meanwhile."""
        header = read_header(self.folder(run_id))
        if header.plan is None:
            self.folder(run_id)
        return header


def _kept_place(folder: Path, number: int) -> tuple[float, bool]:
    """The place in the queue of attempt `number`, and whether it waits for its turn: as before if it only moves to
    another process, else the last.
    """
    before = read_queued(folder / LAUNCH)
    moves = number > 1 and attempts.handed_over(folder, number - 1)
    if before is not None and moves and before.attempt < number:
        return FIRST_OF_ALL, before.now
    same = before is not None and before.attempt == number and not before.refused
    if before is not None and same and before.holder.alive() is not False:
        return before.place, before.now
    return time.time(), False


def id_of_trial(search: str, number: int) -> str:
    """The id of the run of a trial, always the same."""
    return word_of(search, number, ALPHABET, ID_LENGTH)
