"""What is said of a model before it trains: multiply-adds against formulas by hand; see test_architectures for a second count."""

import pytest
import torch
from torch import nn

from revconsole.errors import RevconsoleError
from revconsole.records.logs.events import Started
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.cost import FITTED, Operations, cost, operations, operations_of
from revconsole.training.learning.preparing import learning_of, prepare
from revconsole.training.setup.build import build_model
from tests.training.conftest import count_parameters

KEYS = {"parameters", "trainable_parameters", "multiply_adds_per_image"}


def by_hand(model, size, channels, classes):
    """Multiply-adds of a vision transformer with a class token, from the shapes alone."""
    D, P = model.dim, model.patch
    patches = (size // P) ** 2
    N, hidden = patches + 1, int(D * model.mlp_ratio)
    block = N * (3 * D * D) + 2 * N * N * D + N * D * D + 2 * N * D * hidden
    return patches * channels * P * P * D + model.depth * block + D * classes


@pytest.mark.parametrize("changes", [{}, {"patch": 2, "dim": 24, "heads": 3, "depth": 5}])
def test_a_transformer_computes_what_its_shapes_say(small, changes):
    plan = small(model=changes)

    assert cost(plan)["multiply_adds_per_image"] == by_hand(plan.model, 8, 1, 10)


def of_layers(*shapes):
    """Products of (numbers that go in, numbers that come out, places)."""
    return sum(ins * outs * places for ins, outs, places in shapes)


@pytest.mark.parametrize(
    ("model", "by_shapes"),
    [
        ({"architecture": "mlp", "width": 7, "depth": 3}, of_layers((64, 7, 1), (7, 7, 2), (7, 10, 1))),
        ({"architecture": "cnn"}, of_layers((25, 32, 64), (25 * 32, 64, 16), (25 * 64, 64, 4), (64, 1000, 1), (1000, 10, 1))),
        ({"architecture": "vit", "pool": "mean", "patch": 4, "dim": 16, "depth": 1, "heads": 2},
         of_layers((16, 16, 4), (16, 48, 4), (16, 16, 4), (16, 64, 8)) + 2 * 4 * 4 * 16 + 160),
    ],
)  # fmt: skip
def test_small_models_multiply_what_their_shapes_say(model, by_shapes):
    plan = Plan(name="p", model=model)

    assert cost(plan)["multiply_adds_per_image"] == by_shapes


class Layers(nn.Module):
    """A recurrent layer over the rows of an image, or whatever else is asked for."""

    def __init__(self, compute):
        super().__init__()
        self.lstm, self.compute = nn.LSTM(8, 6, batch_first=True), compute

    def forward(self, x):
        return self.compute(self, x[:, 0])


def test_a_recurrent_layer_is_counted_on_the_cpu_as_without_numbers():
    image = torch.zeros(1, 1, 8, 8)
    by_hand = 8 * 4 * 6 * (8 + 6)

    real = operations(Layers(lambda self, x: self.lstm(x)[0]), image)
    empty = operations(Layers(lambda self, x: self.lstm(x)[0]).to("meta"), image.to("meta"))

    assert real == empty == Operations(multiply_adds=by_hand)


def test_products_with_vectors_are_counted():
    """torch has no formula for them; numpy would say the same of their shapes."""
    vector = torch.arange(8.0)

    def compute(_, x):
        return x[0] @ vector, x[0][:5] @ vector, torch.addmv(vector, x[0], vector), vector @ vector

    assert operations(Layers(compute), torch.zeros(1, 1, 8, 8)) == Operations(
        multiply_adds=64 + 40 + 64 + 8
    )


def test_nobody_else_in_this_process_meets_a_hook_of_the_counter():
    """torch's own sets some on every module there is, and a run may train in another thread."""
    hooks = torch.nn.modules.module

    def compute(_, x):
        assert not hooks._global_forward_pre_hooks
        assert not hooks._global_forward_hooks
        return x @ x

    assert operations(Layers(compute), torch.zeros(1, 1, 8, 8)).multiply_adds == 8**3


def test_what_nobody_knows_how_to_count_is_named():
    found = operations(
        Layers(lambda _, x: torch.fft.fft(x @ x).real + x.relu().softmax(1)),
        torch.zeros(1, 1, 8, 8),
    )

    assert found == Operations(multiply_adds=8**3, uncounted=("aten._fft_r2c",))
    assert found.note == "not counted: aten._fft_r2c"


def test_attention_of_more_tokens_than_width_is_not_left_out(small):
    """784 patches of 16 numbers: the attention is most of it, and fvcore alone would not see it."""
    plan = small(
        model={"patch": 1}, data={"dataset": "mnist", "train_limit": 128, "validation": 0.125}
    )
    products = 2 * 785 * 785 * 16 * plan.model.depth

    counted = cost(plan)["multiply_adds_per_image"]
    assert counted == by_hand(plan.model, 28, 1, 10)
    assert products > 0.8 * counted


def test_convolutions_are_counted_and_norms_are_not():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())

    assert operations(layers, torch.zeros(1, 3, 16, 16)).multiply_adds == 16 * 16 * 3 * 8 * 9


