"""Size: in which module the numbers of a forward pass stop being finite, or grow the most."""

import math

import torch
from torch import Tensor

from revconsole.reversible.audit.check import Case
from revconsole.reversible.audit.record import RecordedCall, recorded

APART, ALIKE = 1e-2, 1e-3  # of the size of the numbers: how far images are from one another


def not_finite_in(case: Case) -> str:
    """The innermost module that is given finite numbers and returns others; empty where there is none."""
    for call in _calls(case):
        if _rms(call.given) < math.inf and not _rms(call.returned) < math.inf:
            return call.called
    return ""


def loudest(case: Case) -> tuple[str, float]:
    """The module without others inside that makes its input the largest number of times as large, and how many."""
    grown = {
        call.called: _rms(call.returned) / max(1.0, _rms(call.given))
        for call in _calls(case)
        if not any(True for _ in call.module.children())
    }
    place = max(grown, key=lambda each: grown[each], default="")
    return place, grown.get(place, 1.0)


def alike_from(case: Case) -> str:
    """The innermost module that is given images apart and returns them alike; empty where the outputs are apart."""
    with torch.no_grad():
        logits = case.logits()
    if _apart(logits) > ALIKE:
        return ""
    inner = (call for call in _calls(case) if not any(True for _ in call.module.children()))
    lost = (c.called for c in inner if _apart(c.given) > APART and _apart(c.returned) < ALIKE)
    return next(lost, "")


def _apart(value: object) -> float:
    """How far the first axis, of images, is spread, relative to the size of the numbers; 0 for what is no such tensor."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2:
        return 0.0
    size = _rms(value)
    return 0.0 if size in {0.0, math.inf} else _rms(value - value.mean(0, keepdim=True)) / size


def _calls(case: Case) -> list[RecordedCall]:
    with torch.no_grad(), recorded(case.model) as record:
        case.logits()
    return record.calls


def _rms(value: object) -> float:
    """Root of the mean square; infinite where one is not finite."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return 0.0
    root = float(value.detach().double().square().mean().sqrt()) if value.numel() else 0.0
    return root if math.isfinite(root) else math.inf
