"""Jobs of a pretended Slurm from the console: the form, a study, a resume; and that nothing waits for squeue."""

import time

import pytest

from revconsole.console.form_place import LAUNCHER
from revconsole.console.widgets.setting import SettingList
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.records.config import places
from revconsole.records.logs.events import Finished


@pytest.fixture
def configured():
    places.user_file().write_text('[place.slurm]\npartition = "gpu"\n[place.slurm.big]\ngpus = 8\n')


async def test_the_form_offers_places_and_submits_to_one_after_a_question(
    opened, lab, slurm, configured
):
    async with opened(100, 40) as stage:
        await stage.press("n")
        await stage.shows("trains in")
        fields = stage.app.screen.query_one(SettingList)
        fields.choose(LAUNCHER, "slurm:big")
        await stage.until(lambda: "--on slurm:big" in stage.text)
        await stage.press("ctrl+l")
        await stage.shows("Submit 4 runs?", "slurm:big: an array of 4 jobs")
        assert lab.store.list() == ()
        await stage.press("y")
        await stage.until(lambda: slurm.asked("sbatch"))
        await stage.until(lambda: len(lab.store.list()) == 4)
    run = lab.store.list()[0]
    assert "#SBATCH --gres=gpu:8\n" in (lab.store.folder(run.id) / "slurm.sh").read_text()


async def test_without_slurm_the_form_offers_no_place(opened, configured):
    async with opened(100, 40) as stage:
        await stage.press("n")
        await stage.shows("trains in")
        row = stage.app.screen.query_one(SettingList)._rows[LAUNCHER]
        assert [value for _, value in row.options] == ["thread", "process", "devices"]


async def test_a_waiting_run_says_why_and_a_slow_slurm_holds_up_nobody(opened, lab, slurm, plan):
    run_id = lab.store.create(plan, {})
    SlurmLauncher(SlurmPlace(name="slurm")).launch(lab.store, [run_id])
    slurm.says("71|PENDING|Priority|")
    fake = slurm.folder / "squeue"
    fake.write_text(fake.read_text().replace("here=", "sleep 2; here=", 1))
    async with opened(120, 30) as stage:
        began = time.monotonic()
        await stage.shows("queued")
        assert time.monotonic() - began < 2 or not slurm.asked("squeue"), (
            "the list waits for nobody"
        )
        await stage.shows("Slurm job 71 waits: Priority")
        assert lab.jobs._aside.name == "slurm"


async def test_a_run_of_a_job_asks_where_it_goes_on(opened, lab, slurm, plan):
    run_id = lab.store.create(plan, {})
    SlurmLauncher(SlurmPlace(name="slurm")).launch(lab.store, [run_id])
    attempt = lab.store.claim(run_id, 1, "slurm")
    attempt.emit(Finished(outcome="stopped", step=7, by="me"))
    attempt.close()
    async with opened(120, 30) as stage:
        await stage.shows("stopped")
        await stage.press("r")
        await stage.shows("It was in a job of Slurm before.", "In jobs of Slurm [l]")
        slurm.job = "72"
        slurm.says("72|PENDING|Resources|")
        await stage.press("l")
        await stage.until(lambda: len(slurm.asked("sbatch")) == 2)
        await stage.until(lambda: lab.summary(run_id).state == "queued")
