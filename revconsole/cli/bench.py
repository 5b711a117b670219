"""The verb bench: schemes, backwards and depths side by side on this device."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from revconsole.cli import bench_output, complete, output
from revconsole.cli.arguments import listed
from revconsole.cli.opening import opened
from revconsole.errors import ProfileError
from revconsole.lab.bench import WantedBenchmark
from revconsole.lab.bench_files import write_csv
from revconsole.lab.bench_rows import document
from revconsole.records.findings.benchmark import Benchmark, Update
from revconsole.records.settings.profile import parse_assignments

COMMAND_LINE = "command line"

What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PROFILE|KEY=VALUE",
        help="A profile or study whose model, data shape, batch and device are measured, and settings to change. "
        "Without a profile: a ViT of width 192, 3 heads, 65 tokens, batch 64, depths 4 and 8.",
        autocompletion=complete.profiles,
    ),
]
Schemes = Annotated[
    str,
    typer.Option(
        help="Comma-separated, with options after a colon: additive,momentum:grid_bits=9. "
        "[default: those of the profile, or all]"
    ),
]
Backwards = Annotated[
    str, typer.Option(help="Comma-separated: stored, checkpointed, reversible. [default: all]")
]
Depths = Annotated[
    str,
    typer.Option(help="Numbers of blocks, comma-separated. [default: that of the profile, or 4,8]"),
]
KeptBlocks = Annotated[
    str,
    typer.Option(help="Reverse all but the last N blocks, for time against memory, e.g. 0,2,4."),
]
Rounds = Annotated[int, typer.Option(help="Timed steps of each configuration.", min=1)]
MemoryMib = Annotated[
    int, typer.Option(help="Memory that the largest batch has to fit into, in MiB.", min=1)
]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's choice.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Csv = Annotated[str, typer.Option(help="Write the numbers into a file as CSV.")]
Drawn = Annotated[
    str,
    typer.Option(help="Draw: a file ending in .svg, .png, .pdf or .txt, or - for this terminal."),
]


def bench(
    context: typer.Context,
    what: What = None,
    schemes: Schemes = "",
    backwards: Backwards = "",
    depths: Depths = "",
    kept_blocks: KeptBlocks = "",
    rounds: Rounds = 7,
    memory_mib: MemoryMib = 8192,
    threads: Threads = 0,
    json: Json = False,
    figure: Drawn = "",
    csv: Csv = "",
) -> None:
    """Measure time and memory of schemes and backwards side by side on this device.

    Ctrl-C ends it early and prints what has been measured.
    """
    bench_output.require_drawable(figure)
    bench_output.require_folder(csv)
    profile, settings = _profile_and_settings(what or [])
    wanted = WantedBenchmark(
        profile=profile,
        settings=settings | ({"train.threads": threads} if threads else {}),
        schemes=listed(schemes),
        backwards=listed(backwards),
        depths=_numbers("--depths", depths, least=1),
        stored_blocks=_numbers("--kept-blocks", kept_blocks, least=0),
        rounds=rounds,
        memory_bytes=memory_mib * 2**20,
    )
    benchmark = _followed(opened(context).bench(wanted))
    if benchmark is not None:
        _show(benchmark, json=json, figure=figure)
        if csv:
            write_csv(benchmark, Path(csv))
            output.say(f"written to {csv}")
    if benchmark is None or not benchmark.complete:
        raise typer.Exit(130)
    if any(row.failed for row in benchmark.rows):
        raise typer.Exit(1)


def _followed(updates: Iterator[Update]) -> Benchmark | None:
    """Show progress until the benchmark ends or Ctrl-C; returns what was measured, None if nothing was."""
    progress, last = bench_output.BenchProgress(), None
    try:
        for last in updates:
            progress.show(last)
    except KeyboardInterrupt:
        progress.close()
        output.say("interrupted; the measurements so far:")
    else:
        progress.close()
    return last.benchmark if last else None


def _show(benchmark: Benchmark, *, json: bool, figure: str) -> None:
    if json:
        output.print_json(document(benchmark))
    else:
        bench_output.print_benchmark(benchmark)
    bench_output.explain(benchmark)
    if figure:
        bench_output.draw(benchmark, figure)


def _profile_and_settings(words: list[str]) -> tuple[str, dict[str, object]]:
    profile = words[0] if words and "=" not in words[0] else ""
    return profile, parse_assignments(words[1:] if profile else words)


def _numbers(option: str, text: str, *, least: int) -> list[int]:
    """The whole numbers of a comma-separated list. Raises ProfileError for other words and for numbers below `least`."""
    numbers = []
    for word in listed(text):
        if not word.isdecimal() or int(word) < least:
            raise ProfileError(
                COMMAND_LINE, option, f"should be whole numbers from {least}, not {word!r}"
            )
        numbers.append(int(word))
    return numbers
