"""Changes: what `resume` may change of a run without changing its past, and the plan that comes of it.

plan.json stays what it was. An attempt that was begun with changes carries them in its folder, and whoever reads the
plan of the run gets them applied, in the order of the attempts.

    data.folder, model.weights   the same data and weights, elsewhere; the fingerprint of the data is asked for
    train.device, data.place     where the rest of the run is computed, and where its images lie meanwhile
    train.epochs, train.steps    more of them: the run is lengthened. Up to its old end everything is as it was; beyond,
                                 what follows the length of the run (the learning rate) is that of the new length
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from revconsole.errors import ProfileError
from revconsole.records.settings import complaints
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

Changes = Mapping[str, Any]
"""Values by dotted key."""
LENGTHS = ("train.epochs", "train.steps")
KEYS = ("data.folder", "data.place", "model.weights", "train.device", *LENGTHS)


def changed(plan: Plan, changes: Changes) -> Plan:
    """The plan with changes; one whose length changes remembers its old end.

    Raises ProfileError for what no plan allows, and DataUnavailable.
    """
    table = plan.model_dump()
    for key, value in changes.items():
        section, _, name = key.partition(".")
        table[section][name] = value
    if any(key in changes for key in LENGTHS):
        table["lengthened"] = [*(plan.lengthened or []), length(plan)]
    try:
        return Plan.model_validate(table)
    except ValidationError as error:
        key, sentence = complaints.every(error, table)[0]
        raise ProfileError(COMMAND_LINE, key, sentence) from None


def length(plan: Plan) -> int:
    """How long a run is, in what it counts: steps where the plan names them, else epochs."""
    return plan.train.steps or plan.train.epochs


def check_keys(plan: Plan, changes: Changes) -> None:
    """Refuse settings that would change the past of a run. Raises ProfileError."""
    for key in changes:
        if key not in KEYS:
            raise ProfileError(
                COMMAND_LINE,
                key,
                f"cannot be changed of a run that has begun; `resume` takes {', '.join(KEYS[:-1])} and {KEYS[-1]}; "
                "for anything else launch a new run",
            )
        section, _, name = key.partition(".")
        if name not in type(getattr(plan, section)).model_fields:
            raise ProfileError(COMMAND_LINE, key, f"is no setting of this run's {section}")


def check_length(plan: Plan, changes: Changes, *, finished: bool, early: bool) -> None:
    """Refuse a length that is none beyond that of the run, or that it cannot have any more.

    finished: whether the run came to its end; early: before its last epoch. Raises ProfileError.
    """
    for key in LENGTHS:
        if key in changes:
            _check_longer(plan, key, changes[key], finished=finished, early=early)


def _check_longer(plan: Plan, key: str, value: Any, *, finished: bool, early: bool) -> None:
    counted = "train.steps" if plan.train.steps else "train.epochs"
    old, per_epoch = length(plan), plan.steps_per_epoch

    def refuse(why: str) -> ProfileError:
        return ProfileError(COMMAND_LINE, key, why)

    if key != counted:
        raise refuse(f"this run counts {counted} ({old:,}); lengthen it with {counted}")
    if isinstance(value, bool) or not isinstance(value, int) or value <= old:
        raise refuse(
            f"{value} is not beyond the {old:,} of this run; a run can be lengthened, not shortened"
        )
    if early:
        raise refuse(
            "this run ended before its last epoch, as train.patience wants; more epochs would not be trained"
        )
    if finished and plan.train.steps and per_epoch and old % per_epoch:
        raise refuse(
            f"this run ended within an epoch, after {old:,} steps of {per_epoch:,} an epoch, and its last epoch is "
            "closed; only one that ended with an epoch can be lengthened"
        )
