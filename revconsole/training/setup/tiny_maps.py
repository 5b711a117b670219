"""Tiny maps: convolutions whose gradient torch computes wrongly in bf16 on a CPU.

Where a map is smaller than the stride, or no larger than what a large kernel has beyond 3 × 3 on one side, the gradient of the
weights at taps that lie in the padding for every output is left as the memory was (seen with torch 2.15, a relative error
of infinity against 0.002 elsewhere). A run would train on that, or end with a gradient that is not finite. Depthwise
convolutions and kernels of one pixel are right.
"""

from functools import partial

from torch import Tensor, nn

from revconsole.errors import ProfileError
from revconsole.records.settings.plan import Plan
from revconsole.training.machine.precision import Precision
from revconsole.training.objectives import Objective
from revconsole.training.setup.norms import trains_on


def refuse_wrong_gradients(
    precision: Precision, objective: Objective, model: nn.Module, plan: Plan
) -> None:
    """Raise ProfileError if a convolution of the network meets a map on which its gradient would be wrong."""
    if precision.device.type != "cpu" or precision.name != "bf16":
        return
    found: list[str] = []
    hooks = [
        module.register_forward_pre_hook(partial(_note, found, name))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups == 1
    ]
    if hooks:
        trains_on(2, objective, model, plan)
    for hook in hooks:
        hook.remove()
    if found:
        raise ProfileError.of_plan(
            "train.precision",
            f"torch computes a wrong gradient in bf16 on a CPU of {found[0]}; use float32, larger images or a GPU",
        )


def _note(found: list[str], name: str, module: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
    sides = tuple(inputs[0].shape[-2:])
    for side, kernel, stride in zip(sides, module.kernel_size, module.stride, strict=True):
        if kernel > 1 and (side < stride or side <= (kernel - 3) // 2):
            found.append(f"{name}, whose map is {sides[0]} × {sides[1]}")
            return
