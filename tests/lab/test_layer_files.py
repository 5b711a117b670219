"""Layer files: the same modules in every format, and their sums."""

import csv
from pathlib import Path

import pytest

from revconsole.errors import StoreError, UnknownName
from revconsole.lab.layer_files import refuse_target, write_layers
from revconsole.records.findings.modules import ModuleCost


def module(name, parameters, multiply_adds):
    return ModuleCost(
        name=name, kind="Linear", inputs=(1, 4), outputs=(1, 4, 8), calls=1, parameters=parameters, multiply_adds=multiply_adds
    )  # fmt: skip


MODULES = [module("stem", 100, 1000), module("blocks.0.fc", 10, 70), module("blocks.1.fc", 10, 70)]


def test_csv_has_every_module_with_its_model():
    path = write_layers(Path("layers.csv"), ["one", "=two"], [MODULES, MODULES[:1]])

    head, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    assert head == ["model", "module", "kind", "output", "parameters", "multiply-adds"]
    assert rows[2] == ["one", "blocks.1.fc", "Linear", "4×8", "10", "70"]
    assert rows[3][0] == "'=two", "no formula"
    assert sum(int(row[4]) for row in rows[:3]) == 120


@pytest.mark.parametrize("suffix", ["tex", "md"])
def test_a_document_folds_equal_blocks_and_ends_with_the_sums(suffix):
    text = write_layers(Path(f"layers.{suffix}"), ["a_b", "two"], [MODULES, MODULES[:1]]).read_text(
        encoding="utf-8"
    )

    (folded,) = [line for line in text.splitlines() if "blocks.0-1.fc" in line]
    assert {"2", "10", "70"} <= set(
        folded.replace("\\", "").replace("|", "&").replace(" ", "").split("&")
    )
    last = next(line for line in text.splitlines() if line.strip("| ").startswith("all"))
    assert "1,140" in last
    assert text.count("Layers of") == 2
    assert r"a\_b" in text


def test_what_cannot_be_written_is_refused_before_anything_is_counted():
    with pytest.raises(UnknownName, match="no format 'pdf'"):
        refuse_target(Path("layers.pdf"))
    with pytest.raises(StoreError, match="there is no folder"):
        refuse_target(Path("missing/layers.csv"))
    refuse_target(None)
