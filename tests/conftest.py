"""Fixtures of every test: no test touches the user's runs, data or configuration."""

import ast
import errno
import fcntl
import gc
import importlib.util
import os
import random
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

from revconsole.lab.launchers.slurm import programs
from revconsole.records import child
from revconsole.records.foresight import cache as foresight_cache
from revconsole.records.runs import identity
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan
from tests.fake_slurm import FakeSlurm
from tests.preloaded import Forked, preloaded

# Whoever started the tests may have had these ignored (`nohup`, `&` in a script), and what they start would ignore them too.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)
# Before torch is imported: a test process per core, and tensors too small to share among threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The library of torch's profiler reads it once, and would write among the messages that tests read.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
# How long an example takes says something of a busy machine, and nothing of the code.
EXAMPLES = 50 if "REVCONSOLE_FAULTS" not in os.environ else 500
hypothesis.settings.register_profile("gate", deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("gate")

# What is forced to disk is waited for, tens of times in a run; no test takes the power away.
os.fsync = lambda _: None
MOST_WORKERS = 6
SLOWLY_IMPORTED = ("scipy.stats", "sklearn.datasets", "sklearn.svm")
"""Modules of some tests, which every worker imports to see them."""
IMPORTED = 20
"""Modules that a test may import without a collection of garbage for them."""

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


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "leave out what is marked slow, and try one variant of each scheme (`make quick`)"
    parser.addoption("--quick", action="store_true", help=text)
    parser.addoption(
        "--renew-frames", action="store_true", help="store the screens anew (`make frames`)"
    )


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since tests often wait for other processes; each worker takes up to 2 GiB."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores + 1, MOST_WORKERS)


def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """The processes that run whole folders of tests are forked; single files may need no torch, for which they would wait."""
    if sys.platform == "linux" and any(Path(folder).is_dir() for folder in config.args):
        preloaded.more = SLOWLY_IMPORTED
        subprocess.Popen = Forked  # type: ignore[misc]


def pytest_configure() -> None:
    """What the preloaded interpreter starts with is what is so before the first test."""
    preloaded.environment = dict(os.environ)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Of the tests' files, which pytest rewrites once and keeps, each worker begins with others, and finds the rest kept."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    folders = [Path(folder) for folder in session.config.args]
    files = sorted(path for folder in folders for path in folder.rglob("test_*.py"))
    for path in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        parts = path.resolve().relative_to(session.config.rootpath).with_suffix("").parts
        with suppress(Exception, pytest.skip.Exception):  # collected again, and shown then
            importlib.import_module(".".join(parts))

    if "torch" in sys.modules:
        _use_the_profiler()


def _use_the_profiler() -> None:
    """Use torch's profiler a first time, for what it says of a thread that has not loaded torch, as none of a fork has."""
    from revconsole.training.machine.allocated import begin_profiling  # torch is there

    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        begin_profiling()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --quick, what is marked slow is left out."""
    if config.getoption("quick"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)


frozen: dict[str, Any] = {"modules": 0, "file": None}


def pytest_collection_finish() -> None:
    """No collection looks at what the imports made any more: every run begins with one, and those are most objects."""
    gc.collect()
    gc.freeze()
    frozen["modules"] = len(sys.modules)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Nor, where tests run, at what those of another file left, which may be as much."""
    if item.path != frozen["file"]:
        frozen["file"] = item.path
        pytest_collection_finish()


def pytest_runtest_logfinish() -> None:
    """Nor at what a test imported."""
    if len(sys.modules) > frozen["modules"] + IMPORTED:
        pytest_collection_finish()


def pytest_unconfigure() -> None:
    """At exit modules are collected as ever; some of them complain of leaks otherwise."""
    gc.unfreeze()
    preloaded.end()


@pytest.fixture(autouse=True)
def _preloaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of this package are forked from one that has imported torch, but where a test is marked `interpreter`."""
    if sys.platform == "linux" and not request.node.get_closest_marker("interpreter"):
        monkeypatch.setattr(subprocess, "Popen", Forked)


@pytest.fixture(autouse=True)
def _own_surroundings(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty working folder, no settings from the environment, and a cache of what tests have foreseen."""
    foreseen = tmp_path_factory.getbasetemp() / "foresight"
    monkeypatch.setattr(foresight_cache, "folder", lambda: foreseen)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("REVCONSOLE_STORE", "NO_COLOR", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REVCONSOLE_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("REVCONSOLE_STATE", str(tmp_path / "state"))
    # Of a Slurm of this machine nothing is seen; a pretended one is in the test's folder.
    monkeypatch.setattr(programs, "here", lambda: str(tmp_path) in str(shutil.which("sbatch")))


@pytest.fixture(autouse=True)
def _own_seed() -> None:
    """What a test draws without a seed of its own is the same in whatever order tests run."""
    random.seed(0)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(0)
    if "torch" in sys.modules:
        import torch  # waits for a thread of the test before that still imports it

        # `torch.manual_seed` writes down the stack three times, for devices that may be used later.
        here = torch.cuda.is_initialized()
        (torch if here else torch.default_generator).manual_seed(0)


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


SHADOWS = ("tomli_w", "psutil", "numpy", "pydantic", "torch", "timm", "multiprocessing", "json")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A working folder whose modules are called like ours and our dependencies'; running one makes this file."""
    mark = tmp_path / "it-ran"
    for name in SHADOWS:
        Path(f"{name}.py").write_text(
            f"open({str(mark)!r}, 'a').write({name!r})\nraise ImportError"
        )
    return mark


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A pretended Slurm on PATH."""
    fake = FakeSlurm(tmp_path / "slurm-bin")
    monkeypatch.setenv("PATH", f"{fake.folder}{os.pathsep}{os.environ['PATH']}")
    return fake


@pytest.fixture
def plan() -> Plan:
    return Plan(name="small", profile="test")


@pytest.fixture(scope="session")
def _measuring_process() -> Iterator[Any]:
    """The process that forks to measure memory, which loads torch for seconds."""
    from revconsole.training.bench import processes  # most tests need none

    with processes.started() as pipes:
        yield pipes


@pytest.fixture
def measured_in_one_process(_measuring_process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks of models that are not one's own have their memory measured by one process, started once."""
    from revconsole.training.bench import processes

    monkeypatch.setattr(processes, "started", lambda: nullcontext(_measuring_process))


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


@dataclass(frozen=True)
class Platform:
    """The part of a file of source that is there on one system."""

    name: str

    def reached(self, part: ast.AST) -> Iterator[ast.AST]:
        """A part of a program and all in it, without the branches that ask for another system."""
        yield part
        for inner in self._within(part) or ast.iter_child_nodes(part):
            yield from self.reached(inner)

    def names(self, statements: list[ast.stmt]) -> Iterator[str]:
        """What the statements of a stub define, but for what is in classes."""
        for each in statements:
            if isinstance(each, ast.If):
                yield from self.names(self._within(each) or [*each.body, *each.orelse])
            elif isinstance(each, ast.FunctionDef | ast.ClassDef):
                yield each.name
            elif isinstance(each, ast.ImportFrom):
                yield from (alias.asname or alias.name for alias in each.names)
            elif isinstance(each, ast.AnnAssign):
                yield ast.unparse(each.target)

    def _within(self, part: ast.AST) -> list[ast.stmt]:
        """The branch that is taken here; empty where that is no question of the system."""
        if not isinstance(part, ast.If) or (here := self._holds(part.test)) is None:
            return []
        return (part.body if here else part.orelse) or [ast.Pass()]

    def _holds(self, test: ast.expr) -> bool | None:
        """Whether a condition on system and version holds; None where it asks for something else."""
        if isinstance(test, ast.BoolOp):
            parts = [self._holds(part) for part in test.values]
            of = all if isinstance(test.op, ast.And) else any
            return None if None in parts else of(parts)
        asked = ast.unparse(test)
        if not asked.startswith(("sys.platform ", "sys.version_info ")):
            return None
        system = type("sys", (), {"platform": self.name, "version_info": sys.version_info})
        return bool(eval(asked, {"sys": system}))


SYSTEM_MODULES = (os, signal, errno, fcntl, resource, select, socket, time)


@cache
def _alone_on_linux() -> frozenset[str]:
    """`module.name` of what the standard library has on Linux and not on macOS, as the stubs of mypy know it."""
    found = importlib.util.find_spec("mypy")
    assert found is not None
    assert found.origin is not None
    stubs = Path(found.origin).parent / "typeshed" / "stdlib"
    names: set[str] = set()
    for module in SYSTEM_MODULES:
        own = stubs / f"{module.__name__}.pyi"
        path = own if own.exists() else stubs / module.__name__ / "__init__.pyi"
        stub = ast.parse(path.read_text(encoding="utf-8")).body
        lacking = {*Platform("linux").names(stub)} - {*Platform("darwin").names(stub)}
        names |= {f"{module.__name__}.{name}" for name in lacking}
    return frozenset(names)


@pytest.fixture
def alone_on_linux() -> frozenset[str]:
    return _alone_on_linux()


@pytest.fixture
def on_macos() -> Platform:
    return Platform("darwin")


SYSCTL = """#!/bin/sh
case "$2" in
  kern.bootsessionuuid) echo 5B0C8F36-6C9C-4C39-9D1C-5F0C3F0E7C11;;
  machdep.cpu.brand_string) echo Apple M9;;
  *) exit 1;;
esac
"""


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """This machine as if it were a Mac, as far as one can take from Linux what a Mac has not."""
    for full in _alone_on_linux():
        module, _, name = full.partition(".")
        monkeypatch.delattr(sys.modules[module], name, raising=False)
    for module, works in (
        (tempfile, "_O_TMPFILE_WORKS"),
        (subprocess, "_HAVE_POSIX_SPAWN_CLOSEFROM"),
    ):
        monkeypatch.setattr(module, works, False, raising=False)  # found when they were imported
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(child, "FORKS", False)
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)  # which Linux refuses
    for name, holds in (("LINUX", False), ("MACOS", True), ("OSX", True)):
        monkeypatch.setattr(psutil, name, holds)
    for name in ("open", "stat", "readlink", "exists"):  # psutil itself is left what it needs
        monkeypatch.setattr(Path, name, _without_kernel_files(getattr(Path, name)))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sysctl").write_text(SYSCTL, encoding="utf-8")
    (programs / "sysctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    _forget_machine()
    yield
    _forget_machine()


def _forget_machine() -> None:
    for known in (identity._boot, identity._namespace, identity._own_start):
        known.cache_clear()


def _without_kernel_files(method: Any) -> Any:
    def looked_up(path: Path, *args: Any, **named: Any) -> Any:
        if str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return method(path, *args, **named)

    return looked_up
