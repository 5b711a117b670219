"""What the records foretell about rounding is what the schemes themselves count."""

import math

import pytest
import torch

from revconsole.records.sections import KINDS
from revconsole.records.settings import growth
from revconsole.reversible import make_scheme, rounding

ROUNDING = 1e-12
"""Two sums of the same floats, perhaps in another order."""
VARIANTS = [
    {},
    {"gamma": 0.5},
    {"gamma": 0.0},
    {"gamma": 0.5, "grid_bits": 9},
    {"grid_bits": 9},
    {"draw": 3, "spread": 0.8},
    {"alpha": 0.5, "beta": 0.5, "end_alpha": None, "end_beta": None},
    {"end_beta": 0.0},
]
SECTIONS = [
    kind(**options)
    for kind in KINDS["scheme"][1].values()
    for options in VARIANTS
    if options.keys() <= kind.model_fields.keys()
]


@pytest.mark.parametrize("section", SECTIONS, ids=repr)
@pytest.mark.parametrize("blocks", [1, 2, 7, 48])
def test_the_growth_foretold_without_torch_is_that_of_the_scheme(section, blocks):
    scheme = make_scheme(section.name, section.model_dump(exclude={"name", "moving"}))

    assert growth.error_growth(section, blocks) == pytest.approx(
        scheme.error_growth(blocks), rel=ROUNDING
    )


def test_every_scheme_is_foretold():
    assert {section.name for section in SECTIONS} == set(KINDS["scheme"][1])
    assert all(growth.error_growth(s, 4) < math.inf for s in SECTIONS if s.name == "midpoint_a")


@pytest.mark.parametrize("section", SECTIONS, ids=repr)
@pytest.mark.parametrize(
    ("precision", "types"),
    [
        ("float32", (torch.float32, torch.float32)),
        ("bf16", (torch.float32, torch.bfloat16)),
        ("fp16", (torch.float32, torch.float16)),
    ],
)
def test_what_is_refused_before_a_run_is_what_the_built_model_refuses(section, precision, types):
    """The rule stands twice, as the records know nothing of torch."""
    scheme = make_scheme(section.name, section.model_dump(exclude={"name", "moving"}))
    streams, branches = (torch.finfo(each).eps / 2 for each in types)

    assert growth.limit(precision) == pytest.approx(rounding.limit(branches), rel=ROUNDING)
    for blocks in (1, 3, 4, 12, 48):
        assert growth.foretold(section, blocks, precision) == pytest.approx(
            rounding.foretold(scheme, blocks, streams, branches), rel=ROUNDING
        )
