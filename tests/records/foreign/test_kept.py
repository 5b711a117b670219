"""What was read once is not read again, and a damaged cache is none."""

from pathlib import Path

import pytest

from revconsole.records.foreign import kept
from revconsole.records.foreign.foreign_tail import ForeignTail
from revconsole.records.foreign.formats import tensorboard
from revconsole.records.foreign.found import search
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Reach
from revconsole.records.runs.run import Run

from .test_damaged import events, scalar


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were given to the reader of event files, each time."""
    sizes: list[int] = []
    take = tensorboard.take

    def noted(data: bytes, reach: Reach, into: Gathered) -> int:
        sizes.append(len(data))
        return take(data, reach, into)

    monkeypatch.setattr(tensorboard, "take", noted)
    monkeypatch.setattr(kept, "LEAST_POINTS", 10)
    return sizes


def content(first: int, last: int) -> bytes:
    return b"".join(scalar(b"train/loss", step, 1.0 / step) for step in range(first, last))


def read(folder: Path) -> Run:
    return ForeignTail(search(folder, "x").runs[0]).run()


def test_the_second_time_nothing_is_read_again(tmp_path: Path, taken: list[int]) -> None:
    events(tmp_path / "run", content(1, 60))
    first = read(tmp_path)
    taken.clear()

    second = read(tmp_path)
    row = ForeignTail(search(tmp_path, "x").runs[0]).summary()

    assert taken == []
    assert second == first
    assert row == first.summary
    assert second.series["loss"].values == first.series["loss"].values
    assert second.times.wall(30) == first.times.wall(30)


def test_only_what_is_new_is_read(tmp_path: Path, taken: list[int]) -> None:
    path = events(tmp_path / "run", content(1, 60))
    read(tmp_path)
    taken.clear()
    with path.open("ab") as file:
        file.write(content(60, 65))

    run = read(tmp_path)

    assert taken == [len(content(60, 65))]
    assert run.series["loss"].steps == list(range(1, 65))


def test_another_file_in_its_place_is_read_from_the_beginning(
    tmp_path: Path, taken: list[int]
) -> None:
    events(tmp_path / "run", content(1, 60))
    read(tmp_path)
    taken.clear()
    events(tmp_path / "run", content(10, 80))

    run = read(tmp_path)

    assert run.series["loss"].steps == list(range(10, 80))


@pytest.mark.parametrize("place", [3, 30, 200, -20])
def test_a_damaged_cache_is_none(tmp_path: Path, cache: Path, taken: list[int], place: int) -> None:
    events(tmp_path / "run", content(1, 60))
    first = read(tmp_path)
    (path,) = (cache / "also").iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 0xFF
    path.write_bytes(damaged)
    taken.clear()

    assert read(tmp_path).series["loss"].values == first.series["loss"].values
    assert taken


def test_the_oldest_go_when_all_are_too_large(
    tmp_path: Path, cache: Path, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 4000)
    for name in "abcdef":
        events(tmp_path / name, content(1, 60))
    for found in search(tmp_path, "x").runs:
        ForeignTail(found).run()

    sizes = [path.stat().st_size for path in (cache / "also").iterdir()]
    assert sizes
    assert sum(sizes) <= 4000
    assert taken


def test_without_a_cache_folder_it_is_only_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events(tmp_path / "run", content(1, 60))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("REVCONSOLE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(kept, "LEAST_POINTS", 10)

    assert read(tmp_path).series["loss"].length == 59


def test_a_long_log_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revconsole.records.foreign.following.BLOCK_BYTES", 400)
    events(tmp_path / "run", content(1, 60))
    tail = ForeignTail(search(tmp_path, "x").runs[0], seconds=0)
    assert tail.summary().reason.endswith("it is still being read")
    lengths = [tail.run().series["loss"].length for _ in range(20)]

    assert lengths[0] < 59
    assert tail.summary().reason == ""
    assert lengths == sorted(lengths)
    assert lengths[-1] == 59
