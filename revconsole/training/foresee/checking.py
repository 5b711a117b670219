"""Checking: predictions for many kinds of models and settings, each beside a real step of the same.

Every prediction is traced anew, and every real step runs in a process of its own (`actual`). All of them are small, so
that the whole takes minutes; what is inside kernels weighs more in small models than in large ones.
"""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from revconsole.errors import said
from revconsole.records.foresight import cache
from revconsole.records.foresight.checked import CheckedPrediction, UncheckedPrediction
from revconsole.records.sections import Backward
from revconsole.records.settings.plan import Plan
from revconsole.training.foresee.actual import Stepping
from revconsole.training.foresee.foresee import foresee

VIT = "model.architecture=vit model.patch=4 model.dim=96 model.depth=4 model.heads=3"
SCHEMES = """
stored 32
stored 64x4 train.clip=1.0 train.average=0.99
stored 32 train.precision=bf16
checkpointed 64 optimizer.name=sgd
reversible 64 scheme.name=additive
reversible 64x2 scheme.name=additive train.precision=bf16
checkpointed 32 scheme.name=additive optimizer.name=sgd
reversible 64 scheme.name=bdia
reversible 32x2 scheme.name=bdia train.precision=bf16 train.average=0.99
stored 32 scheme.name=bdia optimizer.name=adam
reversible 64 scheme.name=momentum
reversible 64 scheme.name=momentum scheme.grid_bits=9 optimizer.name=sgd
reversible 32 scheme.name=midpoint optimizer.name=timm optimizer.algorithm=lion
reversible 32 scheme.name=leapfrog scheme.grid_bits=9 data.mixup=0.2
reversible 32 scheme.name=hamiltonian train.label_smoothing=0.1
reversible 32 scheme.name=midpoint_a optimizer.name=timm optimizer.algorithm=lamb
reversible 32 scheme.name=coefficients
stored 32 model.dropout=0.1 model.drop_path=0.1
stored 32 train.freeze=backbone
stored 32 objective.name=mae
stored 16 objective.name=dino
"""
OWN = """
stored 32 model.architecture=cct
stored 16 model.architecture=conformer
reversible 16 model.architecture=uniformer scheme.name=bdia
checkpointed 16 model.architecture=resnet
stored 16 model.architecture=resnet model.stem=cifar optimizer.name=sgd train.precision=bf16
stored 32 model.architecture=cnn model.batch_norm=true
stored 64 model.architecture=mlp
stored 16 model.architecture=swin
checkpointed 16 model.architecture=swin train.precision=bf16
"""
TIMM = """
vit_tiny_patch16_224 64 16
convnext_atto 64 8
convnextv2_atto 64 8
mixer_s32_224 224 4
gmlp_ti16_224 224 2
resmlp_12_224 224 2
regnetx_002 64 8
regnety_002 64 8
resnet26 64 8
resnext26ts 64 8
efficientnet_lite0 64 8
mobilenetv2_035 64 16
mobilenetv3_small_100 64 16
mobilevit_xxs 64 8
edgenext_xx_small 64 8
pvt_v2_b0 64 8
xcit_nano_12_p16_224 64 16
eva02_tiny_patch14_224 56 16
coat_lite_tiny 64 8
convit_tiny 64 16
cait_xxs24_224 64 8
crossvit_tiny_240 240 2
levit_128s 224 4
repvgg_a0 64 8
ghostnet_050 64 16
mnasnet_small 64 16
densenet121 64 4
dla34 64 4
visformer_tiny 64 8
efficientvit_b0 64 8
"""
"""Models of timm by family: name, side of the images, images."""


def combinations() -> Iterator[tuple[str, Backward, str]]:
    """Settings, backward and batch ("32", or "32x4" for four micro-batches) of everything that is checked."""
    for line in filter(None, SCHEMES.splitlines()):
        backward, batch, *settings = line.split()
        yield " ".join([VIT, "data.dataset=synthetic", *settings]), _known(backward), batch
    for line in filter(None, OWN.splitlines()):
        backward, batch, *settings = line.split()
        yield " ".join(["data.dataset=synthetic", *settings]), _known(backward), batch
    for line in filter(None, TIMM.splitlines()):
        name, side, batch = line.split()
        model = f"model.architecture=timm model.name={name}"
        yield f"{model} data.dataset=synthetic data.image_size={side}", "stored", batch


def checked(
    wanted: Sequence[tuple[str, Backward, str]],
) -> Iterator[CheckedPrediction | UncheckedPrediction]:
    """Check these combinations; yields each when it is done, or why it could not be."""
    with Stepping() as stepping:
        for settings, backward, batch in wanted:
            micro_batch, _, parts = batch.partition("x")
            try:
                yield check(stepping, settings, backward, int(micro_batch), int(parts or 1))
            except Exception as error:  # noqa: BLE001  a model of somebody else's may raise anything
                yield UncheckedPrediction(settings=settings, backward=backward, why=said(error))


def check(
    stepping: Stepping, settings: str, backward: Backward, micro_batch: int, accumulate: int
) -> CheckedPrediction:
    """Foresee one combination and train a step of it."""
    plan = planned(settings, backward)
    step = foresee(plan, backwards=[backward], anew=True).steps[backward]
    began = time.process_time()
    cache.read(cache.key(plan, backward, "cpu"))
    cached_seconds = time.process_time() - began
    peak, real = step.peak(micro_batch, accumulate), stepping.ask(plan, micro_batch, accumulate)
    return CheckedPrediction(
        settings=settings,
        backward=backward,
        micro_batch=micro_batch,
        accumulate=accumulate,
        predicted=peak.total,
        tracked=real.tracked,
        resident=real.resident,
        operator=peak.operator,
        cold_seconds=step.seconds,
        cached_seconds=cached_seconds,
    )


def planned(settings: str, backward: Backward) -> Plan:
    """The plan of some dotted settings, all others at their defaults."""
    table: dict[str, Any] = {"name": "checked", "backward": backward}
    for setting in settings.split():
        key, _, value = setting.partition("=")
        section, _, name = key.partition(".")
        table.setdefault(section, {})[name] = _value(value)
    return Plan.model_validate(table)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _known(word: str) -> Backward:
    backwards: dict[str, Backward] = {
        "stored": "stored", "checkpointed": "checkpointed", "reversible": "reversible"
    }  # fmt: skip
    return backwards[word]
