"""Lab: every operation on runs. Command line and console only parse and show."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError, StoreError, WrongState
from revconsole.lab import batches, going_on, killing, planning, resuming
from revconsole.lab import study as studies
from revconsole.lab.bench import WantedBenchmark, bench_of
from revconsole.lab.compare import Comparison, compare
from revconsole.lab.elsewhere import elsewhere
from revconsole.lab.estimate import Measurer
from revconsole.lab.judging import AskTorch, Verdicts, judge
from revconsole.lab.launchers import launching, process
from revconsole.lab.launchers.launching import Launcher
from revconsole.lab.launchers.slurm.watching import SlurmJobs
from revconsole.lab.launchers.thread import ThreadLauncher
from revconsole.lab.noted import LaunchNotes, noted
from revconsole.lab.planning import Planned
from revconsole.lab.report import results
from revconsole.lab.report.figures.inspected import shown_run
from revconsole.lab.report.grouping import by_dataset
from revconsole.lab.report.results import Results
from revconsole.lab.study import PlannedStudy, Standing, StudyForecast
from revconsole.lab.torch_api import training
from revconsole.records.findings.benchmark import Update
from revconsole.records.findings.inspection import Inspection
from revconsole.records.runs import address as addresses
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import submission as slurm
from revconsole.records.runs.pace import pace_key
from revconsole.records.runs.run import Summary, refuse_given
from revconsole.records.runs.run_reader import OtherRuns
from revconsole.records.runs.store import RunStore
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import UnfitChoice
from revconsole.records.settings.typing_again import command_line

SHOWN_IMAGES = 6
"""Test images on which a report shows the attention."""


class ReadOnly(RevconsoleError):  # noqa: N818  the name says what is so
    """A change was asked of a lab that may only read."""

    exit_code = 2


class Lab:
    """One store, one queue of training threads, and every operation on runs. readonly: refuse to start or change runs. others: only read."""

    def __init__(
        self, store: Path, *, readonly: bool = False, others: OtherRuns | None = None
    ) -> None:
        self.store, self.readonly = RunStore(store, others=others), readonly
        self._threads, self.jobs = ThreadLauncher(self.store), SlurmJobs(self.store, readonly)
        self._keys = studies.RunKeys()
        self._paces: dict[str, float] = {}
        self._needs: dict[str, int] = {}

    def plan(self, profile: str, settings: Mapping[str, Any] | None = None) -> Planned:
        """The runs of an experiment with overrides. Raises ProfileError or UnknownName."""
        return planning.planned(profile, settings or {}, self.store)

    def again(self, plan: Plan, settings: Mapping[str, Any] | None = None) -> Planned:
        """A run with exactly its settings and the overrides, as a new run. Raises ProfileError."""
        refuse_given(plan)
        return planning.again(plan, settings or {}, self.store)

    def models(
        self, profile: str, settings: Mapping[str, Any] | None = None
    ) -> tuple[Plan | UnfitChoice, ...]:
        """The plans of an experiment for inspection; choices that cannot be planned are in the list with their error.

        Raises ProfileError if nothing can be planned, or UnknownName.
        """
        return planning.models(profile, settings, self.store)

    def judge(
        self,
        plans: Sequence[Plan],
        *,
        set_in: Callable[[str], str],
        run_own_code: bool = False,
        ask: AskTorch | None = None,
    ) -> Verdicts:
        """Check whether each plan can be trained; see `judging`. Raises ProfileError for unknown names."""
        return judge(plans, self.store, set_in=set_in, run_own_code=run_own_code, ask=ask)

    def noted(self, plans: Sequence[Plan], *, now: bool = False) -> LaunchNotes:
        """What is odd of runs before they are launched; `now`: beside the runs that train. Loads no torch."""
        return noted(plans, self.store.list() if now else ())

    def launch(
        self, planned: Planned, launcher: Launcher = "thread", *, now: bool = False
    ) -> list[str]:
        """Create and queue every run of a plan; returns their ids in order. now: they do not wait for their turn."""
        self.refuse_changes()
        ids = [self.store.create(plan, planned.given(plan)) for plan in planned.plans]
        launching.start(self.store, self._threads, launcher, ids, now=now)
        return ids

    def study(
        self, name: str, settings: Mapping[str, Any] | None = None, *, quick: bool = False
    ) -> PlannedStudy:
        """The runs of a study, or of its quick form. Raises ProfileError or UnknownName."""
        study = search_path.find(name, "study")
        arms = tuple(
            planning.completed_arm(arm, study.where, self.store)
            for arm in study.expanded(settings, quick=quick)
        )
        return PlannedStudy(
            named=name, study=study, arms=arms, quick=quick, settings=settings or {}
        )

    def standings(
        self, planned: PlannedStudy, runs: Sequence[Summary] | None = None
    ) -> tuple[Standing, ...]:
        """Each planned run of a study with its run in the store. runs: those of the store, if already read."""
        return self.standings_of(planned.plans, self._listed(runs))

    def standings_of(self, plans: Sequence[Plan], runs: Sequence[Summary]) -> tuple[Standing, ...]:
        """Each of any plans with its run in the store."""
        return studies.standings(plans, self._listed(runs), self._keys)

    def begun(
        self, planned: PlannedStudy, runs: Sequence[Summary] | None = None
    ) -> tuple[Standing, ...]:
        """Every launched run of a study, with the settings it was launched with."""
        name = planned.study.name
        return studies.begun(name, self._listed(runs), self._keys, planned.plans)

    def forecast(
        self,
        standing: Sequence[Standing],
        runs: Sequence[Summary] | None = None,
        *,
        measure: bool = False,
        at_once: int = 1,
    ) -> StudyForecast:
        """How long the remaining runs take. measure: import torch and measure a few steps of runs that nothing is known of."""
        known = self._measured if measure else self._measured_before
        return studies.forecast(standing, self._listed(runs), known, self._keys, at_once)

    def memory(self, standing: Sequence[Standing], runs: Sequence[Summary] | None = None) -> str:
        """How much memory the remaining runs take, from earlier runs or from `estimate`."""
        return studies.memory(standing, self._listed(runs), self._needs, self._keys)

    def estimate(
        self, standing: Sequence[Standing], measurer: Measurer
    ) -> Iterator[tuple[str, RevconsoleError | None]]:
        """Measure runs that nothing is known of, in a separate process; `forecast` and `memory` use the results.

        Yields the name of each arm before it is measured and, if it cannot be measured, again with the error.
        """
        known = {self._keys.pace(s) for s in self.store.list() if s.state == "finished"} | {
            *self._paces
        }
        for each in standing:
            plan, key = each.plan, pace_key(each.plan)
            if each.progress == "done" or key in known:
                continue
            known.add(key)
            yield plan.arm or plan.name, None
            try:
                estimate = measurer.ask(plan)
            except RevconsoleError as error:
                yield plan.arm or plan.name, error
                continue
            self._paces[key] = estimate.pace.seconds(plan.epochs) / plan.epochs
            if estimate.step_bytes is not None:
                self._needs[key] = estimate.step_bytes

    def stop_runs(self, run_ids: Sequence[str], why: str = "") -> str:
        """Stop runs one after the other, the waiting ones first; returns a sentence on what will happen."""
        self.refuse_changes()
        return batches.stop(map(self.summary, run_ids), partial(self.stop, why=why))

    def go_on(
        self,
        standing: Sequence[Standing],
        launcher: Launcher = "thread",
        *,
        now: bool = False,
    ) -> list[str]:
        """Queue every run of a study that is neither done nor training: from the start or from its last checkpoint.

        now: they do not wait for their turn. Returns their ids in order; see `going_on`.
        """
        self.refuse_changes()
        start = partial(launching.start, self.store, self._threads, launcher, now=now)
        return going_on.go_on(self.store, standing, self._keys, start)

    def resume(
        self,
        run_id: str,
        launcher: Launcher = "thread",
        settings: Mapping[str, Any] | None = None,
        *,
        take_over: bool = False,
        now: bool = False,
    ) -> str:
        """Resume a run from its last checkpoint; returns a sentence about changed `settings`, empty if nothing changes.

        settings, take_over: see `resuming.prepare`. now: it does not wait for its turn. Raises RevconsoleError if the run still
        trains, has nothing left to do, or could not be started.
        """
        self.refuse_changes(run_id)
        wanted = settings or {}
        refuse_given(self.summary(run_id).plan)
        sentence = resuming.prepare(self.store, self.summary(run_id), wanted, take_over=take_over)
        number = self.store.next_attempt(run_id)
        child = launching.start(self.store, self._threads, launcher, [run_id], wanted, now=now)
        if child is not None:
            resuming.await_begin(self.store, run_id, number, child)
        return sentence

    def stop(self, run_id: str, why: str = "", jobs: list[str] | None = None) -> str:
        """Ask a run to stop after its current step; returns a sentence on what will happen.

        why: the cause, e.g. "Ctrl-C", which is recorded. jobs: see `killing.take_out`. Raises RevconsoleError if the run has ended already.
        """
        self.refuse_changes(run_id)
        summary = self.summary(run_id)
        if summary.ended:
            raise WrongState(f"run {run_id} ({summary.name}) is already {summary.state}")
        if summary.state in {"queued", "starting"} and killing.take_out(
            self.store, run_id, why, jobs
        ):
            return "taken out of the queue"
        self._threads.ask(run_id, "stop", why)
        if held := killing.held_by_signal(self.store, summary):
            return f"is suspended by a signal: it will stop with a checkpoint after `kill -CONT {held.pid}`"
        if summary.program:
            return "is asked to stop: its program ends when it looks, or by signals if `revconsole run` started it"
        return "will stop after this step with a checkpoint"

    def stop_now(self, run_id: str) -> str:
        """Kill the background process of a run; steps since the last checkpoint are lost.

        Raises RevconsoleError if there is no such process on this machine; no other process gets a signal.
        """
        self.refuse_changes(run_id)
        summary = self.summary(run_id)
        if summary.ended or summary.state == "queued":
            return self.stop(run_id)
        return killing.kill_trainer(self.store, summary)

    def hand_over(self, run_id: str) -> str:
        """Move a run that trains in a console or terminal to a background process."""
        self.refuse_changes(run_id)
        summary = self.summary(run_id)
        refuse_given(summary.plan)
        if summary.state not in {"running", "stalled"}:
            raise WrongState(f"run {run_id} ({summary.name}) is {summary.state}, not running")
        launcher = attempts.launcher(self.store.folder(run_id), summary.attempt)
        if launcher in {process.NAME, slurm.NAME}:
            raise WrongState(f"run {run_id} ({summary.name}) already trains in the background")
        self._threads.ask(run_id, "handover")
        return "moves to a background process after this step"

    def pause(self, run_id: str) -> str:
        """Ask a running run to pause after its step, or a paused run to continue."""
        self.refuse_changes(run_id)
        summary = self.summary(run_id)
        if summary.state not in {"running", "paused", "pausing", "starting"}:
            raise WrongState(f"run {run_id} ({summary.name}) is {summary.state}, not running")
        paused = summary.state in {"paused", "pausing"}
        self._threads.ask(run_id, "continue" if paused else "pause")
        return "continues" if paused else "will pause after this step"

    def unasked(self, run_id: str) -> str:
        """A sentence on the process of a run that cannot be checked from here; empty for any other run."""
        return resuming.unasked(self.store, self.summary(run_id))

    def summary(self, run_id: str) -> Summary:
        """The summary of one run."""
        return self.store.follow(run_id).summary()

    def to_resume(self) -> str:
        """The id of the newest run that ended early. Raises NoSuchRun."""
        return addresses.to_resume(self.store.list()).id

    def batch(self) -> tuple[str, ...]:
        """The remaining runs of the newest batch: the run that trains, then its queue."""
        return batches.newest(self.store, self.store.list())

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        """Compare runs; the first is the baseline."""
        runs = {run_id: self.store.read(run_id) for run_id in run_ids}
        return compare([run.summary for run in runs.values()], runs=runs)

    def elsewhere(
        self, planned: PlannedStudy, verb: str, runs: Sequence[Summary] | None = None
    ) -> list[str]:
        """Sentences with a shell command for finished runs of the study that these settings do not find."""
        return [
            f"{each.runs} finished: {command_line(planned.named, each.settings, verb, quick=each.quick)}"
            for each in elsewhere(planned, self._listed(runs), self._keys)
        ]

    def report_study(self, planned: PlannedStudy) -> Results:
        """The results of a study, arm by arm. Raises RevconsoleError if none of its runs has finished."""
        runs = self.store.list()
        standing = self.standings(planned, runs)
        in_vain = all(each.progress != "done" for each in standing)
        others = self.elsewhere(planned, "report", runs) if in_vain else []
        return by_dataset(results.of_study(planned, standing, self.store.read, others))

    def report_runs(self, run_ids: Sequence[str]) -> Results:
        """The results of some runs; those that differ only in their seed are one arm. Raises RevconsoleError."""
        return by_dataset(results.of_runs([self.store.read(run_id) for run_id in run_ids]))

    def inspections(self, reported: Results) -> dict[str, Inspection | str]:
        """The attention maps and position encodings of one run of each arm, or why they cannot be computed; imports torch."""
        ours = [arm for arm in reported.arms if all(run.summary.plan_known for run in arm.runs)]
        return {run: self._inspected(run) for run in map(shown_run, ours)}

    def bench(self, wanted: WantedBenchmark) -> Iterator[Update]:
        """Measure schemes and backwards in turns, step by step; imports torch. Raises the errors of `bench_of`."""
        return training.measure(bench_of(wanted))

    def refuse_changes(self, run_id: str = "") -> None:
        """Raises RevconsoleError if this lab may only read, or only read this run."""
        if self.readonly:
            raise ReadOnly("read-only: runs are neither started nor changed from here")
        self.store.refuse_other(run_id)

    def busy(self) -> tuple[str, ...]:
        """Ids of the runs that train or wait in this process and would end with it."""
        return self._threads.busy()

    def stop_all(self, why: str = "") -> None:
        """Ask every run of this process to stop after its current step."""
        for run_id in reversed(self.busy()):
            with suppress(
                RevconsoleError
            ):  # it is gone, or ended by itself, or the disk takes no note of it
                if not self.summary(run_id).ended:
                    self.stop(run_id, why)
        self._threads.forget_waiting()

    def end_all_now(self, why: str = "") -> None:
        """Record every run of this process as stopped, because the process exits at once."""
        self._threads.end_now(why)

    def hand_all_over(self, why: str = "") -> tuple[str, ...]:
        """Move every run of this process to a background process; `wait` until they have moved.

        A paused run is stopped instead, so that it does not start to train by itself.
        """
        busy = self.busy()
        with suppress(StoreError):
            if busy and self.summary(busy[0]).state in {"paused", "pausing"}:
                self.stop(busy[0], why or "it was paused")
        return self._threads.hand_over(why)

    def moved(self, run_id: str) -> bool:
        """Whether a background process continues a run that was in this process."""
        return self._threads.moved(run_id)

    def unrecorded(self, run_id: str) -> str:
        """Why a run of this process has no recorded end although it continues nowhere; empty for any other run."""
        return self._threads.unrecorded(run_id)

    def hand_over_problem(self) -> str:
        """Why runs that were handed over do not continue; empty if they do."""
        return self._threads.problem

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing trains or waits in this process; False if `seconds` passed first."""
        return self._threads.wait(seconds)

    def _listed(self, runs: Sequence[Summary] | None) -> Sequence[Summary]:
        listed = self.store.list() if runs is None else runs
        return [
            run for run in listed if not run.beside
        ]  # a study has none of those beside the store

    def _inspected(self, run_id: str) -> Inspection | str:
        try:
            return training.inspect(self.store, run_id, images=SHOWN_IMAGES)
        except RevconsoleError as error:
            return str(error)

    def _measured(self, plan: Plan) -> float:
        seconds = training.kept_pace(plan).seconds(plan.epochs)
        self._paces[pace_key(plan)] = seconds / plan.epochs
        return seconds

    def _measured_before(self, plan: Plan) -> float:
        key = pace_key(plan)
        if key not in self._paces:
            raise RevconsoleError("no similar run has been measured")
        return self._paces[key] * plan.epochs
