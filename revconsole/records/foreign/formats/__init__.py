"""The formats of other tools, each a file that finds its runs in a folder and takes what their files hold."""

from pathlib import Path
from typing import Protocol

from revconsole.records.foreign.formats import (
    keras_csv,
    lightning_csv,
    mlflow_store,
    neptune_parquet,
    tensorboard,
    timm_summary,
    trackio,
    trainer_state,
    wandb_log,
)
from revconsole.records.foreign.part import Part


class Format(Protocol):
    """What the module of a format has."""

    @property
    def TOOL(self) -> str:  # noqa: N802  a constant of the module
        """What lists call the tool."""

    @property
    def RECORDS_ENDS(self) -> bool:  # noqa: N802  as above
        """Whether the tool records that a run has ended."""

    def claims(self, folder: Path, files: frozenset[str]) -> tuple[str, ...]:
        """Names of the runs whose files are in a folder; empty text for the folder itself. Raises OSError."""

    def owns(self, folder: str) -> bool:
        """Whether a folder of this name, inside of a run's folder, belongs to that run."""

    def parts(self, folder: Path, name: str) -> list[Part]:
        """The files of a run, in the order in which they are taken. Raises OSError."""


FORMATS: tuple[Format, ...] = (
    tensorboard, wandb_log, mlflow_store, trainer_state, timm_summary, lightning_csv, keras_csv, trackio,
    neptune_parquet,
)  # fmt: skip
"""All formats; of two that find a run in the same folder, the first keeps it: Lightning's loggers write both."""
OF_TOOL = {each.TOOL: each for each in FORMATS}
