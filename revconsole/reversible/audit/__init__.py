"""Audit: is this model what its author thinks it is? Found out on one batch, in seconds.

    from revconsole.reversible import audit
    for check in audit.audit(model, images, labels):
        print(check.level, check.name, check.figure, check.advice)

Works on any module that maps images (B, C, S, S) to (B, classes), or to something with these as its `.logits`; what
does not apply is skipped. The model is copied first (`twin`), so that it, its gradients and the generators are left as
they were. Read `check` first, then a file per question, named for what it asks of; `record`, `products`, `trace`,
`sight` and `size` watch a pass. To add a check: a function from a Case to checks, and its name in FULL, or in LIGHT
if it costs about one step.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

from torch import Tensor, nn

from revconsole.reversible.audit.batch import batch, require_batch
from revconsole.reversible.audit.check import Autocast, Case, Check, Level
from revconsole.reversible.audit.dropout import dropout
from revconsole.reversible.audit.gradients import FROZEN, gradients
from revconsole.reversible.audit.learning import LOSS, initial_loss, nudge_zeros, overfit, units
from revconsole.reversible.audit.memory import kept
from revconsole.reversible.audit.reversal import (
    RUN,
    against_stored,
    against_stored_in_double,
    replay,
)
from revconsole.reversible.audit.samples import samples
from revconsole.reversible.audit.tokens import tokens
from revconsole.reversible.audit.twin import twin_of
from revconsole.reversible.audit.wiring import wiring
from revconsole.reversible.replay import generators_kept
from revconsole.reversible.witness import unwatched

__all__ = ["FROZEN", "LOSS", "RUN", "Check", "Level", "audit", "checks"]

Look = Callable[[Case], list[Check]]
LIGHT: tuple[Look, ...] = (
    partial(samples, thorough=False), batch, gradients, tokens, dropout, against_stored, wiring,
)  # fmt: skip
FULL: tuple[Look, ...] = (
    partial(samples, thorough=True), batch, gradients, tokens, dropout, wiring, against_stored_in_double,
    against_stored, replay, kept,
)  # fmt: skip
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

    images: (B, C, S, S), on the model's device. labels: (B,), whole numbers from 0. light: only what costs about as much
    as a training step. autocast: makes the context of the precision the model trains in. seconds: of work in this thread,
    after which no further check is begun; the initial loss and the samples' independence are looked at in any case.
    Raises RevconsoleError if the model cannot be copied, or does not return (B, classes).
    """
    begun = time.thread_time()
    wrong: list[Check] = []
    require_batch(images, labels)
    case = Case(model=twin_of(model), images=images, labels=labels, autocast=autocast)
    with generators_kept(images.device):
        first = initial_loss(case.few() if light else case, labels)
    yield from _noted(first, wrong)
    yield from _noted(_looked(units, case), wrong)
    nudge_zeros(case.model)
    for number, look in enumerate(LIGHT if light else FULL):
        if number and time.thread_time() - begun > seconds:
            return
        yield from _noted(_looked(look, case), wrong)
    if not light:
        yield from _looked(partial(overfit, seconds=FIT_SECONDS, wrong=wrong), case)


def _noted(found: list[Check], wrong: list[Check]) -> list[Check]:
    """What was found; what of it failed is put down."""
    wrong += [each for each in found if each.passed is False]
    return found


def _looked(look: Look, case: Case) -> list[Check]:
    """What the look finds; what it raises is a finding too, and the next look goes on."""
    with generators_kept(case.images.device), unwatched():
        try:
            return look(case)
        except Exception as error:  # noqa: BLE001  somebody's model may raise anything, and the report must say so
            name = getattr(look, "func", look).__name__.replace("_", " ")
            reason = " ".join(str(error).split())[:200]
            advice = "the model cannot do what this check asks of it, on seven images or fewer"
            return [Check.failure(name, f"raised {type(error).__name__}: {reason}", advice)]
