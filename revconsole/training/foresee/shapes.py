"""Shapes: a plan realised on tensors without numbers, ready for a step of the product's own training.

No weights are drawn, no file is read, and the arithmetic is that of the CPU. For CUDA, autocast follows its rules
(`cuda_rules`) and optimisers that can update all weights at once do, as they would there.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from revconsole.data import OpenedData
from revconsole.errors import RevconsoleError, RunFailed
from revconsole.records.foresight.foresight import Kind
from revconsole.records.settings.plan import Plan
from revconsole.reversible import set_draws
from revconsole.reversible.replay import generators_kept
from revconsole.reversible.shapes import without_numbers
from revconsole.training.foresee.cuda_rules import CudaRules
from revconsole.training.foresee.one_rank import NoExchange, OneRank, rank_to_trace
from revconsole.training.machine.precision import Precision
from revconsole.training.objectives import objective_of
from revconsole.training.setup import optimizers
from revconsole.training.setup.build import without_memory
from revconsole.training.setup.draws import Signs
from revconsole.training.setup.schedules import Rates
from revconsole.training.setup.training_state import TrainingState, averaged
from revconsole.training.together.alone import ALONE
from revconsole.training.together.holding import HOLDS_ALL
from revconsole.training.together.placing import placed

STEPS = 100
"""Length of the run that a step belongs to; only weights that move (scheme coefficients) depend on it."""
CPU = torch.device("cpu")


@contextmanager
def shapes(plan: Plan, device: Kind) -> Iterator[TrainingState]:
    """A context without numbers, with the state of a run whose optimiser has its state; of the rank that needs most, if there are several.

    Generators are left unchanged. Raises as `build_learner` does, and Untraceable for an optimiser that needs numbers.
    """
    with ExitStack() as stack:
        stack.enter_context(generators_kept(CPU))
        learner = without_memory(plan)
        rank = rank_to_trace(plan, learner)
        average = averaged(learner, plan.train.average)
        stack.enter_context(without_numbers())
        stack.enter_context(FakeTensorMode())
        if device == "cuda":
            stack.enter_context(CudaRules())
        _materialise([learner] if average is None else [learner, average])
        with refusing(plan):
            state = realised(plan, learner, average, device, rank)
        yield state


class Untraceable(RevconsoleError):  # noqa: N818  the name says what it is
    """The step asks for numbers, or for what tensors without numbers cannot do."""


@contextmanager
def refusing(plan: Plan) -> Iterator[None]:
    """A context that raises Untraceable for whatever a step without numbers raises, but for what cannot be trained either."""
    try:
        yield
    except (Untraceable, RunFailed):
        raise
    except DataDependentOutputException as error:
        optimizer = getattr(plan.optimizer, "algorithm", plan.optimizer.name)
        raise Untraceable(
            f"the memory of {plan.name} cannot be foreseen: its step, with optimiser {optimizer}, asks for the value of a "
            "number, and a trace has none"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise Untraceable(
            f"the step of {plan.name} cannot be traced on tensors without numbers "
            f"({type(error).__name__}: {reason})"
        ) from error


def batch_of(plan: Plan, images: int) -> tuple[Tensor, Tensor]:
    """Images (B, C, S, S) and labels of a batch: classes (B,), or class shares (B, K) where images are mixed."""
    facts = plan.facts
    labels = (
        torch.empty(images, facts.classes)
        if plan.data.mixes
        else torch.empty(images, dtype=torch.int64)
    )
    return torch.empty(images, facts.channels, *plan.image_shape), labels


def realised(
    plan: Plan,
    learner: nn.Module,
    average: AveragedModel | None,
    device: Kind,
    rank: int | None = None,
) -> TrainingState:
    """The state of a run with this learner and without data, whose optimiser has its state.

    rank: that whose state it is, as far as the plan has several; None for one process that does the work of all.
    """
    signs = Signs(plan.seed)
    set_draws(learner, signs)
    several = rank is not None and plan.train.ranks > 1
    exchange = NoExchange(rank or 0, plan.train.ranks, device) if several else None
    holding = placed(plan, learner, exchange) if exchange else HOLDS_ALL
    optimizer = optimizers.build(plan.optimizer, learner)
    holding.update_own(optimizer)
    if device == "cuda":
        _update_at_once(optimizer)
    _give_state(optimizer)
    return TrainingState(
        plan=plan,
        device=CPU,
        precision=Precision(
            name=plan.train.precision, device=CPU, scaler=GradScaler("cpu", enabled=False)
        ),
        data=cast("OpenedData", None),  # a step is given its batch and reads no data
        batches=lambda *_: iter(()),
        objective=objective_of(plan),
        model=learner,
        optimizer=optimizer,
        rates=Rates(
            schedule=plan.schedule,
            peak=plan.optimizer.learning_rate,
            steps_per_epoch=STEPS,
            steps=STEPS,
        ),
        signs=signs,
        micro_batch=0,
        average=average,
        together=OneRank(exchange, holding.everywhere(_weights(optimizer))) if exchange else ALONE,
        holding=holding,
    )


def _materialise(networks: Sequence[nn.Module]) -> None:
    """Put tensors of the CPU in place of those on `meta`; what is shared stays shared."""
    made: dict[int, Tensor] = {}

    def put(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            new = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
            if isinstance(tensor, nn.Parameter):
                new = nn.Parameter(new, requires_grad=tensor.requires_grad)
            made[id(tensor)] = new
        return made[id(tensor)]

    tables: list[dict[str, Any]] = []
    for module in (module for network in networks for module in network.modules()):
        tables += [module._parameters, module._buffers]  # noqa: SLF001  setattr would ask for the type again
    old = [dict(table) for table in tables]  # they live until all are replaced
    for table, tensors in zip(tables, old, strict=True):
        table.update({name: put(t) for name, t in tensors.items() if t is not None})


def _update_at_once(optimizer: Optimizer) -> None:
    """Let it take the implementation that it would take for tensors of a CUDA device."""
    for group in optimizer.param_groups:
        if "foreach" in group and group["foreach"] is None and not group.get("fused"):
            group["foreach"] = True


def _give_state(optimizer: Optimizer) -> None:
    """Give the optimiser the state that it has from the first step on."""
    for weight in _weights(optimizer):
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _weights(optimizer: Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]