def test_torchs_fused_layer_hides_nothing():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    tokens = torch.zeros(1, 5, 16)

    assert (
        operations(layer, tokens).multiply_adds == 5 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 5 * 5 * 16
    )


class Broken(nn.Module):
    def forward(self, _):
        raise ValueError("only for two images\nand no other")


def test_a_model_that_cannot_be_run_is_one_sentence():
    with pytest.raises(
        RevconsoleError,
        match=r"Broken could not be run on one image to count .* \(only for two images\)$",
    ):
        operations(Broken(), torch.zeros(1, 2))


OF_MY_OWN = """
from torch import nn

def network(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
"""


@pytest.fixture
def my_own(monkeypatch, tmp_path):
    """`my_own(function)` → the plan of a model in a file of mine."""
    (tmp_path / "counted_by_cost.py").write_text(OF_MY_OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name: Plan(
        name="p", model={"architecture": "python", "function": f"counted_by_cost:{name}"}
    )


def test_a_run_records_what_a_plan_foretells(small, runner):
    plan = small(train={"epochs": 1, "audit": False})
    facts = runner(plan).of(Started)[0].facts

    assert (
        facts["multiply_adds_per_image"]
        == cost(plan)["multiply_adds_per_image"]
        == by_hand(plan.model, 8, 1, 10)
    )
    assert "multiply_adds_note" not in facts


def test_a_model_of_ones_own_is_counted_as_it_is_and_a_failure_is_a_reason(my_own):
    model = Broken().train()

    counted, failed = cost(my_own("network")), operations_of(my_own("network"), model)

    assert counted["multiply_adds_per_image"] == 640
    assert failed["multiply_adds_per_image"] is None
    assert "could not be run on one image" in failed["multiply_adds_note"]
    assert model.training


def test_a_run_of_a_support_vector_machine_says_why_it_has_no_count(tmp_path):
    plan = Plan(name="p", model={"architecture": "svm"})
    facts = learning_of(plan).facts(prepare(plan, data=tmp_path), 0)

    assert facts["multiply_adds_per_image"] is None
    assert facts["multiply_adds_note"] == FITTED
    assert "image_seconds" not in facts, "how long an image takes is not known before the fit"


def test_the_mode_of_the_model_is_left_alone():
    model = nn.Sequential(nn.Linear(4, 4)).train()
    operations(model, torch.zeros(1, 4))

    assert model.training


def test_every_scheme_can_be_counted(small, wiring):
    """A scheme moves the same branches about; only `additive` with two streams has a wider head."""
    plain, wired = cost(small()), cost(small(**wiring))

    wider = 16 * 10 if wiring["scheme"]["name"] == "additive" else 0
    assert wired["multiply_adds_per_image"] == plain["multiply_adds_per_image"] + wider
    in_floats = wiring["scheme"] | ({"grid_bits": None} if "grid_bits" in wiring["scheme"] else {})
    really = build_model(small(scheme=in_floats, backward="stored"))
    counted = operations(really, torch.zeros(1, 1, 8, 8))
    assert counted == Operations(multiply_adds=wired["multiply_adds_per_image"])
    assert wired["parameters"] == count_parameters(small(**wiring))
    assert set(wired) == KEYS


def test_fixed_positions_are_no_parameters(small):
    """The learned table of 2 × 2 patches and a class token, 16 wide, is what they spare."""
    learned, fixed = cost(small()), cost(small(model={"position": "sinusoidal"}))

    assert learned["parameters"] - fixed["parameters"] == 5 * 16
    assert fixed["trainable_parameters"] == fixed["parameters"]


def test_frozen_parameters_do_not_learn(small):
    counted = cost(small(train={"freeze": "pos_embed"}))

    assert counted["parameters"] - counted["trainable_parameters"] == 5 * 16
