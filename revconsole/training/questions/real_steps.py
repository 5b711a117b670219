"""Real steps: `python -m revconsole.training.questions.real_steps` trains three steps of a plan and says what they took.

The input is one line of JSON: plan, micro_batch, accumulate, images (of the whole batch, which lie there), cap. The answer is one: `bytes`, the most that the training
took, or `ran_out`, how memory ran out, or `error`. The images are random, as many and as large as the plan's, so no data
is needed. The process takes at most `cap` bytes: on a GPU by the allocator's limit, else by the system's limit on data.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from revconsole.records.settings.plan import Plan
from revconsole.training.foresee.shapes import batch_of, realised
from revconsole.training.machine import devices, precision
from revconsole.training.machine.resident import (
    give_memory_back_at_once,
    most_resident,
    reset_peak,
)
from revconsole.training.machine.shortage import ran_out
from revconsole.training.setup.build import build_learner, drawn
from revconsole.training.setup.training_state import averaged
from revconsole.training.step.stepping import compute_gradients, update_weights

STEPS = 3
"""The first allocates the optimiser's state; from the second on a step takes what every later one takes."""
STACKS = 64 << 20
"""Bytes that the system counts as data without their being used: stacks of torch's threads."""


def taken(plan: Plan, micro_batch: int, accumulate: int, images: int, cap: int) -> int:
    """The most bytes that the steps took, with the weights. Raises what lack of memory raises."""
    device = devices.choose(plan.train.device)
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        arithmetic = precision.prepare(plan.train.precision, device)
        if device.type == "cuda":
            free, total = torch.cuda.mem_get_info(device)
            torch.cuda.set_per_process_memory_fraction(min(1.0, cap / total), device)
            _steps(plan, (micro_batch, accumulate, images), device, arithmetic)
            context = free - torch.cuda.mem_get_info(device)[0] - torch.cuda.memory_reserved(device)
            return int(torch.cuda.max_memory_reserved(device)) + max(0, int(context))
        give_memory_back_at_once()
        reset_peak()
        before = int(psutil.Process().memory_info().rss)
        limit_data(cap)
        _steps(plan, (micro_batch, accumulate, images), device, arithmetic)
        return most_resident() - before


def limit_data(cap: int) -> None:
    """Let this process take so many bytes more than it has; no effect where the system has no such limit."""
    try:
        import resource

        text = Path("/proc/self/status").read_text(encoding="ascii")
        (held,) = (int(line.split()[1]) << 10 for line in text.splitlines() if "VmData" in line)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (held + cap + STACKS, hard))
    except (ImportError, OSError, ValueError):
        return


def _steps(
    plan: Plan,
    sizes: tuple[int, int, int],
    device: torch.device,
    arithmetic: precision.Precision,
) -> None:
    micro_batch, accumulate, whole = sizes
    learner = build_learner(drawn(plan)).to(device)
    made = realised(plan, learner, averaged(learner, plan.train.average), "cpu")
    state = replace(made, device=device, precision=arithmetic, micro_batch=micro_batch)
    all_images, all_labels = (each.to(device) for each in batch_of(plan, whole))
    all_images.normal_()
    all_labels.zero_()
    images, labels = (each[: micro_batch * accumulate] for each in (all_images, all_labels))
    for number in range(1, STEPS + 1):
        step = compute_gradients(state, number, 1, images=images, labels=labels)
        update_weights(state, step)
        state.optimizer.zero_grad(set_to_none=True)


def answer(line: str) -> dict[str, Any]:
    """What the steps took, or why they could not be taken."""
    try:
        asked = json.loads(line)
        plan = Plan.model_validate_json(json.dumps(asked.pop("plan")))
        return {"bytes": taken(plan, **asked)}
    except Exception as error:  # noqa: BLE001  the other process reports it
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        return {"ran_out" if ran_out(error) else "error": reason}


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not mix with the answer
    own.write(json.dumps(answer(sys.stdin.readline())) + "\n")
    own.close()
