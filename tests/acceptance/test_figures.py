"""The figures that a GPU is accepted by, dry-run on the CPU in their short form."""

import importlib.util
import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

SCRIPT = Path(__file__).with_name("figures.py")


@pytest.fixture
def figures(monkeypatch):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("acceptance_figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_every_section_has_its_figures_and_exact_schemes_are_exact(figures, tmp_path):
    bench = figures.Bench(device="cpu", short=True, folder=tmp_path)
    measured_elsewhere = {figures.cost}  # by the tests of bench, in a process of its own
    sections = [each for each in figures.SECTIONS if each not in measured_elsewhere]

    found = figures.found_on(bench, sections)

    assert list(found["seconds"]) == [section.__name__ for section in sections]
    assert "error" not in str(found)
    assert {row["wrong"] for row in found["division"].values()} == {0}
    streams = {key: row["stream"] for key, row in found["exactness"].items()}
    assert set(streams) >= {"momentum 0.7 exact float32", "additive exact bf16"}
    assert set(streams.values()) == {0.0}, streams
    assert found["placement"]["same"] is True
    assert found["after_a_run"] == {"run": "completed"}
    assert all(row["kept"] <= row["given"] for row in found["budget"].values())


def test_a_section_that_fails_says_why_and_the_next_goes_on(figures, tmp_path):
    def broken(_bench):
        raise RuntimeError("CUDA error:  an illegal\nmemory access")

    bench = figures.Bench(device="cpu", short=True, folder=tmp_path)
    found = figures.found_on(bench, [broken, figures.environment])

    assert found["broken"] == {"error": "RuntimeError: CUDA error: an illegal memory access"}
    assert found["environment"]["device"] == "cpu"


def test_figures_are_shown_as_a_table_of_numbers(figures):
    text = io.StringIO()
    rows = {"additive": {"× plain": 1.33333, "peak": None}, "bdia": {"× plain": 1.4, "peak": 7}}
    Console(file=text, width=80, no_color=True).print(figures.table("cost", rows))

    shown = text.getvalue()
    assert "1.33" in shown
    assert "1.333" not in shown
    assert "None" not in shown
