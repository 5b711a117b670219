"""Whether a computation adds to its input: what the graph that autograd recorded says about it.

The graph runs from an output back to a mark put on the input. An *identity path* is a way along it through sums,
changes of layout, cutting and joining, scalings by something that does not depend on the input, and activations that
act on each number alone (ResNet's, after the sum). A block whose output has one is residual, if something that
matrices or kernels make of the input is added on the way: a norm that takes the mean off its input is not. One that
sums its input in and goes on computing (ConvMixer, post-norm transformers) skips `inside`. Only the structure is read,
no number and no name of a module, so it works on the `meta` device as well.
"""

import re
from collections.abc import Iterator, Mapping
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
MULTIPLIES = re.compile(r"(Addmm|Mm|Bmm|Baddbmm|Addbmm|Mv|Addmv|Linear|\w*Conv)")
NONE, VECTOR, MATRIX = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """How a computation's input reaches its output.

    ends: whether the output is the input, or something done to it number by number, plus something. inside: whether the
    input is summed in somewhere, if not at the end. summed: the sums on the way, where `ends`: each adds one thing to the
    input. path: the nodes between output and mark on an identity path.
    """

    ends: bool
    inside: bool
    summed: frozenset[Node]
    path: frozenset[Node]

    @property
    def sums(self) -> int:
        """How many things are added to the input on the way."""
        return len(self.summed)


def skip_between(output: Tensor, mark: Node) -> Skip:
    """What the graph says about the way from the node `mark` to the output."""
    order = _inputs_first(output.grad_fn, mark)
    depends, same, sums = {mark}, {mark}, set()
    learnt: set[Node] = set()  # sums of what matrices make of the input
    weights: dict[Node, int] = {}
    for node in order:
        inputs = [child for child, _ in node.next_functions if child is not None]
        weights[node] = _weights(node, [child for child in inputs if child not in same], weights)
        if node is mark or not any(child in depends for child in inputs):
            continue
        depends.add(node)
        if _passes(node, inputs, depends, same):
            same.add(node)
            others = [child for child in inputs if child in depends and child not in same]
            if SUMS.fullmatch(node.name()) and others:
                sums.add(node)
                learnt |= {node} if any(weights[child] == MATRIX for child in others) else set()

    path = _path(output.grad_fn, same, mark) if output.grad_fn in same else frozenset()
    ends = bool(learnt & path)
    summed = frozenset(sums & path) if ends else frozenset()
    return Skip(ends=ends, inside=bool(learnt), summed=summed, path=path)


def _weights(node: Node, inputs: list[Node], of: Mapping[Node, int]) -> int:
    """The most that a computation has of weights: NONE, VECTOR or MATRIX.

    A norm, by whatever name, only reduces its input and scales it by vectors; a branch has matrices
    or kernels, though they may be one number wide.
    """
    variable = getattr(node, "variable", None)
    if variable is not None:
        return MATRIX if sum(size > 1 for size in variable.shape) > 1 else VECTOR
    most = max((of[child] for child in inputs if child in of), default=NONE)
    return MATRIX if most and MULTIPLIES.match(node.name()) else most


def same_computation(one: Tensor, other: Tensor, mark: Node) -> bool:
    """Whether two outputs are made of the same operations on the same weights, back to the mark.

    Layout is not looked at, sums are sums however they are bracketed and ordered, and it does not
    matter how often something is computed anew that could have been used again.
    """
    known: dict[object, int] = {}
    left, right = (_meaning(output.grad_fn, mark, known) for output in (one, other))
    return left == right


def _meaning(start: Node, mark: Node, known: dict[object, int]) -> tuple[int, ...]:
    """Numbers of the terms that the node is the sum of; equal computations have equal numbers."""
    terms: dict[Node, tuple[int, ...]] = {}
    for node in _inputs_first(start, mark):
        if node is mark:
            terms[node] = (known.setdefault("mark", len(known)),)
            continue
        inputs = [terms[child] for child, _ in node.next_functions if child is not None]
        if SUMS.fullmatch(node.name()):
            terms[node] = tuple(sorted(term for each in inputs for term in each))
        elif LAYOUTS.fullmatch(node.name()) and inputs:
            terms[node] = inputs[0]
        else:
            weight = id(node.variable) if hasattr(node, "variable") else None
            what = (node.name(), weight, tuple(inputs))
            terms[node] = (known.setdefault(what, len(known)),)
    return terms[start]


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
    path, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        if node is mark:
            continue
        for child, _ in node.next_functions:
            if child in same and child not in path:
                path.add(child)
                waiting.append(child)
    return frozenset(path)


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
