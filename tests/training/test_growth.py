"""What a section foretells of rounding is what the scheme counts that is made of it."""

import math

import pytest

from revconsole.records.sections import KINDS
from revconsole.reversible import make_scheme

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
def test_the_growth_foretold_without_torch_is_that_of_the_scheme(section):
    scheme = make_scheme(section.name, section.options())

    for blocks in (1, 7):
        assert section.error_growth(blocks) == scheme.error_growth(blocks)


def test_every_scheme_is_foretold():
    assert {section.name for section in SECTIONS} == set(KINDS["scheme"][1])
    assert all(s.error_growth(4) < math.inf for s in SECTIONS if s.name == "midpoint_a")
