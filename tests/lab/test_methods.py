"""The methods paragraph: of every setting and every fact that runs may differ in, none is said of all that is one run's."""

import re
from collections import Counter
from typing import Any, get_args

import pytest

from revconsole.lab.report.document import document
from revconsole.lab.report.formats import as_csv, as_html, as_latex, as_markdown
from revconsole.lab.report.methods import paragraph
from revconsole.lab.report.results import ArmResult, Results
from revconsole.records.runs.run import Run, Summary
from revconsole.records.sections import KINDS, Data, Train
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.typing_again import flat_settings

ONE, TWO = "ARMONE", "ARMTWO"
FACTS = {
    "device": "cpu", "device_name": "a CPU", "threads": 2, "torch": "2.9", "timm": "1.0", "revconsole": "0.1",
    "python": "3.12", "commit": "a" * 40, "train_images": 90, "validation_images": 10, "test_images": 30,
}  # fmt: skip
OTHERS = {
    "device": "cuda:0", "device_name": "a GPU", "threads": 1, "torch": "2.10", "timm": "1.1", "revconsole": "0.2",
    "python": "3.13", "commit": "b" * 40, "train_images": 91, "validation_images": 11, "test_images": 31,
}  # fmt: skip
OF_SUMMARY = {
    "fingerprint": ("f" * 64, "e" * 64), "multiply_adds_per_image": (600, 700), "attempt": (1, 3),
}  # fmt: skip


def made(plan: Plan, arm: str, seed: int = 0, facts: dict[str, Any] | None = None, **given) -> Run:
    """A finished run, straight from its parts."""
    known = {"fingerprint": "f" * 64, "multiply_adds_per_image": 600, "attempt": 1} | given
    plan = plan.model_copy(update={"seed": seed, "name": f"{arm}-s{seed}", "arm": arm})
    summary = Summary(
        id=f"{arm}{seed}", name=plan.name, state="finished", plan=plan, created=float(seed), epoch=2, test_accuracy=0.5, **known
    )  # fmt: skip
    return Run(summary=summary, facts=FACTS | (facts or {}))


def results(*arms: list[Run]) -> Results:
    found = [ArmResult(name=a[0].plan.arm, runs=tuple(a), planned=len(a)) for a in arms]
    return Results(name="r", title="t", arms=tuple(found), baseline=found[0].name)


