"""The verb `models`: architectures, schemes, timm's models, and which of timm's models can be rewired."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.errors import UnknownName
from revconsole.lab import format as form
from revconsole.lab import rewirable
from revconsole.lab.torch_api import training
from revconsole.records.datasets import catalogue
from revconsole.records.findings.survey import Surveyed

TELL_SECONDS = 5.0
"""Seconds between two progress lines."""
KEPT_SECONDS = 1.0
"""Results that arrive within so many seconds come from the cache and do not count for the estimated pace."""


def models(
    pattern: Annotated[
        str,
        typer.Argument(
            help="List timm's models whose name matches or contains it, e.g. 'vit_*patch16*'."
        ),
    ] = "",
    reversible: Annotated[
        bool,
        typer.Option(
            "--reversible",
            help="List which of timm's models can be rewired, with which schemes, or why not: by family, or with a pattern "
            "by model. The first survey of all models takes minutes; its results are cached.",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(help="Processes for --reversible; 0 for one per core.", min=0)
    ] = 0,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ignore the cached results of --reversible.")
    ] = False,
    json: Json = False,
) -> None:
    """List architectures and schemes; with a pattern, timm's models by name (loads torch)."""
    if reversible:
        _reversible(pattern, jobs=jobs or os.cpu_count() or 1, refresh=refresh, json=json)
        return
    entries = [
        {"kind": kind, "name": name, "what": what}
        for kind, titles in (
            ("architecture", catalogue.architectures()),
            ("scheme", catalogue.schemes()),
        )
        for name, what in titles.items()
    ]
    if pattern:
        entries = [{"kind": "timm", "name": name, "what": ""} for name in _matching(pattern)]
    columns = {"kind": "kind", "name": "name", "what": "description"}
    output.print_entries(entries, columns, json=json, prose=["description"])


def _matching(pattern: str) -> list[str]:
    names = training.timm_models(pattern) or training.timm_models(f"*{pattern}*")
    if not names:
        raise UnknownName("timm model that matches", pattern, training.timm_models("*"))
    return names


def _reversible(pattern: str, *, jobs: int, refresh: bool, json: bool) -> None:
    names = _matching(pattern)
    surveyed: list[Surveyed] = []
    progress = SurveyProgress(len(names))
    try:
        for each in rewirable.surveyed(names, jobs=jobs, refresh=refresh):
            surveyed.append(each)
            progress.tell(len(surveyed))
    except KeyboardInterrupt:
        output.say(
            f"interrupted after {len(surveyed)} of {len(names)} models; the same command continues"
        )
        raise
    surveyed.sort(key=lambda each: each.model)
    tallies, reasons = rewirable.tallies(surveyed), rewirable.reasons(surveyed)
    groups = training.scheme_groups()
    if json:
        body = {
            "timm": training.timm_version(),
            "schemes": groups,
            "families": [asdict(tally) for tally in tallies],
            "reasons": [{"reason": why, "models": which} for why, which in reasons],
            "models": [asdict(each) for each in surveyed],
        }
        output.print_json(body)
        return
    if pattern:
        _print_models(surveyed)
    else:
        columns = ["family", "models", "any block", "two branches", "joined head"]
        output.print_table(columns, [[str(v) for v in asdict(tally).values()] for tally in tallies])
    _say_rest(reasons, groups)


def _print_models(surveyed: Sequence[Surveyed]) -> None:
    output.print_table(
        ["model", "blocks", "two branches", "joined head", "stacks, or why not"],
        [
            [
                each.model, str(each.blocks), str(each.blocks_of_two), str(each.blocks_joined),
                " ".join(f"{path}×{count}" for path, count in each.stacks.items())
                or rewirable.reason(each),
            ]
            for each in surveyed
        ],
        prose=["stacks, or why not"],
    )  # fmt: skip


def _say_rest(reasons: Sequence[tuple[str, list[str]]], groups: dict[str, list[str]]) -> None:
    """Print what the columns mean, and why models cannot be rewired."""
    output.say(f"any block: schemes {', '.join(groups['one'])}")
    output.say(f"two branches (attention, MLP): schemes {', '.join(groups['two'])}")
    joined = ", ".join(f"{name} with fuse=concat" for name in groups["joined"])
    output.say(f"joined head: {joined}; other models need fuse=mean")
    for why, which in reasons:
        shown = ", ".join(which[:4]) + (", …" if len(which) > 4 else "")
        output.say(f"not rewirable, {why}: {len(which)} ({shown})")


class SurveyProgress:
    """Progress of a survey on stderr: models done and time left."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.start = self.told = time.monotonic()
        self.kept = 0

    def tell(self, done: int) -> None:
        """Print a progress line if `TELL_SECONDS` have passed since the last."""
        now = time.monotonic()
        if now - self.start < KEPT_SECONDS:
            self.kept = done
        if now - self.told < TELL_SECONDS:
            return
        self.told = now
        pace = (now - self.start) / max(1, done - self.kept)
        left = form.duration(pace * (self.total - done))
        output.say(f"{done} of {self.total} models surveyed, about {left} left")
