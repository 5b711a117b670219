"""The system screen: the machine, and the runs that train on it."""

import pytest


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_the_machine_and_its_trainings_are_shown_and_escape_leads_back(
    opened, store, plan, width, height
):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    async with opened(width, height) as stage:
        await stage.shows(plan.name)
        await stage.press("S")
        text = await stage.shows(
            "system · 1 run training", "processors", "memory", "disk of the store", run_id
        )
        assert "GiB" in text
        await stage.press("escape")
        await stage.shows("1 run", plan.name)
    attempt.close()
