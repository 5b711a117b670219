"""Judging: what can be known of planned runs before one exists, found out the same way for every way to launch them.

`train`, with `--dry-run` and with `--detach`, `study run` and the console's form call `judge`; nothing is created,
downloaded or trained. First what takes no torch: the data, the name of a timm model, a weights file, a function of
one's own. Then, of plans that need it, what only the machine and the model itself can tell.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

from revconsole.errors import DataUnavailable, ProfileError, RevconsoleError, UnknownName
from revconsole.lab import engine, own_code, timm_names
from revconsole.records import facts
from revconsole.records.counts import counted, in_folder
from revconsole.records.data_rules import refuse_nonsense
from revconsole.records.plan import Plan
from revconsole.records.reach import reachable
from revconsole.records.sections import Cct, Classification, Mlp, Python, Svm, Timm, Vit
from revconsole.records.store import RunStore

PLAN = "the plan"
"""Where a setting is said to be wrong by who does not know where it was set."""
WITHOUT_NORMS = {"linear", "shifted"}
"""Stems of a ViT that have no norm over the batch."""


class AskTorch(Protocol):
    """What a plan asks of the machine and of its model, in this process or in another."""

    def __call__(self, plan: Plan, store: RunStore, *, own_code: bool) -> None:
        """Raise RevconsoleError for what a run would raise before its first step."""


def judge(
    plans: Iterable[Plan],
    store: RunStore,
    *,
    set_in: Callable[[str], str],
    run_own_code: bool = False,
    ask: AskTorch = engine.refuse_unready,
) -> None:
    """Raise for the first thing that would keep one of the plans from training: settings before files that lack.

    set_in: the file or the command line that a key was set in. run_own_code: whether a model of one's own may be built.
    Raises ProfileError, UnknownName or NotInvertible for a wrong setting (exit code 2), DataUnavailable or
    DeviceUnavailable (4).
    """
    different = {_deciding(plan): plan for plan in plans}.values()
    for look in (
        _judge_without_torch,
        partial(_judge_with_torch, store, run_own_code, ask),
        _judge_files,
    ):
        for plan in different:
            try:
                look(plan)
            except ProfileError as error:
                whose = f", {plan.name}" if len(different) > 1 else ""
                raise ProfileError(set_in(error.key) + whose, error.key, error.reason) from error


def needs_torch(plan: Plan, *, run_own_code: bool = True) -> bool:
    """Whether there is something about a plan that only the machine or the model itself can tell."""
    train, model = plan.train, plan.model
    plain = train.device in {"auto", "cpu"} and train.precision == "float32"
    if isinstance(model, Python) and not run_own_code:
        return not plain
    known = isinstance(model, Cct | Mlp | Svm) or (
        isinstance(model, Vit) and model.stem in WITHOUT_NORMS and model.pretrained is None
    )
    classifies = isinstance(plan.objective, Classification)
    return not (plain and known and classifies and train.freeze is None and plan.data.views == 1)


def _judge_without_torch(plan: Plan) -> None:
    match plan.model:
        case Timm(name=name, weights=weights):
            _refuse_unknown_name(name)
            if weights is not None and not Path(weights).expanduser().exists():
                raise DataUnavailable(f"there is no weights file {weights}; correct model.weights")
        case Python(function=str(function)):
            own_code.refuse_missing(function, where=PLAN)
        case _:
            pass
    refuse_nonsense(plan.data, counted(plan.data).facts)


def _refuse_unknown_name(name: str) -> None:
    try:
        timm_names.refuse_unknown(name)
    except UnknownName as error:
        raise ProfileError(PLAN, "model.name", str(error)) from None


def _judge_with_torch(store: RunStore, run_own_code: bool, ask: AskTorch, plan: Plan) -> None:
    if not needs_torch(plan, run_own_code=run_own_code):
        return
    try:
        ask(plan, store, own_code=run_own_code)
    except ImportError as error:
        raise RevconsoleError(f"torch and its libraries cannot be loaded: {error}") from error


def _judge_files(plan: Plan) -> None:
    """Raise DataUnavailable where the files of a dataset are neither here nor to be had."""
    known, folder = plan.shipped, facts.data_folder()
    if in_folder(plan.data) or facts.present(known, folder) is not None:
        return
    if any(map(reachable, known.download_from)):
        return
    lacks = facts.what_lacks(known, folder)
    missing = f"is incomplete ({lacks})" if lacks else "is not on this machine"
    vain = " and could not be downloaded (nobody answers there)" if known.download_from else ""
    raise DataUnavailable(f"{known.title} {missing}{vain}; {facts.how_to_get(known, folder)}")


def _deciding(plan: Plan) -> str:
    """What the verdict depends on: runs that differ in their seed, rate or length alone are judged once."""
    content = plan.model_dump(
        include={"model", "scheme", "backward", "data", "objective", "data_fingerprint"}
    )
    train = plan.train.model_dump(
        include={"batch", "accumulate", "precision", "device", "freeze", "steps", "audit"}
    )
    return json.dumps([content, train], sort_keys=True)
