"""Check: one thing found out about a model. Case: the model and the batch it is found out on.

Shapes: B images, C channels, S pixels of height and width.
"""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.errors import RevconsoleError
from revconsole.reversible.sequence import ReversibleSequence, sequences

Level = Literal["passed", "failed", "note", "skipped"]
Autocast = Callable[[], AbstractContextManager[object]]

FEW = 7  # images for most checks: cheap, and hardly ever the size of another axis than the batch
SEED = 20_407_093  # of everything drawn while a model is looked at; which one does not matter
SCALE = 1024.0  # of the loss under fp16, whose small gradients would otherwise vanish
MOST_NAMED = 6  # groups of parameters in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found.

    passed: None where it does not apply or was not judged. figure: what was measured, with its unit. advice: what to do;
    of a check that did not fail, what to be aware of.
    """

    name: str
    passed: bool | None
    figure: str
    advice: str = ""

    @classmethod
    def success(cls, name: str, figure: str, advice: str = "") -> Self:
        """A check that did not fail. advice: what to be aware of."""
        return cls(name=name, passed=True, figure=figure, advice=advice)

    @classmethod
    def failure(cls, name: str, figure: str, advice: str) -> Self:
        """A check that failed, and what to do."""
        return cls(name=name, passed=False, figure=figure, advice=advice)

    @classmethod
    def judged(cls, name: str, figure: str, advice: str, *, passed: bool) -> Self:
        """A check with advice only if it failed."""
        return cls(name=name, passed=passed, figure=figure, advice="" if passed else advice)

    @classmethod
    def unjudged(cls, name: str, figure: str, advice: str = "") -> Self:
        """A check that does not apply, or could not be made."""
        return cls(name=name, passed=None, figure=figure, advice=advice)

    @property
    def level(self) -> Level:
        """How serious it is: a note is something to be aware of that may well be meant."""
        if self.passed is False:
            return "failed"
        if self.advice:
            return "note"
        return "skipped" if self.passed is None else "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model and a batch to look at it with. Checks may leave the model's weights changed.

    images: (B, C, S, S). labels: (B,). autocast: makes the context of the run's precision.
    draw: which random numbers every pass gets.
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    autocast: Autocast = field(default=nullcontext)
    draw: int = 0

    def few(self, count: int = FEW) -> "Case":
        """The case on its first images."""
        return replace(self, images=self.images[:count], labels=self.labels[:count])

    def drawn(self, draw: int) -> "Case":
        """The case with other random numbers."""
        return replace(self, draw=draw)

    def noisy(self) -> "Case":
        """The case with noise on its images, so that no pixel is the same in all."""
        generator = torch.Generator().manual_seed(SEED)
        noise = torch.randn(self.images.shape, generator=generator).to(self.images)
        return replace(self, images=self.images + noise * self.images.std().clamp_min(1e-3))

    def double(self, model: nn.Module) -> "Case":
        """The images in float64 for that model, without autocast."""
        return replace(self, model=model, images=self.images.double(), autocast=nullcontext)

    @property
    def sequences(self) -> list[ReversibleSequence]:
        """The model's reversible sequences."""
        return sequences(self.model)

    @property
    def computes_in(self) -> torch.dtype:
        """The dtype of the run's precision."""
        kind = self.images.device.type
        with self.autocast():
            enabled = torch.is_autocast_enabled(kind)
            return torch.get_autocast_dtype(kind) if enabled else self.images.dtype

    def logits(self) -> Tensor:
        """(B, classes), computed as in training, with the same random numbers every time."""
        sow(self.images.device, self.draw)
        with self.autocast():
            return logits_of(self.model(self.images))

    def loss(self) -> Tensor:
        """Mean cross-entropy of the batch."""
        return self.loss_of(self.logits())

    def loss_of(self, logits: Tensor) -> Tensor:
        """Mean cross-entropy of those outputs, (B, classes)."""
        return F.cross_entropy(logits if logits.itemsize > 4 else logits.float(), self.labels)

    def gradients(self) -> dict[str, Tensor | None]:
        """Gradients of the loss by name of the trained parameters; None where none arrives."""
        trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        loss = self.loss()
        if not trained or not loss.requires_grad:
            return dict.fromkeys(trained)
        scale = SCALE if self.computes_in == torch.float16 else 1.0
        parameters = list(trained.values())
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            loss * scale, parameters, allow_unused=True
        )
        scaled = (None if g is None else g / scale for g in gradients)
        return dict(zip(trained, scaled, strict=True))


