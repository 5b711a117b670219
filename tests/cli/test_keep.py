"""`ls` with filters and columns, and the verbs that name, tag, archive and delete runs."""

import json

import pytest

from revconsole.records.logs.events import EpochFinished, Finished, Measured, Started
from revconsole.records.settings.plan import Plan


def add(store, name, *, scheme="bdia", lr=3e-3, seed=0, test=None, ends=True):
    """A run of the store, written as a trainer does."""
    backward = "stored" if scheme == "residual" else "reversible"
    plan = Plan.model_validate({
        "name": name, "seed": seed, "backward": backward, "scheme": {"name": scheme},
        "optimizer": {"name": "adamw", "learning_rate": lr},
    })  # fmt: skip
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 10}))
    attempt.emit(Measured(step=1, epoch=1, values={"loss": 2.0, "gradient_norm": 0.5}))
    attempt.emit(EpochFinished(epoch=1, step=1, values={"validation_accuracy": 0.5}))
    if ends:
        values = {} if test is None else {"test_accuracy": test}
        attempt.emit(Finished(outcome="completed", step=10, values=values))
    attempt.close()
    return run_id


def table(said):
    return [line.split("\t") for line in said.out.splitlines()]


@pytest.fixture(autouse=True)
def _own_store(store, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_STORE", str(store.root))


@pytest.fixture
def grid(store):
    """Two rates, each over two seeds."""
    return [
        add(store, f"grid-lr{lr}-s{seed}", lr=lr, seed=seed, test=lr + seed / 10)
        for lr in (0.1, 0.2)
        for seed in (0, 1)
    ]


def test_ls_shows_the_runs_that_meet_a_filter_in_the_order_asked_for(run, grid):
    said = run("ls", "--where", "lr>0.1 OR seed=0", "--columns", "lr,seed,test", "--sort", "-test")
    assert said.code == 0
    head, *rows = table(said)
    assert head == ["id", "name", "state", "lr", "seed", "test %"]
    assert [row[3:] for row in rows] == [
        ["0.2", "1", "30.0"], ["0.2", "0", "20.0"], ["0.1", "0", "10.0"],
    ]  # fmt: skip


def test_ls_chooses_the_columns_that_tell_the_runs_apart(run, grid):
    head, *rows = table(run("ls", "--columns", "auto"))
    assert head[3:5] == ["lr", "seed"]
    assert len({tuple(row[3:5]) for row in rows}) == 4


def test_ls_has_metrics_as_columns_and_in_json_by_their_keys(run, grid):
    assert table(run("ls", "--columns", "gradient_norm"))[1][3] == "0.5"
    listed = json.loads(run("ls", "--columns", "lr,gradient_norm", "--limit", "1", "--json").out)
    assert [each["columns"] for each in listed] == [
        {"optimizer.learning_rate": 0.2, "gradient_norm": 0.5}
    ]


def test_ls_puts_seeds_together_as_mean_and_deviation(run, grid):
    head, *rows = table(run("ls", "--groups", "--sort", "lr"))
    place = head.index("test %")
    assert [row[place] for row in rows] == ["15.0 ± 7.1", "25.0 ± 7.1"]
    assert [row[0:3] for row in rows] == [["grid-lr0.1", "2", "2"], ["grid-lr0.2", "2", "2"]]
    (first, _) = json.loads(run("ls", "--groups", "--sort", "lr", "--json").out)
    assert first["test"]["mean"] == pytest.approx(0.15)
    assert first["test"]["n"] == 2
    assert sorted(first["ids"]) == sorted(grid[:2])


def test_ls_says_that_nothing_meets_a_filter(run, grid):
    said = run("ls", "--where", "seed=9")
    assert (said.code, said.err) == (0, "no run of 4 meets the filter 'seed=9'\n")
    assert json.loads(run("ls", "--where", "seed=9", "--json").out) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--where", "lrr>1"], "'lrr>1': there is no setting or metric 'lrr'; did you mean 'lr'?"),
        (["--columns", "sed"], "there is no setting or metric 'sed'; did you mean 'seed'?"),
        (["--sort", "momentum"], "'momentum' may be "),
    ],
)
def test_ls_refuses_what_it_does_not_understand(run, grid, options, why):
    said = run("ls", *options)
    assert (said.code, said.out) == (2, "")
    assert why in said.err


