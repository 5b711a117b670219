"""Placing: what a rank holds of a planned model, and whether its norms are over all ranks."""

from torch import nn

from revconsole.errors import RunFailed
from revconsole.records.settings.plan import Plan
from revconsole.training.together.batch_norms import synchronise
from revconsole.training.together.exchange import Exchange
from revconsole.training.together.holding import HOLDS_ALL, Holding
from revconsole.training.together.shards import Shards


def placed(plan: Plan, model: nn.Module, exchange: Exchange) -> Holding:
    """Leave this rank of the model on the CPU what it holds, and let its norms be over all ranks, where the plan says so.

    Raises RunFailed for a model without norms, or blocks, of that kind.
    """
    if plan.train.sync_batchnorm and not synchronise(model, exchange):
        raise RunFailed("this model has no BatchNorm; leave out train.sync_batchnorm")
    return Shards(model, exchange) if plan.train.shard else HOLDS_ALL
