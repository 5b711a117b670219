"""The audit over a table of models: each broken one is found and its cause named, no healthy one is called broken.

A model is a function without arguments; the images are 8×8 pixels of ten classes. A broken one stands with the check
that has to find it and words that its advice has to hold; `-s` prints both tables.
"""

import random
import threading
import warnings

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from revconsole.errors import RevconsoleError
from revconsole.reversible import Bdia, Momentum, ReversibleSequence
from revconsole.reversible.audit import audit
from revconsole.reversible.looped import LoopedSequence

pytestmark = pytest.mark.slow

D, HEADS, TOKENS = 16, 2, 16
BROKEN, HEALTHY = {}, {}


def broken(check, *words, images=None, labels=None, light=True):
    def add(make):
        BROKEN[make.__name__] = (make, check, words, images, labels, light)
        return make

    return add


def healthy(make=None, *, images=None, light=True):
    def add(make):
        HEALTHY[make.__name__] = (make, images, light)
        return make

    return add(make) if make else add


# ------------------------------------------------------------------ parts, right unless told to be wrong


class Attention(nn.Module):
    def __init__(self, *, over=-1, scale=1.0, causal=False, heads_first=True):
        super().__init__()
        self.qkv, self.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.over, self.scale, self.causal, self.heads_first = over, scale, causal, heads_first

    def forward(self, x):
        shape = x.shape
        q, k, v = self.qkv(x).reshape(*shape[:2], 3, HEADS, D // HEADS).unbind(2)
        if self.heads_first:
            q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        scores = self.scale * q @ k.transpose(-1, -2) / (D // HEADS) ** 0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -torch.inf)
        x = scores.softmax(self.over) @ v
        return self.proj((x.transpose(1, 2) if self.heads_first else x).reshape(shape))


class Torchs(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.inner = nn.MultiheadAttention(D, HEADS, **options)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


def mlp(activation=nn.GELU, dropout=0.0):
    return nn.Sequential(nn.Linear(D, D), activation(), nn.Dropout(dropout), nn.Linear(D, D))


class Block(nn.Module):
    """way: how a branch joins the stream."""

    def __init__(self, attention=Attention, way=lambda x, y: x + y, other=None, feed=mlp):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attn, self.mlp = attention(), feed()
        self.ways = way, other or way

    def forward(self, x):
        x = self.ways[0](x, self.attn(self.norm1(x)))
        return self.ways[1](x, self.mlp(self.norm2(x)))


class Vit(nn.Module):
    """Four blocks on 4×4 patches; `run` and `read` are what most mistakes replace."""

    def __init__(
        self, block=Block, *, pool="mean", stack=nn.Sequential, depth=4, patch=2, head=None
    ):
        super().__init__()
        self.pool = pool
        self.stem = nn.Conv2d(1, D, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, D) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, (8 // patch) ** 2 + 1, D) * 0.02)
        self.blocks = stack(*(block() for _ in range(depth)))
        self.norm = nn.LayerNorm(D)
        self.head = head or nn.Linear(D, 10)

    def embed(self, images):
        x = self.stem(images).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions

    def run(self, x):
        return self.blocks(x)

    def read(self, x):
        return x[:, 0] if self.pool == "token" else x.mean(dim=1)

    def forward(self, images):
        return self.head(self.read(self.norm(self.run(self.embed(images)))))


class Plus(nn.Module):
    """Something done to what goes through, as a module of its own."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, x):
        return self.what(x)


def before_norm(what, **options):
    model = Vit(**options)
    model.norm = nn.Sequential(Plus(what), model.norm)
    return model


def listed(*blocks):
    return nn.ModuleList(blocks)


class Looping(Vit):
    def __init__(self, block=Block, **options):
        super().__init__(block, **{"stack": listed} | options)

    def run(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def wired(scheme=None, kind=ReversibleSequence):
    return lambda *blocks: kind(*blocks, scheme=scheme or Bdia(grid_bits=9))


# --------------------------------------------------------------------------------------- broken models


@broken("attention", "blocks.0.attn (Attention)", "over the queries")
def softmax_over_queries():
    return Vit(lambda: Block(lambda: Attention(over=-2)))


@broken("attention", "blocks.2.attn (Attention)", "over the queries")
def softmax_over_queries_in_one_block():
    model = Vit(pool="token")
    model.blocks[2].attn = Attention(over=2)
    return model


@broken("no leak across batch", "blocks.0.attn (Attention)")
def softmax_over_the_batch():
    return Vit(lambda: Block(lambda: Attention(over=0)))


@broken("attention", "blocks.0.attn (Attention)", "the heads perhaps")
def attention_over_heads():
    return Vit(lambda: Block(lambda: Attention(heads_first=False)))


@broken("no leak across batch", "blocks.0.attn.inner (MultiheadAttention)", "batch_first=True")
def torchs_attention_over_the_batch():
    return Vit(lambda: Block(Torchs))


@broken("attention", "blocks.0.attn (Attention)", "causal mask")
def causal_mask_with_mean_pooling():
    return Vit(lambda: Block(lambda: Attention(causal=True)))


class FusedCausal(Torchs):
    def forward(self, x):
        q, k, v = F.linear(x, self.inner.in_proj_weight, self.inner.in_proj_bias).chunk(3, -1)
        return self.inner.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True))


@broken("attention", "blocks.0.attn (FusedCausal)", "causal mask")
def causal_flag_with_mean_pooling():
    return Vit(lambda: Block(FusedCausal))


@broken("uses its input")
def causal_mask_before_a_first_class_token():
    return Vit(lambda: Block(lambda: Attention(causal=True)), pool="token")


@broken("attention", "blocks.0.attn (Attention)", "saturated")
def attention_without_its_scale():
    return Vit(lambda: Block(lambda: Attention(scale=1e4)))


@broken("skip connections", "blocks.0", "x = x + attn(…)")
def no_skip():
    return Vit(lambda: Block(way=lambda _x, y: y))


@broken("skip connections", "blocks.0", "x = x + mlp(…)")
def no_skip_around_the_mlp():
    return Vit(lambda: Block(other=lambda _x, y: y))


@broken("skip connections", "blocks.3")
def no_skip_in_the_last_block():
    model = Vit()
    model.blocks[3].ways = (lambda _x, y: y,) * 2
    return model


class ReadsAPatch(Vit):
    def read(self, x):
        return x[:, 1]


@broken("tokens read", "token 1, a patch", "class token, which is number 0")
def head_on_a_patch():
    return ReadsAPatch()


class ReadsTheLast(Vit):
    def read(self, x):
        return x[:, -1]


@broken("tokens read", "a patch", "class token")
def head_on_the_last_patch():
    return ReadsTheLast()


class NoPositions(Vit):
    def embed(self, images):
        return self.stem(images).flatten(2).transpose(1, 2)


@broken("gradient everywhere", "positions", "never used")
def positions_and_class_token_unused():
    return NoPositions()


@broken("gradient everywhere", "positions", "never used")
def an_embedding_of_positions_unused():
    model = Vit()
    model.positions_too = nn.Embedding(17, D)
    return model


@broken("gradient everywhere", "detach() in blocks.0 (Block)", "line")
def branches_detached():
    return Vit(lambda: Block(way=lambda x, y: x + y.detach()))


@broken("gradient everywhere", "detach() in norm.0 (Plus)", "test_audit_table.py line")
def stream_detached():
    return before_norm(lambda x: x.detach())


@broken("gradient everywhere", ".data in norm.0 (Plus)")
def stream_as_data():
    return before_norm(lambda x: x.data)


class WithoutGradient(Vit):
    def embed(self, images):
        with torch.no_grad():
            return super().embed(images)


@broken("gradient everywhere", "no_grad()")
def embedding_without_gradient():
    return WithoutGradient()


@broken("gradient everywhere", "norm.0 (Plus) passes no gradient back", "rounding has no slope")
def rounded():
    return before_norm(lambda x: (8 * x).round() / 8)


@broken("gradient everywhere", "argmax() in norm.0 (Plus)")
def hard_choice():
    return before_norm(lambda x: F.one_hot(x.argmax(-1), D).float())


@broken("gradient everywhere", "norm.1 (ReLU) passes no gradient back", "it is dead")
def dead_rectifier():
    model = Vit()
    model.norm = nn.Sequential(Plus(lambda x: x - 100.0), nn.ReLU(), model.norm)
    return model


@broken("gradient everywhere", "multiplied by zero")
def branch_times_zero():
    return Vit(lambda: Block(way=lambda x, y: x + 0.0 * y))


class IgnoresBlocks(Vit):
    def run(self, x):
        self.blocks(x)
        return x


@broken("gradient everywhere", "blocks.3", "used by nothing")
def blocks_computed_and_ignored():
    return IgnoresBlocks()


class OneTooFew(Looping):
    def run(self, x):
        for index in range(len(self.blocks) - 1):
            x = self.blocks[index](x)
        return x


@broken("gradient everywhere", "blocks.3 is never used")
def last_block_never_called():
    return OneTooFew()


@broken("uses its input", "head.0 (Plus) ignores")
def image_ignored():
    return Vit(head=nn.Sequential(Plus(torch.ones_like), nn.Linear(D, 10)))


@broken("frozen parameters", "blocks.2, blocks.3")
def second_half_frozen():
    model = Vit()
    model.blocks[2:].requires_grad_(False)
    return model


@broken("registered parameters", "plain list")
def blocks_in_a_list():
    return Vit(stack=lambda *blocks: Plus(Chain(blocks)))


class Chain:
    def __init__(self, blocks):
        self.blocks = blocks

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@broken("outputs are logits", "head.1 (Softmax)", "is a softmax")
def softmax_before_cross_entropy():
    return Vit(head=nn.Sequential(nn.Linear(D, 10), nn.Softmax(dim=1)))


@broken("outputs are logits", "is a softmax")
def own_softmax_before_cross_entropy():
    return Vit(
        head=nn.Sequential(nn.Linear(D, 10), Plus(lambda x: x.exp() / x.exp().sum(1, keepdim=True)))
    )


@broken("outputs are logits", "head.1 (Sigmoid)", "is a sigmoid")
def sigmoid_before_cross_entropy():
    return Vit(head=nn.Sequential(nn.Linear(D, 10), nn.Sigmoid()))


@broken("outputs are logits", "is a tanh")
def bounded_outputs():
    return Vit(head=nn.Sequential(nn.Linear(D, 10), Plus(torch.tanh)))


@broken("outputs are logits", "labels of 32 images go up to 9 only")
def a_thousand_classes():
    return Vit(head=nn.Linear(D, 1000))


@broken("dropout", "blocks.0.mlp.2 (Dropout)", "drops nearly everything")
def dropout_of_nearly_all():
    return Vit(lambda: Block(feed=lambda: mlp(dropout=0.99)))


@broken("dropout", "norm.0 (Plus)")
def dropout_of_everything():
    return before_norm(lambda x: F.dropout(x, 1.0))


@broken("dropout", "norm.0 (DropPath)")
def whole_paths_dropped():
    model = Vit()
    model.norm = nn.Sequential(timm.layers.DropPath(0.98), model.norm)
    return model


@broken("dropout", "norm.0 (Plus)")
def own_dropout_of_nearly_all():
    return before_norm(lambda x: x * (torch.rand_like(x) > 0.97) / 0.03)


@broken("dropout", "blocks.0.attn.inner (MultiheadAttention)")
def attention_dropout_of_nearly_all():
    return Vit(lambda: Block(lambda: Torchs(batch_first=True, dropout=0.95)))


@broken("no leak across batch", "stem.1 (BatchNorm2d)", "running statistics")
def batch_norm_without_statistics():
    model = Vit()
    model.stem = nn.Sequential(model.stem, nn.BatchNorm2d(D, track_running_stats=False))
    return model


@broken("no leak across batch", "norm.0 (Plus)")
def mean_over_the_batch():
    return before_norm(lambda x: x - x.mean(dim=0))


@broken("no leak across batch", "the model's own forward")
def reshaped_in_place_of_transposed():
    model = Vit(lambda: Block(lambda: Torchs(batch_first=True)))
    model.embed = lambda images: (
        model.stem(images).flatten(2).permute(2, 0, 1).reshape(len(images), -1, D)
    )
    return model


@broken("initial loss", "head (Linear)")
def loud_head():
    model = Vit()
    nn.init.normal_(model.head.weight, std=10.0)
    return model


@broken("initial loss", "not finite")
def logarithm_of_negative_numbers():
    return before_norm(lambda x: x.log())


@broken("images and labels", "standardise the images", images=lambda x: 127 + 70 * x)
def bytes_as_pixels():
    return Vit()


@broken("images and labels", "standardise the images", images=lambda x: x / 1000)
def faint_pixels():
    return Vit()


@broken("images and labels", "are the same", images=lambda x: x[:1].expand_as(x))
def one_image():
    return Vit()


@broken("images and labels", "not a number", images=lambda x: x.masked_fill(x > 2, torch.nan))
def pixels_missing():
    return Vit()


@broken("images and labels", "all labels are 3", labels=lambda y: y * 0 + 3)
def one_class():
    return Vit()


@broken("images and labels", "equal, and labelled", images=lambda x: torch.cat([x[:31], x[:1]]))
def one_image_of_two_classes():
    return Vit()


@broken("uses its input", "6 of 8 rows")
def patch_that_does_not_divide():
    return nn.Sequential(nn.Conv2d(1, D, 3, 3), nn.Flatten(), nn.Linear(4 * D, 10))


@broken("units differ", "stem (Conv2d)")
def weights_of_one_constant():
    model = Vit()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    return model


@broken("units differ", "zero")
def weights_all_zero():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, D), nn.Tanh(), nn.Linear(D, 10))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


# broken by their wiring


class Gathering(Vit):
    """Reads what comes between the blocks."""

    def __init__(self):
        super().__init__(stack=wired(kind=LoopedSequence))
        self.mix = nn.Linear(4 * D, D)

    def run(self, x):
        between = []
        for block in self.blocks:
            x = block(x)
            between.append(x)
        return self.mix(torch.cat(between, dim=-1))


class UVit(Vit):
    def __init__(self):
        super().__init__(stack=wired(kind=LoopedSequence))
        self.after = Block()

    def run(self, x):
        first, *others = self.blocks
        x = early = first(x)
        for block in others:
            x = block(x)
        return self.after(x + early)


def hook_lost():
    model = Vit(stack=wired())
    model.blocks[1].register_forward_hook(lambda _m, _x, y: 0.5 * y)
    return model


class Mixture(nn.Module):
    """Two experts and a gate that leaves its balance behind."""

    def __init__(self):
        super().__init__()
        self.gate, self.experts = nn.Linear(D, 2), nn.ModuleList([mlp(), mlp()])

    def forward(self, x):
        shares = self.gate(x).softmax(-1)
        self.balance = (shares.mean((0, 1)) ** 2).sum()
        return sum(
            s[..., None] * e(x) for s, e in zip(shares.unbind(-1), self.experts, strict=True)
        )


def auxiliary_loss_lost():
    model = Vit(lambda: Block(feed=Mixture), stack=wired())
    model(torch.randn(2, 1, 8, 8))
    return model


def _randomly(x, y):
    return x if random.random() < 0.2 else x + y


@healthy(light=False)
def random_numbers_of_python():
    return Vit(lambda: Block(way=_randomly), stack=wired())


class Counting(nn.Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * (1 + self.calls % 2)


@broken("gradient as stored", "does not compute the same twice")
def counted_calls():
    return Vit(lambda: Block(feed=lambda: nn.Sequential(mlp(), Counting())), stack=wired())


class Conditioned(Vit):
    def __init__(self):
        super().__init__(lambda: Block(way=self.way), stack=wired())
        self.condition = nn.Linear(1, D)

    def way(self, x, y):
        return x + y * (1 + self.said)

    def run(self, x):
        Conditioned.said = self.condition(x.mean((1, 2))[:, None])[:, None]
        return self.blocks(x)


@broken("gradient as stored", "condition")
def conditioned_by_an_attribute():
    return Conditioned()


@broken("a sign per image", "not the batch")
def signs_for_tokens():
    model = Vit(lambda: Block(Torchs), stack=wired(Bdia()))
    model.run = lambda x: model.blocks(x.transpose(0, 1)).transpose(0, 1)
    return model


# -------------------------------------------------------------------------------------- healthy models


@healthy(light=False)
def vit_with_mean_pooling():
    return Vit(lambda: Block(feed=lambda: mlp(dropout=0.2)))


@healthy
def vit_with_class_token():
    return Vit(pool="token")


@healthy
def torchs_attention():
    return Vit(lambda: Block(lambda: Torchs(batch_first=True, dropout=0.1)), pool="token")


class Transposing(Torchs):
    def forward(self, x):
        return super().forward(x.transpose(0, 1)).transpose(0, 1)


@healthy
def torchs_attention_transposed_twice():
    return Vit(lambda: Block(Transposing))


@healthy
def torchs_encoder():
    layer = nn.TransformerEncoderLayer(D, HEADS, 2 * D, batch_first=True)
    return Vit(stack=lambda *_: nn.TransformerEncoder(layer, 3, enable_nested_tensor=False))


@healthy
def torchs_encoder_on_tokens_first():
    layer = nn.TransformerEncoderLayer(D, HEADS, 2 * D, norm_first=True)
    model = Vit(stack=lambda *_: nn.TransformerEncoder(layer, 3, enable_nested_tensor=False))
    model.run = lambda x: model.blocks(x.transpose(0, 1)).transpose(0, 1)
    return model


class Registers(Vit):
    def read(self, x):
        return x[:, 1:].mean(dim=1)


@healthy
def unread_register():
    return Registers()


class Distilled(Vit):
    def __init__(self):
        super().__init__()
        self.distilled, self.other = nn.Parameter(torch.randn(1, 1, D)), nn.Linear(D, 10)

    def forward(self, images):
        x = self.embed(images)
        x = self.norm(self.run(torch.cat([self.distilled.expand(len(x), -1, -1), x], dim=1)))
        return (self.head(x[:, 1]) + self.other(x[:, 0])) / 2


@healthy
def distilled():
    return Distilled()


class PatchDrop(Vit):
    def embed(self, images):
        x = super().embed(images)
        keep = torch.randperm(16)[:8] + 1 if self.training else torch.arange(1, 17)
        return torch.cat([x[:, :1], x[:, keep]], dim=1)


@healthy
def patches_dropped():
    return PatchDrop(pool="token")


class Dropped(nn.Module):
    def __init__(self, share, mode):
        super().__init__()
        self.inner, self.drop = mlp(), torchvision.ops.StochasticDepth(share, mode)

    def forward(self, x):
        return self.drop(self.inner(x))


@healthy
def stochastic_depth_of_rows():
    return Vit(lambda: Block(feed=lambda: Dropped(0.3, "row")))


@healthy
def stochastic_depth_of_the_batch():
    return Vit(lambda: Block(feed=lambda: Dropped(0.5, "batch")))


class LayerDrop(Looping):
    def run(self, x):
        for block in self.blocks:
            if not self.training or random.random() > 0.5:
                x = block(x)
        return x


@healthy
def layers_dropped_by_python():
    return LayerDrop()


class Scaled(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.inner, self.scale = mlp(), nn.Parameter(torch.full((D,), start))

    def forward(self, x):
        return self.scale * self.inner(x)


@healthy
def layer_scale():
    return Vit(lambda: Block(feed=lambda: Scaled(1e-5)))


@healthy
def rezero():
    return Vit(lambda: Block(feed=lambda: Scaled(0.0)))


@healthy
def zero_head():
    model = Vit()
    nn.init.zeros_(model.head.weight)
    return model


class Residual(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(D, D, 3, padding=1, bias=False),
            norm(),
            nn.ReLU(),
            nn.Conv2d(D, D, 3, padding=1),
            norm(),
        )

    def forward(self, x):
        return F.relu(x + self.body(x))


def convnet(norm):
    return nn.Sequential(
        nn.Conv2d(1, D, 3, padding=1), Residual(norm), Residual(norm), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(D, 10),
    )  # fmt: skip


@healthy(light=False)
def resnet_with_batch_norm():
    return convnet(lambda: nn.BatchNorm2d(D))


@healthy
def convnet_with_group_norm():
    return convnet(lambda: nn.GroupNorm(4, D))


@healthy
def plain_convolutions():
    layers = [
        nn.Sequential(nn.Conv2d(1 if n == 0 else D, D, 3, padding=1), nn.ReLU()) for n in range(4)
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * D, 10))


@healthy
def ends_in_a_pool_of_rectified_scores():
    return nn.Sequential(
        nn.Conv2d(1, D, 3),
        nn.ReLU(),
        nn.Conv2d(D, 10, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@healthy(light=False)
def perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


@healthy
def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


@healthy
def log_probabilities():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.LogSoftmax(dim=1))


class Recurrent(nn.Module):
    def __init__(self, read):
        super().__init__()
        self.rows, self.head, self.read = nn.GRU(8, D, 2, batch_first=True), nn.Linear(D, 10), read

    def forward(self, images):
        return self.head(self.read(self.rows(images.squeeze(1))[0]))


@healthy
def recurrent_on_its_last_state():
    return Recurrent(lambda x: x[:, -1])


@healthy
def recurrent_on_the_mean_of_its_states():
    return Recurrent(lambda x: x.mean(dim=1))


class Shared(Vit):
    def run(self, x):
        for _ in range(4):
            x = self.blocks[0](x)
        return x


@healthy
def one_block_four_times():
    return Shared(depth=1)


class Experts(nn.Module):
    """Each image goes to one of eight, so that a batch of seven leaves some out."""

    def __init__(self):
        super().__init__()
        self.experts, self.gate = nn.ModuleList(mlp() for _ in range(64)), nn.Linear(D, 64)

    def forward(self, x):
        shares = self.gate(x.mean(dim=1)).softmax(-1)
        share, chosen = shares.max(-1)
        return torch.stack(
            [s * self.experts[int(c)](e) for s, c, e in zip(share, chosen, x, strict=True)]
        )


@healthy
def mixture_with_unused_experts():
    model = Vit(depth=2)
    model.blocks[1].mlp = Experts()
    return model


class Auxiliary(Vit):
    def __init__(self, *, called):
        super().__init__()
        self.called, self.aux = called, nn.Sequential(nn.LayerNorm(D), nn.Linear(D, 10))

    def run(self, x):
        x = super().run(x)
        if self.called:
            self.said = self.aux(x.mean(dim=1))
        return x


@healthy
def auxiliary_head_of_another_loss():
    return Auxiliary(called=False)


@healthy
def auxiliary_head_left_on_the_model():
    model = Auxiliary(called=True)
    model(torch.randn(2, 1, 8, 8))
    return model


@healthy
def linear_probe():
    model = Vit(pool="token").requires_grad_(False)
    model.head.requires_grad_(True)
    return model


@healthy
def first_half_frozen():
    model = Vit()
    for part in (model.stem, model.blocks[:2]):
        part.requires_grad_(False)
    return model


class Averaged(Vit):
    """Keeps a moving average of its features, and a lock that nobody can copy."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(D))
        self.lock = threading.Lock()

    def read(self, x):
        x = super().read(x)
        if self.training:
            self.average.lerp_(x.detach().mean(dim=0), 0.1)
        return x


@healthy
def averages_in_a_buffer():
    return Averaged()


class Pooled(Vit):
    def run(self, x):
        x = self.blocks[:2](x[:, 1:])
        return self.blocks[2:](F.avg_pool1d(x.transpose(1, 2), 2).transpose(1, 2))

    def embed(self, images):
        return super().embed(images) + self.token


@healthy
def tokens_pooled_between_blocks():
    return Pooled()


class Table(nn.Module):
    """Looks whole pixels up in a table of which most rows are never used."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(1000, D), nn.Linear(64 * D, 10)

    def forward(self, images):
        rows = (images.flatten(1) * 10 + 500).long().clamp(0, 999)
        return self.head(self.table(rows).flatten(1))


@healthy
def table_of_which_few_rows_are_used():
    return Table()


@healthy
def noise_in_evaluation():
    return before_norm(lambda x: x + 0.01 * torch.randn_like(x))


class ReadsLast(Vit):
    def embed(self, images):
        return super().embed(images).flip(1)

    def read(self, x):
        return x[:, -1]


@healthy
def causal_and_read_at_its_end():
    return ReadsLast(lambda: Block(lambda: Attention(causal=True)))


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(17, 17)

    def forward(self, x):
        return self.inner(x.transpose(1, 2)).transpose(1, 2)


@healthy
def mixer():
    return Vit(lambda: Block(Mixing))


class Channels(Attention):
    """Attention between channels (XCiT)."""

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
        return self.proj(v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2))


@healthy
def attention_between_channels():
    return Vit(lambda: Block(Channels))


class Efficient(Attention):
    """Softmax of the queries over channels and of the keys over tokens (Shen et al.)."""

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self.proj(q.softmax(-1) @ (k.softmax(1).transpose(1, 2) @ v))


@healthy
def linear_attention():
    return Vit(lambda: Block(Efficient))


class AttentionPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.inner = (
            nn.Parameter(torch.randn(1, 1, D)),
            nn.MultiheadAttention(D, 2, batch_first=True),
        )

    def forward(self, x):
        return self.inner(self.query.expand(len(x), -1, -1), x, x)[0][:, 0]


class PooledByAttention(Vit):
    def __init__(self):
        super().__init__()
        self.pooling = AttentionPool()

    def read(self, x):
        return self.pooling(x)


@healthy
def attention_pooling():
    return PooledByAttention()


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(D, 2 * D), nn.Linear(D, D)

    def forward(self, x):
        value, gate = self.up(x).chunk(2, dim=-1)
        return self.down(value * F.silu(gate))


@healthy
def gated_mlp_after_the_norm_of_the_sum():
    def post(x, y):
        return F.layer_norm(x + y, (D,))

    return Vit(lambda: Block(way=post, feed=Gated))


@healthy
def spectral_and_weight_norm():
    model = Vit()
    nn.utils.parametrizations.weight_norm(model.blocks[0].mlp[0])
    nn.utils.parametrizations.spectral_norm(model.blocks[1].mlp[0])
    return model


@healthy(images=lambda x: 127 + 70 * x)
def bytes_standardised_by_a_norm():
    model = convnet(lambda: nn.BatchNorm2d(D))
    return nn.Sequential(nn.BatchNorm2d(1), *model)


@healthy(images=lambda x: x.sigmoid())
def pixels_from_0_to_1():
    return Vit()


@healthy(images=lambda x: F.pad(x[..., 2:6, 2:6], (2, 2, 2, 2)))
def black_border():
    return Vit(pool="token")


@healthy
def timms_vit():
    return timm.create_model("test_vit", img_size=8, patch_size=2, in_chans=1, num_classes=10)


@healthy
def timms_convnext():
    return nn.Sequential(
        nn.Upsample(32), timm.create_model("test_convnext", in_chans=1, num_classes=10)
    )


@healthy
def squeeze_and_excitation():
    model = convnet(lambda: nn.BatchNorm2d(D))
    return nn.Sequential(*model[:2], torchvision.ops.SqueezeExcitation(D, 4), *model[2:])


@healthy(light=False)
def wired_exactly():
    return Vit(lambda: Block(feed=lambda: mlp(dropout=0.2)), stack=wired())


@healthy
def wired_in_floats():
    return Vit(stack=wired(Momentum()))


@healthy
def wired_and_looped():
    return Looping(stack=wired(kind=LoopedSequence))


class Named(nn.Module):
    """Returns a record, as models of Hugging Face do."""

    def __init__(self):
        super().__init__()
        self.inner = Vit()

    def forward(self, pixel_values):
        return {"loss": None, "logits": self.inner(pixel_values)}


@healthy
def logits_in_a_record():
    return Named()


# ----------------------------------------------------------------------------------------------- tests


def looked(make, images=None, labels=None, *, light):
    torch.manual_seed(3)
    y = torch.arange(32) % 10
    x = torch.randn(10, 1, 8, 8)[y] + 0.3 * torch.randn(32, 1, 8, 8)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of old ways to write a model
        model = make()
        return audit(model, images(x) if images else x, labels(y) if labels else y, light=light)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_found_and_its_cause_is_named(name):
    make, wanted, words, images, labels, light = BROKEN[name]
    found = looked(make, images, labels, light=light)

    said = {check.name: check for check in found if check.level in {"failed", "note"}}
    print(f"{name:42} {'caught' if wanted in said else 'MISSED'}: {said.get(wanted)}")  # noqa: T201
    assert wanted in said, said
    text = f"{said[wanted].advice} {said[wanted].figure}"
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_is_not_called_broken(name):
    make, images, light = HEALTHY[name]
    found = looked(make, images, light=light)

    assert [check for check in found if check.level == "failed"] == []
    print(f"{name:42} {[(c.name, c.advice) for c in found if c.level == 'note'] or 'passed'}")  # noqa: T201


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Gathering, r"used .* by something else than the next block"),
        (UVit, r"used .* by something else than the next block"),
        (hook_lost, r"has a forward hook, which does not run in a wired block"),
        (auxiliary_loss_lost, r"leaves a tensor with a graph behind in 'balance'"),
    ],
)
def test_what_a_wired_run_does_not_have_ends_the_audit_with_a_sentence(make, sentence):
    with pytest.raises(RevconsoleError, match=sentence):
        looked(make, light=True)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (lambda y: y + 1, "10 classes apart .* or labels that begin at 0"),
        (lambda y: y - 1, "the smallest of these is -1"),
        (lambda y: y.float(), "one whole number"),
        (lambda y: F.one_hot(y, 10), "one whole number"),
        (lambda y: y[:-1], "one whole number"),
    ],
)
def test_labels_that_are_none_are_refused_with_a_sentence(labels, sentence):
    with pytest.raises(RevconsoleError, match=sentence):
        looked(Vit, None, labels, light=True)


def test_the_table_is_long_enough():
    assert len(BROKEN) >= 30
    assert len(HEALTHY) >= 30
