"""Models of other libraries: wired or refused, with the error of each scheme's gradient, as a table.

    python tests/conformance/strangers.py [words of names]

prints Markdown. Every model is built small and at random, in float64, its vectors moved away from 0
and 1; an error is the largest difference of `reversible` from `stored` in a tensor's gradient,
relative to that tensor's largest entry or a thousandth of the model's. Coefficients stand at progress 0.15. `evaluation` is the largest
difference from the original model's output under bdia in floats, relative to its largest.
"""

import copy
import importlib
import logging
import sys
from functools import partial

import timm
import torch
import torchvision
from torch import nn

from revconsole.errors import RevconsoleError
from revconsole.reversible import Additive, Bdia, Coefficients, Hamiltonian, Momentum, rewire

IMAGES = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
LARGE = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TOKENS = torch.randint(0, 40, (2, 9), generator=torch.Generator().manual_seed(1))
WORDS = torch.randn(2, 9, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SCHEMES = {
    "bdia": Bdia(grid_bits=None),
    "bdia exact": Bdia(grid_bits=9),
    "momentum": Momentum(),
    "coefficients": Coefficients().at(0.15),
    "additive": Additive(fuse="mean"),
    "hamiltonian": Hamiltonian(),
}
WIDTH = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
VIT = {**WIDTH, "image_size": 32, "patch_size": 8}
PYRAMID = {"hidden_sizes": [8, 8, 16, 16], "depths": [2, 2, 2, 2]}
SWIN = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 8,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "window_size": 4,
}
LUCID = {
    "image_size": 32,
    "patch_size": 8,
    "num_classes": 5,
    "dim": 16,
    "depth": 3,
    "heads": 2,
    "mlp_dim": 32,
}
TIMM = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "num_heads": 2, "depth": 3}


def _hf(name, config, **options):
    def build():
        library = importlib.import_module("transformers")
        return getattr(library, name)(getattr(library, config)(**options))

    return build


def _lucid(place, name, **options):
    return lambda: getattr(importlib.import_module(f"vit_pytorch.{place}"), name)(**options)


def _timm(name, **options):
    return partial(timm.create_model, name, num_classes=5, **options)


def _tv(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


def _encoder(**options):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(16), enable_nested_tensor=False)


