"""The verb plan: what models would cost, without training and without data files."""

import json


def test_each_model_of_a_grid_is_counted_without_data_files(run, monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "nothing"))
    said = run("plan", "vit-cifar10", "model.depth=[1,2]", "seeds=0", "--json")

    one, two = json.loads(said.out)
    assert said.code == 0
    assert two["parameters"] - one["parameters"] > 0
    assert one["trainable_parameters"] == one["parameters"]
    assert two["multiply_adds_per_image"] > one["multiply_adds_per_image"] > 0
    assert one["floating_point_operations_per_image"] == 2 * one["multiply_adds_per_image"]
    assert not (tmp_path / "nothing").exists()


def test_the_table_names_the_keys_and_the_unit(run):
    said = run("plan", "demo", "seeds=0")

    assert said.out.splitlines()[0].split("\t") == [
        "name", "architecture", "scheme", "parameters", "trainable_parameters",
        "multiply_adds_per_image", "operations",
    ]  # fmt: skip
    assert len(said.out.splitlines()) == 5
    assert said.out.splitlines()[1].endswith("\t2.23 M multiply-adds = 4.47 MFLOPs")
    assert "multiply-adds counted once or twice" in said.err


def test_a_wrong_setting_is_one_sentence(run):
    said = run("plan", "demo", "model.patch=3")

    assert said.code == 2
    assert "patch 3 does not divide" in said.err


def test_modules_of_a_model_are_a_table_or_json_that_add_up(run):
    settings = ("vit-cifar10", "seeds=0", "model.depth=2", "scheme.name=residual")
    body = json.loads(run("plan", *settings, "--modules", "--json").out)
    said = run("plan", *settings, "--modules")

    for each in body:
        assert sum(m["parameters"] for m in each["modules"]) == each["parameters"]
        operations = sum(m["multiply_adds"] for m in each["modules"])
        assert operations == each["multiply_adds_per_image"]
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert ["blocks.0-1.attn.qkv", "Linear"] in [row[:2] for row in rows]
    assert ["all", "", "", "", f"{body[0]['parameters']:,}"] in [row[:5] for row in rows]


def test_a_scheme_with_a_wider_head_says_that_its_modules_are_the_plain_networks(run):
    settings = ("vit-cifar10", "seeds=0", "model.depth=2", "scheme.name=additive", "--modules")
    (body,) = json.loads(run("plan", *settings, "--json").out)

    assert body["modules_note"] in " ".join(run("plan", *settings).err.split())
    assert f"{body['parameters']:,} parameters" in body["modules_note"]
