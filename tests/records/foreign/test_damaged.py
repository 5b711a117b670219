"""Damaged and hostile files are said, and cost no more than what is damaged."""

import json
import math
import os
import struct
import zlib
from pathlib import Path

import pytest

from revconsole.records.foreign import gathered as bounds
from revconsole.records.foreign.crc32c import crc32c, masked
from revconsole.records.foreign.foreign_tail import ForeignTail
from revconsole.records.foreign.found import search
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.protobuf import fields
from revconsole.records.runs.run import Run

from .conftest import read_all


def record(message: bytes) -> bytes:
    """A record of an event file."""
    size = struct.pack("<Q", len(message))
    return size + struct.pack("<I", masked(size)) + message + struct.pack("<I", masked(message))


def scalar(tag: bytes, step: int, value: float) -> bytes:
    """A record with one scalar, as the older API of TensorBoard writes it."""
    inner = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(inner)]) + inner
    return record(
        b"\x09"
        + struct.pack("<d", 1.7e9 + step)
        + b"\x10"
        + bytes([step])
        + b"\x2a"
        + bytes([len(summary)])
        + summary
    )


def events(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.1700000000.host"
    path.write_bytes(content)
    return path


def only(folder: Path) -> Run:
    (run,) = read_all(folder).values()
    return run


def test_the_checksum_is_that_of_rfc_3720() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_a_flipped_bit_costs_one_record(tmp_path: Path) -> None:
    content = bytearray(b"".join(scalar(b"loss", step, 1.0 / step) for step in range(1, 11)))
    content[5 * len(content) // 10 + 30] ^= 1
    events(tmp_path / "run", bytes(content))

    run = only(tmp_path / "run")

    assert run.series["loss"].steps == [1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert run.summary.damaged_lines == 1
    assert "is damaged and left out" in run.log[0].text


def test_a_damaged_length_ends_what_can_be_read_and_is_said(tmp_path: Path) -> None:
    good = b"".join(scalar(b"loss", step, 1.0) for step in range(1, 6))
    events(tmp_path / "run", good + b"\xff" * 12 + good)

    run = only(tmp_path / "run")

    assert run.series["loss"].length == 5
    assert "nothing behind it can be read" in run.log[0].text


def test_a_torn_tail_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    whole = b"".join(scalar(b"loss", step, 1.0) for step in range(1, 6))
    path = events(tmp_path / "run", whole[:-7])
    tail = ForeignTail(search(tmp_path, "x").runs[0])

    assert tail.run().series["loss"].length == 4
    with path.open("ab") as file:
        file.write(whole[-7:] + scalar(b"loss", 6, 0.5))

    run = tail.run()
    assert run.series["loss"].steps == [1, 2, 3, 4, 5, 6]
    assert run.summary.state == "running"
    assert not run.log


def test_huge_lengths_take_no_memory(tmp_path: Path) -> None:
    size = struct.pack("<Q", 1 << 40)
    events(tmp_path / "run", size + struct.pack("<I", masked(size)) + b"x" * 100)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "run-x.wandb").write_bytes(
        b":W&B\xe1\xbe\x00" + b"\x00" * 6 + b"\xff" * 70000
    )

    runs = read_all(tmp_path)

    assert "nothing behind it can be read" in runs["run"].log[0].text
    assert runs["deep:run-x.wandb"].summary.state == "damaged"


@pytest.mark.parametrize("cut", [3, 100, 5000, 17000])
def test_a_log_of_wandb_that_is_cut_keeps_what_is_before(made: Path, cut: int) -> None:
    (path,) = made.glob("wandb/*/*.wandb")
    path.write_bytes(path.read_bytes()[:cut])

    run = only(made / "wandb")

    assert run.summary.state in {"running", "damaged"}
    assert sum(series.length for series in run.series.values()) <= 100


def test_a_damaged_block_of_wandb_costs_that_block(tmp_path: Path) -> None:
    def fragment(kind: int, data: bytes) -> bytes:
        return (
            struct.pack("<IHB", zlib.crc32(data, zlib.crc32(bytes([kind]))), len(data), kind) + data
        )

    def history(step: int) -> bytes:
        item = b"\x0a\x04loss\x82\x01\x03%d.5" % (step % 10)
        body = b"\x0a" + bytes([len(item)]) + item + b"\x12\x02\x08" + bytes([step])
        return fragment(1, b"\x12" + bytes([len(body)]) + body)

    first = b":W&B\xe1\xbe\x00" + history(1) + fragment(1, b"\x12\x00").replace(b"\x12", b"\x13")
    path = tmp_path / "a.wandb"
    path.write_bytes(first.ljust(32768, b"\x07") + history(2) + history(3))

    run = only(tmp_path)

    assert run.series["loss"].steps == [1, 2, 3]
    assert run.summary.damaged_lines == 1


def test_text_of_others_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    events(
        tmp_path / "\x1b]0;owned\x07[red]", scalar(b"\x1b[2J[bold]loss\xe2\x80\xae", 1, math.nan)
    )

    run = only(tmp_path)

    shown = json.dumps([run.summary.name, list(run.series), list(run.summary.metrics)])
    assert "\\u001b" not in shown
    assert "\\u202e" not in shown
    assert "[bold]loss" in shown  # markup is text


def test_what_points_elsewhere_is_not_followed(tmp_path: Path, made: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "linked").symlink_to(made / "keras")
    (inside / "summary.csv").symlink_to("/etc/passwd")
    os.mkfifo(inside / "metrics.csv")

    assert not search(inside, "x").runs


def test_settings_that_make_objects_or_never_end_are_refused(tmp_path: Path) -> None:
    lists = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)
    )
    wide = ", ".join(f"k{n}: {{}}" for n in range(500))
    tables = f"b0: &b0 {{{wide}}}\n" + "".join(
        f"b{n}: &b{n} {{{', '.join(f'k{k}: *b{n - 1}' for k in range(500))}}}\n"
        for n in range(1, 5)
    )
    for name, text in (
        ("object", "a: !!python/object/apply:os.system ['touch owned']\n"),
        ("lists", lists),
        ("tables", tables),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "summary.csv").write_text("epoch,train_loss\n0,1.0\n")
        (folder / "args.yaml").write_text(text)

    runs = read_all(tmp_path)

    assert not Path("owned").exists()
    assert "no plain YAML" in runs["object"].log[0].text
    assert len(json.dumps(dict(runs["lists"].summary.given))) < 50_000
    assert len(runs["tables"].summary.given) <= bounds.MOST_SETTINGS
    assert all(run.series["loss"].values == [1.0] for run in runs.values())


