"""Gradients: whether every parameter takes part, and if one does not, what in the model keeps it from it.

The cause is looked for in the graph of the loss: a node that is given a gradient and passes none on, a call that
returned a value without a graph, a module that is never called or whose result nothing uses.

Shapes: B images.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import Case, Check, grouped
from revconsole.reversible.audit.record import OWN_FORWARD, Cut, PassRecord, leaves, named, recorded
from revconsole.reversible.audit.reversal import everything_stored
from revconsole.reversible.proxies import BlockProxy
from revconsole.reversible.rest import evaluating
from revconsole.reversible.skips import Node

GRADIENTS = "gradient everywhere"
FROZEN = "frozen parameters"
UNREGISTERED = "registered parameters"
DRAWS = 4
"""More passes, for parts that a random draw, or a choice between experts, leaves out of some."""
UNUSED = {"never", "ignored"}
PLAIN_CUTS = {
    "detach()", "detach_()", ".data", "no_grad()", "item()", "tolist()", "numpy()", "argmax()",
}  # fmt: skip
DEATHS = (
    (("Relu", "Threshold", "Hardtanh", "Clamp", "Hardswish", "Hardsigmoid"),
     ("everything that reaches its rectifier is on the flat side, so it is dead: start with smaller weights and a "
     "bias of zero, or put a norm before it")),
    (("Softmax",),
     ("its softmax is saturated, one weight is 1 and the others 0: divide the scores by the root of their width, or "
     "start with smaller weights")),
    (("Sigmoid", "Tanh", "Gelu", "Silu", "Erf"),
     "its activation is saturated: start with smaller weights, or put a norm before it"),
    (("Round", "Floor", "Ceil", "Trunc", "Sign", "Heaviside"),
     "rounding has no slope: pass the gradient straight through"),
    (("Mul", "Div", "Where", "Masked"), "it is multiplied by zero there"),
    (("Mm", "Bmm", "Convolution", "Linear"), "it is multiplied by weights or values that are zero there"),
)  # fmt: skip


def gradients(case: Case) -> list[Check]:
    """Every parameter that is to train receives a gradient; those that are not are named in a note."""
    names = [name for name, _ in case.model.named_parameters()]
    by_name = case.few().gradients()
    checks = [] if len(by_name) == len(names) else [_frozen(case.model, list(by_name), names)]
    if not by_name:
        advice = "requires_grad is False everywhere"
        return [Check.failure(GRADIENTS, "no parameter trains", advice), *checks]
    broken = [name for name, g in by_name.items() if g is not None and not g.isfinite().all()]
    without = [name for name, g in by_name.items() if g is None or not g.any()]
    if without and not broken:
        without = _never_reached(case, without)
    return [*_received(case, by_name, broken, without, names), *checks]


def _never_reached(case: Case, without: Sequence[str]) -> list[str]:
    """The parameters that no other draw, no other image and no pass in evaluation reaches either."""
    left = list(without)
    for draw in range(1, DRAWS + 1):
        if not left:
            break
        with evaluating(case.model) if draw == 1 else nullcontext():
            by_name = case.drawn(draw).gradients()
        left = [name for name in left if (g := by_name[name]) is None or not g.any()]
    return left


def _received(
    case: Case,
    by_name: dict[str, Tensor | None],
    broken: Sequence[str],
    without: Sequence[str],
    names: Sequence[str],
) -> list[Check]:
    if broken:
        return [Check.failure(GRADIENTS, f"not finite in {grouped(broken, names)}", _burst(case))]
    with everything_stored(case), recorded(case.model, python=True) as record:
        loss = case.few().loss()
    hidden = _unregistered(case.model, loss, record)
    if not without:
        return [Check.success(GRADIENTS, f"all {len(by_name)} tensors that train"), *hidden]
    cause = Cause(case, record, loss)
    causes = {name: cause.of(name) for name in without}
    lost = any(kind not in UNUSED or cause.matters(n) for n, (kind, _) in causes.items())
    figure = f"none to {len(without)} of {len(by_name)} tensors: {grouped(without, names)}"
    reasons = list(dict.fromkeys(_reasons(causes, cause, names)))
    advice = "; ".join(reasons[:2]) + (f"; and {len(reasons) - 2} more" if len(reasons) > 2 else "")
    if not lost:
        advice += ": meant, if another loss, another image or a mask needs it"
    return [Check(name=GRADIENTS, passed=not lost, figure=figure, advice=advice), *hidden]


def _reasons(
    causes: Mapping[str, tuple[str, str]], cause: "Cause", names: Sequence[str]
) -> Iterator[str]:
    """A sentence for each cause; of what is unused one for all."""
    by_kind = {kind: [n for n, (k, _) in causes.items() if k == kind] for kind in UNUSED}
    yield from (sentence for kind, sentence in causes.values() if kind not in UNUSED)
    if ignored := by_kind["ignored"]:
        yield f"what {cause.last_of(ignored)} returns is used by nothing that the loss depends on"
    if never := by_kind["never"]:
        yield f"{grouped(never, names)} is never used"


class Cause:
    """Why parameters of one pass have no gradient of its loss.

    case: whose pass it was. record: what was noted. loss: with its graph, which is walked once for all parameters.
    """

    def __init__(self, case: Case, record: PassRecord, loss: Tensor) -> None:
        self.model, self.record = case.model, record
        self.parameters = dict(case.model.named_parameters())
        self.reached = leaves([loss.grad_fn])[1]
        self.dead = _edges(loss, list(self.parameters.values()), _alive)
        self.cuts = [(cut, _given_leaves(cut)) for cut in record.cuts]
        self.called = {id(call.module) for call in record.calls}

    def of(self, name: str) -> tuple[str, str]:
        """A word for the kind of cause, and a sentence."""
        key = id(self.parameters[name])
        if key in self.reached:
            return "dead", self._death(key)
        cutting = [cut for cut, given in self.cuts if key in given]
        for cut in [c for c in cutting if c.how in PLAIN_CUTS][-1:] or cutting[-1:]:
            return "cut", f"{cut.how} in {cut.place} cuts off the way back"
        if key in self.record.unrecorded and key not in self.record.used:
            return "cut", f"{self._owner(name)} computes under no_grad()"
        return ("ignored" if key in self.record.used else "never"), ""

    def last_of(self, names: Sequence[str]) -> str:
        """The module that was called last of those that hold the parameters."""
        owners = {id(self.model.get_submodule(name.rpartition(".")[0])) for name in names}
        calls = [call for call in self.record.calls if id(call.module) in owners and call.name]
        return calls[-1].called if calls else OWN_FORWARD

    def matters(self, name: str) -> bool:
        """Whether a parameter that nothing uses is a mistake.

        A head for another loss, a mask token and an expert that no image chose are not: the first stands beside the
        trunk and not in it, and siblings of the last are not called one after another.
        """
        path, _, last = name.rpartition(".")
        if "mask" in last:
            return False
        if not path:
            return True
        for container, own in self._containers(path):
            if self._chained(container):
                return True
            if type(own) in {type(c) for c in container.children() if id(c) in self.called}:
                return False
        unused = self._unused(path)
        weights = [m for m in unused.modules() if hasattr(m, "weight")]
        return not (
            weights and isinstance(weights[-1], nn.Linear | nn.Conv2d) and self._aside(unused)
        )

    def _unused(self, path: str) -> nn.Module:
        """The largest module it stands in of which the loss depends on nothing."""
        parts = path.split(".")
        above = [self.model.get_submodule(".".join(parts[: n + 1])) for n in range(len(parts))]
        return next((m for m in above if not self._reaches(m)), above[-1])

    def _reaches(self, module: nn.Module) -> bool:
        return any(id(parameter) in self.reached for parameter in module.parameters())

    def _containers(self, path: str) -> Iterator[tuple[nn.Module, nn.Module]]:
        """The containers of several it stands in, innermost first, each with the member that it is part of."""
        parts = path.split(".")
        for length in range(len(parts) - 1, 0, -1):
            container = self.model.get_submodule(".".join(parts[:length]))
            several = isinstance(container, nn.Sequential | nn.ModuleList | nn.ModuleDict)
            if several and len(list(container.children())) > 1:
                yield container, self.model.get_submodule(".".join(parts[: length + 1]))

    def _chained(self, container: nn.Module) -> bool:
        """Whether the container is a stack, or a part of the trunk, whose members are called one on the other's result."""
        members = {id(child) for child in container.children()}
        if not self._reaches(container) and container not in dict(stacks(self.model)):
            return False
        calls = [call for call in self.record.calls if id(call.module) in members]
        given = {id(call.given) for call in calls}
        return any(id(call.returned) in given for call in calls)

    def _aside(self, module: nn.Module) -> bool:
        """Whether the loss depends on nothing in the module, and it is not given the images."""
        images = self.record.calls[-1].given
        calls = [call for call in self.record.calls if call.module is module]
        return not self._reaches(module) and not any(call.given is images for call in calls)

    def _owner(self, name: str) -> str:
        path = name.rpartition(".")[0]
        return named(path, self.model.get_submodule(path))

    def _death(self, key: int) -> str:
        for node, child in self.dead:
            if key in leaves([child])[1] or id(getattr(child, "variable", None)) == key:
                return f"{self.record.place(node) or node.name()} passes no gradient back: {_deadly(node)}"
        return "its gradient is zero in every pass"