def logits_of(output: Any) -> Tensor:
    """(B, classes), of what a classifier returns: a tensor, the `.logits` of a record, or the first of several.

    Raises RevconsoleError where there is no tensor to be found.
    """
    match output:
        case Tensor():
            return output
        case Mapping() if isinstance(output.get("logits"), Tensor):
            return cast("Tensor", output["logits"])
        case _ if isinstance(getattr(output, "logits", None), Tensor):
            return cast("Tensor", output.logits)
        case [Tensor() as first, *_]:
            return first
    raise RevconsoleError(
        f"the model returns {type(output).__name__}, and a classifier returns (batch, classes), or something with "
        "these as its logits"
    )


def aimed(values: Tensor) -> Tensor:
    """The sum of values (…, K), weighted in a direction that no symmetry of a network cancels."""
    weights = torch.arange(1.0, values.shape[-1] + 1).sin().to(values)  # (K,)
    return (values * weights).sum()


def sow(device: torch.device, draw: int = 0) -> None:
    """Seed the generators that a computation on the device, or Python around it, may draw from."""
    torch.default_generator.manual_seed(SEED + draw)
    random.seed(SEED + draw)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(SEED + draw)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(SEED + draw)


def signs(blocks: int, samples: int, device: torch.device) -> Tensor:
    """Random signs that are the same at every call, for `set_draws`."""
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.randint(0, 2, (blocks, samples), generator=generator)
    return drawn.mul(2).sub(1).to(device, torch.float32)


def without_dropout(model: nn.Module) -> None:
    """Let the model drop nothing in training, for good."""
    for module in model.modules():
        for name in ("p", "drop_prob"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def require_classifier(case: Case, logits: Tensor, labels: Tensor) -> None:
    """Raise RevconsoleError unless the model gave every image one number per class."""
    shape, count, classes = tuple(logits.shape), len(case.images), int(labels.max()) + 1
    if logits.ndim != 2 or len(logits) != count:
        raise RevconsoleError(
            f"the model returns {shape} for images of the shape {tuple(case.images.shape)}, and a "
            f"classifier returns (batch, classes), here ({count}, at least {classes})"
        )
    if logits.shape[1] < classes:
        raise RevconsoleError(
            f"the model tells {logits.shape[1]} classes apart and the data has at least {classes}: "
            "give the model as many outputs as there are classes"
            + (", or labels that begin at 0" if int(labels.min()) == 1 else "")
        )


def grouped(chosen: Sequence[str], names: Sequence[str]) -> str:
    """Some of the names of a model's parameters, by the largest modules that hold no others."""
    left = set(names) - set(chosen)
    groups: dict[str, None] = {}
    for name in chosen:
        parts = name.split(".")
        prefixes = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        whole = (p for p in prefixes if not any(f"{n}.".startswith(f"{p}.") for n in left))
        groups[next(whole)] = None
    listed = _ranges(list(groups))
    more = len(listed) - MOST_NAMED
    return ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ranges(groups: Sequence[str]) -> list[str]:
    """Three numbered ones or more in a row as blocks.2 to blocks.4."""
    runs: list[list[str]] = []
    for before, group in pairwise(["", *groups]):
        if runs and _number(group) == (_number(before)[0], _number(before)[1] + 1):
            runs[-1].append(group)
        else:
            runs.append([group])
    short = [run if len(run) < 3 else [f"{run[0]} to {run[-1]}"] for run in runs]
    return [group for run in short for group in run]


def _number(group: str) -> tuple[str, int]:
    head, _, tail = group.rpartition(".")
    return (head, int(tail)) if tail.isdigit() else (group, -2)
