"""Whether a computation adds to its input: what the graph that autograd recorded says about it.

The graph runs from an output back to a mark put on the input. An *identity path* is a way along it
through sums, changes of layout, cutting and joining, scalings by something that does not depend on the input, and
activations that act on each number alone (ResNet's, after the sum). A block whose output has one is
residual. One that sums its input in and goes on computing (ConvMixer, post-norm transformers) skips
`inside`. A chain of plain convolutions does neither. Only the structure is read, no number and no
name of a module, so it works on the `meta` device as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

Node: TypeAlias = Any  # torch.autograd.graph.Node, whose stubs do not say what hangs together
SUMS = re.compile(r"(Add|Sub|Addcmul)Backward\d")
LAYOUTS = re.compile(
    r"(Alias|Clone|Expand|MoveDim|Permute|ReshapeAlias|Squeeze|T|ToCopy|Transpose|Unsqueeze|"
    r"UnsafeView|View|AsStrided|Unflatten)Backward\d"
)
PIECES = re.compile(r"(Cat|Slice|Split|SplitWithSizes|Select)Backward\d")
SCALINGS = re.compile(r"(Mul|Div)Backward\d")
ACTIVATIONS = re.compile(
    r"(Celu|Elu|Gelu|Hardswish|Hardtanh|LeakyRelu|Mish|Prelu|Relu|Selu|Silu|Softplus|Tanh|"
    r"Threshold)Backward\d"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """How a computation's input reaches its output.

    ends:   the output is the input, or something done to it number by number, plus something.
    inside: the input is summed in somewhere, if not at the end.
    sums:   how many things are added to the input on the way, where `ends`.
    path:   the nodes between output and mark on an identity path.
    """

    ends: bool
    inside: bool
    sums: int
    path: frozenset[Node]


def skip_between(output: Tensor, mark: Node) -> Skip:
    """What the graph says about the way from the node `mark` to the output."""
    order = _inputs_first(output.grad_fn, mark)
    depends, same, sums = {mark}, {mark}, set()
    for node in order:
        inputs = [child for child, _ in node.next_functions if child is not None]
        if node is mark or not any(child in depends for child in inputs):
            continue
        depends.add(node)
        if _passes(node, inputs, depends, same):
            same.add(node)
            others = any(child in depends and child not in same for child in inputs)
            if SUMS.fullmatch(node.name()) and others:
                sums.add(node)

    path = _path(output.grad_fn, same, mark) if output.grad_fn in same else frozenset()
    on_the_way = len(sums & path)
    return Skip(ends=on_the_way > 0, inside=bool(sums), sums=on_the_way, path=path)


def signature(output: Tensor, mark: Node) -> list[tuple[str, int]]:
    """The operations and weights the output is made of, in order, up to layout and bracketing.

    Two computations of the same from the same weights have equal signatures: sums are flattened,
    and something used twice is written out once and referred to afterwards.
    """
    numbers: dict[Node, int] = {mark: 0}
    written: list[tuple[str, int]] = []
    waiting: list[Node] = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        inputs = [child for child, _ in reversed(node.next_functions) if child is not None]
        if node not in numbers and (SUMS.fullmatch(node.name()) or LAYOUTS.fullmatch(node.name())):
            waiting.extend(inputs)
        elif node in numbers:
            written.append(("again", numbers[node]))
        elif hasattr(node, "variable"):
            numbers[node] = len(numbers)
            written.append(("weight", id(node.variable)))
        else:
            numbers[node] = len(numbers)
            written.append((node.name(), numbers[node]))
            waiting.extend(inputs)
    return written


def _passes(node: Node, inputs: list[Node], depends: set[Node], same: set[Node]) -> bool:
    """Whether the node hands on what reaches it unchanged, but for layout, scale or activation."""
    kept = [child for child in inputs if child in same]
    if not kept:
        return False
    name = node.name()
    if SCALINGS.fullmatch(name):
        return sum(child in depends for child in inputs) == 1
    return any(kind.fullmatch(name) for kind in (SUMS, LAYOUTS, PIECES, ACTIVATIONS))


def _path(start: Node, same: set[Node], mark: Node) -> frozenset[Node]:
    """The nodes of `same` that the start reaches without leaving it."""
    found, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        if node is mark:
            continue
        for child, _ in node.next_functions:
            if child in same and child not in found:
                found.add(child)
                waiting.append(child)
    return frozenset(found)


def _inputs_first(start: Node, mark: Node) -> list[Node]:
    """Every node between the start and the mark, each after all that it is computed from."""
    order: list[Node] = []
    seen = {start}
    open_nodes: list[tuple[Node, Iterator[Any]]] = [(start, _children(start, mark))]
    while open_nodes:
        node, children = open_nodes[-1]
        child = next((c for c in children if c not in seen), None)
        if child is None:
            order.append(node)
            open_nodes.pop()
        else:
            seen.add(child)
            open_nodes.append((child, _children(child, mark)))
    return order


def _children(node: Node, mark: Node) -> Iterator[Any]:
    if node is mark:
        return iter(())
    return (child for child, _ in node.next_functions if child is not None)
