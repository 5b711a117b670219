"""timm's own training loop, in short, with a reversible ViT: mixup, EMA, scaler, layer decay, schedule; recorded by three lines."""

import timm
import torch
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3, NativeScaler

import revconsole
from revconsole.reversible import Bdia, rewire


def main(steps: int = 20) -> float:
    """Train on random images of two classes, the second brighter; returns the last loss."""
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=32,
                              num_heads=2, depth=4, num_classes=2, drop_path_rate=0.1)  # fmt: skip
    rewire(model, Bdia(grid_bits=9))
    optimiser = create_optimizer_v2(model, opt="adamw", lr=1e-3, layer_decay=0.75)
    schedule = CosineLRScheduler(optimiser, t_initial=steps)
    average, scaler, loss_of = ModelEmaV3(model), NativeScaler("cpu"), SoftTargetCrossEntropy()
    mixup = Mixup(mixup_alpha=0.2, num_classes=2)
    model.train()
    run = revconsole.record("bdia-timm", {"lr": 1e-3, "batch": 8, "seed": 0}, steps=steps)
    for step in range(steps):
        labels = torch.arange(8) % 2
        images = torch.randn(8, 3, 32, 32) + labels.reshape(-1, 1, 1, 1)
        images, targets = mixup(images, labels)
        loss = loss_of(model(images), targets)
        optimiser.zero_grad()
        scaler(loss, optimiser, clip_grad=1.0, parameters=model.parameters())
        average.update(model)
        schedule.step(step + 1)
        run.log(step + 1, loss=loss)
        if run.stop_asked():
            break
    run.finish()
    return loss.item()


if __name__ == "__main__":
    print(f"last loss {main():.3f}")
