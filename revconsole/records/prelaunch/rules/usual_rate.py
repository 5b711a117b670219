"""Usual rate: a learning rate far from what this optimiser, batch and network usually take.

Speaks when the rate is twice beyond the span of `usual`. Sources of the spans:

    transformers from scratch, AdamW and Adam: 5e-4 × batch/512 (DeiT, arXiv 2012.12877), 1e-3 at 128 (SPT and LSA, arXiv
    2112.13492), 1e-3 to 3e-3 (Steiner et al. 2021, arXiv 2106.10270); the least shrinks with the root of the batch, the
    most grows as a network is narrower than 128, with the root (between none and Yang et al. 2022, arXiv 2203.03466);
    fine-tuning a transformer, AdamW and Adam: 2e-5 to 5e-5 in public fine-tunings of Swin and ViT; 5e-4 with layer decay;
    from scratch, SGD with momentum 0.9: 0.1 at 128 to 256, in proportion to larger batches (He et al. 2016; Goyal et al.
    2017, arXiv 1706.02677);
    fine-tuning a transformer, SGD with momentum 0.9: 0.003 to 0.06 at 512 (Dosovitskiy et al. 2020, table 4);
    lion: a third to a tenth of AdamW's rate (Chen et al. 2023, arXiv 2302.06675).

A frozen network and models of one's own have no usual rate here.
"""

import math
from dataclasses import dataclass

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.sections.model import Mlp
from revconsole.records.sections.optimizer import Adam, AdamW, Sgd, TimmOptimizer

FAR = 2.0
USUAL_BATCH, LARGE_BATCH = 256, 512
"""Batches that the spans of convolutions and of transformers are of."""
MOST_USUAL = 0.1
"""One minus the usual momentum, 0.9; a rate counts for as many times its size as momentum sums it up."""
WIDE = 128
TEN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualRate:
    """A span of learning rates, the one to take at first, and who uses them for what."""

    low: float
    high: float
    first: float
    of: str
    source: str


def look(run: PlannedRun) -> str:
    """The sentence about a rate beyond the span."""
    span, rate = usual(run), run.plan.optimizer.learning_rate
    if span is None or span.low / FAR <= rate <= span.high * FAR:
        return ""
    high = rate > span.high
    factor = rate / span.high if high else span.low / rate
    words = f"{_number(factor)} times {'the most' if high else 'below the least'} that is usual"
    return (
        f"the learning rate {rate:g} is {words} for {span.of} at batch {run.plan.train.batch} ({span.low:.2g} to {span.high:.2g}: "
        f"{span.source}): optimizer.learning_rate={span.first:.2g}"
    )


def _number(factor: float) -> str:
    """Two digits below ten, whole above."""
    return f"{factor:,.0f}" if factor >= TEN else f"{factor:.2g}"


def usual(run: PlannedRun) -> UsualRate | None:
    """The usual span; None if nothing is known."""
    perceptron = isinstance(run.plan.model, Mlp)
    if run.frozen or (run.network.kind == "other" and not perceptron):
        return None
    match run.plan.optimizer:
        case AdamW() | Adam() as adam:
            decays = isinstance(adam, AdamW) and adam.layer_decay is not None
            return _adam(run, adam.name, decays=decays)
        case Sgd() as sgd:
            return _sgd(run, sgd.momentum)
        case TimmOptimizer(algorithm="lion") if run.transformer and run.scratch:
            return UsualRate(
                low=1e-5,
                high=1e-3,
                first=1e-4,
                of="lion and a transformer from scratch",
                source="Chen et al. 2023",
            )
        case _:
            return None


def _adam(run: PlannedRun, name: str, *, decays: bool) -> UsualRate:
    shrunk = math.sqrt(min(1.0, run.plan.train.batch / LARGE_BATCH))
    if not run.transformer:
        high = 0.05 if isinstance(run.plan.model, Mlp) else 5e-3
        of = f"{name} and {_network(run)}"
        return UsualRate(
            low=1e-4 * shrunk, high=high, first=1e-3, of=of, source="Kingma and Ba 2015"
        )
    if run.scratch:
        narrow = math.sqrt(max(1.0, WIDE / (run.network.dim or WIDE)))
        return UsualRate(
            low=1e-4 * shrunk, high=3e-3 * narrow, first=5e-4 if (run.network.dim or 384) > 256 else 1e-3,
            of=f"{name} and a transformer from scratch", source="DeiT, SPT/LSA, Steiner et al. 2021",
        )  # fmt: skip
    if decays or not _published(run):
        return UsualRate(
            low=1e-5, high=3e-3, first=5e-4, of=f"{name} and fine-tuning", source="MAE, BEiT"
        )
    return UsualRate(
        low=1e-5 * shrunk, high=3e-4, first=5e-5, of=f"{name} and fine-tuning a transformer", source="Swin, ViT and their public fine-tunings",
    )  # fmt: skip


def _published(run: PlannedRun) -> bool:
    """Whether the network starts from published weights rather than from a run."""
    return not isinstance(getattr(run.plan.model, "pretrained", None), str)


def _sgd(run: PlannedRun, momentum: float) -> UsualRate:
    longer = MOST_USUAL / (1.0 - momentum)
    tuned = run.transformer and not run.scratch
    relative = run.plan.train.batch / (LARGE_BATCH if tuned else USUAL_BATCH)
    low, high, first = (1e-3, 0.06, 0.01) if tuned else (1e-3, 0.2, 0.1)
    what = "fine-tuning a transformer" if tuned else _network(run)
    return UsualRate(
        low=low * min(1.0, relative) / longer, high=high * max(1.0, relative) / longer, first=first / longer,
        of=f"SGD with momentum {momentum:g} and {what}",
        source="ViT: 0.003 to 0.06 at 512" if tuned else "ResNet: 0.1 at 256, in proportion to larger batches",
    )  # fmt: skip


def _network(run: PlannedRun) -> str:
    if isinstance(run.plan.model, Mlp):
        return "a multilayer perceptron"
    return "a transformer from scratch" if run.transformer else "convolutions"


RULE = LaunchRule(name="unusual rate", level="warning", look=look)
