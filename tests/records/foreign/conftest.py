"""Runs that the tools themselves recorded, in a folder of the test; see made/README.md."""

import os
import shutil
import time
from pathlib import Path

import pytest

from revconsole.records.foreign.foreign_tail import ForeignTail
from revconsole.records.foreign.found import search
from revconsole.records.runs.run import Run

MADE = Path(__file__).parent / "made"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test."""
    monkeypatch.setenv("REVCONSOLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A copy of the recorded runs, as if they had been written an hour ago."""
    folder = tmp_path / "made"
    shutil.copytree(MADE, folder)
    then = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    return folder


def read_all(folder: Path) -> dict[str, Run]:
    """All runs below a folder by name."""
    runs = [ForeignTail(found).run() for found in search(folder.resolve(), str(folder)).runs]
    return {run.summary.name: run for run in runs}