def of_all(text: str) -> Counter[str]:
    """The sentences that are said of all runs: those that name no arm."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", text)
    return Counter(
        sentence for sentence in sentences if ONE not in sentence and TWO not in sentence
    )


def told_of(arm: str, text: str) -> str:
    """What the sentence about the arms says of one."""
    (sentence,) = re.findall(r"The arms were (.*?)\.(?: [A-Z]|$)", text)
    (found,) = [part for part in sentence.split("; ") if part.startswith(arm)]
    return found.removeprefix(arm)


def every_setting() -> list[tuple[str, str, str]]:
    """Section, kind (empty where there is one) and name of each setting that is not a kind itself."""
    found = [("", "", "backward")]
    for section, cls in (("data", Data), ("train", Train)):
        found += [(section, "", name) for name in cls.model_fields]
    for section, (tag, kinds) in KINDS.items():
        found += [
            (section, kind, n) for kind, cls in kinds.items() for n in cls.model_fields if n != tag
        ]
    return found


def two_values(field, default):
    """Two different values that a field may have; whether the rest of a plan suits them is not asked."""
    words = [
        w
        for w in get_args(field.annotation)
        if isinstance(w, str | int) and not isinstance(w, bool)
    ]
    if len(words) > 1:
        return words[0], words[-1]
    if isinstance(default, bool):
        return False, True
    if "str" in str(field.annotation) and not isinstance(default, int | float):
        return (default, "other") if default is not None else ("one", "other")
    return (0.25, 0.5) if "float" in str(field.annotation) else (3, 5)


def with_setting(section: str, kind: str, name: str, value: Any) -> Plan:
    plan = Plan(name="p")
    if not section:
        return plan.model_copy(update={name: value})
    table = KINDS[section][1][kind]() if kind else getattr(plan, section)
    return plan.model_copy(update={section: table.model_copy(update={name: value})})


@pytest.mark.parametrize(("section", "kind", "name"), every_setting())
def test_a_setting_that_arms_differ_in_is_said_of_each_arm_and_of_none_as_all(section, kind, name):
    of = (
        KINDS[section][1][kind]
        if kind
        else Plan
        if not section
        else type(getattr(Plan(name="p"), section))
    )
    field = of.model_fields[name]
    low, high = (with_setting(section, kind, name, v) for v in two_values(field, field.default))

    first = paragraph(results([made(low, ONE)], [made(high, TWO)]))
    second = paragraph(results([made(high, ONE)], [made(low, TWO)]))

    assert of_all(first) == of_all(second), "a value of one arm is said of all"
    assert (
        told_of(ONE, first) == told_of(TWO, second) != told_of(TWO, first) == told_of(ONE, second)
    )


@pytest.mark.parametrize(("section", "one", "other"), [
    (section, *pair) for section, (_, kinds) in KINDS.items() if section != "objective"
    for pair in zip(list(kinds), [*list(kinds)[1:], next(iter(kinds))], strict=True)
])  # fmt: skip
def test_kinds_that_arms_differ_in_are_said_of_each_arm(section, one, other):
    low, high = (
        Plan(name="p").model_copy(update={section: KINDS[section][1][k]()}) for k in (one, other)
    )

    first = paragraph(results([made(low, ONE)], [made(high, TWO)]))
    second = paragraph(results([made(high, ONE)], [made(low, TWO)]))

    assert of_all(first) == of_all(second)
    assert told_of(ONE, first) == told_of(TWO, second) != told_of(TWO, first)


@pytest.mark.parametrize("name", [*FACTS, *OF_SUMMARY])
@pytest.mark.parametrize("within", [False, True], ids=["between arms", "within an arm"])
def test_a_fact_that_runs_differ_in_is_said_with_whose_it_is(name, within):
    if name in FACTS:
        low, high = ({"facts": {name: FACTS[name]}}, {"facts": {name: OTHERS[name]}})
    else:
        low, high = ({name: value} for value in OF_SUMMARY[name])
    plan = Plan(name="p")
    other = plan.model_copy(update={"model": plan.model.model_copy(update={"depth": 2})})

    def report(a, b, c, d):
        one = [made(plan, ONE, 0, **a), made(plan, ONE, 1, **b)]
        return paragraph(results(one, [made(other, TWO, 0, **c), made(other, TWO, 1, **d)]))

    first = report(low, high, low, low) if within else report(low, low, high, high)
    second = report(low, low, low, high) if within else report(high, high, low, low)

    assert of_all(first) == of_all(second)
    assert first != second, "that they differ is said"


def test_what_many_arms_differ_in_is_left_to_the_table():
    """Eleven arms of a ladder with four settings each made half a page that nobody can read."""
    plans = [
        Plan(name="p", train={"epochs": 3 + k, "batch": 8 * (k + 1), "clip": k + 1.0})
        for k in range(14)
    ]

    few = paragraph(results(*([made(plan, f"arm {k}")] for k, plan in enumerate(plans[:3]))))
    many = paragraph(results(*([made(plan, f"arm {k}")] for k, plan in enumerate(plans))))

    assert "The arms were arm 0 (" in few
    assert "The 14 arms were arm 0, arm 1," in many
    assert "arm 13; the table of settings has what they differ in." in many


def test_what_all_arms_share_is_said_once_and_what_differs_is_not_said_of_all():
    """Experiments F5: a ladder whose rungs standardise and augment said `standardise none, without augmentation`."""
    plain = Plan(name="p", data={"standardise": "none"}, train={"epochs": 3})
    rung = Plan(
        name="p", data={"standardise": "per-channel", "augment": "crop-flip"}, train={"epochs": 3}
    )

    text = paragraph(results([made(plain, "plain")], [made(rung, "rung")]))

    assert (
        "The arms were plain (augment none, standardise none); rung (augment crop-flip, standardise per-channel)."
        in text
    )
    assert text.count("standardise none") == text.count("augment") - 1 == 1
    assert "without augmentation" not in text
    assert "prepared otherwise as each arm says" in text
    assert "Training ran for 3 epochs, with a batch of 128" in text


@pytest.mark.parametrize(("seeds", "words"), [
    ((1, 1), "tested once on the test images."),
    ((2, 2), "; accuracies are means with the sample standard deviation over seeds."),
    ((1, 2), "; of arms with several seeds accuracies are means with"),
])  # fmt: skip
def test_a_deviation_is_named_only_where_there_is_one(seeds, words):
    other = Plan(name="p", train={"batch": 64})
    arms = [
        [made(p, arm, s) for s in range(n)]
        for p, arm, n in zip((Plan(name="p"), other), (ONE, TWO), seeds, strict=True)
    ]

    assert words in paragraph(results(*arms))


def test_where_any_arm_standardises_per_pixel_its_floor_is_said():
    plain, rung = (Plan(name="p", data={"standardise": how}) for how in ("none", "per-pixel"))

    for arms in ([rung], [plain, rung]):
        text = paragraph(results(*([made(arm, f"arm{n}")] for n, arm in enumerate(arms))))
        assert (
            "per-pixel with deviations below a tenth of the channel's counted as that tenth" in text
        )
    assert "a tenth" not in paragraph(results([made(plain, "a")]))


def test_operations_that_only_some_runs_have_are_said_of_those():
    svm = made(Plan(name="p", model={"architecture": "svm"}), TWO, multiply_adds_per_image=None)

    text = paragraph(results([made(Plan(name="p"), ONE)], [svm]))

    assert (
        f"The forward pass of one image through {ONE} takes 600 multiply-adds (1.20 kFLOPs)."
        in text
    )
    assert "degree" not in told_of(TWO, text), "a power of another kernel"


def test_perceptrons_are_not_wired_and_points_have_no_pixels():
    points = {"dataset": "circles", "standardise": "none"}
    arms = [
        [made(Plan(name="p", model=model, data=points), arm, facts={"threads": 1})]
        for arm, model in (("mlp", {"architecture": "mlp"}), ("svm", {"architecture": "svm"}))
    ]

    text = paragraph(results(*arms))

    assert not re.search("wired|scheme|backward|pixels|1 threads", text)
    assert "90 training, 10 validation, 30 test points of the plane" in text
    assert "with 1 thread." in text
    assert "svm was fitted once" in text
    assert "We trained several models: mlp (mlp); svm (svm)." in text


def test_only_those_with_blocks_are_said_to_be_wired():
    vit = Plan(name="p", scheme={"name": "additive"}, backward="reversible")
    cnn = Plan(name="p", model={"architecture": "cnn"})

    text = paragraph(results([made(vit, ONE)], [made(cnn, TWO)]))

    assert f"The blocks of {ONE} were wired by the scheme additive" in text
    assert "scheme" not in told_of(TWO, text)
    assert "Mangalam et al. 2022" in text


def test_a_run_that_was_resumed_elsewhere_is_said_to_be():
    run = made(Plan(name="p"), ONE, attempt=2, facts={"device": "cuda:0"})
    resumed = Run(summary=run.summary, facts=run.facts, earlier={"device": ("cpu",)})

    text = paragraph(results([resumed, made(Plan(name="p"), ONE, 1)]))

    assert (
        f"Interrupted and resumed from a checkpoint: in 2 attempts (before on device cpu) ({ONE}, seed 0)."
        in text
    )
    assert (
        f"Runs trained on cuda:0 (a CPU) ({ONE}, seed 0); cpu (a CPU) with 2 threads ({ONE}, seed 1)."
        in text
    )


@pytest.mark.parametrize(
    "settings", [{}, {"data": {"dataset": "imagefolder", "folder": "/gone", "image_size": 8}}]
)
def test_every_format_is_written_of_a_lone_run(settings):
    found = document(results([made(Plan(name="p", **settings), ONE)]))

    for module in (as_markdown, as_latex, as_csv, as_html):
        assert ONE in module.render(found)
    assert "0×0" not in found.methods


def test_every_setting_is_among_those_tried():
    tried = {f"{section}.{name}".strip(".") for section, _, name in every_setting()}
    tags = {f"{section}.{tag}" for section, (tag, _) in KINDS.items()}

    noted = {"lengthened"}  # below the table: see `notes`
    assert set(flat_settings(Plan(name="p"))) - tags - noted <= tried
