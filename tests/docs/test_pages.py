"""The pages: what is made from the code is up to date, every setting is documented, no link is dead."""

import re
import runpy
import tomllib
import unicodedata
from pathlib import Path

import pytest

from revconsole.records.sections.section import Section
from revconsole.records.settings import glossary, search_path
from revconsole.records.settings.drawn import possible

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOUR = DOCS / "first-hour.md"
MADE = runpy.run_path(str(DOCS / "pages.py"))
REASONS = MADE["reasons"]()
WRITTEN = sorted({*DOCS.glob("*.md"), *ROOT.glob("*.md"), ROOT / "profiles" / "README.md"})
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", MADE["PAGES"])
def test_a_page_that_is_made_from_the_code_is_up_to_date(name):
    stored = (DOCS / name).read_text(encoding="utf-8")

    assert stored == MADE["PAGES"][name](), "`make pages` writes it anew"


def test_every_setting_has_a_range_a_meaning_and_a_reason_to_change_it():
    entries = glossary.entries()

    assert len(entries) > 150
    assert [(entry["key"], word) for entry in entries for word in lacking(entry)] == []


def test_no_reason_is_of_a_setting_that_there_is_not():
    assert set(REASONS) <= {entry["key"] for entry in glossary.entries()}


def test_a_setting_without_a_word_is_noticed():
    class Moon(Section):
        phase: int = 0

    silent = glossary._entry(Moon, "moon", "phase", "")

    assert lacking(silent) == [
        "range, choices or examples",
        "meaning",
        "reason in docs/reasons.toml",
    ]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    dead = [link for link in LINK.findall(text) if not alive(path, link)]

    assert dead == []


def test_a_dead_link_is_noticed():
    page = DOCS / "index.md"

    assert alive(page, "first-hour.md")
    assert alive(page, "operations.md#exit-codes")
    assert not alive(page, "second-hour.md")
    assert not alive(page, "operations.md#exit-prices")


def test_every_page_can_be_reached():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    overview = (DOCS / "index.md").read_text(encoding="utf-8")
    names = {path.name for path in DOCS.glob("*.md")} - {"index.md"}

    assert {name for name in names if f": {name}\n" not in nav} == set()
    assert {name for name in names if f"({name})" not in overview} == set()
    listed = (DOCS / "llms.txt").read_text(encoding="utf-8")
    shown = set(re.findall(r": ([\w-]+\.md)$", nav, re.MULTILINE)) - {"index.md"}
    assert {name for name in shown if f"({name}): " not in listed} == set()


def test_the_experiment_of_the_first_hour_is_the_one_that_comes_with_the_program():
    shipped = tomllib.loads((ROOT / "profiles" / "bdia-dropout.toml").read_text(encoding="utf-8"))
    whole, excerpt = (tomllib.loads(tomls(path)[0]) for path in (HOUR, ROOT / "README.md"))

    assert whole == shipped
    assert contained(excerpt, shipped)


def test_every_profile_in_a_page_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = [text for path in WRITTEN for text in tomls(path)]
    for number, text in enumerate(written):
        (tmp_path / f"p{number}.toml").write_text(text, encoding="utf-8")
        study = search_path.find(f"p{number}.toml")
        assert possible(study) if study.search else study.expanded()

    assert len(written) > 3


def lacking(entry: dict[str, str]) -> list[str]:
    """What is not said of a setting."""
    said = {
        "range, choices or examples": entry["allowed"],
        "meaning": entry["meaning"],
        "reason in docs/reasons.toml": REASONS.get(entry["key"], ""),
    }
    return [word for word, text in said.items() if not text.strip()]


def alive(path: Path, link: str) -> bool:
    """Whether what a link of a page leads to is there: a file, and a heading in it."""
    if re.match(r"[a-z]+:", link):
        return link.startswith("https://arxiv.org/abs/")
    name, _, anchor = link.partition("#")
    there = path.parent / name if name else path
    if not there.exists():
        return False
    headings = (
        re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    )
    return not anchor or anchor in map(slug, headings)


def slug(heading: str) -> str:
    """The anchor of a heading, as Markdown's table of contents makes it."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def tomls(path: Path) -> list[str]:
    """The pieces of TOML in a page."""
    return re.findall(
        r"^```toml\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def contained(part: dict, whole: dict) -> bool:
    """Whether all that the one says the other says too."""
    return all(
        contained(value, whole[key]) if isinstance(value, dict) else whole[key] == value
        for key, value in part.items()
    )


def test_the_full_form_of_every_study_is_foreseen(monkeypatch, store):
    """Of the one that is counted in a second the row is computed anew."""
    monkeypatch.syspath_prepend(DOCS)
    made = runpy.run_path(str(DOCS / "full_forms.py"))
    text = (DOCS / "full-forms.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]

    assert [row[0].strip("`") for row in rows] == made["studies"]()
    circles = next(row for row in rows if row[0] == "`circles`")
    assert circles == made["of_study"]("circles", store)
    assert text == made["page"](rows), "`make full-forms` writes it anew"
