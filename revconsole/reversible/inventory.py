"""What a block is made of: its modules, where they hold its weights, and which of them stand still.

To walk through a small block takes as long as a good part of what it computes. An inventory is kept, and a new one
made only where something of it is another object than it was, which a few comparisons tell. A module stands still
if nothing that it holds changes in place: its attributes are looked at again only where one was replaced. The
others are looked at anew in every pass, as their lists, objects and tensors change while their attributes do not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from operator import attrgetter, getitem, is_
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.errors import NotInvertible
from revconsole.reversible.contents import PLAIN
from revconsole.reversible.held import FIRST, Held, looked_at

Slots: TypeAlias = tuple[tuple[tuple[nn.Module, str], ...], ...]
"""Per parameter, where it is held."""
TABLES = ("_parameters", "_buffers", "_modules")
_version: Callable[[Tensor], int] = attrgetter("_version")


class Entries:
    """Entries of dictionaries, and what they were."""

    __slots__ = ("lengths", "names", "owners", "values", "whole")

    def __init__(
        self, whole: Sequence[Mapping[str, Any]], entries: Sequence[tuple[Mapping[str, Any], str]]
    ) -> None:
        """whole: dictionaries that are to have no other entries. entries: a dictionary and a name for each."""
        self.whole, self.lengths = whole, list(map(len, whole))
        self.owners, self.names = [owner for owner, _ in entries], [name for _, name in entries]
        self.values = list(map(getitem, self.owners, self.names))

    def unchanged(self) -> bool:
        """Whether each is the very object that it was, and there are as many."""
        try:
            same = all(map(is_, map(getitem, self.owners, self.names), self.values))
        except KeyError:
            return False
        return same and list(map(len, self.whole)) == self.lengths


class Inventory:
    """A block as it is put together now.

    modules: those that it has registered, itself first. slots, parameters: each of its parameters once, and the
    places that hold it. norms: which may keep running statistics. still: what the modules that stand still hold.
    weights: of these. restless: the other modules. fits: whether leaves are known to fit in for the parameters.
    """

    __slots__ = (
        "_attributes", "_parts", "_tables", "block", "fits", "gone", "modules", "norms", "parameters", "restless", "slots", "still",
        "stirred", "weights",
    )  # fmt: skip

    def __init__(self, block: nn.Module, stirred: set[int] | None = None) -> None:
        """stirred: identities of modules that got other attributes while they computed."""
        self.block, self.modules = block, list(block.modules())
        self.gone = self.fits = False
        self.stirred = set() if stirred is None else stirred
        self.slots, self.parameters = _held_parameters(self.modules)
        self.norms = [module for module in self.modules if isinstance(module, _NormBase)]
        registered, strays = set(map(id, self.modules)), list[nn.Module]()
        # each for itself, as what two of them share is not looked at twice
        held = [Held.of(module, registered.copy(), strays.append) for module in self.modules]
        if strays:  # held without being registered: there may be others next time
            held = []
        self.still = [each for each in held if each.simple and id(each.module) not in self.stirred]
        still = {id(each.module) for each in self.still}
        self.restless = [module for module in self.modules if id(module) not in still]
        self.weights = [each for held in self.still for each in held.weights if each is not None]
        self._attributes = _attributes(each.module for each in self.still)
        self._tables, self._parts = _tables(self.modules), _parts(self.modules)

    def stands(self) -> bool:
        """Whether a new one would be the same."""
        return not self.gone and self.unchanged() and self.assembled() and self._tables.unchanged()

    def stir(self, module: nn.Module) -> None:
        """The module got other attributes while it computed: from now on it is among the restless."""
        if id(module) not in self.stirred:
            self.stirred.add(id(module))
            self.gone = True

    def unchanged(self) -> bool:
        """Whether every attribute and weight of what stands still is the very object that it was."""
        return self._attributes.unchanged()

    def assembled(self) -> bool:
        """Whether the block still is made of the same modules."""
        return self._parts.unchanged()

    def put(self) -> None:
        """Give the modules that stand still the attributes again that they had."""
        if not self.unchanged():
            for each in self.still:
                each.put()

    def now(self, given: Sequence[Any] = ()) -> "Holdings":
        """What the block holds now. given: what it is given besides tensors, of which lists and objects are looked at."""
        given = [each for each in given if type(each) not in PLAIN]
        modules = self.restless
        if given and not (modules and modules[0] is self.block):
            modules = [self.block, *modules]
        moving = looked_at(modules, self.modules, given) if modules else []
        return Holdings(self, list(map(_version, self.weights)), moving)

    def require_stand_ins(self) -> None:
        """Raise NotInvertible if leaves of another graph cannot stand in for the parameters.

        Recurrent layers hold theirs in another place besides; of sharded ones this process holds a part.
        """
        if self.fits:
            return
        for module in self.modules:
            if isinstance(module, nn.RNNBase):
                raise NotInvertible(
                    f"a block with a recurrent layer ({type(module).__name__}) cannot be evaluated "
                    "again on other weights: choose backward='checkpointed' or 'stored'"
                )
        if any(type(p) is not nn.Parameter and hasattr(p, "device_mesh") for p in self.parameters):
            raise NotInvertible(
                f"the weights of a block ({type(self.block).__name__}) are sharded block by block, and "
                "nothing gathers them for its branches: apply fully_shard to the whole "
                "ReversibleSequence or the whole model instead"
            )
        self.fits = True


class Holdings(NamedTuple):
    """What a block held at one time.

    counts: how often the weights of what stands still had been changed in place. moving: what the others held.
    """

    inventory: Inventory
    counts: list[int]
    moving: list[Held]

    def suspects(self) -> list[Held]:
        """What each module held that may hold something else now; only `moving` where all else stood still."""
        inventory = self.inventory
        if inventory.unchanged() and list(map(_version, inventory.weights)) == self.counts:
            return self.moving
        left = iter(self.counts)
        still = []
        for held in inventory.still:
            counts = [-1 if weight is None else next(left) for weight in held.weights]
            still.append(Held(held.module, held.before, held.weights, counts, [], []))
        return [*still, *self.moving]


class Inventories:
    """The inventories of the blocks of a sequence, as long as they stand. A copy of the sequence makes its own."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[nn.Module, Inventory] = {}

    def of(self, block: nn.Module) -> Inventory:
        """The block's inventory now."""
        known = self._known.get(block)
        if known is None or not known.stands():
            known = Inventory(block, None if known is None else known.stirred)
            if all(each.grad_fn is None for each in known.parameters):  # else a graph would live on
                self._known[block] = known
        return known

    def __deepcopy__(self, _memo: object) -> "Inventories":
        return Inventories()

    def __reduce__(self) -> tuple[type["Inventories"], tuple[()]]:
        return Inventories, ()


