"""Dropout: whether training leaves anything of what it drops from, and whether evaluation draws at all."""

import torch

from revconsole.reversible.audit.check import Case, Check, sow
from revconsole.reversible.audit.products import Products
from revconsole.reversible.audit.record import recorded
from revconsole.reversible.replay import drawn, random_state
from revconsole.reversible.rest import evaluating

DROPOUT = "dropout"
MOST = 0.9  # dropped: 0.9 is mostly meant to be kept


def dropout(case: Case) -> list[Check]:
    """Fails where nine tenths are dropped or more; a note where random numbers are drawn in evaluation."""
    few = case.few()
    with torch.no_grad():
        with (
            recorded(few.model, python=True) as record,
            Products(record, few.model, attention=False),
        ):
            few.logits()
        draws = _draws_in_evaluation(few)
    worst = max(record.dropped, key=lambda place: record.dropped[place], default="")
    if worst and record.dropped[worst] >= MOST:
        advice = f"{worst} drops nearly everything in training: is the share to keep meant?"
        return [Check.failure(DROPOUT, f"{record.dropped[worst]:.0%} at most", advice)]
    figure = f"{record.dropped[worst]:.0%} at most" if worst else "there is none"
    advice = "random numbers are drawn in evaluation too: meant?" if draws else ""
    return [Check(name=DROPOUT, passed=True if worst else None, figure=figure, advice=advice)]


def _draws_in_evaluation(case: Case) -> bool:
    device = case.images.device
    with evaluating(case.model):
        sow(device)
        before = random_state(device)
        case.logits()
    return any(state is not None for state in drawn(before, random_state(device)))
