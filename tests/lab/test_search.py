"""Searches: what is drawn, what goes on after an interruption, which are stopped early, what is said beforehand."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from revconsole.errors import ProfileError, WrongState
from revconsole.lab.lab import Lab
from revconsole.lab.search.journal import keep_journal
from revconsole.lab.search.launching import launch, new_launch, stop
from revconsole.lab.search.reporting import importance
from revconsole.records.logs.events import Failed, Finished, Started
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.submission import holder
from revconsole.records.search import asking, search_line
from revconsole.records.search.asking import asked
from revconsole.records.search.search_line import SearchLine
from tests.lab.fake_trials import SEARCH, curve, searched, searching, trained, worker, written


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "runs")


def told(found):
    """What a search came to: of each trial what was drawn, how it ended and how far it got."""
    return [
        (run.trial.number, dict(run.trial.values), run.summary.state, run.summary.epoch)
        for run in found.standing().trials
    ]


@pytest.mark.parametrize("stop_early", ["halving", "hyperband"])
@pytest.mark.parametrize("method", ["bayes", "random"])
def test_the_same_file_gives_the_same_trials(lab, tmp_path, method, stop_early):
    name = written(method=method, stop_early=stop_early)

    first, again = searched(lab, name), searched(Lab(tmp_path / "others"), name)

    assert told(first) == told(again)
    assert {run.summary.id for run in first.standing().trials} == {
        run.summary.id for run in again.standing().trials
    }


def test_another_seed_draws_others(lab):
    assert told(searched(lab, written())) != told(searched(lab, written(seed=1)))


@pytest.mark.parametrize("lost_after", [0, 2])
def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not_been(lab, tmp_path, lost_after):
    name = written()
    whole = told(searched(Lab(tmp_path / "whole"), name))
    searched(lab, name, runs=5)
    trained(lab, *worker(lab, name).open(), until=lost_after)

    resumed = searched(Lab(lab.store.root), name)

    assert told(resumed) == whole


def test_a_trial_that_was_deleted_is_drawn_again_and_no_other_changes(lab):
    name = written()
    found = searched(lab, name)
    whole = told(found)
    victim = found.standing().trials[4].summary.id
    shutil.rmtree(lab.store.root / victim)

    again = worker(lab, name).open()

    assert again == [(victim, 1)]
    assert dict(lab.store.plan(victim).trial.values) == whole[4][1]


def test_more_trials_go_on_with_the_same_search(lab):
    few = told(searched(lab, written(trials=6)))

    assert told(searched(lab, written(trials=9)))[:6] == few


def test_each_trial_is_made_by_one_worker(lab):
    name = written()
    here, there = worker(lab, name), worker(Lab(lab.store.root), name)

    numbers = [lab.store.plan(each.open()[0][0]).trial.number for each in (here, there)]

    assert numbers == [0, 1]
    assert here.open() == here.open(), "what it made is its own until it is claimed"


def test_of_two_workers_that_make_a_trial_at_once_one_makes_the_next(lab, monkeypatch):
    name = written()
    here, there = worker(lab, name), worker(Lab(lab.store.root), name)
    real, made = asking.asked, []

    def late(*words):
        plan = real(*words)
        if not made:
            made.append(None)
            made.extend(there.open())
        return plan

    monkeypatch.setattr(search_line, "asked", late)

    (mine,) = here.open()

    assert [lab.store.plan(i).trial.number for i, _ in (made[1], mine)] == [0, 1]
    assert not list(lab.store.root.glob(".new-*"))


def test_a_trial_whose_worker_was_lost_is_taken_by_another_and_one_that_was_stopped_is_not(lab):
    name = written()
    here, there = worker(lab, name), worker(Lab(lab.store.root), name)
    (lost,), (stopped,) = here.open(), there.open()
    attempt = lab.store.claim(*stopped)
    trained(lab, lost, until=2)

    assert worker(lab, name).open() == [(lost[0], 2)], "a command that begins now"
    assert there.open() == [(lost[0], 2)]
    trained(lab, (lost[0], 2), until=3)
    attempt.emit(Finished(outcome="stopped", step=0, by="somebody"))
    attempt.close()
    assert there.open() == [(lost[0], 3)]
    trained(lab, (lost[0], 3), until=4)

    again, _ = there.open()[0]
    assert lab.store.plan(again).trial.number == 2, "three times are enough"
    assert {run_id for run_id, _ in new_launch(searching(lab, name)).runs} == {lost[0], stopped[0]}


def test_while_another_worker_still_trains_a_trial_the_best_waits_to_be_repeated(lab):
    name = written(trials=4)
    searched(lab, name, runs=3)
    here, there = worker(lab, name), worker(Lab(lab.store.root), name)
    (last,) = here.open()
    attempt = lab.store.claim(*last)
    attempt.emit(Started(facts={}))

    assert there.open() == []
    assert there.more_to_come()
    in_a_job = worker(lab, name, job="71")
    assert in_a_job.open() == []
    assert not in_a_job.more_to_come()

    attempt.emit(Finished(outcome="stopped", step=0, by="somebody"))
    attempt.close()
    (first,), (second,) = here.open(), there.open()
    arms = [lab.store.plan(run_id) for run_id, _ in (first, second)]
    assert [(plan.arm[:12], plan.seed) for plan in arms] == [
        ("best, trial ", 1),
        ("best, trial ", 2),
    ]
    for run in (first, second):
        trained(lab, run)
    assert here.open() == there.open() == []
    assert not there.more_to_come()


def test_a_full_disk_makes_no_trial_and_ends_no_worker(lab, monkeypatch):
    line = worker(lab, written())
    lab.store.root.mkdir(parents=True)
    full = os.statvfs(lab.store.root)
    monkeypatch.setattr(
        search_line.os,
        "statvfs",
        lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096, f_flag=0, f_blocks=9),
    )

    assert line.open() == []
    assert line.more_to_come()
    monkeypatch.setattr(search_line.os, "statvfs", lambda _: full)
    assert len(line.open()) == 1


def test_what_a_job_began_is_left_to_the_job_which_slurm_starts_again(lab):
    name = written()
    jobs = {job: worker(lab, name, job=job) for job in ("71_0", "71_1", None)}
    (run,) = jobs["71_0"].open()
    lab.store.claim(*run).close()
    lab.store.queue(*run, holder("71_0"), "slurm", job="71_0")
    (lab.store.folder(run[0]) / "attempts" / "0001" / "claim.json").unlink()

    assert run[0] not in {each for each, _ in (*jobs["71_1"].open(), *jobs[None].open())}
    assert jobs["71_0"].open() == [(run[0], 2)]


def test_what_an_earlier_job_left_is_gone_on_with_by_the_next(lab):
    name = written()
    (run,) = worker(lab, name, job="71_0").open()
    attempt = lab.store.claim(*run)
    lab.store.queue(*run, holder("71_0"), "slurm", job="71_0")
    attempt.emit(Finished(outcome="stopped", step=0, by="scancel"))
    attempt.close()

    assert worker(lab, name, job="72_0").open() == [(run[0], 2)]


def test_a_file_that_describes_another_search_by_now_is_not_gone_on_with(lab):
    launch = new_launch(searching(lab, written()))
    written(seed=1)

    with pytest.raises(
        WrongState, match=r"fake\.toml has been changed since the search was launched"
    ):
        SearchLine(lab.store, launch)


def test_a_second_process_of_this_machine_is_refused_and_stop_ends_the_first(lab):
    found = searching(lab, written())
    lab.store.root.mkdir()
    sleeping = subprocess.Popen(["sleep", "100"])
    new_launch(found).noted(lab.store, holder=Identity.of(sleeping.pid))

    with pytest.raises(WrongState, match=f"trained already by process {sleeping.pid} of this"):
        launch(lab, found)
    assert stop(lab.store, found.planned.like.search).startswith(
        f"1 worker, process {sleeping.pid}"
    )
    assert sleeping.wait(60) == -signal.SIGTERM
    with pytest.raises(WrongState, match="nobody on this machine draws for the search"):
        stop(lab.store, found.planned.like.search)


def halved(values, epochs=10, first=1, eta=3):
    """Asynchronous successive halving, written down from Li et al. 2020: the epoch at which each trial ends."""
    at_rung, ends = {}, []
    for reached in values:
        end, epoch = epochs, first
        while epoch < epochs:
            rung = at_rung.setdefault(epoch, [])
            rung.append(reached(epoch))
            best = sorted(rung, reverse=True)[: max(1, len(rung) // eta)]
            if reached(epoch) < best[-1]:
                end = epoch
                break
            epoch *= eta
        ends.append(end)
    return ends


def test_halving_stops_what_a_second_computation_stops(lab):
    found = searched(lab, written(trials=30)).standing()
    plans = [run.summary.plan for run in found.trials]

    ends = halved([lambda epoch, plan=plan: curve(plan, epoch) for plan in plans])

    assert [run.summary.epoch for run in found.trials] == ends
    assert {run.summary.state for run in found.trials} == {"finished", "pruned"}
    assert all(
        (run.summary.state == "finished") == (end == 10)
        for run, end in zip(found.trials, ends, strict=True)
    )


def test_what_is_stopped_early_says_why_and_trains_to_its_end_when_it_is_resumed(lab):
    name = written()
    found = searched(lab, name)
    pruned = next(run for run in found.standing().trials if run.summary.state == "pruned")
    epoch = pruned.summary.epoch
    assert pruned.summary.reason.startswith(
        f"stopped early after epoch {epoch}: validation accuracy "
    )
    assert " against a median of " in pruned.summary.reason
    (each,) = [
        e for e in found.standing().standings if e.summary and e.summary.id == pruned.summary.id
    ]
    assert each.progress == "pruned"

    trained(lab, (pruned.summary.id, 2))

    assert lab.summary(pruned.summary.id).state == "finished"


def test_the_best_is_repeated_with_seeds_that_chose_nothing(lab):
    now = searched(lab, written()).standing()
    best = max(
        (run for run in now.trials if run.summary.state == "finished"),
        key=lambda run: curve(run.summary.plan, 10),
    )

    assert now.best.trial.number == best.trial.number
    assert [each.plan.seed for each in now.repeats] == [1, 2]
    assert all(each.progress == "done" for each in now.repeats)
    assert {each.plan.model_copy(update={"seed": 0}).digest() for each in now.repeats} == {
        best.summary.plan.digest()
    }
    assert (now.done, now.total) == (14, 14)
    assert "12 of 12 trials" in now.sentence
    assert "repeated with 2 of 2 seeds" in now.sentence


def test_bayes_looks_where_the_good_ones_are(lab):
    """With thirty trials it has more of its later half near the optimum than draws that learn nothing."""

    def far(method):
        found = searched(lab, written(method=method, trials=30, stop_early="none"))
        late = found.standing().trials[15:]
        return sum(0.9 - curve(run.summary.plan, 10) for run in late) / len(late)

    assert far("bayes") < 0.8 * far("random")


def test_a_failed_trial_holds_up_no_other_and_the_next_command_tries_it_again(lab):
    name = written(trials=6)
    line = worker(lab, name)
    (first,) = line.open()
    attempt = lab.store.claim(*first)
    attempt.fail(Failed(reason="no memory", cause="memory"))
    attempt.close()

    (second,) = line.open()
    assert lab.store.plan(second[0]).trial.number == 1
    assert new_launch(searching(lab, name)).runs == ((first[0], 2),)
    assert searching(lab, name).standing().trials[0].best is None


SMALL = SEARCH.replace(
    "optimizer.learning_rate = {{ from = 1e-4, to = 1e-1, log = true }}", '"train.batch" = [32, 64]'
)


def test_nothing_is_tried_twice_and_a_space_that_is_exhausted_says_so(lab):
    written(text=SMALL, path=Path("small.toml"), method="random", trials=6, stop_early="none")

    found = searched(lab, "small.toml")
    values = [tuple(run.trial.values.values()) for run in found.standing().trials]
    assert sorted(values) == [(b, d) for b in (32, 64) for d in (1, 2, 4)]
    with pytest.raises(
        WrongState, match="every combination of small has been tried, 6 of 6 trials"
    ):
        asked(found.planned, 6, found.standing().trials)


def test_what_is_counted_before_it_begins_are_the_ends_of_the_space_that_cost_unlike(lab):
    names = [plan.name for plan in lab.models(written())]

    assert names == [f"fake, learning_rate 0.0001, depth {depth}" for depth in (1, 2, 4)]


def test_what_matters_is_what_the_values_depend_on(lab):
    """Of a value that one setting alone decides, that setting explains all."""
    found = searched(
        lab, written(trials=30, stop_early="none"), lambda plan, _: plan.model.depth / 10
    )

    shares = importance(found.planned, found.standing().trials).shares

    assert shares["model.depth"] > 0.97
    assert sum(shares.values()) == pytest.approx(1.0)


def test_what_matters_is_compared_at_the_last_epoch_that_all_have_reached(lab):
    found = searched(lab, written(trials=12))
    ended = [run.summary.epoch for run in found.standing().trials]

    known = importance(found.planned, found.standing().trials)

    assert (known.epoch, known.trials) == (min(ended), 12)


def test_optuna_reads_the_journal_which_is_written_anew_from_the_runs(lab):
    found = searched(lab, written())
    path = keep_journal(found.standing())
    path.unlink()

    assert keep_journal(found.standing()) == path
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    read = optuna.load_study(study_name="fake", storage=storage)
    assert [trial.state.name for trial in read.trials] == [
        "COMPLETE" if run.summary.state == "finished" else "PRUNED"
        for run in found.standing().trials
    ]
    assert read.best_value == found.standing().best.best
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def wrong(old, new):
    path = Path("wrong.toml")
    written(path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


RATE = "{ from = 1e-4, to = 1e-1, log = true }"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bayes"', '"bayse"', "search.method: there is no method 'bayse'; did you mean 'bayes'?"),
        ("trials = 12", "trials = 0", "search.trials: should be a whole number from 1 to 1,000, not 0"),
        ("trials = 12", "trials = 3", "search.trials: 3 are too few for stop_early = 'halving', which compares 4 or more"),
        ("seed = 0", "sead = 0", "search.sead: unknown key; did you mean 'seed'?"),
        ("seed = 0", 'goal = "test accuracy"', "search.goal: the test images may choose nothing"),
        ("seed = 0", 'goal = "loss"', "search.goal: 'loss' is not recorded once per epoch of validation images"),
        ("seed = 0", 'goal = "knn accuracy"', "search.goal: knn accuracy is not recorded with objective classification"),
        ("seed = 0", "stop_from = 10", "search.stop_from: a trial has 10 epochs, so none is left to be saved"),
        ("epochs = 10", "epochs = 1", "search.stop_early: a trial has 1 epoch, so none is left"),
        ("optimizer.learning_rate", "optimizer.learning_rat", "search.space.optimizer.learning_rat: unknown key; did you mean"),
        (RATE, "0.1", "search.space.optimizer.learning_rate: should be a list of choices or { from = …, to = … }, not 0.1"),
        (RATE, "{ from = 1e-4 }", "needs a number as to, not None"),
        (RATE, "{ from = 1, to = 1e-4 }", "from (1) should be less than to (0.0001)"),
        (RATE, "{ from = 0, to = 0.1, log = true }", "log needs a from above 0, not 0"),
        (RATE, "{ from = 1e-4, to = 1e3, log = true }", "search.space.optimizer.learning_rate: 1000.0: should be at most 100"),
        (RATE, "{ from = 1e-4, to = 0.1, lag = true }", "unknown key 'lag'; did you mean 'log'?"),
        ("[1, 2, 4]", "[1]", "should be a list of two or more numbers, words or switches; there is 1"),
        ("[1, 2, 4]", "[1, 1]", "has 1 twice in its list"),
        ("[1, 2, 4]", "{ from = 1.5, to = 4 }", "is a whole number, and so are from, to and step"),
        ('"model.depth" = [1, 2, 4]', '"train.epochs" = [10, 20]', "search.space.train.epochs: trials of unlike length"),
        ('"model.depth" = [1, 2, 4]', '"model.heads" = [2, 3]', "search.space.model.heads: 3: "),
        ('"model.depth" = [1, 2, 4]', '"model.pool" = { from = 1, to = 2 }', "is no number and has no range"),
        ('"model.depth" = [1, 2, 4]', "seeds = [1, 2]", "is nothing to search; repeat_best repeats the best trial"),
        ("title", "seeds = [0, 1]\ntitle", "seeds: a trial is one run, and this makes 2 runs of it"),
        ("[train]", "[data]\ntrain_limit = 12\nvalidation = 0.01\n[train]", "data.validation: 0.01 of 12 training images is none"),
        ("[train]", "[vary]\ntrain.batch = [1, 2]\n[train]", "search: a search has no arms, no [vary]"),
        ("[search.space]", "[search.spaces]", "search.spaces: unknown key; did you mean 'space'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_creates_nothing(lab, old, new, said):
    name = wrong(old, new)

    with pytest.raises(ProfileError) as error:
        searching(lab, name)

    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not lab.store.root.exists()


def test_more_trials_than_combinations_are_refused_with_what_there_are(lab):
    written(text=SMALL, path=Path("small.toml"), method="random", trials=7, stop_early="none")

    with pytest.raises(
        ProfileError,
        match="the space has only 6 combinations, fewer than 7 trials; write trials = 6",
    ):
        searching(lab, "small.toml")
