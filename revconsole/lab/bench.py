"""What a benchmark measures: the model of a profile with each scheme, backward and depth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.findings.benchmark import Bench, Configuration
from revconsole.records.sections import KINDS
from revconsole.records.sections.model import Vit
from revconsole.records.settings import search_path
from revconsole.records.settings.layer import repeated
from revconsole.records.settings.naming import title
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, Profile, changed, parse_assignments
from revconsole.records.settings.study import Study, UnfitChoice
from revconsole.records.settings.typing_again import flat_settings
from revconsole.records.settings.words import spelled

Table = dict[str, Any]

PLAIN: Table = {"name": "residual"}
BACKWARDS = ("stored", "checkpointed", "reversible")
VARIED = {"scheme", "backward", "model.depth"}
DEPTHS = (4, 8)
STANDARD: Table = {
    "model": {"architecture": "vit", "patch": 4, "dim": 192, "heads": 3},
    "data": {"dataset": "synthetic"},
    "train": {"batch": 64},
}
"""Settings without a profile: 65 tokens of width 192, batch 64."""
SCHEMES: tuple[Table, ...] = tuple({"name": name} for name in KINDS["scheme"][1])
"""Schemes without a profile, with their default options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBenchmark:
    """What the user asked for; empty values stand for the defaults.

    schemes:       words such as `additive` and `momentum:grid_bits=9`; a word without a name, `gamma=0.25`, is one more
                   option of the scheme before it.
    stored_blocks: reverse all but so many of the last blocks, wherever the scheme has an inverse.
    """

    memory_bytes: int
    profile: str = ""
    settings: Mapping[str, Any] | None = None
    schemes: Sequence[str] = ()
    backwards: Sequence[str] = ()
    depths: Sequence[int] = ()
    stored_blocks: Sequence[int] = ()
    rounds: int = 7


def bench_of(wanted: WantedBenchmark) -> Bench:
    """Every configuration, ordered by depth, scheme and backward.

    Each scheme is also measured with all activations stored, and so is the plain residual network, because the other
    configurations are compared with these. Configurations that are not valid are left out with the reason.
    Raises ProfileError or UnknownName.
    """
    _refuse_twice(wanted)
    plans, unfit = _plans(wanted)
    schemes = _schemes(wanted, plans)
    for word in wanted.backwards:
        if word not in BACKWARDS:
            raise UnknownName("backward", word, BACKWARDS)
    configurations: dict[Configuration, None] = {}
    left_out = dict.fromkeys(unfit)
    for depth, scheme in product(
        _depths(wanted, plans), [PLAIN, *(s for s in schemes if s != PLAIN)]
    ):
        configurations[_configuration(plans[0], scheme, "stored", depth)] = None
        for backward, stored in _ways(wanted, scheme) if scheme in schemes else ():
            try:
                configuration = _configuration(plans[0], scheme, backward, depth, stored=stored)
            except ProfileError as error:
                left_out[error.reason] = None
            else:
                configurations[configuration] = None
    return Bench(
        configurations=tuple(configurations),
        rounds=wanted.rounds,
        memory_bytes=wanted.memory_bytes,
        left_out=tuple(left_out),
    )


def _refuse_twice(wanted: WantedBenchmark) -> None:
    """Raise ProfileError for a list that contains a value twice."""
    lists: dict[str, Sequence[Any]] = {
        "--schemes": scheme_tables(wanted.schemes),
        "--backwards": wanted.backwards,
        "--depths": wanted.depths,
        "--kept-blocks": wanted.stored_blocks,
    }
    for option, values in lists.items():
        if again := repeated(list(values)):
            raise ProfileError(
                COMMAND_LINE, option, f"has {again} twice in its list; leave one out"
            )


def scheme_tables(words: Sequence[str]) -> list[Table]:
    """The scheme tables for the words of `--schemes`; see `WantedBenchmark`. Raises UnknownName or ProfileError."""
    tables: list[Table] = []
    for word in words:
        name, colon, options = word.partition(":")
        if not colon and "=" in word and tables:
            tables[-1] |= parse_assignments([word])
            continue
        if name not in KINDS["scheme"][1]:
            raise UnknownName("scheme", name, KINDS["scheme"][1])
        tables.append({"name": name} | parse_assignments([options] if options else []))
    return tables


