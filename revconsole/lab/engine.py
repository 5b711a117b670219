"""The one door to torch. Importing it is cheap; calling it loads torch, so call it from a thread.

Everything else in `lab`, and both front ends, stay torch-free; the import contracts name this module as the
single exception.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence

from revconsole.errors import NotLoaded, loading
from revconsole.records.findings.benchmark import Bench, Update
from revconsole.records.findings.inspection import Inspection
from revconsole.records.findings.samples import Pace, Samples, Throughput
from revconsole.records.findings.survey import Surveyed
from revconsole.records.logs.events import Failed, Scalar
from revconsole.records.runs.attempt import Attempt, Outcome
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan


def train(store: RunStore, run_id: str, attempt: Attempt) -> Outcome:
    """Train a claimed run in the calling thread, to its end.

    What is to be known of the outcome is in the run's events, or else in `attempt.problem`.
    """
    try:
        with loading():
            # Seconds of import: only when something is trained.
            from revconsole.training import door
    except NotLoaded as error:
        attempt.fail(Failed(reason=str(error)), traceback.format_exc())
        attempt.close()
        return "failed"
    return door.execute(store, run_id, attempt)


def count_parameters(plan: Plan) -> int:
    """Parameters of the planned model, without data or memory for weights."""
    with loading():
        from revconsole.training import door  # as above

    return door.count_parameters(plan)


def cost(plan: Plan) -> Mapping[str, Scalar]:
    """Weights and operations of the planned model, without data or files of weights."""
    with loading():
        from revconsole.training import door  # as above

    return door.cost(plan)


def refuse_unready(plan: Plan, store: RunStore, *, own_code: bool) -> None:
    """Raise what a run of the plan would before its first step, as far as building its model tells.

    own_code: whether a model of somebody's own may be built for that, which runs their code.
    """
    from revconsole.training import door  # as above

    door.refuse_unready(plan, store, own_code=own_code)


def forecast_seconds(plan: Plan) -> float:
    """How long a run would take on this machine, from a few of its steps. Raises DataUnavailable and the like."""
    with loading():
        from revconsole.training import door  # as above

    return door.forecast_seconds(plan)


def verify(
    plan: Plan, *, own: str, shape: Mapping[str, int] | None, light: bool
) -> Iterator[Mapping[str, str | bool | None]]:
    """Audit the planned model, or the model `own` on the plan's data, each check as it is done."""
    with loading():
        from revconsole.training import door  # as above

    return door.audited(plan, own=own, shape=shape, light=light)


def timm_models(pattern: str) -> list[str]:
    """Names of timm's models that match a shell pattern; loads torch."""
    with loading():
        from revconsole.training import door  # as above

    return door.timm_models(pattern)


def benchmark(bench: Bench) -> Iterator[Update]:
    """Measure a benchmark in the calling thread, step by step."""
    with loading():
        from revconsole.training import door  # as above

    return door.benchmark(bench)


def timm_version() -> str:
    """The version of the timm library; loads torch."""
    with loading():
        from revconsole.training import door  # as above

    return door.timm_version()


def survey_models(names: Sequence[str], *, jobs: int) -> Iterator[Surveyed]:
    """Which of timm's models can be rewired, in the order they are done."""
    with loading():
        from revconsole.training import door  # as above

    return door.survey_models(names, jobs=jobs)


def samples(plan: Plan, *, count: int, side: int, page: int = 0) -> Samples:
    """The data of a plan to look at: images before and after preparation, class balance, statistics."""
    with loading():
        from revconsole.training import door  # as above

    return door.samples(plan, count=count, side=side, page=page)


def inspect(store: RunStore, run_id: str, *, images: int) -> Inspection:
    """What the kept weights of a run show of its positions, and of its attention on some test images.

    Raises RevconsoleError where no checkpoint is left, or the data is out of reach or has changed.
    """
    with loading():
        from revconsole.training import door  # as above

    return door.inspect(store, run_id, images=images)


def throughput(plan: Plan, *, seconds: float) -> Throughput:
    """How fast the data of a plan is prepared, measured for that long."""
    with loading():
        from revconsole.training import door  # as above

    return door.throughput(plan, seconds=seconds)


def training_pace(plan: Plan, *, seconds: float) -> Pace:
    """How fast the data and the model of a plan are, alone and together, each measured for that long."""
    with loading():
        from revconsole.training import door  # as above

    return door.training_pace(plan, seconds=seconds)


def scheme_groups() -> dict[str, list[str]]:
    """Names of the schemes by what they ask of a block."""
    with loading():
        from revconsole.training import door  # as above

    return door.scheme_groups()
