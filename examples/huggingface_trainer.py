"""Hugging Face's Trainer with a reversible ViT: rewire the model, and record the run by a callback."""

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from revconsole.recording.adapters.huggingface import RevconsoleCallback
from revconsole.reversible import Bdia, rewire


class Noise(Dataset):  # type: ignore[type-arg]
    """Random images of two classes, the second brighter."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        label = torch.tensor(index % 2)
        return {
            "pixel_values": torch.randn(3, 32, 32, generator=generator) + label,
            "labels": label,
        }


def main(folder: str = "huggingface-run", steps: int = 20) -> float:
    """Train and return the loss. folder: where the Trainer may write."""
    torch.manual_seed(0)
    config = ViTConfig(image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=4,
                       num_attention_heads=2, intermediate_size=64, num_labels=2)  # fmt: skip
    model = rewire(ViTForImageClassification(config), Bdia(grid_bits=9))
    arguments = TrainingArguments(folder, max_steps=steps, per_device_train_batch_size=8, use_cpu=True,
                                  learning_rate=1e-3, logging_steps=5, save_strategy="no", report_to=[])  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=Noise(), callbacks=[RevconsoleCallback()])
    return float(trainer.train().training_loss)


if __name__ == "__main__":
    print(f"mean loss {main():.3f}")
