"""What one GPU shows: `make accept-gpu`, or `python tests/acceptance/figures.py [--device cpu] [--short] [--json FILE]`.

Prints a table and writes one JSON: for each section its figures, or the error it ended in; the others go on. Without a
GPU the figures are of the CPU: a dry run, in its short form. CONTRIBUTING.md says what each section is for.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from revconsole.data import batches, open_data
from revconsole.lab.bench import WantedBenchmark, bench_of
from revconsole.records.runs.store import RunStore
from revconsole.records.sections import KINDS, Data
from revconsole.records.settings.plan import Plan
from revconsole.reversible.lossless import floored
from revconsole.training import api
from revconsole.training.bench.measure import measure
from revconsole.training.checks import reconstruction
from revconsole.training.checks.compiling import with_compiled_parts
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine import devices, precision
from revconsole.training.machine.shortage import empty_caches
from revconsole.training.memory.budget import choose_blocks
from revconsole.training.probes import metrics
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.stepping import compute_gradients, update_weights

MIB = 2**20
EXACT = 9
WHOLE = 2**24
"""Whole numbers below it are numbers of float32."""
DIVISORS = (3, 7, 10, 11, 13, 20, 41, 49, 100, 500, 999, 1000)
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "momentum": [{}, *({"gamma": g} for g in (0.5, 0.65, 0.7))]
}
"""Of a scheme more than its defaults: the weights of momentum that CUDA's division by a number got wrong."""
SHORT = ("residual", "additive", "momentum")
WAITS = ("Synchronize", "Memcpy HtoD", "Memcpy DtoH", "aten::item")
Figures = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The device, how large the models are, and a folder for what is made."""

    device: str
    short: bool
    folder: Path

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    def plan(self, **sections: Any) -> Plan:
        """A vision transformer on the digits, with sections changed key by key."""
        dim, batch = (16, 32) if self.short else (384, 256)
        table: dict[str, Any] = {
            "name": "accept", "backward": "reversible", "scheme": {"name": "additive"},
            "model": {"architecture": "vit", "patch": 4 if self.short else 1, "dim": dim, "depth": 2 if self.short else 12, "heads": 2},
            "data": {"dataset": "digits", "train_limit": 128 if self.short else 1024},
            "train": {"epochs": 1, "batch": batch, "device": self.device, "audit": False},
        }  # fmt: skip
        for name, value in sections.items():
            merged = isinstance(value, dict) and name != "scheme"
            table[name] = table[name] | value if merged else value
        return Plan.model_validate(table)

    def setting(self, plan: Plan) -> TrainingState:
        setting = prepare(plan, data=self.folder, say=lambda _: None)
        return with_compiled_parts(setting)


def environment(bench: Bench) -> Figures:
    """With what everything below was measured."""
    return {"python": sys.version.split()[0], **devices.surroundings(torch.device(bench.device))}


def division(bench: Bench) -> Figures:
    """Of each divisor: whole numbers whose floored quotient is wrong, as exact schemes divide and by a Python number."""
    whole = torch.arange(-WHOLE + 1, WHOLE, 997 if bench.short else 1, device=bench.device)
    found: Figures = {}
    for divisor in DIVISORS:
        true = torch.div(whole, divisor, rounding_mode="floor")
        ours, plain = floored(whole.float(), divisor), torch.floor(whole.float() / divisor)
        found[f"by {divisor}"] = {
            "wrong": int((ours.long() != true).sum()),
            "wrong by a Python number": int((plain.long() != true).sum()),
        }
    return found


def exactness(bench: Bench) -> Figures:
    """Of each scheme and precision: the largest error of a rebuilt stream, and that of the gradient."""
    words = ("float32", "tf32", "bf16", "fp16") if bench.cuda else ("float32", "bf16")
    found: Figures = {}
    for name, options in _schemes(bench):
        for word in words:
            text = " ".join(str(value) for value in options.values() if value != EXACT)
            exact = " exact" if "grid_bits" in options else ""
            key = " ".join(f"{name} {text}".split()) + f"{exact} {word}"
            found[key] = said(partial(_errors, bench, {"name": name} | options, word))
    return found


def _schemes(bench: Bench) -> list[tuple[str, dict[str, Any]]]:
    """Every scheme that has an inverse, in floats and on the grid."""
    found = []
    for name, kind in KINDS["scheme"][1].items():
        if name == "residual" or (bench.short and name not in SHORT):
            continue
        for options in VARIANTS.get(name, [{}])[-1 if bench.short else 0 :]:
            found.append((name, options | {"grid_bits": EXACT}))
            if kind.model_fields["grid_bits"].default is None and not options and not bench.short:
                found.append((name, options))
    return found


def _errors(bench: Bench, scheme: dict[str, Any], word: str) -> Figures:
    plan = bench.plan(scheme=scheme, train={"precision": word})
    with precision.products(word):
        values = reconstruction.measure(bench.setting(plan))
    return {"stream": values.error, "gradient": values.gradient_error}


def attention(bench: Bench) -> Figures:
    """Of torch's attention: the largest difference that it makes whether autograd records. Exact schemes must not see it."""
    found: Figures = {}
    types = (torch.float32, torch.bfloat16, torch.float16) if bench.cuda else (torch.float32,)
    for dtype in types:
        for width in (16,) if bench.short else (64, 72, 128, 192, 256):
            for dropout in (0.0, 0.125):
                key = f"{str(dtype)[6:]} width {width} dropout {dropout:g}"
                found[key] = said(partial(_attended_twice, bench, dtype, width, dropout))
    return found


