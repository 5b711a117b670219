"""Starts: the run whose weights a plan starts from, looked up in the store and written into the plan, so that results are traceable."""

from revconsole.errors import NoSuchRun, ProfileError, WrongState
from revconsole.records.runs.run import refuse_given
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.model_rules import RUN, run_address
from revconsole.records.settings.plan import Plan

KEY = "model.pretrained"
ALIKE = (
    "architecture", "name", "patch", "dim", "depth", "heads", "stem", "attention", "pool", "position",
    "final_norm", "norm_eps",
)  # fmt: skip
"""Model settings that must be equal for the weights to fit and to compute the same."""


def resolved(plan: Plan, store: RunStore, *, where: str) -> Plan:
    """The plan with the id of the run it starts from and the hash of that run's last weights; else the plan itself.

    where: the file to correct. Raises ProfileError if the run does not exist, has not ended, is another program's, or has another model.
    """
    address = run_address(plan.model)
    if address is None:
        return plan
    try:
        run_id = store.find(address)
        source = store.follow(run_id).summary()
        refuse_given(source.plan)
    except (NoSuchRun, WrongState) as error:
        raise ProfileError(where, KEY, str(error)) from None
    _refuse_unlike(plan, source.plan, run_id, where)
    if not source.weights_sha256:
        raise ProfileError(
            where,
            KEY,
            f"run {run_id} ({source.name}) is {source.state} and has no last weights yet",
        )
    start = {"pretrained": f"{RUN}{run_id}", "pretrained_sha256": source.weights_sha256}
    wanted = getattr(plan.model, "pretrained_sha256", None)
    if wanted is not None and wanted != source.weights_sha256:
        raise ProfileError(
            where,
            f"{KEY}_sha256",
            f"the last weights of run {run_id} are {source.weights_sha256[:12]}, not {wanted[:12]}",
        )
    return plan.model_copy(update={"model": plan.model.model_copy(update=start)})


def _refuse_unlike(plan: Plan, source: Plan, run_id: str, where: str) -> None:
    for name in ALIKE:
        here, there = getattr(plan.model, name, None), getattr(source.model, name, None)
        if here != there:
            raise ProfileError(
                where,
                KEY,
                f"run {run_id} ({source.name}) has model.{name} {there!r} and this model {here!r}; make them equal",
            )
