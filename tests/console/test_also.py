"""Runs of other tools in the console: they are listed and drawn, and keys that would change them say why not."""

import os
import shutil
import time
from pathlib import Path

import pytest

from revconsole.console.screens.runs import RunsScreen
from revconsole.lab.beside import others_of
from revconsole.lab.lab import Lab

MADE = Path(__file__).parent.parent / "records" / "foreign" / "made"


@pytest.fixture
def beside(tmp_path, monkeypatch, store):
    """A lab with a live run of TensorBoard and an ended one of W&B beside its store."""
    monkeypatch.setenv("REVCONSOLE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "others"
    shutil.copytree(MADE / "tensorboard" / "newer-api", folder / "[red]live")
    shutil.copytree(MADE / "wandb", folder / "wandb")
    then = time.time() - 3600
    for path in folder.glob("wandb/**/*"):
        os.utime(path, (then, then))
    os.utime(next(folder.glob("*live/*")))
    return Lab(store.root, others=others_of([str(folder)], console=True))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_a_run_of_another_tool_is_listed_and_drawn(opened, beside, width, height):
    async with opened(width, height, lab=beside) as stage:
        await stage.shows("[red]live", "TensorBoard", "W&B", "running")
        await stage.press("enter")
        await stage.shows("loss", "step 19", "trained by")


async def test_keys_that_would_change_one_say_why_not_before_they_ask(opened, beside):
    async with opened(160, 45, lab=beside) as stage:
        await stage.shows("[red]live")
        for key in ("s", "p", "r", "A", "D", "e"):
            await stage.press(key)
            await stage.shows("it is only read from here")
            assert isinstance(stage.app.screen, RunsScreen)
            stage.app.clear_notifications()
            await stage.hides("it is only read from here")
