"""Tail: reads the growing event logs of one run, attempt by attempt, and combines them."""

import math
from dataclasses import replace
from pathlib import Path

from revconsole.records.criterion import VALIDATION_ACCURACY
from revconsole.records.logs.events import EpochFinished, Finished
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import notebook
from revconsole.records.runs.artifacts import kept
from revconsole.records.runs.followed import FollowedLogs
from revconsole.records.runs.header import Header, UnreadPlan, header_stamp, read_header
from revconsole.records.runs.history import History
from revconsole.records.runs.process_output import ProcessOutput
from revconsole.records.runs.queued import FILE as LAUNCH
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.rank_files import RankProcess, processes
from revconsole.records.runs.run import Run, Summary
from revconsole.records.runs.running import RunningSummary
from revconsole.records.runs.state import GOES_ON, TAKEN_ON

GIVEN_GOES_ON = "its program, started again with `resume=True`, goes on"
"""How a run that another program trains goes on, in place of a verb of revconsole."""


class Tail:
    """One reader of one run. series: keep every point; False keeps only what a table row shows."""

    def __init__(self, header: Header, folder: Path, *, series: bool) -> None:
        self._header, self._folder, self._series = header, folder, series
        self._output = ProcessOutput()
        self._start_again()

    def summary(self) -> Summary:
        """The present table row of the run."""
        self._read_header()
        self._read_new()
        return self._noted(self._row())

    def run(self) -> Run:
        """The run with every point and its log lines. Needs `series=True`."""
        self._read_header()
        self._read_new()
        history = self._history
        row = self._noted(self._row())
        if isinstance(history, RunningSummary):
            return Run(summary=row, facts=dict(history.facts))
        return Run(
            summary=row,
            facts=dict(history.running.facts),
            earlier=dict(history.running.earlier),
            series=history.series(),
            times=history.times(),
            log=history.log(),
            output=self._output.lines(self._folder, self._logs.numbers()),
            confusion=history.confusion,
            boundary=history.boundary,
            memory=tuple(history.memory.values()),
            audit=history.audit,
            artifacts=kept(self._folder) if row.program else (),
            ranks=() if row.ended else self._ranks(),
        )

    def _ranks(self) -> tuple[RankProcess, ...]:
        return processes(self._folder / "attempts" / f"{self._logs.attempt:04d}")

    @property
    def epochs(self) -> tuple[EpochFinished, ...]:
        """The epochs that the run has finished, as of the last call of `summary` or `run`."""
        return tuple(self._running.epochs)

    @property
    def _running(self) -> RunningSummary:
        return self._history if isinstance(self._history, RunningSummary) else self._history.running

    def _read_header(self) -> None:
        """Re-read the plan if it changed or was unreadable; a plan that was deleted meanwhile is kept."""
        now = header_stamp(self._folder)
        if any(now) and (self._header.plan is None or now != self._header.stamp):
            self._header = read_header(self._folder)

    def _start_again(self) -> None:
        plan = self._header.plan
        best = VALIDATION_ACCURACY if plan is None else plan.objective.best
        self._history: History | RunningSummary = (
            History(best) if self._series else RunningSummary(best)
        )
        self._logs = FollowedLogs(self._folder, self._history)

    def _read_new(self) -> None:
        if not self._logs.read():  # the log was replaced by a shorter one
            self._start_again()
            self._logs.read()

    def _row(self) -> Summary:
        header, running = self._header, self._running
        if header.plan is None:
            return damaged_row(header)
        state, reason = self._logs.verdict(running)
        if not header.plan.known:
            reason = reason.replace(TAKEN_ON, GIVEN_GOES_ON).replace(GOES_ON, GIVEN_GOES_ON)
        best, latest, facts = running.best(), running.latest, running.facts
        peak = _peak(running)
        return Summary(
            id=header.id,
            name=header.plan.name,
            state=state,
            reason=reason,
            plan=header.plan,
            created=header.created,
            attempt=self._logs.attempt,
            epoch=running.epochs[-1].epoch if running.epochs else 0,
            step=running.step,
            steps=_whole(facts.get("steps")),
            seconds=running.seconds,
            seconds_per_epoch=running.seconds_per_epoch(),
            seconds_at_end=running.seconds_at_end(),
            eta_seconds=running.eta_seconds() if state == "running" else None,
            parameters=_whole(facts.get("parameters")),
            multiply_adds_per_image=_whole(facts.get("multiply_adds_per_image")),
            support_vectors=_whole(latest.get("support_vectors")),
            best_validation_accuracy=best.values.get("validation_accuracy") if best else None,
            best_validation_loss=best.values.get("validation_loss") if best else None,
            best_knn_accuracy=best.values.get("knn_accuracy") if best else None,
            best_epoch=best.epoch if best else None,
            test_accuracy=latest.get("test_accuracy"),
            test_knn_accuracy=latest.get("test_knn_accuracy"),
            test_loss=latest.get("test_loss"),
            loss=latest.get("loss"),
            kept_for_backward_bytes=_whole(latest.get("kept_for_backward_bytes")),
            gradient_error=running.peaks.get("gradient_error"),
            peak_memory_bytes=peak[0],
            peak_memory_of=peak[1],
            foreseen_peak_bytes=_whole(facts.get("foreseen_peak_bytes")),
            foreseen_epoch_seconds=_number(facts.get("foreseen_epoch_seconds")),
            foreseen_seconds=_number(facts.get("foreseen_seconds")),
            foreseen_time_from=_text(facts.get("foreseen_time_from")) or "",
            eta_ratio_10=_eta(running, "10"),
            eta_ratio_25=_eta(running, "25"),
            eta_ratio_50=_eta(running, "50"),
            fingerprint=_text(facts.get("fingerprint")) or header.plan.data_fingerprint,
            device=_text(facts.get("device")) or "",
            device_name=_text(facts.get("device_name")) or "",
            alarm=running.alarm,
            alarm_text=" ".join(running.alarms.values()),
            advice=tuple(running.advice),
            damaged_lines=self._logs.damaged_lines(state),
            weights_sha256=running.ending.weights_sha256
            if isinstance(running.ending, Finished)
            else "",
            host=self._host(),
            metrics=dict(latest),
            loss_curve=running.loss_curve.points(),
        )

    def _noted(self, row: Summary) -> Summary:
        """The row with its place in the queue, and the name, tags and note that a user gave the run."""
        notes = notebook.read(self._folder)
        plan = row.plan.name if self._header.plan is not None else row.id
        queued = read_queued(self._folder / LAUNCH) if row.state == "queued" else None
        return replace(
            row,
            name=notes.name or plan,
            place=queued.place if queued is not None else 0.0,
            tags=notes.tags,
            note=notes.note,
            archived=notes.archived,
        )

    def _host(self) -> str:
        """The machine of the newest attempt's process."""
        holder = attempts.owner(self._folder, self._logs.attempt) if self._logs.attempt else None
        return holder.host if holder is not None else ""


def damaged_row(header: Header) -> Summary:
    """The row of a run that cannot be read; `header.why` is the reason."""
    return Summary(
        id=header.id, name=header.id, state="damaged", reason=header.why,
        plan=UnreadPlan(name=header.id), created=header.created,
    )  # fmt: skip


def _peak(running: RunningSummary) -> tuple[int | None, str]:
    device = _text(running.facts.get("device")) or "the device"
    if "device_peak_allocated_bytes" in running.peaks:
        return _whole(running.peaks["device_peak_allocated_bytes"]), f"allocated on {device}"
    if "training_peak_bytes" in running.peaks:
        return _whole(running.peaks["training_peak_bytes"]), "resident, above what was there before"
    return None, ""


def _eta(running: RunningSummary, share: str) -> float | None:
    ending = running.ending
    return _number(ending.eta.get(share)) if isinstance(ending, Finished) else None


def _number(value: object) -> float | None:
    """A finite number; None for anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _whole(value: object) -> int | None:
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, float) and math.isfinite(value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
