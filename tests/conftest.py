"""Fixtures of every test: no test touches the user's runs, data or configuration."""

import gc
import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import psutil
import pytest

from revconsole.records.runs.attempt import read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

# Whoever started the tests may have had these ignored (`nohup`, `&` in a script), and what they start would ignore them too.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)
# Before torch is imported: a test process per core, and tensors too small to share among threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes says something of a busy machine, and nothing of the code.
hypothesis.settings.register_profile("gate", deadline=None)
hypothesis.settings.load_profile("gate")

TINY_STUDY = """
seeds = [0, 1]
[study]
title = "two ways, in seconds"
source = "this test"
[model]
patch = 4
dim = 16
depth = 1
heads = 2
[data]
train_limit = 200
[train]
epochs = 1
batch = 512
threads = 1
audit = false
[[arm]]
name = "plain"
[[arm]]
name = "two streams"
scheme.name = "additive"
[quick]
seeds = [0]
train.epochs = 2
"""


def pytest_collection_finish() -> None:
    """No collection looks at what the imports made any more: every run begins with one, and those are most objects."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """At exit modules are collected as ever; some of them complain of leaks otherwise."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and no settings from the environment."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("REVCONSOLE_STORE", "NO_COLOR", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _own_seed() -> None:
    """What a test draws without a seed of its own is the same in whatever order tests run."""
    random.seed(0)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(0)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_trainer_left(tmp_path: Path) -> Iterator[None]:
    """A test that fails leaves no process behind that would slow the others."""
    yield
    for launch in tmp_path.glob("runs/*/launch.json"):
        queued = read_queued(launch)
        if queued is not None and queued[0].pid != os.getpid() and queued[0].alive():
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(queued[0].pid).children():
                    child.kill()


@pytest.fixture
def tiny_study() -> Path:
    """A study of two arms and two seeds in the working folder; a run takes seconds."""
    path = Path("tiny.toml")
    path.write_text(TINY_STUDY, encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def plan() -> Plan:
    return Plan(name="small", profile="test")


@pytest.fixture
def gpu() -> str:
    """The device of tests marked `cuda`: the first GPU, or what a dry run names (`make accept-gpu DEVICE=cpu`)."""
    import torch  # most tests need none

    named = os.environ.get("REVCONSOLE_ACCEPT_DEVICE")
    if named is None and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return named or "cuda:0"


@pytest.fixture
def only_cuda(gpu: str) -> None:
    """For what a dry run on the CPU says nothing of."""
    if not gpu.startswith("cuda"):
        pytest.skip(f"{gpu} says nothing of it")
