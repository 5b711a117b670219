"""The console rings when it sees a run end that one wants to be told of."""

from revconsole.records.config import places
from revconsole.records.logs.events import Failed


async def test_a_run_that_fails_while_it_is_looked_at_rings_and_is_named(opened, recorder, monkeypatch):  # fmt: skip
    places.user_file().write_text("[notify]\nbell = true")
    rung = []
    recorder.finished("before")
    run_id, attempt = recorder.begin("small")
    async with opened() as stage:
        monkeypatch.setattr(stage.app, "bell", lambda: rung.append(1))
        await stage.shows("running")
        attempt.fail(Failed(reason="the data is gone"))
        attempt.close()
        await stage.shows(f"({run_id}): failed")
        await stage.until(lambda: rung)
    assert rung == [1]