def _plans(wanted: WantedBenchmark) -> tuple[list[Plan], list[str]]:
    """The plans of the profile, and why other runs of it are left out. Raises ProfileError if they differ in other keys than `VARIED`."""
    experiment = (
        search_path.find(wanted.profile)
        if wanted.profile
        else Study.of_profile(Profile(name="bench", where="the standard benchmark", table=STANDARD))
    )
    choices = experiment.models({"seeds": 0, **(wanted.settings or {})})
    plans = [each for each in choices if isinstance(each, Plan)]
    if any(plan.fitted for plan in plans):
        raise ProfileError(
            wanted.profile or COMMAND_LINE,
            "model.architecture",
            "a benchmark measures schemes and backward passes, and svm has neither; name another architecture",
        )
    if differing := _differing(plans):
        several = "; ".join(f"{key} is {_alternatives(v)}" for key, v in differing.items())
        example = " ".join(f"{key}={values[0]}" for key, values in differing.items())
        raise ProfileError(
            wanted.profile or COMMAND_LINE,
            next(iter(differing)),
            "a benchmark measures one model and varies scheme, backward and depth alone, and here "
            f"{several}; give one value of each, e.g. {example}",
        )
    unfit = [
        f"{each.name}: {each.error.reason}" for each in choices if isinstance(each, UnfitChoice)
    ]
    return plans, unfit


def _differing(plans: Sequence[Plan]) -> dict[str, list[str]]:
    """The keys that have several values, except scheme, backward and depth; each with its values."""
    flats = [flat_settings(plan) for plan in plans]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    by_key = {key: list(dict.fromkeys(spelled(flat.get(key)) for flat in flats)) for key in keys}
    return {
        key: values
        for key, values in by_key.items()
        if len(values) > 1 and key.partition(".")[0] not in VARIED and key not in VARIED
    }


def _alternatives(values: Sequence[str]) -> str:
    return f"{', '.join(values[:-1])} or {values[-1]}"


def _schemes(wanted: WantedBenchmark, plans: list[Plan]) -> list[Table]:
    if wanted.schemes:
        return scheme_tables(wanted.schemes)
    if not wanted.profile:
        return list(SCHEMES)
    return [p.scheme.model_dump(exclude_defaults=True) | {"name": p.scheme.name} for p in plans]


def _depths(wanted: WantedBenchmark, plans: list[Plan]) -> list[int | None]:
    """The depths to measure; None stands for the depth of an architecture that fixes it."""
    model = plans[0].model
    if not isinstance(model, Vit):
        if wanted.depths:
            raise ProfileError(
                COMMAND_LINE, "--depths", f"{title(model)} has a fixed depth; leave --depths out"
            )
        return [None]
    if wanted.depths:
        return list(wanted.depths)
    chosen = "model.depth" in (wanted.settings or {})
    if not wanted.profile and not chosen:
        return list(DEPTHS)
    return list(dict.fromkeys(p.model.depth for p in plans if isinstance(p.model, Vit)))


def _ways(wanted: WantedBenchmark, scheme: Table) -> Iterator[tuple[str, int | None]]:
    """The (backward, stored blocks) pairs to measure; the plain network is reversed only if that was asked for."""
    for backward in wanted.backwards or BACKWARDS:
        if wanted.backwards or scheme != PLAIN or backward != "reversible":
            yield backward, None
    if scheme != PLAIN:
        for stored in wanted.stored_blocks:
            yield "reversible", stored


def _configuration(
    plan: Plan, scheme: Table, backward: str, depth: int | None, *, stored: int | None = None
) -> Configuration:
    """One configuration from one plan, with every check of a plan. Raises ProfileError."""
    if stored is not None and depth is not None and stored > depth:
        raise ProfileError(
            COMMAND_LINE, "--kept-blocks", f"a model of {depth} blocks cannot keep {stored}"
        )
    if stored is not None and stored == depth:
        backward = "stored"
    changes: Table = {"scheme": dict(scheme), "backward": backward}
    if depth is not None:
        changes["model.depth"] = depth
    changed_plan = changed(plan, changes)
    mixed = backward == "reversible" and stored
    return Configuration(plan=changed_plan, stored_blocks=stored if mixed else None)
