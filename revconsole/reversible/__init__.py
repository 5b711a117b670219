"""Reversible training on torch alone: schemes, one engine for all of them, and rewiring of models.

    from revconsole.reversible import Bdia, rewire
    model = rewire(timm.create_model("vit_base_patch16_224"), scheme="bdia")
    loss = criterion(model(images), labels); loss.backward()

Read `coupling` first (the update rule), then `reversal` (how a stack runs backward), then one file of `schemes`.
Beneath: `lossless` is the exact arithmetic, `rounding` the rule on what floats may lose, `replay` what makes a second
evaluation equal to the first, `extras` what blocks are given besides their stream. Above: `sequence` is the module that
a model holds (`looped`, `repeated` and `pairs` for models that call their blocks in their own way), `rewire` how it
gets there (by one `trial` run, in which `stacks` are found), `budget` which blocks keep their activations or a stream
all the same, `kept` and `step_peak` count bytes, and `audit` checks a whole model.
May import torch, `revconsole.errors` and `revconsole.arithmetic`. To add a scheme, see CONTRIBUTING.
"""

from revconsole.reversible.budget import BudgetChoice, keep_within
from revconsole.reversible.coupling import Coupling
from revconsole.reversible.kept import kept_for_backward
from revconsole.reversible.rewire import Survey, rewire, survey
from revconsole.reversible.scheme import BACKWARDS, SCHEMES, Backward, Scheme, make_scheme
from revconsole.reversible.schemes.additive import Additive
from revconsole.reversible.schemes.bdia import Bdia
from revconsole.reversible.schemes.coefficients import Coefficients
from revconsole.reversible.schemes.hamiltonian import Hamiltonian
from revconsole.reversible.schemes.leapfrog import Leapfrog
from revconsole.reversible.schemes.midpoint import Midpoint
from revconsole.reversible.schemes.midpoint_a import MidpointA
from revconsole.reversible.schemes.momentum import Momentum
from revconsole.reversible.schemes.residual import Residual
from revconsole.reversible.sequence import (
    Draws,
    ReversibleSequence,
    coin_flips,
    move_weights,
    sequences,
    set_draws,
)
from revconsole.reversible.step_peak import step_peak
from revconsole.reversible.unwire import unwire

__all__ = [
    "BACKWARDS", "SCHEMES", "Additive", "Backward", "Bdia", "BudgetChoice", "Coefficients", "Coupling", "Draws",
    "Hamiltonian", "Leapfrog", "Midpoint", "MidpointA", "Momentum", "Residual", "ReversibleSequence", "Scheme",
    "Survey", "coin_flips", "keep_within", "kept_for_backward", "make_scheme", "move_weights", "rewire",
    "sequences", "set_draws", "step_peak", "survey", "unwire",
]  # fmt: skip
