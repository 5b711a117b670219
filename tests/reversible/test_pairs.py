"""Models of other people's making: sums in the loop, tuples, a list that is looked into; and back again."""

import copy

import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import (
    Additive,
    Bdia,
    Momentum,
    ReversibleSequence,
    rewire,
    sequences,
    survey,
    unwire,
)

D = 8
X = torch.randn(2, 5, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def part():
    return nn.Sequential(nn.LayerNorm(D), nn.Linear(D, D), nn.GELU(), nn.Dropout(0.2))


class Given(nn.Module):
    def __init__(self):
        super().__init__()
        self.part, self.gate = part(), nn.Linear(D, D)

    def forward(self, x, context=None):
        return self.part(x) * (1 if context is None else self.gate(context).sigmoid())


class Pairs(nn.Module):
    """`walk` says what the model does with its attention and its MLP."""

    def __init__(self, walk):
        super().__init__()
        self.stem, self.walk = nn.Linear(D, D), walk
        self.layers = nn.ModuleList([nn.ModuleList([Given(), part()]) for _ in range(3)])
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, 3)

    def forward(self, x):
        return self.head(self.norm(self.walk(self, self.stem(x)))).mean(1)


def plain(model, x):
    for attn, ff in model.layers:
        x = attn(x) + x
        x = x + ff(x)
    return x


def conditioned(model, x):
    context = x.mean(1, keepdim=True)
    for _, (attn, ff) in enumerate(model.layers, 1):
        x = attn(x, context=context) + x
        x = ff(x) + x
    return x


def scaled(model, x):
    for attn, ff in model.layers:
        x = 0.5 * attn(x) + x
        x = ff(x) + x
    return x


def chained(model, x):
    for attn, ff in model.layers:
        x = ff(attn(x))
    return x


def collected(model, x):
    seen = []
    for attn, ff in model.layers:
        x = attn(x) + x
        x = ff(x) + x
        seen.append(x)
    return sum(seen)


def made(model, *, seed=0):
    torch.manual_seed(seed)
    built = model().double()
    return built.apply(
        lambda m: nn.init.normal_(m.weight, 1, 0.1) if isinstance(m, nn.LayerNorm) else 0
    )


def gradients(model, *inputs):
    torch.manual_seed(3)
    output = model(*inputs)
    output.square().sum().backward()
    return output.detach(), {name: p.grad for name, p in model.named_parameters()}


def assert_alike(stored, reversible, *inputs):
    (out, one), (again, other) = gradients(stored, *inputs), gradients(reversible, *inputs)
    torch.testing.assert_close(out, again, rtol=1e-12, atol=1e-12)
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("scheme", ["bdia", Bdia(grid_bits=9), "momentum", Additive(fuse="mean")])
@pytest.mark.parametrize("walk", [plain, conditioned])
def test_sums_in_the_loop_are_wired_without_changing_a_line(walk, scheme):
    model = made(lambda: Pairs(walk))
    keys = list(model.state_dict())
    wired = [rewire(copy.deepcopy(model), scheme, b, example=X) for b in ("stored", "reversible")]
    assert [len(each.layers) for each in wired] == [3, 3]
    assert all(isinstance(each.layers, ReversibleSequence) for each in wired)
    assert list(wired[1].state_dict()) == keys
    assert_alike(*wired, X)
    if scheme == "bdia":
        assert torch.equal(wired[1].eval()(X), model.eval()(X))


def test_the_plain_network_is_computed_by_the_stand_ins():
    model = made(lambda: Pairs(conditioned))
    assert_alike(model, rewire(copy.deepcopy(model), Momentum(gamma=0.0), "stored", example=X), X)


@pytest.mark.parametrize("walk", [scaled, chained])
def test_what_is_more_than_a_sum_is_not_wired_and_the_model_is_left_as_it_was(walk):
    model = made(lambda: Pairs(walk))
    kinds = [type(each) for each in model.modules()]
    with pytest.raises(NotInvertible):
        rewire(model, example=X)
    assert [type(each) for each in model.modules()] == kinds


def test_a_survey_finds_the_blocks_and_leaves_the_lists():
    model = made(lambda: Pairs(plain))
    kinds = [type(each) for each in model.modules()]
    assert survey(model, "additive", example=X).fit == {"layers": 3}
    assert [type(each) for each in model.modules()] == kinds


def test_states_from_between_the_blocks_are_right_or_refused():
    model = made(lambda: Pairs(collected))
    with pytest.raises(NotInvertible, match="hands on what the model also uses"):
        rewire(model, example=X)
    later = rewire(made(lambda: Pairs(plain)), example=X).train()
    later.walk = collected
    with pytest.raises(RevconsoleError, match="by something else than the next block"):
        later(X)


class Several(nn.Module):
    """Returns its stream, something for those who ask, and nothing."""

    def __init__(self):
        super().__init__()
        self.attn, self.mlp = part(), part()

    def forward(self, x):
        h = self.attn(x)
        x = x + h
        return x + self.mlp(x), h.mean(-1), None


class Tuples(nn.Module):
    def __init__(self, blocks=3, use=False):
        super().__init__()
        self.blocks, self.use = nn.ModuleList([Several() for _ in range(blocks)]), use

    def forward(self, x):
        total = 0.0
        for block in self.blocks:
            x, weights, _ = block(x)
            total = total + weights.mean() if self.use else 0.0
        return x + total


