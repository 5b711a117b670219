"""Masked autoencoder: most patches are hidden, an encoder sees the rest, and a small decoder reconstructs the hidden
ones.

    loss = mean over hidden patches of ‖painted − pixels‖² / values per patch

The encoder never sees a mask token, so it processes a quarter of the tokens at the usual ratio. The pixels are those
that a classifier would see, each patch normalised to mean 0 and deviation 1 if the plan says so.
Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", arXiv:2111.06377.

Shapes: B images, C channels, S pixels of height and width, P side of a patch, N patches, V visible ones, D width of
the encoder's tokens, W of its outputs, E of the decoder's tokens.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from timm.layers import build_sincos2d_pos_embed, trunc_normal_
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import moved
from revconsole.models._merging import wide
from revconsole.models._views import spared
from revconsole.records.keys import key
from revconsole.records.sections.objective import Mae
from revconsole.records.settings.objective_rules import masked
from revconsole.records.settings.plan import Plan
from revconsole.training.objectives._encoder import embedded, encoded, features, headless
from revconsole.training.objectives.objective import Inputs, Loss

SPREAD = 0.02  # deviation of the initial weights, as in timm and the paper
EPSILON = 1e-6  # added to the variance of a patch, as in the paper's code


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """The objective of the masked autoencoder; see `Objective`."""

    settings: Mae
    patch: int
    side: int
    """Number of patches along a side of the image."""
    channels: int
    labelled: bool = False
    unit: str = "squared error"
    meaning: str = "squared error of the hidden patches' pixels"
    prefix: str = "encoder."

    @property
    def visible(self) -> int:
        """Number of patches that the encoder sees."""
        patches = self.side**2
        return patches - masked(patches, self.settings.mask_ratio)

    def learner(self, network: nn.Module, *, seed: int) -> nn.Module:
        """The network without its head, and a decoder."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(key(seed, "decoder"))
            values = self.channels * self.patch**2
            return Autoencoder(network, self.settings, side=self.side, values=values)

    def encoder(self, learner: nn.Module) -> nn.Module:
        """The network without its head."""
        return learner.get_submodule("encoder")

    def inputs(self, images: Tensor, labels: Tensor, *, seed: int) -> Inputs:
        """Images, and their patch numbers in random order (B, N); the first V are visible."""
        del labels
        draws = torch.Generator().manual_seed(seed)
        order = torch.rand(len(images), self.side**2, generator=draws).argsort(dim=1)
        return images, moved(order, images.device)

    def loss(self, learner: nn.Module, inputs: Inputs, *, progress: float) -> Loss:
        """Mean squared error over the hidden patches; every image has the same number of them."""
        del progress
        images, order = inputs
        visible, hidden = order[:, : self.visible], order[:, self.visible :]
        painted = cast("Autoencoder", learner).paint(images, visible)
        targets = self._targets(images)
        errors = (painted.float() - targets).square().mean(dim=-1)  # (B, N)
        return Loss(mean=errors.gather(1, hidden).mean())

    def update(self, learner: nn.Module, carried: Tensor | None, *, progress: float) -> None:
        """No update besides the optimiser's."""

    def _targets(self, images: Tensor) -> Tensor:
        """Pixels of every patch, (B, N, C·P²)."""
        pixels = F.unfold(images.float(), self.patch, stride=self.patch).transpose(1, 2)
        if not self.settings.normalise:
            return pixels
        variance, mean = torch.var_mean(pixels, dim=-1, keepdim=True)
        return (pixels - mean) / (variance + EPSILON).sqrt()


class Autoencoder(nn.Module):
    """An encoder of visible patches and a decoder of all. Its forward pass gives the features of whole images."""

    positions: Tensor

    def __init__(self, network: Any, settings: Mae, *, side: int, values: int) -> None:
        super().__init__()
        width, dim = headless(network), settings.decoder_dim
        self.encoder = network
        self.prefix = int(network.num_prefix_tokens)
        self.embed = nn.Linear(width, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        positions = build_sincos2d_pos_embed(
            [side, side], dim, device=torch.get_default_device()
        ).unsqueeze(0)
        self.register_buffer("positions", positions)  # (1, N, E)
        self.decoder = nn.Sequential(
            *(
                Block(dim, settings.decoder_heads, qkv_bias=True)
                for _ in range(settings.decoder_depth)
            )
        )
        self.norm = nn.LayerNorm(dim)
        self.pixels = nn.Linear(dim, values)
        for part in (self.embed, self.decoder, self.pixels):
            part.apply(_drawn)
        trunc_normal_(self.mask_token, std=SPREAD)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, W) of whole images."""
        return features(self.encoder, images)

    def paint(self, images: Tensor, seen: Tensor) -> Tensor:
        """Reconstructed pixels of every patch, (B, N, C·P²), from the patches with numbers `seen` (B, V)."""
        tokens = embedded(self.encoder, images)
        first, patches = tokens[:, : self.prefix], tokens[:, self.prefix :]
        visible = patches.gather(1, wide(seen, patches))
        after = self.encoder.fc_norm(encoded(self.encoder, torch.cat([first, visible], dim=1)))
        x = self.embed(after)  # (B, T, E)
        shape = (len(x), self.positions.shape[1], x.shape[-1])
        masks = self.mask_token.to(x.dtype).expand(shape)
        placed = masks.scatter(1, wide(seen, masks), x[:, self.prefix :]) + self.positions
        x = torch.cat([x[:, : self.prefix].to(placed.dtype), placed], dim=1)
        painted: Tensor = self.pixels(self.norm(self.decoder(x)))
        return painted[:, self.prefix :]

    def no_weight_decay(self) -> set[str]:
        """Names of parameters without decay: the encoder's, and the mask token."""
        return {"mask_token", *spared(self.encoder, "encoder.")}


def objective_of(plan: Plan) -> Masking:
    """The objective of a plan; its model is a vit."""
    settings, patch = cast("Mae", plan.objective), getattr(plan.model, "patch", 1)
    return Masking(
        settings=settings,
        patch=patch,
        side=plan.image_size // patch,
        channels=plan.facts.channels,
    )


def _drawn(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
