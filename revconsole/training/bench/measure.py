"""Measure: runs a benchmark, depth by depth: first the memory of each configuration, then its times."""

import platform
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Any

import timm
import torch
from torch import Tensor

import revconsole
from revconsole.errors import RevconsoleError
from revconsole.records.findings.benchmark import (
    Bench,
    Benchmark,
    BenchmarkRow,
    Configuration,
    Update,
)
from revconsole.records.logs.events import Scalar
from revconsole.records.sections.model import Vit
from revconsole.records.settings.naming import title
from revconsole.training.bench import memory, processes, timing
from revconsole.training.bench.memory import Needs
from revconsole.training.bench.processes import Pipes
from revconsole.training.bench.subject import BenchedModel, images_of, realise, share_weights
from revconsole.training.machine import devices, precision
from revconsole.training.machine.flops import FlopCounter
from revconsole.training.machine.shortage import ran_out

MEMORY_STEPS = 4.0
"""Duration of measuring memory and work of a configuration, in its own steps; used only for forecasts."""
WORK = (
    "floating-point operations of matrix products, convolutions and attention in the same forward and backward, "
    "counted as they run, against the plain network's"
)
PROCESS_SECONDS = 2.0
"""Duration of starting a process for it on the CPU; used only for forecasts."""


def measure(bench: Bench) -> Iterator[Update]:
    """Run a benchmark; yields the results so far after every step. The last update is complete.

    A configuration that runs out of memory, or whose scheme does not suit the model, says so in its row, and the
    others continue. Generators and the number of threads are restored. Raises RunFailed for a missing device or
    precision, and for the first configuration as `build_model` does.
    """
    train = bench.configurations[0].plan.train
    device = devices.choose(train.device)
    with (
        devices.threads(train.threads),
        precision.products(train.precision),
        torch.random.fork_rng(devices=[]),
    ):
        ledger = Ledger(bench, device)
        yield ledger.update("")
        with processes.started() if device.type == "cpu" else nullcontext() as pipes:
            for depth, group in groupby(bench.configurations, key=lambda c: c.depth):
                configurations = list(group)
                at = "" if depth is None else f"depth {depth}, "
                yield from _memories(ledger, configurations, at, pipes)
                yield from _times(ledger, configurations, at)
        yield ledger.update("", complete=True)


class Ledger:
    """The results and the remaining work. Creating one times a step, for the forecast."""

    def __init__(self, bench: Bench, device: torch.device) -> None:
        self.bench, self.device = bench, device
        self._facts, self._how = _facts(bench, device), _how(bench, device)
        self._rows = {
            c: BenchmarkRow(
                scheme=c.scheme,
                backward=c.backward,
                depth=c.depth,
                batch=c.batch,
                stored_blocks=c.stored_blocks,
            )
            for c in bench.configurations
        }
        first = bench.configurations[0]
        self._seconds_per_cost = _step_seconds(first, device) / first.cost
        self._total = sum(self.memory_seconds(c) for c in bench.configurations)
        self._total += sum(self.step_seconds(c) for c in bench.configurations) * (bench.rounds + 1)
        self._done, self._began = 0.0, time.perf_counter()

    def failed(self, configuration: Configuration) -> bool:
        """Whether the configuration ran out of memory or cannot be built."""
        return bool(self._rows[configuration].failed)

    def note(self, configuration: Configuration, **values: Any) -> None:
        """Set fields in the row of a configuration."""
        self._rows[configuration] = replace(self._rows[configuration], **values)

    def add_step(self, configuration: Configuration, forward: float, whole: float) -> None:
        """Add the timings of one step, in seconds."""
        row = self._rows[configuration]
        self.note(
            configuration,
            forward_seconds=(*row.forward_seconds, forward),
            seconds=(*row.seconds, whole),
        )

    def done(self, seconds: float, what: str) -> Update:
        """The update after work that was forecast to take these seconds."""
        self._done += seconds
        return self.update(what)

    def update(self, what: str, *, complete: bool = False) -> Update:
        """All results so far, with a forecast corrected by the time already taken."""
        passed = time.perf_counter() - self._began
        pace = passed / self._done if self._done else 1.0
        share = 1.0 if complete else min(1.0, self._done / self._total)
        return Update(
            what=what,
            share=share,
            seconds_left=pace * self._total * (1.0 - share),
            benchmark=Benchmark(
                bench=self.bench,
                facts=self._facts,
                how=self._how,
                rows=tuple(self._rows.values()),
                complete=complete,
            ),
        )

    def step_seconds(self, configuration: Configuration) -> float:
        """Forecast seconds of one step."""
        return configuration.cost * self._seconds_per_cost

    def memory_seconds(self, configuration: Configuration) -> float:
        """Forecast seconds of measuring its memory."""
        start = PROCESS_SECONDS if self.device.type == "cpu" else 0.0
        return self.step_seconds(configuration) * MEMORY_STEPS + start


def _memories(
    ledger: Ledger, configurations: list[Configuration], at: str, pipes: Pipes | None
) -> Iterator[Update]:
    """Measure bytes kept, peaks, largest batch and operations of each configuration.

    The peaks are measured first, in another process, which is the one that is killed if memory runs out.
    """
    device = ledger.device
    for configuration in configurations:
        try:
            needed = _needs(configuration, device, pipes)
            ledger.note(configuration, fixed_bytes=needed.fixed_bytes, peaks=needed.peaks)
            batch = _foresee(ledger, configuration)
            fits = memory.verified_batch(
                configuration, device, needed, ledger.bench.memory_bytes, batch
            )
            subject = realise(configuration, device)
            ledger.note(
                configuration,
                verified_batch=fits,
                parameters=sum(p.numel() for p in subject.model.parameters()),
                kept_bytes=memory.kept_bytes(subject, device),
                operations=operations(subject, device),
            )
        except RevconsoleError as error:  # an unsuitable scheme must not end the benchmark
            ledger.note(configuration, failed=str(error))
        except (MemoryError, RuntimeError) as error:
            ledger.note(configuration, failed=_out_of_memory(error))
        yield ledger.done(ledger.memory_seconds(configuration), f"{at}memory")