def test_a_run_has_the_name_tags_and_note_it_was_given_and_answers_to_both_names(run, store):
    run_id = add(store, "grid-s0")
    said = run("note", run_id, "--name", "the good one", "--tag", "paper,draft", "-t", "keep it")
    assert table(said)[1] == [run_id, "the good one", "draft paper", "keep it"]
    (row,) = json.loads(run("ls", "--where", "tag:paper", "--json").out)
    assert (row["name"], row["tags"], row["note"]) == (
        "the good one",
        ["draft", "paper"],
        "keep it",
    )
    assert run("show", "the good one").code == run("show", "grid-s0").code == 0
    run("note", "grid-s0", "--untag", "draft", "--name", "", "--text", "")
    assert table(run("note", run_id))[1] == [run_id, "grid-s0", "paper", ""]


def test_what_a_note_says_is_never_obeyed_by_the_terminal(run, store):
    run_id = add(store, "one")
    assert run("note", run_id, "--text", "\x1b]0;owned\x07[bold]x").code == 0
    assert "\x1b" not in run("note", run_id).out
    said = run("note", run_id, "--name", "a\x1b[31m")
    assert said.code == 2
    assert "\x1b" not in said.err


@pytest.mark.parametrize("option", [["--tag", "a;b"], ["--name", " x "], ["--text", "x" * 5000]])
def test_a_bad_tag_name_or_note_is_refused_before_anything_changes(run, store, option):
    ids = [add(store, "one"), add(store, "two")]
    said = run("note", *ids, "--tag", "fine", *option)
    assert said.code == 2
    assert all(row[2] == "" for row in table(run("note", *ids))[1:])


def test_an_archived_run_is_left_out_unless_it_is_asked_for(run, store):
    kept, away = add(store, "kept"), add(store, "away")
    assert run("archive", "away").err.startswith("1 run archived")
    assert [row[0] for row in table(run("ls"))[1:]] == [kept]
    assert [row[0] for row in table(run("ls", "--where", "archived=true"))[1:]] == [away]
    assert (run("archive", "away").code, run("archive", "@1", "--undo").code) == (2, 2)
    assert run("archive", "kept", "away", "--undo").err == "1 run listed again\n"
    assert len(table(run("ls"))) == 3


def test_a_deleted_run_can_be_put_back_until_the_trash_is_emptied(run, store):
    run_id, other = add(store, "one"), add(store, "two")
    said = run("rm", run_id, "--yes")
    assert said.err == f"1 run in the trash; put back with: revconsole rm --undo {run_id}\n"
    assert [row[0] for row in table(run("ls"))[1:]] == [other]
    assert run("rm", "--undo", run_id).code == 0
    assert len(table(run("ls"))) == 3
    run("rm", run_id, "--yes")
    assert run("rm", "--purge", "--yes").err == "1 run deleted for good\n"
    said = run("rm", "--undo", run_id)
    assert said.code == 3
    assert "is not one run in the trash" in said.err


def test_nothing_is_deleted_without_an_answer(run, store):
    add(store, "one")
    said = run("rm", "one")
    assert (said.code, said.err) == (2, "revconsole: nothing was deleted; --yes does not ask\n")
    assert run("rm").code == 2
    assert len(table(run("ls"))) == 2


def test_a_run_that_trains_is_not_deleted_nor_are_those_named_with_it(run, store):
    ended, going = add(store, "ended"), add(store, "going", ends=False)
    attempt_holder = run("rm", ended, going, "--yes")
    assert attempt_holder.code == 2
    assert f"run {going} (going) is running: stop it before it is deleted" in attempt_holder.err
    assert len(table(run("ls"))) == 3


