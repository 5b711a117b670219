"""`revconsole bench`: tables and JSON on stdout, progress and how it was measured on stderr."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.cli import bench_output
from revconsole.errors import StoreError
from revconsole.lab.bench_files import write_csv
from revconsole.lab.report import drawing
from revconsole.records.findings.benchmark import Bench, Benchmark, BenchmarkRow

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
SHORT = (
    "model.dim=16", "model.heads=2", "train.batch=2", "train.device=cpu",
    "--threads", "1", "--schemes", "additive", "--depths", "2", "--rounds", "1",
)  # fmt: skip


@pytest.fixture
def measured() -> Benchmark:
    """Two depths of two schemes, as after three rounds; the last row ran out of memory."""
    rows = [
        BenchmarkRow(
            scheme=scheme, backward=backward, depth=depth, batch=64, parameters=10, fixed_bytes=10 * MIB, foreseen_batch=32_728, foreseen_peak=int(3.875 * kept * depth * MIB),
            seconds=tuple(s * depth for s in seconds), forward_seconds=tuple(s * depth / 4 for s in seconds),
            operations=operations * depth, kept_bytes=kept * depth * MIB, peaks=((16, kept * depth * MIB), (64, 4 * kept * depth * MIB)),
        )
        for depth in (4, 1024)
        for scheme, backward, seconds, kept, operations in (
            ("residual", "stored", (1.0, 1.5, 2.0), 50, 30),
            ("residual", "checkpointed", (2.0, 2.25, 2.5), 4, 37),
            ("bdia:gamma=0.25,grid_bits=9", "stored", (2.0, 2.0, 2.0), 51, 30),
            ("bdia:gamma=0.25,grid_bits=9", "reversible", (3.0, 3.0, 3.0), 1, 40),
            ("bdia:gamma=0.25,grid_bits=9", "last 512 stored", (2.5, 2.5, 2.5), 25, 35),
        )
    ]  # fmt: skip
    rows.append(
        BenchmarkRow(
            scheme="additive", backward="stored", depth=1024, batch=64, failed="out of memory"
        )
    )
    facts = {
        "device": "cpu",
        "device_name": "x",
        "tokens": 65,
        "width": 192,
        "batch": 64,
        "precision": "float32",
    }
    bench = Bench(configurations=(), rounds=3, memory_bytes=8192 * MIB, left_out=("no inverse",))
    return Benchmark(bench=bench, facts=facts, how={"time": "by the wall"}, rows=tuple(rows), complete=True)  # fmt: skip


@pytest.mark.usefixtures("measured_in_one_process")
def test_json_keeps_its_promise_and_the_method_goes_to_stderr(run):
    said = run("bench", *SHORT, "--json")

    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["complete"] is True
    assert (found["rounds"], found["memory_bytes"], found["left_out"]) == (1, 8192 * MIB, [])
    assert (
        found["facts"].items() >= {"device": "cpu", "threads": 1, "tokens": 65, "width": 16}.items()
    )
    assert set(found["how"]) == {"time", "work", "kept", "peak", "limit", "batch"}
    rows = {(r["scheme"], r["backward"]): r for r in found["rows"]}
    assert set(rows) == {
        ("residual", "stored"), ("additive", "stored"), ("additive", "checkpointed"), ("additive", "reversible"),
    }  # fmt: skip
    reversed_row, stored = rows["additive", "reversible"], rows["additive", "stored"]
    plain = rows["residual", "stored"]
    assert reversed_row["of_plain"] == reversed_row["step_seconds"] / plain["step_seconds"]
    assert reversed_row["of_own_stored"] == reversed_row["step_seconds"] / stored["step_seconds"]
    assert reversed_row["limit"] == 1 + stored["forward_seconds"][0] / stored["seconds"][0]
    assert reversed_row["work_of_plain"] == reversed_row["operations"] / plain["operations"]
    assert 1.2 < reversed_row["work_of_plain"] < 4 / 3
    assert reversed_row["kept_bytes"] < stored["kept_bytes"]
    assert reversed_row["largest_batch_was_tried"] is False

    first, *rest = said.err.splitlines()
    assert re.match(r"4 configurations, 1 round, on cpu \(.+\): about \d", first)
    progress = re.compile(r" *\d+%  ")  # said every now and then, where a machine is slow
    titles = [line.partition(":")[0] for line in rest if not progress.match(line)]
    assert titles == ["time", "work", "kept", "peak", "limit", "batch"]
    assert "medians and quartiles" in said.err
    assert "as `plan` foresees them; not tried" in said.err
    assert reversed_row["foreseen_peak_bytes"] < stored["foreseen_peak_bytes"]


def test_a_pipe_gets_numbers_separated_by_tabs(measured, capsys):
    bench_output.print_benchmark(measured)

    head, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert head[:4] == ["depth", "scheme", "backward", "step ms"]
    assert dict(zip(head, rows[3], strict=True)) == {
        "depth": "4", "scheme": "bdia:gamma=0.25,grid_bits=9", "backward": "reversible",
        "step ms": "1.2e+04", "lower quartile ms": "1.2e+04", "upper quartile ms": "1.2e+04",
        "vs plain": "2", "vs stored": "1.5", "limit": "1.25", "work": "1.333", "kept MiB": "4", "peak MiB": "16",
        "foreseen peak MiB": "15.5",        "largest batch": "32728", "failed": "",
    }  # fmt: skip
    assert rows[-1][-1] == "out of memory"
    assert all(len(row) == len(head) for row in rows)


def test_a_terminal_gets_one_table_per_depth_of_at_most_80_columns(measured, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    bench_output.print_benchmark(measured)

    text = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert text[0] == "depth 4, 65 tokens of width 192, batch 64, float32, cpu"
    assert "depth 1024, 65 tokens of width 192, batch 64, float32, cpu" in text
    assert max(map(len, text)) <= 80
    assert not any("…" in line for line in text)
    (line,) = [line for line in text[: len(text) // 2] if line.startswith("  reversible")]
    assert line.split()[1:] == [
        "12000", "×2.00", "×1.50", "×1.25", "×1.33", "4.00", "16.0", "15.5", "32,728",
    ]  # fmt: skip


def test_a_wide_terminal_gets_the_quartiles_too(measured, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    bench_output.print_benchmark(measured)

    assert "12000–12000" in capsys.readouterr().out


def test_what_was_left_out_or_failed_is_said(measured, capsys):
    bench_output.explain(measured)

    said = capsys.readouterr().err.splitlines()
    assert said == [
        "time: by the wall",
        "left out: no inverse",
        "out of memory: additive, stored, depth 1,024",
    ]


def test_no_title_of_a_panel_reaches_into_the_next(measured, monkeypatch):
    sheets = []
    monkeypatch.setattr(drawing, "save", lambda sheet, _: sheets.append(sheet))
    bench_output.draw(measured, "f.svg")
    (sheet,) = sheets
    sheet.draw_without_rendering()

    panels = [axes for axes in sheet.axes if axes.get_visible()]
    assert len(panels) > 1
    assert all(axes.title.get_window_extent().width < axes.bbox.width for axes in panels)


def test_figures_are_drawn_as_text_into_a_file(measured):
    bench_output.draw(measured, "f.txt")

    seen = re.sub(r"\s", "", Path("f.txt").read_text(encoding="utf-8"))
    assert "againstpeakmemory,depth4" in seen
    assert "bdia:gamma=0.25,grid_bits=9,reversible" in seen
    with pytest.raises(StoreError, match="choose another --figure"):
        bench_output.draw(measured, "missing/f.txt")


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_figures_for_a_page_are_drawn_into_a_file(measured, suffix):
    bench_output.draw(measured, f"f.{suffix}")

    drawn = Path(f"f.{suffix}").read_bytes()
    assert drawn.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[suffix])
    with pytest.raises(StoreError, match="cannot write"):
        bench_output.draw(measured, f"missing/f.{suffix}")


def test_one_legend_above_the_panels_names_each_curve_once(measured):
    bench_output.draw(measured, "f.svg")

    drawn = Path("f.svg").read_text()
    assert [drawn.count(name) for name in ("residual, stored", "residual, checkpointed")] == [1, 1]


def test_the_numbers_are_written_as_csv_with_all_their_digits(measured):
    write_csv(measured, Path("b.csv"))

    head, *rows = csv.reader(Path("b.csv").read_text(encoding="utf-8").splitlines())
    assert len(rows) == len(measured.rows)
    cells = dict(zip(head, rows[3], strict=True))
    row = measured.rows[3]
    assert float(cells["step median (ms)"]) == row.step.median * 1000
    assert float(cells["kept for backward (MiB)"]) * MIB == row.kept_bytes
    assert (cells["scheme"], cells["batch"], cells["failed"]) == (row.scheme, "64", "")
    assert rows[-1][-1] == "out of memory"
    with pytest.raises(StoreError, match="cannot write"):
        write_csv(measured, Path("missing/b.csv"))


def test_ctrl_c_prints_what_was_measured_until_then():
    command = [sys.executable, "-m", "revconsole", "bench", *SHORT, "--rounds", "100000", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert "4 configurations" in child.stderr.readline()
        child.send_signal(2)
        out, err = child.communicate()

    found = json.loads(out)
    assert child.returncode == 130
    assert found["complete"] is False
    assert len(found["rows"]) == 4
    assert "interrupted" in err
    assert "Traceback" not in err


WITH_LITTLE_ROOM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (256 * 2**30,) * 2)
from revconsole.cli.app import main
main()
"""