def _held_parameters(modules: Iterable[nn.Module]) -> tuple[Slots, list[nn.Parameter]]:
    """The parameters, each once, and for each the places that hold it."""
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    parameters = []
    for module in modules:
        for name, parameter in module._parameters.items():  # noqa: SLF001  named_parameters hides shared places
            if parameter is None:
                continue
            if id(parameter) not in places:
                places[id(parameter)] = []
                parameters.append(parameter)
            places[id(parameter)].append((module, name))
    return tuple(map(tuple, places.values())), parameters


def _attributes(modules: Iterable[nn.Module]) -> Entries:
    """What each of these modules holds itself: its mode, its own attributes, its weights."""
    tables, entries = [], []
    for module in modules:
        own, weights = module.__dict__, module._parameters  # noqa: SLF001  as they are held
        tables += [own, weights]
        entries += [(own, name) for name in ("training", *islice(own, FIRST, None))]
        entries += [(weights, name) for name in weights]
    return Entries(tables, entries)


def _tables(modules: Iterable[nn.Module]) -> Entries:
    """The tables of these modules, and the entries that they hold, except submodules."""
    named = [(module.__dict__, name) for module in modules for name in TABLES]
    tables = [own[name] for own, name in named if name != "_modules"]
    return Entries(tables, [*named, *((table, name) for table in tables for name in table)])


def _parts(modules: Iterable[nn.Module]) -> Entries:
    """The modules that each of these has registered."""
    tables = [module._modules for module in modules]  # noqa: SLF001  as they are held
    return Entries(tables, [(table, name) for table in tables for name in table])
