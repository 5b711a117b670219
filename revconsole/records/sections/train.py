"""Section of the training: length, batch, precision, device, checkpoints."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from revconsole.records.sections.section import WORDS, Section
from revconsole.records.tracker_names import SEVERAL

MOST_PARTS = 65_536
"""Most micro-batches of a step."""


class Train(Section):
    """How long, how many at once, how precisely, and where."""

    epochs: int = Field(default=10, ge=1, le=100_000)
    """Passes over the training images."""
    steps: int | None = Field(default=None, ge=1, le=1_000_000_000)
    """Optimiser steps of the run instead, the last epoch cut short; unset counts epochs."""
    patience: int | None = Field(default=None, ge=1)
    """End after so many epochs in a row without a better validation accuracy; unset trains to the end."""
    average: float | None = Field(default=None, gt=0, lt=1)
    """Judge a moving average of the weights with this decay per step, e.g. 0.999; unset judges the weights."""
    freeze: str | None = Field(default=None, min_length=1, examples=["backbone", "patch_embed.*"])
    """What does not train: "backbone" for all but the head (a linear probe), or parameters, as patch_embed.*,blocks.0.*"""
    batch: int = Field(default=128, ge=1, le=1_048_576)
    """Images per optimiser step, over all micro-batches."""
    accumulate: int = Field(default=1, ge=1, le=MOST_PARTS)
    """Micro-batches per optimiser step, over all ranks; must divide batch, and unset is train.gpus."""
    gpus: Annotated[int, Field(ge=1, le=1024)] | Literal["all"] = Field(
        default=1, examples=[2, "all"]
    )
    """GPUs that share each step, a process each; with device cpu so many processes; the run is that of accumulate = gpus."""
    shard: bool = False
    """Share the weights of the blocks and their optimiser state out among the ranks of train.gpus, for models that do not fit; same result."""
    sync_batchnorm: bool = False
    """BatchNorm over the batch of all ranks of train.gpus, not over the images of each; needs accumulate = gpus."""
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; unset does not clip."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread evenly over all classes."""
    precision: Literal["float32", "tf32", "bf16", "fp16"] = "float32"
    """Arithmetic of the branches; tf32 rounds the factors of float32 products on NVIDIA GPUs, several times faster; bf16 and fp16 run under autocast, fp16 with a loss scaler."""
    compile: bool = False
    """Compile the parts of each block, attention and MLP, before they are first used (torch.compile); exact schemes are checked to stay exact."""
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", examples=["auto", "cpu", "cuda:1"],
        json_schema_extra={WORDS: "auto, cpu, mps, cuda, or cuda:0, cuda:1, …"},
    )  # fmt: skip
    """Where to train: auto takes the emptiest GPU, then mps, then cpu; the run is the same wherever it trains."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads for the arithmetic; unset leaves torch's choice, which the run records."""
    budget_mib: int | None = Field(default=None, ge=1)
    """With backward auto: MiB a step may take at its peak beyond weights and their state; unset takes 70 % of the free."""
    audit: bool = True
    """Check the model on one batch before training (the output depends on its own image and on no other, gradients); a failed check warns."""
    probe_epochs: int = Field(default=1, ge=0)
    """Epochs between two measurements of the reconstruction's and gradients' error; 0 measures none."""
    checkpoint_epochs: int = Field(default=1, ge=1)
    """Epochs between two checkpoints; the best validation epoch is always kept."""
    checkpoint_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between two checkpoints, also within an epoch; unset counts epochs only."""
    checkpoint_minutes: float | None = Field(default=None, gt=0)
    """Minutes between two checkpoints, also within an epoch; unset counts epochs and steps only."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """How many of the newest are kept besides the best: if one is damaged, the one before it leads to the same."""
    track: str | None = Field(
        default=None, pattern=SEVERAL, examples=["tensorboard", "wandb,mlflow"],
        json_schema_extra={WORDS: "tensorboard, wandb or mlflow, or several with commas"},
    )  # fmt: skip
    """Trackers that are given the metrics while the run trains: tensorboard, wandb, mlflow, comma-separated; see `revconsole sync`."""
    on_oom: Literal["fail", "shrink"] = "fail"
    """What happens when memory runs out: fail, with a list of what would fit; shrink continues with smaller micro-batches of the same batch."""
    deterministic: bool = False
    """Compute the same bits every time on a GPU too: slower, and an operation that cannot ends the run."""

    @model_validator(mode="before")
    @classmethod
    def _part_for_each(cls, table: Any) -> Any:
        """A micro-batch for each of several ranks, unless the table says how many."""
        if not isinstance(table, Mapping) or "accumulate" in table:
            return table
        gpus = table.get("gpus", 1)
        several = isinstance(gpus, int) and not isinstance(gpus, bool) and 1 < gpus <= MOST_PARTS
        return {**table, "accumulate": gpus} if several else table

    @property
    def ranks(self) -> int:
        """Processes that share each step; `all` has been counted when a run is planned."""
        return self.gpus if isinstance(self.gpus, int) else 1

    @property
    def micro_batch(self) -> int:
        """Images that go through the network at once."""
        return self.batch // self.accumulate