def _given_leaves(cut: Cut) -> set[int]:
    own = {id(tensor) for tensor in cut.given if tensor.is_leaf}
    return own | set(leaves(tensor.grad_fn for tensor in cut.given)[1])


def _deadly(node: Node) -> str:
    name = node.name()
    return next(
        (sentence for kinds, sentence in DEATHS if any(kind in name for kind in kinds)),
        f"{name.removesuffix('0').removesuffix('Backward')} returns zeros there",
    )


def _burst(case: Case) -> str:
    """A sentence on the operation at which gradients stop being finite."""
    with everything_stored(case), recorded(case.model) as record:
        loss = case.few().loss()
    for node, _ in _edges(loss, list(case.model.parameters()), _finite):
        name = node.name().rstrip("0").removesuffix("Backward")
        return f"the gradient of {name} in {record.place(node) or 'the loss'} is infinite or not a number there"
    return "the loss itself is not finite"


def _alive(gradients: Sequence[Tensor | None]) -> bool:
    return any(g is not None and bool(g.any()) for g in gradients)


def _finite(gradients: Sequence[Tensor | None]) -> bool:
    return all(g is None or bool(g.isfinite().all()) for g in gradients)


def _edges(
    loss: Tensor,
    parameters: Sequence[Tensor],
    sound: Callable[[Sequence[Tensor | None]], bool],
) -> list[tuple[Node, Node]]:
    """Nodes that get sound gradients and pass an unsound one on to an input, with that input, nearest the loss first."""
    edges: list[tuple[Node, Node]] = []
    if loss.grad_fn is None:
        return edges

    def hook(node: Node) -> Any:
        def note(passed: Sequence[Tensor | None], given: Sequence[Tensor | None]) -> None:
            if sound(given):
                pairs = zip(node.next_functions, passed, strict=False)
                edges.extend((node, c) for (c, _), g in pairs if c is not None and not sound([g]))

        return note

    with ExitStack() as stack:
        for node in leaves([loss.grad_fn])[0]:
            if not hasattr(node, "variable"):
                stack.callback(node.register_hook(hook(node)).remove)
        wanted = [parameter for parameter in parameters if parameter.requires_grad]
        torch.autograd.grad(loss, wanted, allow_unused=True, retain_graph=True)
    return edges


