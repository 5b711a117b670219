"""Memory by part: bars to one scale, what the letters mean, and where memory ran out."""

from dataclasses import replace

import pytest

from revconsole.lab import rows
from revconsole.lab.curves import bars, canvas, legend, parts
from revconsole.lab.curves.figures import Frame, figure
from revconsole.lab.curves.subjects import BY_PART, MEMORY, offered, subject
from revconsole.records.runs.run import StepBytes
from revconsole.records.runs.standing import GivenAdvice
from revconsole.records.settings.plan import Plan
from tests.lab.test_figures import run

MIB = 2**20
FORESEEN = {"parameters": 4 * MIB, "gradients": 2 * MIB, "kept": 14 * MIB, "temporaries": 0.0}


def told(*steps, state="finished", **columns):
    found = run(**columns)
    plan = Plan(name="a", backward="reversible", scheme={"name": "bdia"})
    summary = replace(found.summary, plan=plan, state=state)
    return replace(found, summary=summary, memory=steps)


def step(of, backward, **sizes):
    return StepBytes(of=of, backward=backward, parts=sizes)


RUN = told(
    step("foreseen", "stored", parameters=4.0 * MIB, kept=36.0 * MIB),
    step("foreseen", "reversible", parameters=4.0 * MIB, kept=14.0 * MIB, side_bits=2.0 * MIB),
    step("measured", "reversible", parameters=4.0 * MIB, kept=16.0 * MIB, temporaries=0.0),
)


def test_large_parts_are_in_gib_in_bars_letters_and_heading():
    many = told(
        step("foreseen", "stored", parameters=2_048.0 * MIB, kept=16_384.0 * MIB),
        step("measured", "reversible", parameters=2_048.0 * MIB, kept=4_096.0 * MIB),
    )
    shown = figure(subject(BY_PART, (many,)), (many,), Frame(width=80))
    lines = bars.drawn(shown, 80, 12, marker="ascii").lines
    text = "\n".join("".join(words for words, _ in line) for line in lines)
    assert shown.y_label == "GiB"
    assert "18.00" in text
    assert "weights 2.00" in text
    assert "measured 6.00" in legend.headings(shown, [])[0][1][0]


def drawn(width=60, height=8, runs=(RUN,), marker="ascii"):
    shown = figure(subject(BY_PART, runs), runs, Frame(width=width))
    lines = bars.drawn(shown, width, height, marker=marker).lines
    return shown, ["".join(text for text, _ in line) for line in lines]


def test_the_first_bar_is_what_was_measured_then_what_was_foreseen_then_the_others():
    assert [bar.name for bar in parts.bars([RUN])] == ["measured", "foreseen", "stored"]
    assert [bar.own for bar in parts.bars([RUN])] == [True, True, False]
    assert parts.bars([told()]) == ()


