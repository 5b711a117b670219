"""Self-distillation: a student predicts, from one crop of an image, the output of its own moving average for another
crop.

    loss  = mean over pairs of different crops of −Σ pₜ · log pₛ
    pₜ    = softmax((teacher(large crop) − centre) / teacher temperature), without a gradient
    pₛ    = softmax(student(any crop) / student temperature)
    after each step   teacher ← m · teacher + (1 − m) · student,   centre ← c · centre + (1 − c) · mean of the
    teacher's

Centring keeps one output from winning for every image; the teacher's low temperature keeps the outputs from becoming
equal. m rises to 1 along half a cosine. The teacher is never trained and always in evaluation mode; its encoder is
used later. Rectangles and mirrorings are drawn for each crop; the augmentations of the data section (colour, blur,
erasing) are applied once, before, and are equal in all crops.
Source: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers", arXiv:2104.14294.

Shapes: B images, C channels, S pixels of height and width, W width of the features, K outputs.
"""

import copy
import math
from dataclasses import dataclass
from itertools import product
from typing import Any, Self, cast

import torch
from timm.layers import trunc_normal_
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from revconsole.data import mirrored, resized_crops
from revconsole.models._views import spared
from revconsole.records.keys import key
from revconsole.records.sections.objective import Dino
from revconsole.records.settings.objective_rules import local_size
from revconsole.records.settings.plan import Plan
from revconsole.training.objectives._encoder import features, headless
from revconsole.training.objectives.objective import Inputs, Loss

LARGE = 2  # crops for both networks
RATIO = 4 / 3  # largest ratio of a crop's sides, as in torchvision
SPREAD = 0.02  # deviation of the head's initial weights, as in the paper's code


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Self-distillation; see `Objective`. local: side of a small crop in pixels. mirrored: at random."""

    settings: Dino
    local: int
    mirrored: bool
    labelled: bool = False
    unit: str = "nats"
    meaning: str = (
        "cross-entropy between the teacher's and the student's outputs for different crops"
    )
    prefix: str = "teacher.encoder."

    def learner(self, network: nn.Module, *, seed: int) -> nn.Module:
        """The network without its head as student and as teacher, each with a projection head."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(key(seed, "projection"))
            return Distiller(network, self.settings)

    def encoder(self, learner: nn.Module) -> nn.Module:
        """The student without its projection head."""
        return learner.get_submodule("encoder")

    def inputs(self, images: Tensor, labels: Tensor, *, seed: int) -> Inputs:
        """Two large crops of each image, then the small ones."""
        del labels
        settings, draws = self.settings, torch.Generator().manual_seed(seed)
        large, small = (settings.global_scale, 1.0), (settings.local_scale, settings.global_scale)
        sizes_and_shares = [(images.shape[-1], large)] * LARGE + [
            (self.local, small)
        ] * settings.local_crops
        crops = (
            resized_crops(images, size=size, shares=shares, ratio=RATIO, draws=draws)
            for size, shares in sizes_and_shares
        )
        return tuple(mirrored(crop, draws=draws) if self.mirrored else crop for crop in crops)

    def loss(self, learner: nn.Module, inputs: Inputs, *, progress: float) -> Loss:
        """Mean over all pairs of a large crop for the teacher and another crop for the student."""
        distiller = cast("Distiller", learner)
        with torch.no_grad():
            teacher_outputs = [distiller.teach(crops).float() for crops in inputs[:LARGE]]
        # One pass per crop, because a scheme draws its signs per image of a pass.
        student_outputs = [distiller.student(crops).float() for crops in inputs]
        temperature, centre = self.temperature(progress), distiller.centre
        targets = [F.softmax((output - centre) / temperature, dim=-1) for output in teacher_outputs]
        logs = [
            F.log_softmax(output / self.settings.student_temperature, dim=-1)
            for output in student_outputs
        ]
        pairs = [(t, s) for t, s in product(range(LARGE), range(len(inputs))) if t != s]
        losses = [-(targets[t] * logs[s]).sum(dim=-1).mean() for t, s in pairs]
        return Loss(
            mean=torch.stack(losses).mean(), carried=torch.stack(teacher_outputs).mean(dim=(0, 1))
        )

    def update(self, learner: nn.Module, carried: Tensor | None, *, progress: float) -> None:
        """Update teacher and centre. carried: mean of the teacher's outputs, (K,)."""
        distiller = cast("Distiller", learner)
        distiller.follow(self.momentum(progress))
        if carried is not None:
            distiller.centre.lerp_(carried, 1 - self.settings.centre_momentum)

    def momentum(self, progress: float) -> float:
        """Momentum of the teacher: from the plan's value to 1."""
        return 1 - (1 - self.settings.momentum) * (math.cos(math.pi * progress) + 1) / 2

    def temperature(self, progress: float) -> float:
        """Temperature of the teacher: from the warm-up's value to the plan's, linearly."""
        settings = self.settings
        if progress >= settings.temperature_warmup:
            return settings.teacher_temperature
        done = progress / settings.temperature_warmup
        return settings.warmup_temperature + done * (
            settings.teacher_temperature - settings.warmup_temperature
        )