def _attended_twice(bench: Bench, dtype: torch.dtype, width: int, dropout: float) -> Figures:
    torch.manual_seed(0)
    shape = (2, 3, 17 if bench.short else 197, width)
    given = [torch.randn(shape, device=bench.device, dtype=dtype) for _ in range(3)]
    made = []
    for recorded in (False, True, True):
        torch.manual_seed(0)
        with torch.set_grad_enabled(recorded):
            query, key, value = (each.detach().requires_grad_(recorded) for each in given)
            attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
            made.append(attended.detach().float())
    return {
        "unrecorded": float((made[0] - made[1]).abs().max()),
        "recorded again": float((made[1] - made[2]).abs().max()),
    }


def cost(bench: Bench) -> Figures:
    """Time, work and memory of schemes and backwards by depth, as `revconsole bench` measures; the table of docs/cost.md."""
    settings = {"train.device": bench.device} | (
        {"model.dim": 16, "model.heads": 2} if bench.short else {}
    )
    wanted = WantedBenchmark(
        settings=settings | ({"train.batch": 4} if bench.short else {}),
        schemes=["residual", "additive", f"bdia:grid_bits={EXACT}", f"momentum:grid_bits={EXACT}"][: 2 if bench.short else 4],
        depths=(2,) if bench.short else (4, 16, 32),
        stored_blocks=() if bench.short else (4,),
        rounds=1 if bench.short else 12,
        memory_bytes=2**30,
    )  # fmt: skip
    *_, update = measure(bench_of(wanted))
    known = update.benchmark
    return {
        f"depth {row.depth} {row.scheme} {row.backward}": {
            "× plain": known.of_plain(row), "work": known.work(row), "limit": known.limit(row),
            "kept": None if row.kept_bytes is None else row.kept_bytes / MIB,
            "peak": None if row.peak_bytes is None else row.peak_bytes / MIB,
            "batch in 1 GiB": known.largest_batch(row), "failed": row.failed,
        }
        for row in known.rows
    }  # fmt: skip


def compiled(bench: Bench) -> Figures:
    """Time of a step with compiled attention and MLP in that without, and whether exact schemes stay exact."""
    if bench.short:
        return {"left out": "compiling takes a minute, and the short form does without"}
    exact = {"name": "bdia", "grid_bits": EXACT}
    ways: Figures = {
        "plain": {"scheme": {"name": "residual"}, "backward": "stored"},
        "additive": {},
        "bdia exact": {"scheme": exact},
    }
    found: Figures = {}
    for name, sections in ways.items():
        made = [
            bench.setting(bench.plan(**sections, train={"compile": on})) for on in (False, True)
        ]
        took: list[list[float]] = [[], []]
        for _ in range(8):
            for seconds, setting in zip(took, made, strict=True):
                seconds.append(_steps(setting, 4))
        before, after = (statistics.median(each[1:]) for each in took)
        found[name] = {"× uncompiled": after / before}
        if name != "plain":
            found[name]["stream"] = reconstruction.measure(made[1]).error
    return found


def waits(bench: Bench) -> Figures:
    """How often a step waits for the device or copies to it, and the share of its time that the device computes."""
    plan = bench.plan(
        scheme={"name": "bdia", "grid_bits": EXACT}, data={"augment": "crop-flip", "mixup": 0.2}
    )
    setting, kinds = bench.setting(plan), [ProfilerActivity.CPU]
    _steps(setting, 2)
    with profile(activities=[*kinds, ProfilerActivity.CUDA] if bench.cuda else kinds) as profiled:
        took = _steps(setting, 2)
    events = profiled.key_averages()
    found: Figures = {
        event.key: event.count / 2 for event in events if any(word in event.key for word in WAITS)
    }
    busy = sum(getattr(event, "self_device_time_total", 0) for event in events) / 1e6
    return found | {"share of time computing": busy / took if bench.cuda else None}


