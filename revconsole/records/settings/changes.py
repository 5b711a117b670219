"""Changes: what `resume` may change of a run without changing its past, and the resulting plan.

plan.json stays as it was. An attempt that begins with changes stores them in its folder, and every reader of the plan
applies them in the order of the attempts.

    data.folder, model.weights   the same data and weights in another place; the data's fingerprint is checked
    train.device, train.gpus     where the rest of the run is computed, and by how many ranks: as many as divide its
                                 micro-batches
    train.shard                  whether these share the weights out
    data.place                   where its images are kept
    train.epochs, train.steps    a greater length. Up to the old end everything stays as it was; beyond it, whatever
                                 depends on the length (the learning rate) follows the new length
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from revconsole.errors import ProfileError
from revconsole.records.settings import complaints
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

Changes = Mapping[str, Any]
"""New values by dotted key."""
LENGTHS = ("train.epochs", "train.steps")
KEYS = (
    "data.folder",
    "data.place",
    "model.weights",
    "train.device",
    "train.gpus",
    "train.shard",
    *LENGTHS,
)


def changed(plan: Plan, changes: Changes) -> Plan:
    """The plan with changes applied; a changed length is added to `lengthened`. Raises ProfileError and DataUnavailable."""
    table = plan.model_dump()
    if changes.get("train.gpus") == "all":
        raise ProfileError(
            COMMAND_LINE,
            "train.gpus",
            f"set a number that divides the {plan.train.accumulate} micro-batches of this run's steps",
        )
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
    """Length of a run in its own unit: steps if the plan sets them, else epochs."""
    return plan.train.steps or plan.train.epochs


def check_keys(plan: Plan, changes: Changes) -> None:
    """Raise ProfileError for settings that would change the past of a run."""
    for key in changes:
        if key not in KEYS:
            raise ProfileError(
                COMMAND_LINE,
                key,
                f"cannot be changed after a run has begun; `resume` changes {', '.join(KEYS[:-1])} and {KEYS[-1]}; "
                "for anything else launch a new run",
            )
        section, _, name = key.partition(".")
        if name not in type(getattr(plan, section)).model_fields:
            raise ProfileError(COMMAND_LINE, key, f"is no setting of this run's {section}")
        if key == "model.weights" and getattr(plan.model, name) is None:
            raise ProfileError(COMMAND_LINE, key, "this run began without a file of weights")


def check_length(plan: Plan, changes: Changes, *, finished: bool, early: bool) -> None:
    """Raise ProfileError unless a new length is greater than the run's and still possible.

    finished: whether the run completed. early: whether it ended before its last epoch.
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