@pytest.mark.parametrize("width", [30, 38, 60, 110])
def test_bars_have_one_scale_and_each_letter_the_share_of_its_part(width):
    """Counted here in columns from the bytes: 4 + 36 MiB fill the row, 4 + 14 + 2 MiB half of it."""
    _, lines = drawn(width, 7)
    assert {len(line) for line in lines[:3]} == {width}
    gutter = min(10, width // 3 + 2)
    columns = width - gutter - 9
    stored = lines[2][gutter : gutter + columns]
    assert stored.count("W") + stored.count("K") + stored.count("#") == columns
    assert stored.index("K") == pytest.approx(columns * 4 / 40, abs=0.51)
    foreseen = lines[1][gutter : gutter + columns]
    assert len(foreseen.rstrip()) == pytest.approx(columns / 2, abs=0.51)
    assert foreseen.index("S") == pytest.approx(columns * 18 / 40, abs=0.51)
    assert [line.split()[-1] for line in lines[:3]] == ["20.0", "20.0", "40.0"]


def test_the_letters_are_explained_with_the_bytes_of_the_first_bar_as_far_as_there_is_room():
    _, lines = drawn(60, 8)
    assert "W weights 4.0  K kept for backward 16.0" in lines[5]
    assert not lines[1].strip(), "bars are apart where there is room"
    _, lines = drawn(30, 4)
    assert lines[3].strip() == "W weights 4.0  K kept 16.0"
    _, lines = drawn(60, 2)
    assert len(lines) == 2
    assert lines[1].startswith(" foreseen")


def test_the_title_says_how_far_the_foreseen_is_from_the_measured():
    over = told(
        step("foreseen", "reversible", kept=95.0), step("measured", "reversible", kept=100.0)
    )
    shown, _ = drawn(runs=(over,))
    forms = ["".join([title, *entries]) for title, entries in legend.headings(shown, [])]
    assert forms[0].startswith("memory of a step (MiB)")
    assert all("foreseen -5.0 %" in form for form in forms[:-1])


def test_of_several_runs_each_has_a_bar():
    one, other = RUN, replace(RUN, summary=replace(RUN.summary, id="b", name="other"))
    assert [bar.name for bar in parts.bars([one, other])] == ["a", "other"]


def test_on_a_card_the_bar_is_the_most_that_was_allocated_beside_what_was_foreseen():
    card = told(
        step("foreseen", "reversible", kept=30.0 * MIB),
        device_peak_allocated_bytes=[8 * MIB, 32 * MIB],
    )
    assert [(bar.name, bar.total / MIB) for bar in parts.bars([card])] == [
        ("measured", 32.0),
        ("foreseen", 30.0),
    ]


def test_memory_is_drawn_by_part_on_a_cpu_and_over_time_on_a_card():
    card = told(step("foreseen", "stored", kept=1.0), device_allocated_bytes=[1.0])
    assert subject(MEMORY, [RUN]).by_part
    assert not subject(MEMORY, [card]).by_part
    assert not subject(MEMORY, [told(kept_for_backward_bytes=[1.0])]).by_part
    assert BY_PART in offered([RUN])
    assert BY_PART in offered([card])
    assert BY_PART not in offered([told(loss=[1.0])])


GIB = 2**30
ON_A_CARD = {
    "device_allocated_bytes": [2 * GIB, 3 * GIB, 3 * GIB],
    "device_reserved_bytes": [4 * GIB, 5 * GIB, 6 * GIB],
    "device_peak_allocated_bytes": [1 * GIB, 5 * GIB, 4 * GIB],
}


def on_a_card(**more):
    found = told(**ON_A_CARD, **more)
    return replace(found, facts={"device_bytes": 8 * GIB, **found.facts})


def test_on_a_card_allocated_reserved_peak_and_limit_are_drawn_and_no_peak_is_below_the_present():
    shown = figure(subject(MEMORY, [on_a_card()]), [on_a_card()], Frame(width=40))
    ends = {curve.word: curve.ys[-1] for curve in shown.curves}
    assert ends == {"allocated": 3072.0, "reserved": 6144.0, "peak": 5120.0, "limit": 8192.0}
    peaks = next(curve.ys for curve in shown.curves if curve.word == "peak")
    assert peaks == (2048.0, 5120.0, 5120.0)


def test_where_memory_ran_out_is_marked_and_said():
    short = on_a_card(state="out of memory")
    given = GivenAdvice(level="warning", rule="memory ran out", step=1, text="")
    short = replace(short, summary=replace(short.summary, advice=(given,)))
    shown = figure(subject(MEMORY, [short]), [short], Frame(width=40))
    assert shown.shortages == (1.0, 3.0)
    assert "! memory ran out at step 3" in legend.title(shown)
    marks = [canvas.Mark(letter=c.word[0], colour=(1, 1, 1)) for c in shown.curves]
    picture = canvas.drawn(shown, marks, 40, 10)
    lines = ["".join(text for text, _ in line) for line in picture.lines]
    assert len({line.index("!") for line in lines if "!" in line}) == 2
    assert figure(subject("loss", [short]), [short], Frame(width=40)).shortages == ()


def test_the_parts_are_in_the_json_of_a_run_and_in_one_line_of_show():
    told_of = rows.details(RUN)["memory"]
    assert [(each["of"], each["backward"], each["bytes"]) for each in told_of] == [
        ("foreseen", "stored", 40 * MIB),
        ("foreseen", "reversible", 20 * MIB),
        ("measured", "reversible", 20 * MIB),
    ]
    assert told_of[2]["parts"]["kept"] == 16 * MIB
    ((name, text),) = parts.pairs(RUN)
    assert (name, text) == (
        "memory of a step",
        "20.0 MiB measured: weights 4.00 MiB, kept for backward 16.0 MiB; stored 40.0 MiB",
    )
    assert parts.pairs(told()) == []
