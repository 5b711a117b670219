"""System: what this machine does now, and whose each part of it is: a run of the store, or another job."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.records.host import Host, HostReader
from revconsole.records.nvml import Gpu
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import rank_files
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

MOST_READINGS = 120
"""Last readings of the processors' use that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingHere:
    """A run that trains on this machine. pid: of its process, with several ranks of the first; ranks: of
    the others here. cores: those that they used since the last reading; bytes resident.
    """

    id: str
    name: str
    state: str
    device: str
    pid: int
    cores: float | None
    resident: int | None
    ranks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCard:
    """A process on a card. whose: the run that trains in it, or the user and program of another job."""

    pid: int
    used: int | None
    whose: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The machine, the runs that train on it, the processes of each card by its number, and the latest uses."""

    machine: Host
    trainings: tuple[TrainingHere, ...]
    on_cards: Mapping[int, tuple[OnCard, ...]]
    uses: tuple[float, ...] = ()
    """Shares of all cores' time, oldest first."""


def historian(system: System, summaries: Sequence[Summary]) -> Summary | None:
    """The run whose samples tell of this machine: the newest that trains on it, else the newest that did; None without one.

    summaries: newest first.
    """
    here = {training.id for training in system.trainings}
    did = [run for run in summaries if run.host == system.machine.host and run.step]
    return next((run for run in summaries if run.id in here), next(iter(did), None))


class SystemReader:
    """Reads the system again and again; shares of time are those since the last reading."""

    def __init__(self, store: RunStore) -> None:
        self._store, self._machine = store, HostReader(store.root)
        self._processes: dict[int, Any] = {}
        self._uses: deque[float] = deque(maxlen=MOST_READINGS)

    def read(self, summaries: Iterable[Summary]) -> System:
        """The system now."""
        machine = self._machine.read()
        if machine.use is not None:
            self._uses.append(machine.use)
        trainings = tuple(self._trainings(summaries))
        names = {
            pid: f"{each.id} {each.name}" for each in trainings for pid in (each.pid, *each.ranks)
        }
        return System(
            machine=machine,
            trainings=trainings,
            on_cards={gpu.number: tuple(_on_card(gpu, names)) for gpu in machine.gpus},
            uses=tuple(self._uses),
        )

    def close(self) -> None:
        """End the session with the driver."""
        self._machine.close()

    def _trainings(self, summaries: Iterable[Summary]) -> Iterable[TrainingHere]:
        for run in summaries:
            if run.ended or run.state == "queued" or run.beside:
                continue
            holder = attempts.owner(self._store.folder(run.id), run.attempt)
            if holder is None or not holder.alive():
                continue
            attempt = self._store.folder(run.id) / "attempts" / f"{run.attempt:04d}"
            others = [each.process for each in rank_files.processes(attempt)]
            ranks = tuple(each.pid for each in others if each.pid != holder.pid and each.alive())
            measured = [self._of_process(pid) for pid in (holder.pid, *ranks)]
            cores = [used for used, _ in measured if used is not None]
            resident = [held for _, held in measured if held is not None]
            yield TrainingHere(
                id=run.id, name=run.name, state=run.state, device=run.trained_on, pid=holder.pid, ranks=ranks,
                cores=sum(cores) if cores else None, resident=sum(resident) if resident else None,
            )  # fmt: skip

    def _of_process(self, pid: int) -> tuple[float | None, int | None]:
        """Cores used since the last reading, None at the first, and resident bytes."""
        import psutil  # 50 ms: only when the system is read

        try:
            known = self._processes.get(pid)
            process = known or psutil.Process(pid)
            percent, resident = process.cpu_percent(None), int(process.memory_info().rss)
        except psutil.Error:
            self._processes.pop(pid, None)
            return None, None
        self._processes[pid] = process
        return (None if known is None else percent / 100), resident


def _on_card(gpu: Gpu, runs: Mapping[int, str]) -> Iterable[OnCard]:
    for process in gpu.processes:
        run = runs.get(process.pid)
        whose = run or _job(process.pid)
        yield OnCard(pid=process.pid, used=process.used, whose=whose, ours=run is not None)


def _job(pid: int) -> str:
    """User and program of a process; its number alone where the system does not say."""
    import psutil  # as above

    try:
        process = psutil.Process(pid)
        return f"{process.username()}: {process.name()} ({pid})"
    except (psutil.Error, KeyError):  # KeyError: a user without a name
        return f"process {pid}"
