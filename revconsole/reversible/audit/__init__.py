"""Audit: is this model what its author thinks it is? Found out on one batch, in seconds.

    from revconsole.reversible import audit
    for check in audit.audit(model, images, labels):
        print(check.level, check.name, check.figure, check.advice)

Works on any module that maps images (B, C, S, S) to (B, classes); what does not apply is skipped. The model is
copied first, so that it, its gradients and the generators are afterwards as they were. Read `check` first, then a
file per question: `samples` (own pixels, no other sample; `trace` says in which module), `learning` (initial loss,
gradients, one batch overfitted), `reversal` (gradients, inverse, randomness against a stored pass), `memory`.
To add a check: a function from a Case to checks, and its name in FULL, or in LIGHT if it costs about one step.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.audit.check import (
    Autocast,
    Case,
    Check,
    Level,
    generators_kept,
    signs,
)
from revconsole.reversible.audit.learning import (
    FROZEN,
    LOSS,
    gradients,
    initial_loss,
    nudge_zeros,
    overfit,
)
from revconsole.reversible.audit.memory import kept
from revconsole.reversible.audit.reversal import (
    RUN,
    against_stored,
    against_stored_in_double,
    replay,
)
from revconsole.reversible.audit.samples import samples
from revconsole.reversible.sequence import set_draws

__all__ = ["FROZEN", "LOSS", "RUN", "Check", "Level", "audit", "checks"]

Look = Callable[[Case], list[Check]]
LIGHT: tuple[Look, ...] = (partial(samples, thorough=False), gradients, against_stored)
FULL: tuple[Look, ...] = (
    partial(samples, thorough=True),
    gradients,
    against_stored_in_double,
    against_stored,
    replay,
    kept,
)
FIT_SECONDS = 10.0


def audit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    light: bool = False,
    autocast: Autocast = nullcontext,
    seconds: float = math.inf,
) -> tuple[Check, ...]:
    """Every check of the model on that batch; see `checks`."""
    return tuple(checks(model, images, labels, light=light, autocast=autocast, seconds=seconds))


def checks(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    light: bool = False,
    autocast: Autocast = nullcontext,
    seconds: float = math.inf,
) -> Iterator[Check]:
    """The checks, each as it is done.

    images: (B, C, S, S), on the model's device. labels: (B,), whole numbers from 0.
    light: only what costs about as much as a training step.
    autocast: makes the context of the precision the model trains in.
    seconds: of work in this thread, whatever else the machine does, after which no further check is begun; the
    initial loss and the samples' independence, three passes of seven images, are looked at in any case.
    Raises RevconsoleError if the model cannot be copied, or does not return (B, classes).
    """
    begun = time.thread_time()
    case = Case(model=_copied(model), images=images, labels=labels, autocast=autocast)
    with generators_kept(images.device):
        first = initial_loss(case.few() if light else case)
    yield from first
    nudge_zeros(case.model)
    for number, look in enumerate(LIGHT if light else FULL):
        if number and time.thread_time() - begun > seconds:
            return
        yield from _looked(look, case)
    if not light:
        yield from _looked(partial(overfit, seconds=FIT_SECONDS), case)


def _copied(model: nn.Module) -> nn.Module:
    """A copy in training mode, whose random signs are the same in every pass."""
    try:
        twin = copy.deepcopy(model)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise RevconsoleError(
            f"the audit works on a copy of the model, and a {type(model).__name__} cannot be copied: {error}"
        ) from error
    set_draws(twin, signs)
    return twin.train()


def _looked(look: Look, case: Case) -> list[Check]:
    """What the look finds; what it raises is a finding too, and the next look goes on."""
    with generators_kept(case.images.device):
        try:
            return look(case)
        except Exception as error:  # noqa: BLE001  somebody's model may raise anything, and the report must say so
            name = getattr(look, "func", look).__name__.replace("_", " ")
            reason = " ".join(str(error).split())[:200]
            return [
                Check(
                    name=name,
                    passed=False,
                    figure=f"raised {type(error).__name__}: {reason}",
                    advice="the model cannot do what this check asks of it, on seven images or fewer",
                )
            ]
