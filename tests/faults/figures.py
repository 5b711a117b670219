"""What a store of many runs and a run of many points cost here: `python tests/faults/figures.py [RUNS [POINTS]]`.

Prints one line per figure: seconds of the wall clock. What is measured is made in a temporary folder. POINTS are
lines of the longest log, with four points each; others are a quarter, a tenth and a hundredth of that.
"""

import contextlib
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from revconsole.lab.curves.figures import Frame, figure
from revconsole.lab.curves.subjects import LOSS
from revconsole.records.logs.events import Advised, EpochFinished, Finished, Measured, Started
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.identity import Identity, mine
from revconsole.records.runs.store import RunStore
from revconsole.records.sections import Data, Train
from revconsole.records.sections.model import Vit
from revconsole.records.sections.optimizer import AdamW
from revconsole.records.sections.scheme import AdditiveSection, BdiaSection
from revconsole.records.settings.plan import Plan

HOUR = 3600.0
SCHEMES = (AdditiveSection(), BdiaSection(grid_bits=9), BdiaSection(gamma=1.0))
LIST = """
import sys, time
before = time.perf_counter()
from revconsole.lab.lab import Lab
from pathlib import Path
imported = time.perf_counter()
lab = Lab(Path(sys.argv[1]))
for _ in range(3):
    start = time.perf_counter()
    found = lab.store.list()
    print(f"{time.perf_counter() - start:.3f}", end=" ")
import resource
print(f"imports {imported - before:.3f}", len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
OPEN = """
import sys, time
from revconsole.records.runs.store import RunStore
from pathlib import Path
start = time.perf_counter()
run = RunStore(Path(sys.argv[1])).read(sys.argv[2])
import resource
print(f"{time.perf_counter() - start:.3f}", run.series["loss"].length, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def plan(number: int) -> Plan:
    """A plan unlike its neighbours', as a sweep would make it."""
    return Plan(
        name=f"run {number}",
        profile="figures",
        seed=number % 7,
        backward=("stored", "reversible")[number % 2],
        model=Vit(dim=(96, 192)[number % 2], depth=2 + number % 6),
        scheme=SCHEMES[number % 3],
        data=Data(dataset=("digits", "cifar10")[number % 2]),
        train=Train(epochs=1 + number % 50),
        optimizer=AdamW(learning_rate=1e-4 * (1 + number % 1000)),
    )


def train(store: RunStore, run_id: str, steps: int) -> None:
    """What a short training leaves in the store; it goes on."""
    attempt = store.claim(run_id, 1)
    facts = {"steps": steps, "parameters": 7, "device": "cpu", "fingerprint": "0" * 64}
    attempt.emit(Started(facts=facts))
    for step in range(1, steps + 1):
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1 / step, "resident_bytes": 1e8}))
    attempt.emit(Advised(level="note", text="a sentence", rule="plateau", command="a command"))
    attempt.emit(EpochFinished(epoch=1, step=steps, values={"validation_accuracy": 0.5}))
    attempt.emit(Finished(outcome="completed", step=steps, values={"test_accuracy": 0.5}))
    attempt.close()


def many_runs(root: Path, count: int) -> RunStore:
    """A store of that many runs, an hour old: of 500 one runs, one is lost, one damaged, the rest have finished."""
    store = RunStore(root)
    for number in range(count):
        run_id = store.create(plan(number), {"title": "figures"})
        if number % 500 == 1:
            store.claim(run_id, 1).emit(Started(facts={"steps": 10}))
            continue
        train(store, run_id, 10)
        if number % 500 == 2:
            unend(store, run_id)
        if number % 500 == 3:
            (store.folder(run_id) / "plan.json").write_bytes(b"\0" * 100)
        age(store.folder(run_id))
    return store


def unend(store: RunStore, run_id: str) -> None:
    """Make it a run whose process went without a word."""
    folder = store.folder(run_id) / "attempts" / "0001"
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    me = mine()
    gone = Identity(host=me.host, boot=me.boot, pid=me.pid, start=me.start - 1)
    write_json(folder / "claim.json", gone.to_dict())


def age(folder: Path) -> None:
    """Make a run folder look as if it had been left alone for an hour."""
    with tempfile.TemporaryFile(
        dir=folder
    ) as now:  # as its file system stamps, whatever this machine's clock says
        then = os.fstat(now.fileno()).st_mtime - HOUR
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))