def placement(bench: Bench) -> Figures:
    """Whether batches are the same to the bit wherever the images lie, and their seconds."""
    made, found = {}, {}
    for place in ("device", "host"):
        data = Data(dataset="digits", place=place, augment="crop-flip", mixup=0.2, erasing=0.3)
        opened = open_data(data, folder=bench.folder, device=bench.device)
        began = time.perf_counter()
        made[place] = list(batches(opened.train, batch=64, seed=0, epoch=0))
        found[f"{place} seconds"] = time.perf_counter() - began
    pairs = zip(made["device"], made["host"], strict=True)
    same = all(torch.equal(a[1], b[1]) and torch.equal(a[2], b[2]) for a, b in pairs)
    return {"same": same, **found}


def budget(bench: Bench) -> Figures:
    """Of backward auto, in MiB: the budget given, what the forward then keeps, and on CUDA the peak of a step."""
    found: Figures = {}
    for given in (1, 2) if bench.short else (64, 128, 256, 512):
        setting = bench.setting(bench.plan(backward="auto", train={"budget_mib": given}))
        images, labels = next(setting.training_batches(1))
        chosen = choose_blocks(setting, images, labels)
        kept = metrics.kept_for_backward_bytes(setting, images, labels) / MIB
        said_of = chosen.text if chosen else ""
        found[f"{given} MiB"] = {
            "given": given,
            "kept": kept,
            "peak": _peak(bench, setting),
            "said": said_of,
        }
    return found


def _peak(bench: Bench, setting: TrainingState) -> float | None:
    if not bench.cuda:
        return None
    _steps(setting, 1)
    empty_caches()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _steps(setting, 1)
    return (torch.cuda.max_memory_allocated() - before) / MIB


def after_a_run(bench: Bench) -> Figures:
    """How a run ends, also with little memory, and what it leaves behind in this process, MiB."""
    found: Figures = {"run": _run(bench, "fail")}
    if bench.cuda:
        found["left allocated"] = torch.cuda.memory_allocated() / MIB
        found["left reserved"] = torch.cuda.memory_reserved() / MIB
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(600 * MIB / total)
        try:
            found |= {f"short of memory, {how}": _run(bench, how) for how in ("fail", "shrink")}
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    return found


def _run(bench: Bench, on_oom: str) -> str:
    store = RunStore(bench.folder / "runs")
    run_id = store.create(bench.plan(train={"on_oom": on_oom}), {})
    outcome = api.execute(store, run_id, store.claim(run_id, 1))
    return f"{outcome} {store.read(run_id).summary.reason}".strip()


def _steps(setting: TrainingState, count: int) -> float:
    """Seconds of so many steps of one batch."""
    images, labels = next(setting.training_batches(1))
    began = time.perf_counter()
    for number in range(1, count + 1):
        step = compute_gradients(setting, number, 1, images=images, labels=labels)
        update_weights(setting, step)
    step.loss.item()  # waits for the device
    return time.perf_counter() - began


def said(work: Callable[[], Any]) -> Any:
    """What the work returns, or the error it ended in."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  the others go on
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    finally:
        empty_caches()


SECTIONS = (
    environment,
    division,
    exactness,
    attention,
    cost,
    compiled,
    waits,
    placement,
    budget,
    after_a_run,
)


def found_on(bench: Bench, sections: tuple[Callable[[Bench], Figures], ...] = SECTIONS) -> Figures:
    """Every section's figures, with how long each took."""
    found: Figures = {"device": bench.device, "short": bench.short}
    seconds: dict[str, float] = {}
    for section in sections:
        began = time.perf_counter()
        found[section.__name__] = said(partial(section, bench))
        seconds[section.__name__] = round(time.perf_counter() - began, 1)
        sys.stderr.write(f"{section.__name__}: {seconds[section.__name__]} s\n")
    return found | {"seconds": seconds}


def table(name: str, figures: Figures) -> Table:
    """A section, a row for each of its figures."""
    rows = {
        key: value if isinstance(value, dict) else {"": value} for key, value in figures.items()
    }
    told = (column for row in rows.values() for column, value in row.items() if _text(value))
    columns = list(dict.fromkeys(told))
    made = Table(title=name, title_justify="left", show_header=columns != [""], box=SIMPLE)
    made.add_column("", no_wrap=columns != [""])
    for column in columns:
        made.add_column(column, overflow="fold")
    for key, row in rows.items():
        made.add_row(key, *(_text(row.get(column)) for column in columns))
    return made


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("accept-gpu.json"))
    asked = parser.parse_args()
    of_cpu = asked.device == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(device=asked.device, short=asked.short or of_cpu, folder=Path(folder))
        found = found_on(bench)
    console = Console()
    for name, figures in found.items():
        if isinstance(figures, dict):
            console.print(table(name, figures))
    asked.json.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
    of = (
        "There is no CUDA device in these figures: they are of the CPU, in small. "
        if of_cpu
        else ""
    )
    console.print(f"{of}All of them are in {asked.json}.")


if __name__ == "__main__":
    main()
