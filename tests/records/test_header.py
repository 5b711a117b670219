"""The plan of a run is the one that was planned, or the run is damaged and says in which part."""

import json

import pytest

from revconsole.errors import StoreError
from revconsole.records.runs.header import read_header
from revconsole.records.runs.plan_file import FILE
from revconsole.records.settings.plan import Plan


@pytest.fixture
def run(store, plan):
    return store.folder(store.create(plan, {}))


def changed(run, change):
    """Edit the plan.json of a run."""
    path = run / FILE
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))
    return read_header(run)


def test_a_plan_is_read_back_as_it_was_written(store, run, plan):
    header = read_header(run)
    assert (header.plan, header.why, header.id) == (plan, "", run.name)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda body: body["plan"]["optimizer"].update(learning_rate=0.007), "optimizer"),
        (lambda body: body["plan"].update(seed=1), "seed"),
        (lambda body: body["plan"]["train"].pop("batch"), "train"),
        (lambda body: body["plan"].pop("schedule"), "schedule"),
        (lambda body: body.update(created=1.0), "created"),
        (lambda body: body.update(id="abcdefgh"), "id"),
        (lambda body: body.update(sha256="0" * 64), "its checksum"),
        (lambda body: body.pop("sha256"), "its checksum"),
        (lambda body: body.update(more=1), "more"),
        (lambda body: body.update(format=3), "format"),
    ],
)
def test_a_plan_that_was_changed_is_damaged_and_says_which_part(store, run, change, part):
    header = changed(run, change)

    assert header.plan is None
    assert header.why == f"plan.json was changed after the run was planned: {part}"
    (row,) = store.list()
    assert (row.state, row.reason) == ("damaged", header.why)
    with pytest.raises(StoreError, match=part):
        store.plan(run.name)


def test_two_changed_parts_are_both_named(run):
    def change(body):
        body["plan"]["seed"] = 3
        body["plan"]["data"]["dataset"] = "mnist"

    assert changed(run, change).why.endswith("planned: data, seed")


def test_the_fingerprint_that_a_run_finds_out_is_part_of_its_plan(store, run):
    store.keep_fingerprint(run.name, "ab" * 32)
    assert read_header(run).plan.data_fingerprint == "ab" * 32


def planned(**settings) -> Plan:
    return Plan.model_validate({"name": "n", **settings})


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ({"train": {"epochs": 5}}, {"train": {"epochs": 9}}, True),
        ({"train": {"device": "cpu"}}, {"train": {"device": "cuda"}}, True),
        ({"name": "a"}, {"name": "b"}, True),
        ({"train": {"batch": 8}}, {"train": {"batch": 16}}, False),
        ({"optimizer": {"name": "adamw"}}, {"optimizer": {"name": "sgd"}}, False),
        ({"seed": 0}, {"seed": 1}, False),
    ],
)
def test_what_is_past_is_the_same_for_settings_that_change_only_what_is_to_come(
    before, after, same
):
    first, second = (planned(**({"name": "n"} | each)) for each in (before, after))
    assert (first.past_digest() == second.past_digest()) is same


@pytest.mark.parametrize("grid_bits", [None, 9])
def test_a_run_of_bdia_keeps_its_plan_exact_or_not(store, grid_bits):
    kept = planned(scheme={"name": "bdia", "grid_bits": grid_bits}, backward="reversible")
    other = planned(scheme={"name": "bdia", "grid_bits": 10}, backward="reversible")
    run = store.folder(store.create(kept, {}))

    assert read_header(run).plan == kept
    assert read_header(run).plan.digest() == kept.digest() != other.digest()


def test_a_float_plan_that_a_later_rule_would_refuse_is_read(store):
    lossy = planned(
        scheme={"name": "momentum", "gamma": 0.5},
        model={"architecture": "vit", "depth": 32},
        backward="reversible",
    )
    assert read_header(store.folder(store.create(lossy, {}))).plan == lossy
