"""The comparison screen: overlay and table, live."""

import pytest


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_runs_opened_at_once_are_overlaid_and_tabled(opened, recorder, width, height):
    ids = [
        recorder.finished("plain", test=0.95),
        recorder.finished("reversible", scheme="bdia", test=0.962),
    ]
    async with opened(width, height, ids) as stage:
        await stage.shows("comparison of 2 runs", "A plain", "B reversible", "+1.2 pp")
        await stage.shows("one seed each", "training loss (nats)")
        assert stage.line("A plain").count("97.2 %") == 0
        await stage.press("enter")
        await stage.shows("memory (MiB)")


async def test_settings_that_differ_are_shown_and_another_baseline_chosen(opened, recorder):
    ids = [
        recorder.finished("plain", test=0.95),
        recorder.finished("reversible", scheme="bdia", test=0.962),
    ]
    async with opened(200, 45, ids) as stage:
        await stage.shows("+1.2 pp", "backward", "bdia", "reversible")
        await stage.press("down", "b")
        await stage.shows("-1.2 pp")


async def test_the_overlay_is_live(opened, recorder):
    one, first = recorder.begin("one")
    two, second = recorder.begin("two", scheme="bdia")
    async with opened(120, 30, [one, two]) as stage:
        await stage.shows("2 going", "training loss: nothing measured yet")
        recorder.epoch(first, 1)
        recorder.epoch(second, 1)
        stage.app.reader.wake()
        await stage.shows("training loss (nats)", "1/4")
    first.close()
    second.close()
