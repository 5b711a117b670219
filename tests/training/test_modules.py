"""A model module by module: shapes and products are those that a layer has on paper."""

import sys

import pytest

from revconsole.errors import RevconsoleError
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.cost import cost
from revconsole.training.questions.modules import modules_of


def test_each_layer_of_a_transformer_has_what_its_shapes_say(small):
    """16 wide, 2 × 2 patches of 4 × 4 numbers and a class token, 2 heads, an MLP twice as wide."""
    plan = small()
    D, N = plan.model.dim, 5
    hidden = int(D * plan.model.mlp_ratio)
    by_name = {each.name: each for each in modules_of(plan)}

    attention, qkv, first = (by_name[f"blocks.0.{n}"] for n in ("attn", "attn.qkv", "mlp.fc1"))
    assert (qkv.kind, qkv.inputs, qkv.outputs) == ("Linear", [1, N, D], [1, N, 3 * D])
    assert (qkv.parameters, qkv.multiply_adds) == (3 * D * D + 3 * D, 3 * N * D * D)
    assert (attention.parameters, attention.multiply_adds) == (0, 2 * N * N * D)
    assert (first.parameters, first.multiply_adds) == (D * hidden + hidden, N * D * hidden)
    assert by_name["blocks.0.norm1"].multiply_adds == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": {"name": "momentum"}, "backward": "reversible"},
        {"scheme": {"name": "bdia", "grid_bits": 9}, "backward": "reversible"},
        {"objective": {"name": "mae"}},
    ],
)
def test_schemes_and_objectives_have_the_total_of_torchs_counter(small, changes):
    plan = small(**changes)

    assert sum(m.multiply_adds for m in modules_of(plan)) == cost(plan)["multiply_adds_per_image"]


def test_without_fvcore_a_sentence_says_how_to_get_it(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    with pytest.raises(RevconsoleError, match=r"pip install 'revconsole\[modules\]'"):
        modules_of(small())


def test_what_is_fitted_has_no_modules():
    with pytest.raises(RevconsoleError, match="known once it is fitted"):
        modules_of(Plan(name="p", model={"architecture": "svm"}))
