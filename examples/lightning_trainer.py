"""Lightning with a reversible ViT of timm: rewire the model in the module's `__init__`, and record the run by a logger."""

import lightning
import timm
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from revconsole.recording.adapters.lightning import RevconsoleLogger
from revconsole.reversible import Bdia, rewire


class Classifier(lightning.LightningModule):
    """A small vision transformer with AdamW."""

    def __init__(self, backward: str = "reversible") -> None:
        super().__init__()
        vit = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=32,
                                num_heads=2, depth=4, num_classes=2)  # fmt: skip
        self.vit = rewire(vit, Bdia(grid_bits=9), backward)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The loss of one batch."""
        images, labels = batch
        loss = F.cross_entropy(self.vit(images), labels)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main(epochs: int = 3, backward: str = "reversible") -> float:
    """Train on random images of two classes, the second brighter; returns the last loss."""
    torch.manual_seed(0)
    labels = torch.arange(64) % 2
    images = torch.randn(64, 3, 32, 32) + labels.reshape(-1, 1, 1, 1)
    logger = RevconsoleLogger("bdia-lightning", {"backward": backward})
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=logger, callbacks=[logger.stopping()],
                                log_every_n_steps=4, enable_checkpointing=False, enable_progress_bar=False)  # fmt: skip
    batches = DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True)
    trainer.fit(Classifier(backward), batches)
    logger.finish()
    return float(trainer.callback_metrics["loss"])


if __name__ == "__main__":
    print(f"last loss {main():.3f}")
