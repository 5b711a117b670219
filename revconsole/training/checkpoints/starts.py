"""Starts: initial weights from the end of another run in the store, without its head.

The other run's best epoch is used, and from a learner without labels its encoder; see `Objective.prefix`. Loading is
strict: missing, surplus or misshapen weights are refused. The head is drawn anew, and a trained table of positions is
resampled if the number of patches differs.
"""

from dataclasses import dataclass
from typing import Any

from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from revconsole.errors import DataUnavailable, StoreError
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.model_rules import run_address
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore, Loaded
from revconsole.training.objectives import objective_of
from revconsole.training.setup.freezing import head_names
from revconsole.training.setup.training_state import TrainingState

POSITIONS = "pos_embed"
Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstWeights:
    """Initial weights by the model's names, and a sentence about their origin."""

    weights: Weights
    sentence: str


def begin(state: TrainingState, store: RunStore | None) -> str:
    """Load the initial weights that the plan names; returns a sentence about them, empty if it names none.

    Raises NoSuchRun, and DataUnavailable for a run that has changed since planning, has no intact checkpoint or does
    not fit.
    """
    initial = first_weights(state.plan, state.model, store)
    if initial is None:
        return ""
    state.holding.load_weights(state.model, initial.weights)
    if state.average is not None:
        state.average.module.load_state_dict(state.model.state_dict())
    return initial.sentence


def first_weights(plan: Plan, model: nn.Module, store: RunStore | None) -> FirstWeights | None:
    """The initial weights for `model`, the plan's model; None if the plan names no run. Raises as `begin` does."""
    address = run_address(plan.model)
    if address is None:
        return None
    if store is None:
        raise DataUnavailable(f"run {address} cannot be looked up without a store")
    run_id = store.find(address)
    source = store.plan(run_id)
    _refuse_another(plan, store, run_id)
    try:
        best = CheckpointStore(store.folder(run_id)).best()
    except StoreError:
        raise DataUnavailable(
            f"run {run_id} has no whole checkpoint to start from; correct model.pretrained"
        ) from None
    return FirstWeights(
        weights=_fitted(plan, model, _encoder(source, best), run_id),
        sentence=f"starts from the encoder of run {run_id} ({source.name}) as it was after step {best.step}; "
        "the head is new",
    )


def _refuse_another(plan: Plan, store: RunStore, run_id: str) -> None:
    planned = getattr(plan.model, "pretrained_sha256", None)
    now = store.follow(run_id).summary().weights_sha256
    if planned is not None and planned != now:
        raise DataUnavailable(
            f"run {run_id} was continued after this run was planned: its last weights were {planned[:12]} and are "
            f"{now[:12] or 'not there'}; plan again"
        )


def _encoder(source: Plan, loaded: Loaded) -> Weights:
    """The encoder of the judged weights, by the encoder's own names."""
    weights, prefix = loaded.weights, objective_of(source).prefix
    if source.train.average is not None:
        weights, prefix = loaded.state["average"], f"module.{prefix}"
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def _fitted(plan: Plan, model: nn.Module, loaded: Weights, run_id: str) -> Weights:
    """Weights for the model: the loaded encoder with the model's own head. Raises DataUnavailable."""
    own, heads = model.state_dict(), head_names(model)
    weights = {name: w for name, w in loaded.items() if name not in heads}
    if getattr(plan.model, "position", "") == "sinusoidal":
        weights |= {POSITIONS: own[POSITIONS]}  # fixed sines of the model's own size
    elif POSITIONS in weights and POSITIONS in own:
        weights[POSITIONS] = _resampled(model, weights[POSITIONS], own[POSITIONS])
    problem = _misfit(weights, {name: w for name, w in own.items() if name not in heads})
    if problem:
        raise DataUnavailable(
            f"the encoder of run {run_id} does not fit this model: {problem}; correct model.pretrained, or the "
            "model's settings"
        )
    _refuse_not_finite(weights, run_id)
    return weights | {name: own[name] for name in heads}


def _refuse_not_finite(weights: Weights, run_id: str) -> None:
    for name, weight in weights.items():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise DataUnavailable(
                f"the encoder of run {run_id} holds numbers that are not finite in {name}: it had diverged; correct "
                "model.pretrained"
            )


def _resampled(model: Any, table: Tensor, own: Tensor) -> Tensor:
    """A table of positions (1, tokens, D) for another number of patches; unchanged if that is impossible."""
    first = 0 if getattr(model, "no_embed_class", False) else int(model.num_prefix_tokens)
    patches = table.shape[1] - first
    if table.shape[1] == own.shape[1] or patches <= 0 or int(patches**0.5) ** 2 != patches:
        return table
    size = list(model.patch_embed.grid_size)
    resampled: Tensor = resample_abs_pos_embed(table, new_size=size, num_prefix_tokens=first)
    return resampled


def _misfit(loaded: Weights, own: Weights) -> str:
    """The first difference in names or shapes; empty if there is none."""
    missing, surplus = (sorted(a.keys() - b.keys()) for a, b in ((own, loaded), (loaded, own)))
    if missing or surplus:
        return f"it has no {missing[0]}" if missing else f"here is no {surplus[0]}"
    for name, weight in own.items():
        if loaded[name].shape != weight.shape:
            there, here = ("×".join(map(str, w.shape)) for w in (loaded[name], weight))
            return f"{name} is {there} there and {here} here"
    return ""
