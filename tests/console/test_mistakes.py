"""The screen of mistakes: test images that the network calls otherwise, page by page, or why it cannot be asked."""

from types import SimpleNamespace

import pytest

from revconsole.console.screens import mistakes as screen
from revconsole.errors import StoreError
from revconsole.records.findings.mistakes import Mistakes
from revconsole.records.findings.samples import Picture


def found(count):
    rows = tuple(tuple((x * 30, 0, y * 30) for x in range(8)) for y in range(8))
    pictures = tuple(Picture(rows=rows, caption=f"3→[b]{n}") for n in range(count))
    return Mistakes(images=50, wrong=count, step=1234, pictures=pictures)


@pytest.fixture
def asked(monkeypatch):
    """`asked(answer)`: what the network's process answers; an exception is raised."""

    def answers(answer):
        def mistakes(_store, _run_id, *, side):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(screen, "training", SimpleNamespace(mistakes=mistakes))

    return answers


async def opened_on(stage):
    await stage.shows("finished")
    await stage.press("w")


@pytest.mark.parametrize(("width", "height", "at_once"), [(80, 24, 8), (160, 45, 6)])
async def test_mistakes_are_shown_page_by_page(opened, recorder, asked, width, height, at_once):
    asked(found(20))
    async with opened(width, height, runs=[recorder.finished("one-run")]) as stage:
        await opened_on(stage)
        text = await stage.shows(
            "mistakes · one-run", f"1–{at_once} of 20", "3→[b]0", "60.0 % right"
        )
        assert max(len(line) for line in text.splitlines()) <= width
        await stage.press("n")
        await stage.shows(f"{at_once + 1}–{2 * at_once} of 20", f"3→[b]{at_once}")
        await stage.press("n", "n", "n")
        await stage.shows("–20 of 20", "3→[b]19")
        await stage.press("p", "p", "p", "p")
        await stage.shows(f"1–{at_once} of 20")
        await stage.press("escape")
        await stage.shows("finished", "loss")


async def test_a_network_without_mistakes_and_one_that_cannot_be_asked_are_said(
    opened, recorder, asked
):
    async with opened(runs=[recorder.finished("one-run")]) as stage:
        asked(found(0))
        await opened_on(stage)
        await stage.shows("every test image is called what it is", "100.0 % right", "none")
        await stage.press("escape")
        asked(StoreError("it has no [b]readable checkpoint"))
        await opened_on(stage)
        await stage.shows("it has no [b]readable checkpoint", "not known")