class Distiller(nn.Module):
    """Student, teacher and centre. Its forward pass gives the teacher's features of whole images."""

    centre: Tensor

    def __init__(self, network: Any, settings: Dino) -> None:
        super().__init__()
        width = headless(network)
        network.patch_embed.strict_img_size = False  # small crops have fewer patches
        self.encoder = network
        self.projection = projection(width, settings)
        parts = {"encoder": network, "projection": self.projection}
        self.teacher = nn.ModuleDict(copy.deepcopy(parts)).requires_grad_(False).eval()
        self.register_buffer("centre", torch.zeros(settings.output))

    def forward(self, images: Tensor) -> Tensor:
        """The teacher's features, (B, W)."""
        return features(self.teacher["encoder"], images)

    def student(self, crops: Tensor) -> Tensor:
        """The student's outputs, (B, K)."""
        outputs: Tensor = self.projection(features(self.encoder, crops))
        return outputs

    def teach(self, crops: Tensor) -> Tensor:
        """The teacher's outputs, (B, K)."""
        outputs: Tensor = self.teacher["projection"](features(self.teacher["encoder"], crops))
        return outputs

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the teacher's weights towards the student's and copy its running statistics."""
        student = nn.ModuleDict({"encoder": self.encoder, "projection": self.projection})
        for own, new in zip(self.teacher.parameters(), student.parameters(), strict=True):
            own.lerp_(new, 1 - momentum)
        for statistic, now in zip(self.teacher.buffers(), student.buffers(), strict=True):
            statistic.copy_(now)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the student; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that the encoder excludes from decay."""
        return spared(self.encoder, "encoder.")


def projection(width: int, settings: Dino) -> nn.Sequential:
    """The projection head (B, W) → (B, K): three layers, a unit-length bottleneck, a layer of unit-length rows."""
    layers = nn.Sequential(
        nn.Linear(width, settings.hidden),
        nn.GELU(),
        nn.Linear(settings.hidden, settings.hidden),
        nn.GELU(),
        nn.Linear(settings.hidden, settings.bottleneck),
        UnitLength(),
        nn.Linear(settings.bottleneck, settings.output, bias=False),
    )
    for layer in layers:
        if isinstance(layer, nn.Linear):
            trunc_normal_(layer.weight, std=SPREAD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    last: Any = weight_norm(layers[-1])
    lengths = last.parametrizations.weight.original0
    lengths.data.fill_(1)
    lengths.requires_grad_(False)  # otherwise longer rows alone would lower the loss
    return layers


class UnitLength(nn.Module):
    """Scales vectors to length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (B, D) scaled to length 1."""
        return F.normalize(x.float(), dim=-1)


def objective_of(plan: Plan) -> Distillation:
    """The objective of a plan; its model is a vit."""
    settings = cast("Dino", plan.objective)
    return Distillation(
        settings=settings, local=local_size(plan, settings), mirrored=plan.data.mirrors
    )