def _unregistered(model: nn.Module, loss: Tensor, record: PassRecord) -> list[Check]:
    """A failure where the loss depends on a tensor that wants a gradient and is no parameter of the model."""
    if loss.grad_fn is None:
        return []
    known = {id(each) for each in (*model.parameters(), *model.buffers())}
    nodes, users = leaves([loss.grad_fn])
    hidden = {
        id(node.variable): node.variable
        for node in nodes
        if hasattr(node, "variable") and id(node.variable) not in known
    }
    if not hidden:
        return []
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in list(hidden.values())[:3])
    places = [place for key in hidden if (place := record.place(users[key]))]
    where = f"in {places[0]} " if places else ""
    return [
        Check.failure(
            UNREGISTERED,
            f"{len(hidden)} tensors that compute are none of the model's: {shapes}",
            f"an optimizer over the model's parameters never trains them: what holds them {where}is a plain "
            "list, dict or attribute; make it nn.ModuleList, nn.ModuleDict or nn.Parameter",
        )
    ]


def _frozen(model: nn.Module, trained: Sequence[str], names: Sequence[str]) -> Check:
    """Freezing is a choice; but some blocks of a stack that stand behind something that learns are odd."""
    frozen = [name for name in names if name not in set(trained)]
    weights = dict(model.named_parameters())
    share = sum(weights[n].numel() for n in frozen) / max(
        1, sum(p.numel() for p in weights.values())
    )
    odd = [path for stack, path in stacks(model) for path in _odd(model, stack, path)]
    figure = f"{len(frozen)} of {len(names)} tensors, {share:.1%} of the weights: {grouped(frozen, names)}"
    if odd:
        inside = [n for n in frozen if any(n.startswith(f"{path}.") for path in odd)]
        return Check.failure(
            FROZEN,
            figure,
            f"learning is disabled (requires_grad is False) in {grouped(inside, names)}, and what is "
            "before it learns: a mistake, unless these blocks are meant to stay as they are",
        )
    return Check.unjudged(FROZEN, figure, "requires_grad is False there: deliberate?")


def stacks(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Containers of several blocks of one class, with their paths."""
    for path, module in model.named_modules():
        listed = isinstance(module, nn.Sequential | nn.ModuleList) and not isinstance(
            module, BlockProxy
        )
        if listed and len(module) > 1:
            children = list(module.children())
            if len({type(b) for b in children}) == 1 and all(any(b.children()) for b in children):
                yield module, path


def _odd(model: nn.Module, stack: nn.Module, path: str) -> list[str]:
    """Blocks that are wholly frozen while one beside them, and a module before them, is not."""
    states = {f"{path}.{n}".lstrip("."): _learns(block) for n, block in stack.named_children()}
    if all(states.values()) or not any(states.values()):
        return []
    odd, learning = [], False
    for name, module in model.named_modules():
        own = [p.requires_grad for p in module.parameters(recurse=False)] if name else []
        learning |= any(own)
        if states.get(name) is False and learning:
            odd.append(name)
    return odd


def _learns(block: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in block.parameters())
