"""Slurm places: where else than on this machine the console can train, as the configuration says."""

from collections.abc import Sequence

from revconsole.console.screens.ask import Answer
from revconsole.errors import RevconsoleError
from revconsole.lab import study as studies
from revconsole.lab.launchers.launching import Launcher
from revconsole.lab.launchers.slurm import asking, programs
from revconsole.lab.launchers.slurm.place import KIND, SlurmPlace, names
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.lab.study import RunKeys, Standing
from revconsole.records.config.config import Config
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

KEYS = "l123456789"
"""Keys of the answers, in the order of the places."""


def offered(config: Config) -> tuple[str, ...]:
    """The names of the places; none where nothing can be submitted."""
    return names(config) if programs.here() else ()


def is_place(launcher: str) -> bool:
    """Whether a launcher of that name is a place."""
    return launcher.partition(":")[0] == KIND


def labelled(name: str) -> str:
    """A place in words: "Slurm", "Slurm, big"."""
    return f"Slurm{', ' * (name != KIND)}{name.partition(':')[2]}"


def launcher_of(config: Config, name: str) -> Launcher:
    """The launcher that a user chose by its name. Raises RevconsoleError for a place that is wrong."""
    if name == "process":
        return "process"
    return "thread" if name in {"thread", ""} else SlurmLauncher(SlurmPlace.of(config, name))


def answers(config: Config) -> list[Answer]:
    """The places as answers to the question where to train."""
    return [
        Answer(answer=name, key=key, label=f"In jobs of {labelled(name)}")
        for key, name in zip(KEYS, offered(config), strict=False)
    ]


def asked(launcher: SlurmLauncher, plans: Sequence[Plan], summaries: Sequence[Summary]) -> str:
    """What is asked of the cluster for these runs, and what is foreseen of their time. summaries: those of the store."""
    standing = [Standing(plan=plan, summary=None) for plan in plans]
    return _asked(launcher.place, standing, summaries)


def submitted(store: RunStore, run_id: str) -> bool:
    """Whether the run was last queued for a job."""
    queued = read_queued(store.folder(run_id) / FILE)
    return queued is not None and queued.job is not None


def described(
    config: Config, standing: Sequence[Standing], summaries: Sequence[Summary]
) -> list[str]:
    """The same for each place, of runs that may have begun; or what is wrong with the place."""
    sentences = []
    for name in offered(config):
        try:
            sentences.append(_asked(SlurmPlace.of(config, name), standing, summaries))
        except RevconsoleError as error:
            sentences.append(str(error))
    return sentences


def _asked(place: SlurmPlace, standing: Sequence[Standing], summaries: Sequence[Summary]) -> str:
    place = place.sized(max(each.plan.train.ranks for each in standing))
    left = studies.seconds_left(standing, summaries, RunKeys())
    return f"{asking.asked_for(place, len(standing))}; {asking.time_foreseen(place, left)}."