class Universal(nn.Module):
    """One layer of torch's, three times, after Dehghani et al. (2018), without their halting."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        """x: (B, T, 16). Returns (B, 5)."""
        for _ in range(3):
            x = self.layer(x)
        return self.head(x.mean(1))


ZOO = {
    "transformers ViT": (_hf("ViTForImageClassification", "ViTConfig", **VIT), IMAGES),
    "transformers DeiT": (_hf("DeiTForImageClassification", "DeiTConfig", **VIT), IMAGES),
    "transformers BEiT": (_hf("BeitForImageClassification", "BeitConfig", **VIT), IMAGES),
    "transformers DINOv2": (_hf("Dinov2ForImageClassification", "Dinov2Config", **VIT), IMAGES),
    "transformers ViT-MSN": (_hf("ViTMSNForImageClassification", "ViTMSNConfig", **VIT), IMAGES),
    "transformers CLIP vision": (_hf("CLIPVisionModel", "CLIPVisionConfig", **VIT), IMAGES),
    "transformers SigLIP vision": (_hf("SiglipVisionModel", "SiglipVisionConfig", **VIT), IMAGES),
    "transformers Swin": (_hf("SwinForImageClassification", "SwinConfig", **SWIN), IMAGES),
    "transformers Swinv2": (_hf("Swinv2ForImageClassification", "Swinv2Config", **SWIN), IMAGES),
    "transformers PVTv2": (
        _hf("PvtV2ForImageClassification", "PvtV2Config", **PYRAMID, num_attention_heads=[1, 1, 2, 2]),
        IMAGES,
    ),
    "transformers Segformer": (
        _hf("SegformerForImageClassification", "SegformerConfig", **PYRAMID, num_attention_heads=[1, 1, 2, 2]),
        IMAGES,
    ),
    "transformers ConvNeXt": (_hf("ConvNextForImageClassification", "ConvNextConfig", **PYRAMID), IMAGES),
    "transformers GPT-2": (
        _hf("GPT2LMHeadModel", "GPT2Config", vocab_size=40, n_positions=16, n_embd=16, n_layer=3, n_head=2,
            bos_token_id=0, eos_token_id=0),
        ((TOKENS,), {"use_cache": False}),
    ),
    "transformers GPT-2, cache": (
        _hf("GPT2LMHeadModel", "GPT2Config", vocab_size=40, n_positions=16, n_embd=16, n_layer=3, n_head=2,
            bos_token_id=0, eos_token_id=0),
        ((TOKENS,), {"use_cache": True}),
    ),
    "transformers BERT": (
        _hf("BertForMaskedLM", "BertConfig", vocab_size=40, **WIDTH), ((TOKENS,), {})
    ),
    "transformers ALBERT": (
        _hf("AlbertForMaskedLM", "AlbertConfig", vocab_size=40, embedding_size=8, **WIDTH), ((TOKENS,), {})
    ),
    "transformers ALBERT, groups": (
        _hf("AlbertForMaskedLM", "AlbertConfig", vocab_size=40, embedding_size=8,
            **{**WIDTH, "num_hidden_layers": 6}, num_hidden_groups=2, inner_group_num=2), ((TOKENS,), {})
    ),
    "universal transformer": (Universal, WORDS),
    "vit-pytorch ViT": (_lucid("vit", "ViT", **LUCID), IMAGES),
    "vit-pytorch SimpleViT": (_lucid("simple_vit", "SimpleViT", **LUCID), IMAGES),
    "vit-pytorch DeepViT": (_lucid("deepvit", "DeepViT", **LUCID), IMAGES),
    "vit-pytorch CaiT": (_lucid("cait", "CaiT", **LUCID, cls_depth=2), IMAGES),
    "vit-pytorch ParallelViT": (_lucid("parallel_vit", "ViT", **LUCID), IMAGES),
    "vit-pytorch registers": (
        _lucid("simple_vit_with_register_tokens", "SimpleViT", **LUCID), IMAGES
    ),
    "vit-pytorch qk norm": (_lucid("simple_vit_with_qk_norm", "SimpleViT", **LUCID), IMAGES),
    "vit-pytorch patch dropout": (_lucid("vit_with_patch_dropout", "ViT", **LUCID), IMAGES),
    "vit-pytorch small datasets": (_lucid("vit_for_small_dataset", "ViT", **LUCID), IMAGES),
    "vit-pytorch RvT": (_lucid("rvt", "RvT", **LUCID), IMAGES),
    "vit-pytorch value residual": (
        _lucid("simple_vit_with_value_residual", "SimpleViT", **LUCID), IMAGES
    ),
    "vit-pytorch jumbo": (
        _lucid("jumbo_vit", "JumboViT", **LUCID, num_jumbo_cls=1, jumbo_cls_k=2, jumbo_ff_mult=2), IMAGES
    ),
    "vit-pytorch LeViT": (
        _lucid("levit", "LeViT", image_size=64, num_classes=5, stages=2, dim=(16, 32), depth=2, heads=(2, 2),
               mlp_mult=2), LARGE
    ),
    "torchvision ViT": (
        lambda: torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=5), IMAGES
    ),
    "torchvision Swin": (
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5), IMAGES
    ),
    "torchvision ConvNeXt": (_tv("convnext_tiny", num_classes=5), IMAGES),
    "torchvision ResNet-18": (_tv("resnet18", num_classes=5), IMAGES),
    "torchvision DenseNet": (_tv("densenet121", num_classes=5), IMAGES),
    "torch TransformerEncoder, pre-norm": (partial(_encoder, norm_first=True), WORDS),
    "torch TransformerEncoder, post-norm": (_encoder, WORDS),
    "timm ViT": (_timm("vit_tiny_patch16_224", **TIMM), IMAGES),
    "timm DeiT III": (_timm("deit3_small_patch16_224", **TIMM), IMAGES),
    "timm EVA-02": (_timm("eva02_tiny_patch14_224", **TIMM), IMAGES),
    "timm CaiT": (_timm("cait_xxs24_224", **TIMM), IMAGES),
    "timm ConvNeXt": (_timm("convnext_atto", depths=(2, 2, 2, 2), dims=(8, 8, 16, 16)), LARGE),
}  # fmt: skip
SHORT = (
    "transformers ViT", "transformers Swin", "transformers GPT-2, cache", "transformers ALBERT",
    "universal transformer", "vit-pytorch ViT", "torchvision ViT",
)  # fmt: skip


def built(build):
    """The model in float64 with vectors away from 0 and 1."""
    torch.manual_seed(0)
    model = build().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model


def answer(model, example):
    """The tensor that a model is trained by."""
    args, kwargs = example if isinstance(example, tuple) else ((example,), {})
    output = model(*args, **kwargs)
    for name in ("logits", "last_hidden_state"):
        output = getattr(output, name, output)
    return output


def gradient_error(model, scheme, example):
    """How far `reversible` lies from `stored`."""
    found = []
    for backward in ("stored", "reversible"):
        wired = rewire(copy.deepcopy(model), scheme, backward, example=example).train()
        torch.manual_seed(2)
        answer(wired, example).square().sum().backward()
        found.append({name: p.grad for name, p in wired.named_parameters()})
    stored, reversible = found
    largest = max(g.abs().max() for g in stored.values() if g is not None)
    errors = [
        ((g - reversible[name]).abs().max() / (g.abs().max() + 1e-3 * largest)).item()
        for name, g in stored.items()
        if g is not None
    ]
    return max(errors)


def row(name, schemes=tuple(SCHEMES)):
    """What came of one model: errors by scheme, the error in evaluation, or the reason."""
    build, example = ZOO[name]
    model = built(build)
    found, reason, evaluation = {}, "", None
    for scheme in schemes:
        try:
            found[scheme] = gradient_error(model, SCHEMES[scheme], example)
        except RevconsoleError as refusal:
            reason = reason or f"{scheme}: {refusal}"
            if scheme == "bdia":
                break
            continue
        if scheme == "bdia":
            # not the one that was trained: that moved its running statistics
            wired = rewire(copy.deepcopy(model), SCHEMES[scheme], example=example)
            with torch.no_grad():
                expected = answer(model.eval(), example)
                difference = (answer(wired.eval(), example) - expected).abs().max()
            evaluation = (difference / expected.abs().max()).item()
            model.train()
    return found, evaluation, reason


def main(words):
    """Print the table of the models whose names hold one of the words, or of all."""
    logging.disable(logging.WARNING)
    print("| model | " + " | ".join(SCHEMES) + " | evaluation | what was said |")
    print("|---" * (len(SCHEMES) + 3) + "|")
    for name in ZOO:
        if words and not any(word in name for word in words):
            continue
        try:
            found, evaluation, reason = row(name)
        except Exception as fault:  # noqa: BLE001  one model that breaks is a row of the table
            print(
                f"| {name} | "
                + " | " * len(SCHEMES)
                + f" | FAULT {type(fault).__name__}: {str(fault)[:120]} |",
                flush=True,
            )
            continue
        cells = [f"{found[s]:.0e}" if s in found else "refused" for s in SCHEMES]
        told = reason.replace("|", "/")[:160]
        last = "" if evaluation is None else f"{evaluation:.0e}"
        print(f"| {name} | " + " | ".join(cells) + f" | {last} | {told} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
