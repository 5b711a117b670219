"""ModelDrawing: a network as a small drawing: the image cut into patches, or its stages, beside what follows. No widgets.

It is drawn from the settings alone, without building the network. Sizes are in pixels or cells of a map.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

from rich.text import Text

from revconsole.records.prelaunch import shape
from revconsole.records.printable import one_line
from revconsole.records.sections.model import (
    Cct,
    Cnn,
    Conformer,
    Mlp,
    Python,
    Resnet,
    Svm,
    Swin,
    TimmModel,
    Uniformer,
    Vit,
)
from revconsole.records.settings.plan import Plan

MOST_ACROSS, MOST_DOWN, MOST_BLOCKS, MOST_HEADS = 8, 4, 24, 6
LABEL = 9
MOST_IN_STAGE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Blocks of one size. side: of the map or the tokens that they see. width: channels. heads: 0 without attention."""

    blocks: int
    side: int
    width: int
    heads: int = 0


SWIN = {
    "mini": (2, 96, (2, 6, 4), (3, 6, 12)),
    "tiny": (4, 96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "small": (4, 96, (2, 2, 18, 2), (3, 6, 12, 24)),
}
"""Of each variant: side of a patch, width of the first stage, blocks and heads of every stage."""
RESNET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
BOTTLENECK = {50: 4}
"""Channels that a bottleneck block puts out, as a multiple."""
CNN = (32, 64, 64)


def drawing(plan: Plan) -> Iterator[Text]:
    """The lines of the drawing; the first is a heading."""
    title, more, grid = _picture(plan)
    facts = [*_facts(plan), *_head(plan)]
    yield Text.assemble((title, "bold"), (f"  {more}" if more else "", "dim"))
    wide = max(map(len, grid), default=0)
    for number in range(max(len(grid), len(facts))):
        line = grid[number] if number < len(grid) else ""
        fact = facts[number] if number < len(facts) else Text()
        yield Text.assemble((f"{line:<{wide}}  " if wide else "", "dim"), fact)


def stages(plan: Plan, side: int | None = None) -> tuple[Stage, ...]:
    """The stages of a network that has several; empty for another. side: of the image, else its height."""
    model, size = plan.model, side or plan.image_size
    match model:
        case Swin():
            patch, width, depths, heads = SWIN[model.variant]
            return tuple(
                Stage(blocks=b, side=_halved(size // patch, n), width=width << n, heads=h)
                for n, (b, h) in enumerate(zip(depths, heads, strict=True))
            )
        case Resnet():
            first = size if model.stem == "cifar" else _halved(size, 2)
            wider = BOTTLENECK.get(model.layers, 1)
            return tuple(
                Stage(blocks=b, side=_halved(first, n), width=(64 << n) * wider)
                for n, b in enumerate(RESNET[model.layers])
            )
        case Cnn():
            return tuple(Stage(blocks=1, side=size >> n, width=w) for n, w in enumerate(CNN))
        case Uniformer():
            side = size // model.patch
            local = Stage(blocks=model.local_depth, side=side, width=model.dim)
            whole = Stage(
                blocks=model.depth, side=side // 2, width=2 * model.dim, heads=model.heads
            )
            return (local, whole)
        case _:
            return ()


def tokens_across(plan: Plan) -> int:
    """The number of tokens or patches along a side of the image that the first block sees; 0 if it sees none or it is unknown."""
    model, size = plan.model, plan.image_size
    match model:
        case Vit() | Conformer() | Uniformer():
            return 0 if size % model.patch else size // model.patch
        case Swin():
            patch = SWIN[model.variant][0]
            return 0 if size % patch else size // patch
        case Cct() | TimmModel():
            return isqrt(shape.of(plan).tokens or 0)
        case _:
            return 0


def _picture(plan: Plan) -> tuple[str, str, Sequence[str]]:
    """Title, what stands dim behind it, and the image cut into its patches."""
    model, (size, width) = plan.model, plan.image_shape
    image = f"of an image of {size} × {width}"
    across = tokens_across(plan)
    if across and isinstance(model, Cct):
        of = f"by {model.convolutions} convolution{'s' * (model.convolutions > 1)} {image}"
        return f"{across * across:,} token{'s' * (across > 1)}", of, list(_grid(across))
    if across:
        patch = size // across
        count = across * (width // patch)
        words = f"{count:,} patch{'es' * (count > 1)} of {patch} × {patch}"
        return words, image, list(_grid(across)) if width == size else []
    seen = f"{_numbers(plan):,} numbers" if isinstance(model, Mlp | Svm) or size == 1 else ""
    return _called(plan), seen or f"images of {size} × {width}", []


def _called(plan: Plan) -> str:
    model = plan.model
    match model:
        case Resnet():
            return f"resnet, {model.layers} layers"
        case Svm():
            return "support vector machine"
        case TimmModel():
            return one_line(f"timm {model.name}", 60)
        case Python():
            return one_line(f"python {model.function or ''}".strip(), 60)
        case _:
            return model.architecture


def _grid(across: int) -> Iterator[str]:
    """The image cut into so many patches each way; a cell is twice as wide as high, as letters are."""
    columns, rows = min(across, MOST_ACROSS), min(across, MOST_DOWN)
    more = "" if columns == across else " ⋯"
    yield "┌" + "┬".join("─" * columns) + "┐" + more
    for _ in range(rows - 1):
        yield "├" + "┼".join("─" * columns) + "┤" + more
    yield ("└" + "┴".join("─" * columns) + "┘" + more) if rows == across else "  ⋮"


def _facts(plan: Plan) -> Iterator[Text]:
    """What there is behind the image: tokens, heads, blocks or stages."""
    model = plan.model
    match model:
        case Vit() | Cct() | Conformer():
            extra = " and a class token" if isinstance(model, Vit) and model.pool == "cls" else ""
            yield _fact("tokens", f"of {model.dim:,} numbers{extra}")
            if isinstance(model, Conformer):
                yield _fact("beside", f"convolutions of {model.channels:,} channels")
            yield _fact("heads", f"{_heads(model.heads)} {_each(model.heads, model.dim)}")
            yield _fact("blocks", f"{_blocks(model.depth)} {model.depth}, {plan.scheme.name}")
        case Mlp():
            yield _fact("hidden", f"{_blocks(model.depth)} {model.depth} of {model.width:,}")
        case Svm():
            yield _fact("kernel", f"{model.kernel}, C {model.C:g}")
            pairs = plan.facts.classes * (plan.facts.classes - 1) // 2
            yield _fact("fitted", f"{pairs:,} pair{'s' * (pairs != 1)} of classes")
        case TimmModel():
            yield from _timm(plan)
        case _:
            yield from _stages(plan)
    if isinstance(model, Cnn):
        yield _fact("layer", "1,000 numbers")


def _stages(plan: Plan) -> Iterator[Text]:
    found = stages(plan)
    across = stages(plan, plan.image_shape[1])
    bars = [f"{_blocks(each.blocks, MOST_IN_STAGE)} {each.blocks}" for each in found]
    sides = [f"{each.side} × {wide.side}" for each, wide in zip(found, across, strict=True)]
    for number, (stage, bar, side) in enumerate(zip(found, bars, sides, strict=True), 1):
        wide, long = max(map(len, bars)), max(map(len, sides))
        size = f"{side:<{long}} of {stage.width:,}"
        heads = f", {stage.heads} heads" if stage.heads else ""
        yield _fact(f"stage {number}", f"{bar:<{wide}}  {size}{heads}")
    if found and plan.scheme.name != "residual":
        yield _fact("scheme", plan.scheme.name)


def _timm(plan: Plan) -> Iterator[Text]:
    depth = shape.of(plan).depth
    if depth:
        yield _fact("blocks", f"{_blocks(depth)} {depth}, {plan.scheme.name}")
    elif plan.scheme.name != "residual":
        yield _fact("scheme", plan.scheme.name)


def _head(plan: Plan) -> Iterator[Text]:
    """What the network puts out, and what for."""
    classes = plan.facts.classes
    if plan.objective.name == "classification":
        yield _fact("head", f"{classes:,} classes" if classes else "a number for each class")
    else:
        yield _fact("learns", plan.objective.name.replace("_", " "))


def _fact(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<{LABEL}}", "dim"), value)


def _heads(heads: int) -> str:
    return "▕━▏" * min(heads, MOST_HEADS) + ("…" if heads > MOST_HEADS else "")


def _each(heads: int, dim: int) -> str:
    return f"{heads} of {dim // heads}"


def _blocks(depth: int, most: int = MOST_BLOCKS) -> str:
    return "▮" * min(depth, most) + ("…" if depth > most else "")


def _numbers(plan: Plan) -> int:
    height, width = plan.image_shape
    return plan.facts.channels * height * width


def _halved(side: int, times: int) -> int:
    """A side after so many steps of two, each of which rounds up."""
    for _ in range(times):
        side = -(-side // 2)
    return side
