"""Room: sizes of memory as people write them, and devices whose memory has no rules."""

import pytest

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab.outlook import Outlook
from revconsole.lab.room import in_bytes, without_rules
from revconsole.lab.solve import BATCH, solved
from revconsole.records.foresight.allowance import Allowance
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment
from revconsole.records.settings.plan import Plan


def planned(device):
    return Plan.model_validate({"name": "small", "train": {"device": device}})


@pytest.mark.parametrize("text", ["8G", "8GiB", "8gib", " 8 GiB ", "8Gi", "8192MiB", "8192m"])
def test_sizes_are_read_however_they_are_written(text):
    assert in_bytes(text, "--memory") == 8 << 30


def test_units_of_a_thousand_are_those_of_a_thousand():
    assert in_bytes("8GB", "--memory") == 8_000_000_000
    assert in_bytes("512B", "--memory") == 512


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0GiB",
        "-1GiB",
        "0.4b",
        "1e9",
        "nan",
        "inf",
        "8XB",
        "8",
        "８GiB",
        "9" * 400,
        "2000TiB",
    ],
)
def test_what_is_no_size_is_refused_in_one_short_sentence(text):
    with pytest.raises(ProfileError, match="should be a size such as 8GiB") as refused:
        in_bytes(text, "--memory")
    assert len(str(refused.value)) < 160


def test_on_a_device_without_rules_every_verdict_is_uncertain_and_nothing_is_solved():
    moment = Moment(operator="mm", fixed=MemoryParts(), per_image=MemoryParts(kept=1.0))
    step = StepMemory(once=(moment,), accumulated=(moment,))

    def verdict(device, memory):
        plan = planned(device)
        return Outlook(
            plan=plan, counts={}, foresight=Foresight(device="cpu", steps={"stored": step}), why_not="",
            allowed=Allowance(), memory=memory, unsure=without_rules(plan),
        ).verdict  # fmt: skip

    assert [verdict("cpu", memory) for memory in (1 << 40, 1)] == ["fits", "does not fit"]
    assert [verdict("mps", memory) for memory in (1 << 40, 1)] == ["uncertain", "uncertain"]
    with pytest.raises(RevconsoleError, match=r"set train\.device=cpu or cuda"):
        solved(planned("mps"), BATCH, 1 << 30)


@pytest.mark.parametrize(
    ("text", "why"), [("8", "the unit is missing"), ("2000TiB", "at most 1,024TiB")]
)
def test_a_size_that_is_refused_says_why(text, why):
    with pytest.raises(ProfileError, match=why):
        in_bytes(text, "--memory")