def long_run(store: RunStore, lines: int, metrics: int = 4, epoch_steps: int = 100) -> str:
    """A run that goes on and has measured so many times; returns its id."""
    run_id = store.create(Plan(name=f"{lines} lines"), {})
    attempt, draw = store.claim(run_id, 1), random.Random(0)
    attempt.emit(Started(facts={"steps": 2 * lines}))
    names = ("loss", "learning_rate", "gradient_norm", "resident_bytes")[:metrics]
    for step in range(1, lines + 1):
        values = {name: round(draw.random(), 6) for name in names}
        attempt.emit(Measured(step=step, epoch=1, values=values))
        if step % epoch_steps == 0:
            values = {"validation_accuracy": round(draw.random(), 4)}
            attempt.emit(EpochFinished(epoch=step // epoch_steps, step=step, values=values))
    return run_id


@contextlib.contextmanager
def without_syncing() -> Iterator[None]:
    """The disk is not what is measured."""
    real, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = real


def seconds(work: Callable[[], object], times: int = 5) -> str:
    """Median and worst of the seconds that some work takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return f"{statistics.median(taken):.4f} (worst {max(taken):.4f})"


def say(what: str, figure: object) -> None:
    """One figure."""
    print(f"{what:58} {figure}", flush=True)  # noqa: T201


def python(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def list_figures(root: Path, count: int) -> None:
    """Listing a store of many runs."""
    start = time.perf_counter()
    with without_syncing():
        store = many_runs(root, count)
    say(f"{count} runs: made in", f"{time.perf_counter() - start:.1f}")
    columns = "(three looks, imports, runs, MiB)"
    say(f"list, no index yet {columns}", python(LIST, str(root)))
    for _ in range(3):
        say(f"list, fresh process {columns}", python(LIST, str(root)))
    ls = [sys.executable, "-m", "revconsole", "--store", str(root), "ls"]
    say(
        "`ls`, whole process",
        seconds(lambda: subprocess.run(ls, stdout=subprocess.DEVNULL, check=True)),
    )
    nothing = [sys.executable, "-c", "import revconsole.lab.lab"]
    say("  of it imports", seconds(lambda: subprocess.run(nothing, check=True)))
    store.list()
    say("list again in one process", seconds(store.list, 10))
    say("index.json, MB", (root / "index.json").stat().st_size / 1e6)


def point_figures(root: Path, lines: int, epoch_steps: int) -> None:
    """Opening and following a run of many points."""
    store = RunStore(root)
    start = time.perf_counter()
    with without_syncing():
        run_id = long_run(store, lines, epoch_steps=epoch_steps)
    took = time.perf_counter() - start
    folder = store.folder(run_id) / "attempts" / "0001"
    sizes = [round(path.stat().st_size / 1e6, 1) for path in sorted(folder.iterdir())]
    say(f"{lines} lines of 4 points, epochs of {epoch_steps}: claim, digest, log MB", sizes)
    say("emit, microseconds", took / lines * 1e6)
    for _ in range(3):
        say("open in a fresh process (seconds, points, MiB)", python(OPEN, str(root), run_id))
    if (folder / "digest.bin").exists():
        (folder / "digest.bin").rename(folder / "aside")
        say("the same without the digest", python(OPEN, str(root), run_id))
        (folder / "aside").rename(folder / "digest.bin")
    follow_figures(store, run_id)


def follow_figures(store: RunStore, run_id: str) -> None:
    """A look at a run that goes on, and a figure of it."""
    tail = store.follow(run_id)
    say(
        "first figure, 160 columns",
        seconds(lambda: figure(LOSS, [tail.run()], Frame(width=160)), 1),
    )
    smooth = lambda: figure(LOSS, [tail.run()], Frame(width=160, smoothing=0.9))  # noqa: E731
    say("first smoothed figure", seconds(smooth, 1))
    log = store.folder(run_id) / "attempts" / "0001" / "events.jsonl"
    last = log.read_bytes()[-10_000:].partition(b"\n")[2].splitlines(keepends=True)

    def look(width: int = 0, smoothing: float = 0.0) -> None:
        with log.open("ab") as file:
            file.writelines(last[:10])
        run = tail.run()
        if width:
            figure(LOSS, [run], Frame(width=width, smoothing=smoothing))

    say("look with 10 new lines", seconds(look, 20))
    for width in (80, 160):
        say(f"look and figure of {width}", seconds(lambda width=width: look(width), 20))
        say(
            f"look and smoothed figure of {width}",
            seconds(lambda width=width: look(width, 0.9), 20),
        )


def main() -> None:
    """Every figure."""
    runs, points = [int(word) for word in sys.argv[1:]] + [10_000, 1_000_000][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory(prefix="revconsole-figures-") as name:
        list_figures(Path(name) / "many", runs)
        for lines in (points // 100, points // 10, points // 4, points):
            point_figures(Path(name) / "long", lines, 100)
        point_figures(Path(name) / "long", points // 4, 12)
    say(
        "largest memory of this process, MiB",
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


if __name__ == "__main__":
    main()
