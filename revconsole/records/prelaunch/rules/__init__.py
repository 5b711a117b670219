"""Rules: one file each; its docstring says when the rule speaks, why, and where that is from.

`RULES` lists them by importance: a narrow form shows the first ones only.
"""

from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.prelaunch.rules import (
    batch_and_rate,
    few_steps,
    frozen_random,
    last_batch,
    magnified,
    mirrored,
    narrow_heads,
    no_warmup,
    norm_batch,
    norm_in_parts,
    oversized_batch,
    positions,
    same_device,
    saves_nothing,
    scratch_on_few,
    tokens,
    unlike_published,
    usual_rate,
    wasted_pixels,
)

RULES: tuple[LaunchRule, ...] = (
    few_steps.HARDLY_ANY,
    oversized_batch.RULE,
    usual_rate.RULE,
    batch_and_rate.RULE,
    no_warmup.RULE,
    frozen_random.RULE,
    tokens.RULE,
    magnified.RULE,
    mirrored.RULE,
    norm_batch.RULE,
    norm_in_parts.RULE,
    scratch_on_few.RULE,
    positions.RULE,
    wasted_pixels.RULE,
    saves_nothing.RULE,
    few_steps.RULE,
    last_batch.RULE,
    narrow_heads.RULE,
    same_device.RULE,
    unlike_published.RULE,
)
