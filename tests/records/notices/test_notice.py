"""Notices: who is told of the end of a run, when, and that nothing waits for it."""

import base64
import json
import time
from pathlib import Path

import pytest

from revconsole.records.config import places
from revconsole.records.config.config import read_config
from revconsole.records.notices.messenger import sent
from revconsole.records.notices.notice import Notice, send

FAILED = Notice(id="abcd2345", name="vit-s1", state="failed", reason="no space left")


@pytest.mark.parametrize(
    ("state", "alarm", "occasion"),
    [
        ("finished", "", "ended"), ("stopped", "", "ended"), ("finished", "diverged", "diverged"),
        ("failed", "", "failed"), ("killed", "", "failed"), ("out of memory", "", "out of memory"), ("running", "", ""),
    ],
)  # fmt: skip
def test_an_end_has_its_occasion(state, alarm, occasion):
    assert Notice(id="a", name="b", state=state, alarm=alarm).occasion == occasion


@pytest.mark.parametrize(
    ("tags", "on", "state", "wanted"),
    [
        ((), ["failed"], "failed", True), ((), ["failed"], "finished", False),
        (("paper", "notify"), ["failed"], "finished", True), (("notify",), [], "running", False),
        (("quiet",), ["failed"], "failed", False), (("quiet", "notify"), ["failed"], "failed", False),
    ],
)  # fmt: skip
def test_a_run_is_told_of_as_the_configuration_says_or_its_own_tags(tags, on, state, wanted):
    config = read_config([f"notify.on={on}"])
    assert not config.problems
    assert Notice(id="a", name="b", state=state, tags=tags).wanted(config) == wanted


def test_a_command_that_fails_does_not_keep_a_notice_from_the_servers(server):
    file = Path("told").resolve()
    places.user_file().write_text(
        '[notify]\ncommand = ["sh", "-c", "printenv REVCONSOLE_NOTICE > \\"$0\\"; exit 3", '
        f'"{file}"]\n'
        f'webhook = "{server.address}/hook"\nntfy = "{server.address.replace("//", "//:tk%3Aen@")}/topic"\n'
    )

    send(FAILED)

    end = time.monotonic() + 120
    while len(server.came) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    sentence = "vit-s1 (abcd2345): failed, no space left"
    (hook, nobody), (topic, somebody) = server.came["/hook"], server.came["/topic"]
    assert json.loads(hook)["occasion"] == "failed"
    assert topic.decode() == json.loads(hook)["text"] == sentence
    assert file.read_text() == f"{sentence}\n"
    assert nobody is None
    assert somebody == f"Basic {base64.b64encode(b':tk:en').decode()}"


def test_each_channel_says_why_it_failed(server):
    config = read_config([
        'notify.command=["no-such-program"]', f"notify.webhook={server.address}/refused", f"notify.ntfy={server.address}/topic",
    ])  # fmt: skip
    outcome = dict(sent(FAILED.body().encode(), config))
    assert "no-such-program" in outcome["notify.command"]
    assert "403" in outcome["notify.webhook"] or "Forbidden" in outcome["notify.webhook"]
    assert outcome["notify.ntfy"] == ""