def test_no_run_is_moved_out_of_its_store(run, store, tmp_path):
    run_id = add(store, "one")
    (tmp_path / "elsewhere").mkdir()
    (store.root / ".trash").symlink_to(tmp_path / "elsewhere")
    said = run("rm", run_id, "--yes")
    assert said.code == 4
    assert "is a link, and no run is moved out of its store" in said.err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_emptying_the_trash_follows_no_link(run, store, tmp_path):
    add(store, "one")
    run("rm", "one", "--yes")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (store.root / ".trash" / "22222222").symlink_to(precious)
    assert run("rm", "--purge", "--yes").err == "2 runs deleted for good\n"
    assert (precious / "file").exists()
    assert not list((store.root / ".trash").iterdir())


def test_runs_are_not_put_back_and_purged_at_once(run, store):
    run_id = add(store, "one")
    run("rm", run_id, "--yes")
    said = run("rm", "--undo", "--purge", run_id, "-y")
    assert said.code == 2
    assert run_id in run("rm", "--undo").err
    assert run("rm", "--undo", run_id, run_id).err == "1 run put back\n"


def test_damaged_notes_are_told_and_kept_aside_when_others_are_written(run, store):
    run_id = add(store, "one")
    folder = store.root / run_id
    (folder / "notebook.json").write_text('{"name": "precious",}')
    assert "is damaged" in run("note", run_id).err
    assert run("archive", run_id).code == 0
    assert (folder / "notebook.damaged.json").read_text() == '{"name": "precious",}'
    assert run("note", run_id).err == ""


@pytest.mark.parametrize("value", ["1", "yes", "true", "maybe", "["])
@pytest.mark.parametrize(
    "verb",
    [
        ["note", "one", "--tag", "x"], ["archive", "one"], ["rm", "one", "-y"], ["rm", "--purge", "-y"], ["stop", "one"],
        ["pause", "one"], ["hand-over", "one"], ["resume", "one"],
    ],
)  # fmt: skip
def test_a_read_only_store_refuses_every_change(run, store, monkeypatch, value, verb):
    add(store, "one")
    monkeypatch.setenv("REVCONSOLE_READONLY", value)
    said = run(*verb)
    assert said.code == 2
    assert "read-only" in said.err
    assert [row[0] for row in table(run("ls"))[1:]]
    assert run("--readonly", "note", "one").code == 0


def test_a_number_counts_the_runs_that_are_listed(run, store):
    kept, away = add(store, "kept"), add(store, "away")
    run("archive", away)
    assert table(run("note", "@1"))[1][0] == kept
    assert run("note", "@2").code == 3
    assert table(run("note", "away@1"))[1][0] == away
    assert [row[0] for row in table(run())[1:]] == [kept]


def test_a_flag_that_sets_nothing_is_refused(run, store):
    for word in ("foo=1", "readonly", "smoothing=7"):
        said = run("--set", word, "ls")
        assert (said.code, said.out) == (2, "")
        assert word.partition("=")[0] in said.err


def test_what_is_shown_as_json_is_json(run, store, tmp_path):
    run_id = add(store, "one")
    shown = json.loads(run("show", run_id, "--metric", "loss", "--json").out)
    assert shown == {"metric": "loss", "steps": [1], "values": [2.0]}
    said = run("compare", run_id, "--to", str(tmp_path / "x.md"), "--json")
    assert len(json.loads(said.out)["runs"]) == 1
    assert (tmp_path / "x.md").exists()


def test_no_run_gets_a_name_that_would_mean_others(run, store):
    ids = [add(store, "one"), add(store, "two")]
    for name in ("@1", "a*", "b?", ids[1]):
        assert run("note", ids[0], "--name", name).code == 2
    run("note", ids[0], "--tag", "a,b")
    assert json.loads(run("note", ids[0], "--json").out)[0]["tags"] == ["a", "b"]
    assert table(run("ls", "--columns", "lr,lr"))[0][3:] == ["lr"]


@pytest.mark.parametrize(
    "words", [["stop", "one"], ["hand-over", "one"], ["pause", "one"], ["resume", "one"]]
)
def test_what_an_ended_run_cannot_do_is_a_wrong_argument(run, store, words):
    add(store, "one")
    assert run(*words).code == 2