def _foresee(ledger: Ledger, configuration: Configuration) -> int | None:
    """Note the foreseen peak and the largest batch that is foreseen to fit; returns this."""
    step = memory.foreseen(configuration, ledger.device)
    if step is None:
        return None
    peak, batch = step.peak(configuration.batch), step.largest(ledger.bench.memory_bytes)
    above = peak.total - round(peak.parts.parameters + peak.parts.optimizer)
    ledger.note(configuration, foreseen_peak=above, foreseen_batch=batch)
    return batch


def _needs(configuration: Configuration, device: torch.device, pipes: Pipes | None) -> Needs:
    """Peaks at the benchmark's batch and at a quarter of it (at 1 and 2 for a single image), if measurable."""
    batch = configuration.batch
    batches = () if device.type == "mps" else (max(1, batch // 4), max(2, batch))
    if pipes is not None:
        return processes.needs(pipes, configuration, batches)
    return memory.needs(configuration, device, batches)


def operations(subject: BenchedModel, device: torch.device) -> int:
    """Counted operations of one forward and backward of the benchmark's batch; leaves no gradients."""
    images, labels = images_of(subject.configuration, subject.configuration.batch, device)
    with FlopCounter() as counter:
        torch.autograd.backward(subject.loss(images, labels))
    subject.forget()
    return int(counter.get_total_flops())


def _times(ledger: Ledger, configurations: list[Configuration], at: str) -> Iterator[Update]:
    """Time each configuration once a round, in alternating order against drift; round 0 warms up."""
    device, rounds = ledger.device, ledger.bench.rounds
    subjects = [realise(c, device) for c in configurations if not ledger.failed(c)]
    if not subjects:
        return
    share_weights(subject.model for subject in subjects)
    batch = images_of(configurations[0], configurations[0].batch, device)
    for number in range(rounds + 1):
        what = f"{at}round {number} of {rounds}" if number else f"{at}warm-up"
        for subject in subjects if number % 2 else reversed(subjects):
            if not ledger.failed(subject.configuration):
                _time_once(ledger, subject, batch, record=number > 0)
            yield ledger.done(ledger.step_seconds(subject.configuration), what)


def _time_once(
    ledger: Ledger, subject: BenchedModel, batch: tuple[Tensor, Tensor], *, record: bool
) -> None:
    try:
        forward, whole = timing.timed_step(subject, *batch)
        if record:
            ledger.add_step(subject.configuration, forward, whole)
    except (MemoryError, RuntimeError) as error:
        ledger.note(subject.configuration, failed=_out_of_memory(error))


def _out_of_memory(error: BaseException) -> str:
    """The words for lack of memory. Raises any other error again."""
    if not ran_out(error):
        raise error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return "out of memory"


def _step_seconds(configuration: Configuration, device: torch.device) -> float:
    """Seconds of one step of a configuration after one warm-up; a guess if memory runs out."""
    seconds = 1.0
    try:
        subject = realise(configuration, device)
        images, labels = images_of(configuration, configuration.batch, device)
        for _ in range(2):
            _, seconds = timing.timed_step(subject, images, labels)
    except (MemoryError, RuntimeError) as error:
        _out_of_memory(error)  # measuring its memory reports this
    return seconds


def _facts(bench: Bench, device: torch.device) -> dict[str, Scalar]:
    first = bench.configurations[0]
    model = first.plan.model
    recorded: dict[str, Scalar] = {
        "device": str(device),
        "device_name": devices.device_name(device),
        "threads": torch.get_num_threads(),
        "precision": first.plan.train.precision,
        "architecture": model.architecture,
        "batch": first.batch,
        "image_size": first.plan.image_size,
        "optimizer": first.plan.optimizer.name,
        "torch": torch.__version__,
        "timm": timm.__version__,
        "revconsole": revconsole.__version__,
        "python": platform.python_version(),
    }
    if not isinstance(model, Vit):
        return recorded | {"model": title(model)}
    height, width = first.plan.image_shape
    patches = (height // model.patch) * (width // model.patch)
    return recorded | {
        "width": model.dim,
        "heads": model.heads,
        "tokens": patches + (model.pool == "cls"),
    }


def _how(bench: Bench, device: torch.device) -> dict[str, str]:
    rounds = "one round" if bench.rounds == 1 else f"{bench.rounds} rounds"
    tried = "then tried with a step" if device.type == "cuda" else "not tried"
    return {
        "time": f"{timing.HOW[device.type]}, without the optimiser's update; one warm-up, then "
        f"{rounds} in which every configuration of a depth runs once, in alternating order; medians and quartiles",
        "work": WORK,
        "kept": "bytes of everything autograd holds after the forward; parameters and images not counted",
        "peak": f"{memory.HOW[device.type]}; gradients and images are in it; measured apart from the times. "
        "Foreseen: as `plan` foresees it, of what tensors and kernels take",
        "limit": "1 + the forward's share of a stored step of the same scheme, in the same rounds",
        "batch": f"parameters, optimiser state and peak in {bench.memory_bytes / 2**20:,.0f} MiB, as `plan` foresees "
        f"them; {tried}",
    }
