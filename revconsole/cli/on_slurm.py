"""Runs in jobs of Slurm: what is asked of the cluster is shown, submitted if the user agrees, and followed until Ctrl-C."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import typer

from revconsole.cli import output
from revconsole.cli.following import DELETED, end_as, ends_of, follow_to_end, still_there
from revconsole.cli.opening import FLAGS
from revconsole.errors import NoSuchRun, ProfileError
from revconsole.lab import study as studies
from revconsole.lab.judging import on_another_machine
from revconsole.lab.lab import Lab
from revconsole.lab.launchers.slurm import asking, programs
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.lab.study import RunKeys, Standing
from revconsole.records.config.config import read_config
from revconsole.records.config.slurm_options import SECTION
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.settings.words import COMMAND_LINE


class SlurmLaunch:
    """The launches of one command at a place of the configuration."""

    def __init__(self, lab: Lab, place: SlurmPlace) -> None:
        self._lab, self.place = lab, place
        self.launcher, self.ask = SlurmLauncher(place), on_another_machine()

    def say_plan(self, standing: Sequence[Standing]) -> None:
        """Print the script, what is asked of the cluster, and what is foreseen of the time."""
        plans = [each.plan for each in standing]
        say_script(asking.previewed(self._sized(standing), self._lab.store.root, plans))
        self._say_asked(standing)

    def _sized(self, standing: Sequence[Standing]) -> SlurmPlace:
        """The place with as many GPUs as the runs have ranks. Raises ProfileError."""
        return self.place.sized(max(each.plan.train.ranks for each in standing))

    def _say_asked(self, standing: Sequence[Standing]) -> None:
        place, runs = self._sized(standing), self._lab.store.list()
        output.say(asking.asked_for(place, len(standing)))
        left = studies.seconds_left(standing, runs, RunKeys())
        output.say(f"time: {asking.time_foreseen(place, left)}")

    def agree(self, standing: Sequence[Standing], *, yes: bool) -> None:
        """Show the plan and ask. Raises typer.Exit if the user does not agree, ProfileError where nobody can be asked."""
        agree(partial(self.say_plan, standing), partial(self._say_asked, standing), yes=yes)

    def follow(self, ids: Sequence[str], *, detach: bool) -> None:
        """Print the ids and jobs of submitted runs and, unless `detach`, follow them to their ends or until Ctrl-C.

        Raises typer.Exit with 1 if a run failed or ended with an alarm, 130 if one was stopped.
        """
        for run_id in ids:
            typer.echo(run_id)
        jobs = dict.fromkeys(self._job(run_id).partition("_")[0] for run_id in ids)
        output.say(
            f"submitted as Slurm job {', '.join(jobs)}; `revconsole watch` follows, `revconsole stop` ends"
        )
        if detach:
            return
        output.say("Ctrl-C detaches, the jobs go on")
        try:
            states = [self._followed(run_id) for run_id in ids]
        except KeyboardInterrupt:
            output.say("detached, the jobs go on; `revconsole watch` follows them again")
            return
        if present := still_there(self._lab, ids):
            output.print_comparison(self._lab.compare(present), plain=True)
        end_as(states)

    def _followed(self, run_id: str) -> str:
        """How a run ended: its state, or the alarm of one that finished with it."""
        try:
            tail, look = self._lab.store.follow(run_id), self._lab.jobs.look
            last = follow_to_end(tail, look=look, seen=ends_of(self._lab))
        except NoSuchRun:
            output.say(f"{run_id} was deleted")
            return DELETED
        if last.state != "finished":
            output.say(f"{last.name}  {last.state}{f': {last.reason}' if last.reason else ''}")
        return last.alarm if last.state == "finished" and last.alarm else last.state

    def _job(self, run_id: str) -> str:
        """The job that a run was submitted with."""
        queued = read_queued(self._lab.store.root / run_id / FILE)
        return (queued.job or "") if queued is not None else ""


def say_script(lines: Sequence[str]) -> None:
    """Print a script, and when Slurm would let it begin."""
    for line in lines:
        output.say(f"    {line}")
    if said := programs.expected("\n".join(lines)):
        output.say(said)


def agree(plan: Callable[[], object], asked: Callable[[], object], *, yes: bool) -> None:
    """Print a plan and ask; with `yes` only what is asked of the cluster. Raises as `SlurmLaunch.agree`."""
    if yes:
        asked()
        return
    if not sys.stdin.isatty():
        raise ProfileError(
            COMMAND_LINE,
            "--yes",
            "is needed where nobody can be asked; it submits without a question",
        )
    plan()
    if not typer.confirm("submit?", err=True):
        output.say("nothing was submitted")
        raise typer.Exit(1)


def chosen(context: typer.Context, lab: Lab, on: str, *, now: bool) -> SlurmLaunch:
    """The launches at the place that `--on` names.

    Raises UnknownName, ProfileError for what is wrong in the place's configuration, and NotSubmitted without Slurm.
    """
    if now:
        raise ProfileError(
            COMMAND_LINE, "--now", "does not go with --on: Slurm decides when a job begins"
        )
    config = read_config(context.meta.get(FLAGS, ()))
    for problem in config.problems:
        where, _, what = problem.partition(": ")
        if what.startswith(SECTION):
            raise ProfileError(where, "", what)
    place = SlurmPlace.of(config, on)
    programs.refuse_without_slurm()
    return SlurmLaunch(lab, place)