def test_what_has_no_room_says_so_and_ends_with_a_failure():
    settings = ("train.batch=1000000", "data.image_size=1024", "model.patch=256")  # 12 TB of images
    short = [word for word in SHORT if not word.startswith("train.batch=")]
    command = [
        sys.executable,
        "-X",
        "preloaded",
        "-c",
        WITH_LITTLE_ROOM,
        "bench",
        *short,
        *settings,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    failed = {line.split("\t")[-1] for line in done.stdout.splitlines()}
    assert failed == {"failed", "out of memory"}
    assert "out of memory: additive, reversible, depth 2" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--schemes", "aditive"], "there is no scheme 'aditive'; did you mean 'additive'?"),
        (["--backwards", "stord"], "there is no backward 'stord'; did you mean 'stored'?"),
        (["--depths", "4,deep"], "--depths: should be whole numbers from 1, not 'deep'"),
        (["--kept-blocks", "-1"], "--kept-blocks: should be whole numbers from 0, not '-1'"),
        (["--depths", "4,8,4"], "--depths: has 4 twice in its list; leave one out"),
        (
            ["--schemes", "bdia,bdia"],
            '--schemes: has {name="bdia"} twice in its list; leave one out',
        ),
        (["--figure", "f.jpg"], "--figure: should end in .svg, .png, .pdf or .txt"),
        (["model.dim=10"], "3 heads do not divide dim 10"),
        (["demmo"], "there is no profile 'demmo'; did you mean 'demo'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_sentence_and_measures_nothing(run, arguments, sentence):
    said = run("bench", *arguments)

    assert sentence in said.err
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_help_says_what_is_measured_without_arguments(run):
    said = run("bench", "--help")

    assert said.code == 0
    assert "65 tokens" in " ".join(said.out.split())
    assert "--kept-blocks" in said.out
