"""`revconsole bench`: tables and JSON on stdout, progress and how it was measured on stderr."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

TINY = ("model.dim=16", "model.heads=2", "train.batch=2", "train.device=cpu", "--threads", "1")
SHORT = (*TINY, "--schemes", "additive", "--depths", "2", "--rounds", "1")


def test_json_keeps_its_promise(run):
    said = run("bench", *SHORT, "--json")

    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["complete"] is True
    assert (found["rounds"], found["memory_bytes"], found["left_out"]) == (1, 8192 * 2**20, [])
    assert (
        found["facts"].items() >= {"device": "cpu", "threads": 1, "tokens": 65, "width": 16}.items()
    )
    assert set(found["how"]) == {"time", "kept", "peak", "limit", "batch"}
    rows = {(r["scheme"], r["backward"]): r for r in found["rows"]}
    assert set(rows) == {
        ("residual", "stored"), ("additive", "stored"), ("additive", "checkpointed"), ("additive", "reversible"),
    }  # fmt: skip
    reversed_row, stored = rows["additive", "reversible"], rows["additive", "stored"]
    plain = rows["residual", "stored"]
    assert reversed_row["of_plain"] == reversed_row["step_seconds"] / plain["step_seconds"]
    assert reversed_row["of_own_stored"] == reversed_row["step_seconds"] / stored["step_seconds"]
    assert reversed_row["limit"] == 1 + stored["forward_seconds"][0] / stored["seconds"][0]
    assert reversed_row["kept_bytes"] < stored["kept_bytes"]
    assert reversed_row["largest_batch_was_tried"] is False


def test_a_pipe_gets_lines_and_the_method_goes_to_stderr(run):
    said = run("bench", *SHORT)

    head, *rows = [line.split("\t") for line in said.out.splitlines()]
    assert head[:4] == ["depth", "scheme", "backward", "step ms"]
    assert [row[:3] for row in rows][-1] == ["2", "additive", "reversible"]
    assert all(len(row) == len(head) for row in rows)
    first, *rest = said.err.splitlines()
    assert re.match(r"4 configurations, 1 rounds, on cpu \(.+\): about \d", first)
    assert [line.partition(":")[0] for line in rest] == ["time", "kept", "peak", "limit", "batch"]
    assert "medians and quartiles" in said.err
    assert "predicted, not tried" in said.err


@pytest.mark.parametrize("suffix", ["svg", "txt"])
def test_figures_are_drawn_into_a_file(run, suffix):
    said = run(
        "bench",
        *TINY,
        "--schemes",
        "additive",
        "--depths",
        "1,2",
        "--rounds",
        "1",
        "--figure",
        f"f.{suffix}",
    )

    assert said.code == 0, said.err
    drawn = Path(f"f.{suffix}").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "depth 2" in drawn
    assert "additive, reversible" in drawn
    assert "<svg" in drawn if suffix == "svg" else "<svg" not in drawn


def test_ctrl_c_prints_what_was_measured_until_then(tmp_path):
    command = [sys.executable, "-m", "revconsole", "bench", *SHORT, "--rounds", "100000", "--json"]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    assert child.stderr is not None
    assert "4 configurations" in child.stderr.readline()
    child.send_signal(2)
    out, err = child.communicate(timeout=60)

    found = json.loads(out)
    assert child.returncode == 130
    assert found["complete"] is False
    assert len(found["rows"]) == 4
    assert "interrupted" in err
    assert "Traceback" not in err


def test_a_terminal_gets_tables_of_at_most_80_columns():
    main, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "revconsole", "bench", *TINY, "--schemes", "bdia:gamma=0.25,grid_bits=9",
         "--depths", "2", "--rounds", "2"],
        stdout=terminal, stderr=subprocess.DEVNULL, check=False,
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "COLUMNS": "80", "TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    with os.fdopen(main, "rb") as screen:
        text = re.sub(r"\x1b\[[\d;]*m", "", os.read(screen.fileno(), 65536).decode()).splitlines()

    assert done.returncode == 0
    assert text[0] == "depth 2, 65 tokens of width 16, batch 2, float32, cpu"
    assert max(map(len, text)) <= 80
    assert any(re.match(r"  reversible +\d", line) for line in text)
    assert not any("…" in line for line in text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--schemes", "aditive"], "there is no scheme 'aditive'; did you mean 'additive'?"),
        (["--backwards", "stord"], "there is no backward 'stord'; did you mean 'stored'?"),
        (["--depths", "4,deep"], "--depths: should be whole numbers from 1, not 'deep'"),
        (["--kept-blocks", "-1"], "--kept-blocks: should be whole numbers from 0, not '-1'"),
        (["--figure", "f.png"], "--figure: should end in .svg or .txt"),
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
