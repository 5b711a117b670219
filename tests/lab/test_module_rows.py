"""Blocks that repeat are one row, and nothing that differs is folded."""

from revconsole.lab.module_rows import folded
from revconsole.records.findings.modules import ModuleCost


def module(name, parameters=3):
    return ModuleCost(
        name=name, kind="Linear", inputs=[1, 2], outputs=[1, 2], calls=1, parameters=parameters, multiply_adds=4
    )  # fmt: skip


def names(*modules):
    return [(each.name, times) for each, times in folded(modules)]


def test_alike_neighbours_of_a_list_are_folded():
    body = [module(f"blocks.{n}.{part}") for n in range(12) for part in ("qkv", "proj")]

    assert names(module("embed"), *body, module("head")) == [
        ("embed", 1), ("blocks.0-11.qkv", 12), ("blocks.0-11.proj", 12), ("head", 1),
    ]  # fmt: skip


def test_one_that_differs_or_is_missing_stays_apart():
    other = module("blocks.2.qkv", parameters=5)

    assert names(module("blocks.0.qkv"), module("blocks.1.qkv"), other, module("blocks.4.qkv")) == [
        ("blocks.0-1.qkv", 2), ("blocks.2.qkv", 1), ("blocks.4.qkv", 1),
    ]  # fmt: skip
    assert names(module("a.0"), module("b.1")) == [("a.0", 1), ("b.1", 1)]
    assert names(module("0"), module("1"), module("net")) == [("0-1", 2), ("net", 1)]
    assert names() == []
