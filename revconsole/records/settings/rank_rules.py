"""Ranks: what `train.gpus` asks of the other settings of a plan."""

from revconsole.records import devices
from revconsole.records.sections.model import Cnn, Conformer, Mlp
from revconsole.records.sections.rule import Rule
from revconsole.records.settings.model_rules import has_batch_norm
from revconsole.records.settings.plan_settings import PlanSettings

KEY = "train.gpus"
SHARD = "train.shard"
NORMS = "train.sync_batchnorm"


def check_ranks(plan: PlanSettings) -> None:
    """Raise Rule if the work of a step cannot be shared as `train.gpus` says."""
    train, ranks = plan.train, plan.train.gpus
    check_shard(plan)
    _check_norms(plan)
    if ranks == 1:
        return
    if plan.fitted:
        raise Rule(KEY, "a support vector machine is fitted in one process; leave it out")
    if train.device == "mps" or ":" in train.device:
        words = f"{train.device} is one device; set train.device to cuda, or to cpu for processes"
        raise Rule("train.device", f"{words}, or leave out train.gpus")
    if ranks == "all":
        if train.device == "cpu":
            raise Rule(KEY, "all counts GPUs, and train.device is cpu: set a number of processes")
        return
    parts = train.accumulate
    if parts % ranks:
        near = parts - parts % ranks
        some = f"{near} or {near + ranks}" if near else str(ranks)
        raise Rule(
            "train.accumulate",
            f"{_several(parts)} of a step cannot be shared among {ranks} ranks alike (train.gpus): set it to {some}",
        )
    if train.batch % parts:
        near = train.batch - train.batch % parts
        some = f"{near} or {near + parts}" if near else str(parts)
        raise Rule(
            "train.batch",
            f"batch {train.batch} does not divide into {_several(parts)} for {ranks} ranks (train.gpus): set it to {some}",
        )


def check_shard(plan: PlanSettings) -> None:
    """Raise Rule if the weights cannot be shared out as `train.shard` says."""
    train = plan.train
    if not train.shard:
        return
    if train.gpus == 1:
        raise Rule(
            SHARD,
            "shares weights among ranks, and this is one; set train.gpus too, or leave it out",
        )
    if isinstance(plan.model, Cnn | Mlp | Conformer) or getattr(plan.model, "token_merging", False):
        raise Rule(
            SHARD, "this model has no blocks that a scheme wires, which it shares; leave it out"
        )
    against = {
        "train.average, whose second weights would be whole on every rank": train.average,
        "objective dino, whose teacher would be whole on every rank": plan.objective.name == "dino",
        "train.compile, because compiled code does not wait for weights": train.compile,
        "train.precision=fp16, whose scale would differ by rank; bf16 does": train.precision == "fp16",
        "train.on_oom=shrink, because ranks that wait for weights cannot begin a step again": train.on_oom == "shrink",
    }  # fmt: skip
    if why := next((words for words, found in against.items() if found), ""):
        raise Rule(SHARD, f"does not go with {why}; leave one of the two out")


def _check_norms(plan: PlanSettings) -> None:
    """Raise Rule if BatchNorm cannot be over the whole batch as `train.sync_batchnorm` says."""
    train = plan.train
    if not train.sync_batchnorm:
        return
    if train.gpus not in {"all", train.accumulate}:
        ranks = (
            f"{_several(train.accumulate)} of a step on {train.gpus} rank{'s' * (train.gpus != 1)}"
        )
        words = (
            f"takes one micro-batch on each rank, not {ranks}: set train.gpus={train.accumulate}"
        )
        raise Rule(NORMS, f"{words}, or leave it out")
    if train.on_oom == "shrink":
        words = "because ranks that wait for statistics cannot begin a step again"
        raise Rule(
            NORMS, f"does not go with train.on_oom=shrink, {words}; leave one of the two out"
        )
    if has_batch_norm(plan.model) is False:
        raise Rule(
            NORMS, "this model has no BatchNorm whose statistics could be shared; leave it out"
        )


def counted(plan: PlanSettings) -> int:
    """The ranks that `train.gpus = "all"` means here. Raises Rule if there is no GPU."""
    seen = [name for name in devices.candidates(plan.train.device) if name.startswith("cuda")]
    cards = devices.candidates("auto") if seen else ()
    if not cards:
        raise Rule(
            KEY, "this machine has no GPU; leave it out, or set a number and train.device=cpu"
        )
    return len(cards)


def _several(parts: int) -> str:
    return "1 micro-batch" if parts == 1 else f"{parts} micro-batches"
