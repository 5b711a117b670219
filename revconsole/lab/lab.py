"""Lab: the verbs of revconsole. The command line and the console only spell them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from revconsole.errors import RevconsoleError, StoreError
from revconsole.lab import batches, killing, planning, resuming
from revconsole.lab import study as studies
from revconsole.lab.bench import WantedBenchmark, bench_of
from revconsole.lab.compare import Comparison, compare
from revconsole.lab.elsewhere import elsewhere
from revconsole.lab.estimate import Measurer
from revconsole.lab.judging import AskTorch, Verdicts, judge
from revconsole.lab.launchers import process
from revconsole.lab.launchers.thread import ThreadLauncher
from revconsole.lab.planning import Planned
from revconsole.lab.report import results
from revconsole.lab.report.figures.inspected import shown_run
from revconsole.lab.report.results import Results
from revconsole.lab.shell import command_line
from revconsole.lab.study import PlannedStudy, Standing, StudyForecast
from revconsole.lab.torch_api import training
from revconsole.records.findings.benchmark import Update
from revconsole.records.findings.inspection import Inspection
from revconsole.records.runs import address as addresses
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import UnfitChoice

Launcher = Literal["thread", "process"]
SHOWN_IMAGES = 6
"""Test images that a report shows the attention on."""


class Lab:
    """One store, one queue of threads, and everything that can be done with runs."""

    def __init__(self, store: Path) -> None:
        self.store = RunStore(store)
        self._threads = ThreadLauncher(self.store)
        self._keys = studies.RunKeys()
        self._paces: dict[str, float] = {}
        self._needs: dict[str, int] = {}

    def plan(self, profile: str, settings: Mapping[str, Any] | None = None) -> Planned:
        """What an experiment with overrides would run. Raises ProfileError or UnknownName."""
        return planning.planned(profile, settings or {}, self.store)

    def again(self, plan: Plan, settings: Mapping[str, Any] | None = None) -> Planned:
        """What a run would be once more: exactly its settings, with overrides. Raises ProfileError."""
        return planning.again(plan, settings or {}, self.store)

    def models(
        self, profile: str, settings: Mapping[str, Any] | None = None
    ) -> tuple[Plan | UnfitChoice, ...]:
        """What an experiment would train, to be looked at: what cannot be planned stands beside the rest.

        Raises ProfileError where nothing can be, or UnknownName.
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
        """What would keep each of the plans from training; see `judging`. Raises ProfileError for unknown names."""
        return judge(plans, self.store, set_in=set_in, run_own_code=run_own_code, ask=ask)

    def launch(self, planned: Planned, launcher: Launcher = "thread") -> list[str]:
        """Create and queue every run of a plan; returns their ids in order."""
        ids = [self.store.create(plan, planned.given(plan)) for plan in planned.plans]
        self._start(ids, launcher)
        return ids

    def study(
        self, name: str, settings: Mapping[str, Any] | None = None, *, quick: bool = False
    ) -> PlannedStudy:
        """What a study, or its quick form, would run. Raises ProfileError or UnknownName."""
        found = search_path.find(name, "study")
        arms = tuple(
            planning.completed_arm(arm, found.where, self.store)
            for arm in found.expanded(settings, quick=quick)
        )
        return PlannedStudy(
            named=name, study=found, arms=arms, quick=quick, settings=settings or {}
        )

    def standings(
        self, planned: PlannedStudy, runs: Sequence[Summary] | None = None
    ) -> tuple[Standing, ...]:
        """Every run of a study with what came of it so far. runs: those of the store, where they are at hand."""
        return self.standings_of(planned.plans, self._listed(runs))

    def standings_of(self, plans: Sequence[Plan], runs: Sequence[Summary]) -> tuple[Standing, ...]:
        """The standings of any plans, for instance of several studies."""
        return studies.standings(plans, runs, self._keys)

    def begun(
        self, planned: PlannedStudy, runs: Sequence[Summary] | None = None
    ) -> tuple[Standing, ...]:
        """Every run of a study that was launched, with the settings it was launched with, whatever those were."""
        name = planned.study.name
        return studies.begun(name, self._listed(runs), self._keys, planned.plans)

    def forecast(
        self,
        standing: Sequence[Standing],
        runs: Sequence[Summary] | None = None,
        *,
        measure: bool = False,
    ) -> StudyForecast:
        """How long what is left of a study will take; to `measure` loads torch and trains a few steps."""
        known = self._measured if measure else self._measured_before
        return studies.forecast(standing, self._listed(runs), known, self._keys)

    def memory(self, standing: Sequence[Standing], runs: Sequence[Summary] | None = None) -> str:
        """How much memory what is left of a study will take, from earlier runs or as it was estimated."""
        return studies.memory(standing, self._listed(runs), self._needs, self._keys)

    def estimate(
        self, standing: Sequence[Standing], measurer: Measurer
    ) -> Iterator[tuple[str, RevconsoleError | None]]:
        """Measure what nothing is known of, in a process of its own; `forecast` and `memory` know it from then on.

        Yields the name of an arm before it is measured and, where it cannot be, again with the reason.
        """
        known = {self._keys.pace(s) for s in self.store.list() if s.state == "finished"} | {
            *self._paces
        }
        for each in standing:
            plan, key = each.plan, studies.pace_key(each.plan)
            if each.progress == "done" or key in known:
                continue
            known.add(key)
            yield plan.arm or plan.name, None
            try:
                found = measurer.ask(plan)
            except RevconsoleError as error:
                yield plan.arm or plan.name, error
                continue
            self._paces[key] = found.seconds / plan.epochs
            if found.step_bytes is not None:
                self._needs[key] = found.step_bytes

    def stop_runs(self, run_ids: Sequence[str], why: str = "") -> str:
        """Stop runs one after the other, those that wait first; returns what will happen, for the user."""
        going = [s for s in map(self.summary, run_ids) if not s.ended and s.state != "stopping"]
        waiting = [s for s in going if s.state in {"queued", "starting"}]
        begun = [s for s in going if s not in waiting]
        for each in [*reversed(waiting), *begun]:
            with suppress(RevconsoleError):  # it has ended by itself meanwhile
                self.stop(each.id, why)
        parts = [f"{len(waiting)} taken out of the queue"] if waiting else []
        parts += [f"{len(begun)} will stop after the step and keep a checkpoint"] if begun else []
        return ", ".join(parts) or "nothing trains or waits"

    def go_on(self, standing: Sequence[Standing], launcher: Launcher = "thread") -> list[str]:
        """Queue every run of a study that is neither done nor being trained: new, or from its last checkpoint.

        Returns their ids in order. All of them exist before the first one trains, so that `resume` finds them.
        """
        ids = [
            each.summary.id
            if each.summary
            else self.store.create(each.plan, studies.own_profile(each.plan))
            for each in studies.to_launch(standing)
        ]
        if ids:
            self._start(ids, launcher)
        return ids

    def resume(
        self,
        run_id: str,
        launcher: Launcher = "thread",
        settings: Mapping[str, Any] | None = None,
        *,
        take_over: bool = False,
    ) -> str:
        """Go on with a run from its last checkpoint; a sentence about what `settings` change, empty if nothing.

        settings, take_over: see `resuming.prepare`. Raises RevconsoleError if it still runs, has nothing left to do,
        or did not begin.
        """
        wanted = settings or {}
        said = resuming.prepare(self.store, self.summary(run_id), wanted, take_over=take_over)
        if launcher == "thread":
            self._threads.launch([run_id], wanted)
        else:
            number = self.store.next_attempt(run_id)
            child = process.launch(self.store, [run_id], wanted)
            resuming.await_begin(self.store, run_id, number, child)
        return said

    def stop(self, run_id: str, why: str = "") -> str:
        """Ask a run to stop after the step it is in; returns what will happen, for the user.

        why: what made the user ask, e.g. "Ctrl-C"; it is recorded. Raises RevconsoleError if it has ended already.
        """
        summary = self.summary(run_id)
        if summary.ended:
            raise RevconsoleError(f"run {run_id} ({summary.name}) is already {summary.state}")
        if summary.state in {"queued", "starting"} and killing.take_out(self.store, run_id, why):
            return "taken out of the queue"
        self._threads.ask(run_id, "stop", why)
        if held := killing.held_by_signal(self.store, summary):
            return f"is held by a signal: it stops, with a checkpoint, once `kill -CONT {held.pid}` lets it go on"
        return "will stop after this step and keep a checkpoint"

    def stop_now(self, run_id: str) -> str:
        """End the background process of a run at once; what it did since its last checkpoint is computed again.

        Raises RevconsoleError where there is no such process on this machine: nothing else is ever signalled.
        """
        summary = self.summary(run_id)
        if summary.ended or summary.state == "queued":
            return self.stop(run_id)
        killing.kill_trainer(self.store, summary)
        return "ended at once; `revconsole resume` goes on from its last checkpoint"

    def hand_over(self, run_id: str) -> str:
        """Let a background process go on with a run that trains in a console or a terminal."""
        summary = self.summary(run_id)
        if summary.state not in {"running", "stalled"}:
            raise RevconsoleError(f"run {run_id} ({summary.name}) is {summary.state}, not running")
        launcher = attempts.launcher(self.store.folder(run_id), summary.attempt)
        if launcher == process.NAME:
            raise RevconsoleError(f"run {run_id} ({summary.name}) already trains in the background")
        self._threads.ask(run_id, "handover")
        return "moves to a background process after this step"

    def pause(self, run_id: str) -> str:
        """Ask a running run to hold between two steps, or a paused one to go on."""
        summary = self.summary(run_id)
        if summary.state not in {"running", "paused", "pausing", "starting"}:
            raise RevconsoleError(f"run {run_id} ({summary.name}) is {summary.state}, not running")
        paused = summary.state in {"paused", "pausing"}
        self._threads.ask(run_id, "continue" if paused else "pause")
        return "goes on" if paused else "will pause after this step"

    def unasked(self, run_id: str) -> str:
        """What is known of the process of a run that cannot be asked from here; empty of any other run."""
        return resuming.unasked(self.store, self.summary(run_id))

    def summary(self, run_id: str) -> Summary:
        """One run as a row."""
        return self.store.follow(run_id).summary()

    def to_resume(self) -> str:
        """The id of the newest run that ended early. Raises NoSuchRun."""
        return addresses.to_resume(self.store.list()).id

    def batch(self) -> tuple[str, ...]:
        """The runs that one launch, the newest that is not over, still trains: the one in training first, then its queue."""
        return batches.newest(self.store, self.store.list())

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        """Several runs as one table; the first is the baseline."""
        return compare([self.summary(run_id) for run_id in run_ids])

    def elsewhere(
        self, planned: PlannedStudy, verb: str, runs: Sequence[Summary] | None = None
    ) -> list[str]:
        """Sentences with a shell line that finds finished runs of the study which these settings do not."""
        return [
            f"{each.runs} finished: {command_line(planned.named, each.settings, verb, quick=each.quick)}"
            for each in elsewhere(planned, self._listed(runs), self._keys)
        ]

    def report_study(self, planned: PlannedStudy) -> Results:
        """What came of a study, arm by arm. Raises RevconsoleError if none of its runs has finished."""
        runs = self.store.list()
        standing = self.standings(planned, runs)
        in_vain = all(each.progress != "done" for each in standing)
        others = self.elsewhere(planned, "report", runs) if in_vain else []
        return results.of_study(planned, standing, self.store.read, others)

    def report_runs(self, run_ids: Sequence[str]) -> Results:
        """What came of some runs; those that differ in their seed alone are one arm. Raises RevconsoleError."""
        return results.of_runs([self.store.read(run_id) for run_id in run_ids])

    def inspections(self, reported: Results) -> dict[str, Inspection | str]:
        """What the weights of a run of each arm show, or why they cannot be seen; loads torch."""
        return {run: self._inspected(run) for run in map(shown_run, reported.arms)}

    def bench(self, wanted: WantedBenchmark) -> Iterator[Update]:
        """Measure schemes and backwards side by side, step by step; loads torch. Raises what `bench_of` raises."""
        return training.measure(bench_of(wanted))

    def busy(self) -> tuple[str, ...]:
        """Runs that train or wait in this process: quitting would end them."""
        return self._threads.busy()

    def stop_all(self, why: str = "") -> None:
        """Ask every run of this process to stop after its step."""
        for run_id in reversed(self.busy()):
            with suppress(
                RevconsoleError
            ):  # it is gone, or ended by itself, or the disk takes no note of it
                if not self.summary(run_id).ended:
                    self.stop(run_id, why)
        self._threads.forget_waiting()

    def end_all_now(self, why: str = "") -> None:
        """Record every run of this process as stopped; whoever calls it leaves at once."""
        self._threads.end_now(why)

    def hand_all_over(self, why: str = "") -> tuple[str, ...]:
        """Let a background process go on with every run of this process; `wait` until they have gone.

        A paused run is stopped instead: it is not to begin to train again by itself.
        """
        busy = self.busy()
        with suppress(StoreError):
            if busy and self.summary(busy[0]).state in {"paused", "pausing"}:
                self.stop(busy[0], why or "it was paused")
        return self._threads.hand_over(why)

    def moved(self, run_id: str) -> bool:
        """Whether a background process goes on with a run that was of this process."""
        return self._threads.moved(run_id)

    def unrecorded(self, run_id: str) -> str:
        """Why a run of this process has no recorded end and goes on nowhere; empty if it has, or does."""
        return self._threads.unrecorded(run_id)

    def hand_over_problem(self) -> str:
        """Why runs that were handed over do not go on; empty if they do."""
        return self._threads.problem

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing trains or waits in this process; False if `seconds` passed first."""
        return self._threads.wait(seconds)

    def _listed(self, runs: Sequence[Summary] | None) -> Sequence[Summary]:
        return self.store.list() if runs is None else runs

    def _inspected(self, run_id: str) -> Inspection | str:
        try:
            return training.inspect(self.store, run_id, images=SHOWN_IMAGES)
        except RevconsoleError as error:
            return str(error)

    def _measured(self, plan: Plan) -> float:
        seconds = training.forecast_seconds(plan)
        self._paces[studies.pace_key(plan)] = seconds / plan.epochs
        return seconds

    def _measured_before(self, plan: Plan) -> float:
        key = studies.pace_key(plan)
        if key not in self._paces:
            raise RevconsoleError("nothing alike has been measured")
        return self._paces[key] * plan.epochs

    def _start(self, run_ids: list[str], launcher: Launcher) -> None:
        if launcher == "process":
            process.launch(self.store, run_ids)
        else:
            self._threads.launch(run_ids)
