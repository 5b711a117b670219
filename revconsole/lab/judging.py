"""Judging: checks of planned runs before they are created, the same for every way to launch them.

`train`, with `--dry-run` and `--detach`, `study run`, the console's form and its studies call `judge`. Nothing is
created, downloaded or trained. Checks without torch come first: the data, the name of a timm model, a weights file, the
user's own function. Then, for plans that need it, checks of the machine and of the model itself.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from revconsole.errors import DataUnavailable, NotLoaded, ProfileError, RevconsoleError, UnknownName
from revconsole.lab import own_code, timm_names
from revconsole.lab.torch_api import training
from revconsole.lab.trackers import tracker
from revconsole.records.datasets import facts
from revconsole.records.datasets.counts import counted, in_folder
from revconsole.records.reach import reachable
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.model import ON_HUB, Cct, Mlp, Python, Svm, TimmModel, Vit
from revconsole.records.sections.objective import ClassificationSection
from revconsole.records.settings.batch_rules import refuse_no_batch
from revconsole.records.settings.data_rules import refuse_nonsense
from revconsole.records.settings.plan import Plan

PLAN = "the plan"
"""Place of an error raised by code that does not know where the setting was set."""
MOST_NAMED = 4
"""Most runs that a sentence names."""
WITHOUT_NORMS = {"linear", "shifted"}
"""Stems of a ViT without BatchNorm."""


class AskTorch(Protocol):
    """Checks a plan on the machine and its model, in this process or in another."""

    def __call__(self, plan: Plan, store: RunStore, *, own_code: bool) -> None:
        """Raise RevconsoleError for every error that a run would raise before its first step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The result for planned runs: those that can be trained here, and why the others cannot."""

    plans: tuple[Plan, ...]
    errors: Mapping[str, RevconsoleError]
    """The error by `_deciding` key, in the order in which the errors should be corrected."""

    def why_not(self, plan: Plan) -> RevconsoleError | None:
        """The error that keeps a run from training; None if there is none."""
        return self.errors.get(_deciding(plan))

    @property
    def fit(self) -> tuple[Plan, ...]:
        """The runs that can be trained."""
        return tuple(plan for plan in self.plans if self.why_not(plan) is None)

    @property
    def unfit(self) -> tuple[tuple[Plan, RevconsoleError], ...]:
        """Each run that cannot be trained, with its error."""
        return tuple((plan, why) for plan in self.plans if (why := self.why_not(plan)) is not None)

    @property
    def sentences(self) -> tuple[str, ...]:
        """A sentence for each reason, with the runs left out for it."""
        runs_by_reason: dict[str, list[str]] = {}
        for plan, why in self.unfit:
            called = f"{plan.arm}, seed {plan.seed}" if plan.arm else plan.name
            runs_by_reason.setdefault(str(why), []).append(called)
        return tuple(f"left out: {_named(names)}: {why}" for why, names in runs_by_reason.items())

    def refuse_if_none(self) -> None:
        """Raise the first error if none of the runs can be trained."""
        if self.errors and not self.fit:
            key, error = next(iter(self.errors.items()))
            plan = next(plan for plan in self.plans if _deciding(plan) == key)
            raise _of(error, plan) if len(self.errors) > 1 else error


def judge(
    plans: Iterable[Plan],
    store: RunStore,
    *,
    set_in: Callable[[str], str],
    run_own_code: bool = False,
    ask: AskTorch | None = None,
) -> Verdicts:
    """Check whether each plan can be trained: settings first, then missing files.

    A run that cannot be trained does not hold up the others, but an unknown name is an error for all.
    set_in: the file or the command line in which a key was set. run_own_code: whether models of the user's own may be built.
    ask: checks with torch, by default in this process. Raises ProfileError for an unknown name, and NotLoaded if torch cannot
    be imported. Other errors are in the verdicts: ProfileError or NotInvertible (exit code 2), DataUnavailable or
    DeviceUnavailable (4).
    """
    every = tuple(plans)
    different = {_deciding(plan): plan for plan in every}
    errors: dict[str, RevconsoleError] = {}
    for look in (
        _judge_without_torch,
        partial(_judge_with_torch, store, run_own_code, ask),
        _judge_files,
    ):
        for key, plan in different.items():
            if key in errors:
                continue
            try:
                look(plan)
            except NotLoaded:
                raise
            except RevconsoleError as error:
                errors[key] = placed = _placed(error, set_in)
                if isinstance(error, ProfileError) and look is _judge_without_torch:
                    raise (_of(placed, plan) if len(different) > 1 else placed) from error
    return Verdicts(plans=every, errors=errors)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _placed(error: RevconsoleError, set_in: Callable[[str], str]) -> RevconsoleError:
    """The error with the place in which its setting was set."""
    if not isinstance(error, ProfileError):
        return error
    return ProfileError(set_in(error.key), error.key, error.reason)


def _of(error: RevconsoleError, plan: Plan) -> RevconsoleError:
    """The error with the name of its run."""
    if not isinstance(error, ProfileError):
        return error
    return ProfileError(f"{error.where}, {plan.name}", error.key, error.reason)


def needs_torch(plan: Plan, *, run_own_code: bool = True) -> bool:
    """Whether a plan needs a check of the machine or of its model."""
    train, model = plan.train, plan.model
    where = {"auto", "cpu"} if train.ranks == 1 else {"cpu"}
    plain = train.device in where and train.precision == "float32"
    if isinstance(model, Python) and not run_own_code:
        return not plain
    known = isinstance(model, Cct | Mlp | Svm) or (
        isinstance(model, Vit)
        and model.stem in WITHOUT_NORMS
        and model.pretrained is None
        and model.weights is None
    )
    classifies = isinstance(plan.objective, ClassificationSection)
    return not (plain and known and classifies and train.freeze is None and plan.data.views == 1)


def _judge_without_torch(plan: Plan) -> None:
    tracker.refuse_unknown(plan.train.track.split(",") if plan.train.track else ())
    match plan.model:
        case TimmModel(name=name):
            _refuse_unknown_name(name)
        case Python(function=str(function)):
            own_code.refuse_missing(function, where=PLAN)
        case _:
            pass
    weights = str(getattr(plan.model, "weights", None) or ON_HUB)
    if not weights.startswith(ON_HUB) and not Path(weights).exists():
        raise DataUnavailable(f"there is no weights file {weights}; correct model.weights")
    count = counted(plan.data)
    refuse_nonsense(plan.data, count.facts)
    refuse_no_batch(plan, count.trained)


def _refuse_unknown_name(name: str) -> None:
    try:
        timm_names.refuse_unknown(name)
    except UnknownName as error:
        raise ProfileError(PLAN, "model.name", str(error)) from None


def _judge_with_torch(
    store: RunStore, run_own_code: bool, ask: AskTorch | None, plan: Plan
) -> None:
    if not needs_torch(plan, run_own_code=run_own_code):
        return
    try:
        (ask or training.refuse_unready)(plan, store, own_code=run_own_code)
    except ImportError as error:
        raise NotLoaded(f"torch and its libraries cannot be loaded: {error}") from error


def on_another_machine(ask: AskTorch | None = None) -> AskTorch:
    """Checks as `ask` does, by default in this process, but for device and precision, which another machine has."""

    def asked(plan: Plan, store: RunStore, *, own_code: bool) -> None:
        train = plan.train.model_copy(update={"device": "cpu", "precision": "float32"})
        elsewhere = plan.model_copy(update={"train": train})
        if needs_torch(elsewhere, run_own_code=own_code):
            (ask or training.refuse_unready)(elsewhere, store, own_code=own_code)

    return asked


def _judge_files(plan: Plan) -> None:
    """Raise DataUnavailable if the files of a dataset are neither here nor downloadable."""
    known, folder = plan.shipped, facts.data_folder()
    if in_folder(plan.data) or facts.present(known, folder) is not None:
        return
    if any(map(reachable, known.download_from)):
        return
    lacks = facts.what_lacks(known, folder)
    missing = f"is incomplete ({lacks})" if lacks else "is not on this machine"
    vain = (
        " and could not be downloaded (the server does not answer)" if known.download_from else ""
    )
    raise DataUnavailable(f"{known.title} {missing}{vain}; {facts.how_to_get(known, folder)}")


def _deciding(plan: Plan) -> str:
    """A key of everything that the result depends on; runs that differ only in seed, rate or length are checked once."""
    content = plan.model_dump(
        include={"model", "scheme", "backward", "data", "objective", "data_fingerprint"}
    )
    train = plan.train.model_dump(
        include={"batch", "accumulate", "gpus", "precision", "device", "freeze", "steps", "audit"}
    )
    return json.dumps([content, train], sort_keys=True)