def test_a_csv_with_odd_rows_loses_those_alone(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(
        b"step,loss,note\n1,0.5,\n2,zero\n3,nan,\xff\xfe\n4,1e400,\n,,\nhalf"
    )

    run = only(tmp_path)

    assert run.series["loss"].steps == [1, 3, 4]
    assert math.isnan(run.series["loss"].values[1])
    assert run.summary.damaged_lines == 1


def test_steps_and_metrics_beyond_the_bounds_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_METRICS", 3)
    monkeypatch.setattr(bounds, "MOST_POINTS", 10)
    into = Gathered()
    for step in range(6):
        for name in "abcde":
            into.point(name, step, 1.0)
    into.point("a", math.inf, 1.0)

    assert list(into.columns) == ["a", "b", "c"]
    assert into.points == 10
    assert into.damaged == 1
    assert into.faults == [
        "more than 3 metrics: the rest is left out",
        "more than 10 points: the rest is left out",
        "a step is no number, or beyond all counting",
    ]


@pytest.mark.parametrize(
    "message", [b"\x80" * 12, b"\x0a\xff\xff\xff\xff\x0f", b"\x0b", b"\x09abc", b"\xff"]
)
def test_what_is_no_message_is_said_to_be_none(message: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(fields(message))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"log_history": 3}', b'{"log_history": [1]}', b"[" * 100_000]
)
def test_a_history_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trainer_state.json").write_bytes(content)

    run = only(tmp_path)

    assert run.summary.state == "damaged"
    assert "trainer_state.json" in run.summary.reason


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n" + "".join(f"{s},{s}.0\n" for s in range(300)))
    tail = ForeignTail(search(tmp_path, "x").runs[0])
    assert tail.run().series["loss"].length == 300
    path.write_text("step,loss,lr\n" + "".join(f"{s},{s}.5,0.1\n" for s in range(400)))

    run = tail.run()

    assert run.series["loss"].values[:2] == [0.5, 1.5]
    assert run.series["learning_rate"].length == 400


def test_a_row_that_no_csv_can_have_costs_that_row(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"step,loss\n1,0.5\n2,0.\r4\n3,0.25\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_bytes(b"step,lo\rss\n1,0.5\n")

    runs = read_all(tmp_path)

    (run,) = (each for each in runs.values() if each.series)
    assert run.series["loss"].steps == [1, 3]
    assert run.summary.damaged_lines == 1