@pytest.mark.parametrize("scheme", ["bdia", "hamiltonian", "residual"])
def test_blocks_that_return_more_than_their_stream_are_wired_where_nobody_uses_it(scheme):
    model = made(Tuples)
    back = "checkpointed" if scheme == "residual" else "reversible"
    wired = [rewire(copy.deepcopy(model), scheme, b, example=X) for b in ("stored", back)]
    assert_alike(*wired, X)
    if scheme != "hamiltonian":
        assert torch.equal(wired[1].eval()(X), model.eval()(X))
    wired[1].train().use = True
    if scheme != "residual":
        with pytest.raises(RevconsoleError, match="besides its stream is used"):
            wired[1](X)


def test_blocks_whose_other_outputs_are_used_are_left_with_the_reason():
    with pytest.raises(NotInvertible, match="leaves more behind than its output"):
        rewire(made(lambda: Tuples(use=True)), example=X)


@pytest.mark.parametrize("first", [True, False], ids=["pre-norm", "post-norm"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_encoder_of_torch_is_wired_itself(first, batch_first):
    def encoder():
        layer = nn.TransformerEncoderLayer(D, 2, 16, norm_first=first, batch_first=batch_first)
        return nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(D), enable_nested_tensor=False)

    model = made(encoder)
    mask = nn.Transformer.generate_square_subsequent_mask(X.shape[1 if batch_first else 0]).double()
    example = ((X,), {"mask": mask, "is_causal": True})
    scheme = "momentum" if batch_first else "bdia"
    wired = [
        rewire(copy.deepcopy(model), scheme, b, example=example) for b in ("stored", "reversible")
    ]
    assert len(sequences(wired[1])) == 1
    assert_alike(*wired, X, mask)
    if scheme == "bdia":
        assert torch.equal(wired[1].eval()(X, mask=mask), model.eval()(X, mask=mask))


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def fast_path(request):
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(request.param)
    yield request.param
    torch.backends.mha.set_fastpath_enabled(before)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("first", [True, False], ids=["pre-norm", "post-norm"])
def test_the_encoder_of_torch_keeps_its_fast_path_and_trains_under_a_padding_mask(first, fast_path):
    """As it is built by default, and so with nested tensors in evaluation where it can have them."""
    layer = nn.TransformerEncoderLayer(D, 2, 16, norm_first=first, batch_first=True, dropout=0.0)
    model, padded = made(lambda: nn.TransformerEncoder(layer, 3)), torch.zeros(X.shape[:2]).bool()
    padded[0, -2:] = True
    example = ((X,), {"src_key_padding_mask": padded})

    wired = rewire(copy.deepcopy(model), "bdia", example=example).eval()
    with torch.no_grad():
        expected, given = (each.eval()(X, src_key_padding_mask=padded) for each in (model, wired))
    assert torch.allclose(expected[~padded], given[~padded], atol=1e-12)

    gradients = []
    for backward in ("stored", "reversible"):
        trained = rewire(copy.deepcopy(model), "momentum", backward, example=example).train()
        trained(X, src_key_padding_mask=padded)[~padded].square().sum().backward()
        gradients.append([weight.grad for weight in trained.parameters()])
    assert all(torch.allclose(*pair, rtol=1e-9) for pair in zip(*gradients, strict=True))

    with torch.no_grad():
        if fast_path and not first:
            with pytest.raises(NotInvertible, match="enable_nested_tensor=False"):
                trained.eval()(X, src_key_padding_mask=padded)
        else:
            assert trained.eval()(X, src_key_padding_mask=padded).isfinite().all()


def shape_of(model):
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules()]
    kinds = [(name, type(m), sorted(vars(m))) for name, m in model.named_modules()]
    return list(model.state_dict()), kinds, hooks, [id(m) for m in model.modules()]


@pytest.mark.parametrize("build", [lambda: Pairs(plain), Tuples], ids=["pairs", "tuples"])
def test_unwire_gives_the_plain_model_back(build):
    model = made(build)
    before = shape_of(model)
    expected = model.eval()(X)
    wired = rewire(rewire(model, "bdia", example=X), "momentum", example=X).train()
    assert unwire(wired) is model
    assert shape_of(model) == before
    assert torch.equal(model.eval()(X), expected)
    copied = copy.deepcopy(rewire(model, "bdia", example=X))
    assert shape_of(unwire(copied))[:3] == before[:3]
    assert torch.equal(copied.eval()(X), expected)


def test_unwire_keeps_what_was_trained_and_what_was_changed_by_then():
    model = rewire(made(lambda: Pairs(plain)), example=X).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    model.layers[1][1] = nn.Identity()
    wired = model.eval()(X)
    assert torch.equal(unwire(model)(X), wired)
    assert isinstance(model.layers[1][1], nn.Identity)
    assert type(model.layers[1]) is nn.ModuleList


def test_unwire_puts_the_narrow_ends_back():
    import timm

    model = timm.create_model("vit_tiny_patch16_224", img_size=8, patch_size=2, embed_dim=24,
                              num_heads=2, depth=3, num_classes=5)  # fmt: skip
    before, x = shape_of(model), torch.randn(2, 3, 8, 8)
    expected = model.eval()(x)
    outer = nn.Sequential(rewire(model, "additive"))
    assert model.head.in_features == 48
    unwire(outer)
    assert shape_of(model) == before
    assert torch.equal(model(x), expected)
    with pytest.raises(RevconsoleError, match="is a ReversibleSequence itself"):
        unwire(ReversibleSequence(nn.Linear(2, 2), scheme=Bdia()))
