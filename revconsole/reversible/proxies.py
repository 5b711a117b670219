"""A module that stands for a block under another identity: weights, children and attributes are the block's.

torch finds weights by the tables of a module, so a proxy shares the tables of its block: names, keys, copies and
pickles come out as the block's. Whatever else is asked of a proxy, or set on it, is asked of the block or set on it.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from torch import nn

TABLES = (
    "_parameters", "_buffers", "_non_persistent_buffers_set", "_modules",
    "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class BlockProxy(nn.Module):
    """The module that stands for a block; see the file.

    proxied: the block, alone in a tuple that torch does not look into. OWN: attributes of the proxy itself.
    """

    OWN: ClassVar[frozenset[str]] = frozenset({"__class__", "proxied"})
    proxied: tuple[nn.Module]

    def stand_for(self, block: nn.Module) -> None:
        """Take the tables of the block."""
        vars(self)["proxied"] = (block,)
        vars(self)["training"] = block.training
        self._share()

    def _share(self) -> None:
        held = vars(self.proxied[0])
        vars(self).update((name, held[name]) for name in TABLES if name in held)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state as torch does, with the tables that a block's own way of copying may have replaced."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._share()

    def __getattr__(self, name: str) -> Any:
        """What is asked of the block."""
        proxied = vars(self).get("proxied")
        if proxied is None or name in self._modules or name.startswith("__"):
            return super().__getattr__(name)
        return getattr(proxied[0], name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set it on the block; its mode on both."""
        if name in self.OWN or "proxied" not in vars(self):
            super().__setattr__(name, value)
            return
        if name == "training":
            vars(self)[name] = value
        setattr(self.proxied[0], name, value)

    def __delattr__(self, name: str) -> None:
        """Delete it from the block."""
        delattr(self.proxied[0], name)

    def __len__(self) -> int:
        return len(self.proxied[0])  # type: ignore[arg-type]  # TypeError where the block has no length

    def __bool__(self) -> bool:
        return bool(self.proxied[0])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.proxied[0])  # type: ignore[call-overload,no-any-return]  # as for len

    def __getitem__(self, index: Any) -> Any:
        return self.proxied[0][index]  # type: ignore[index]  # as for len

    def train(self, mode: bool = True) -> Self:
        """Put the block in this mode, in its own way."""
        vars(self)["training"] = mode
        self.proxied[0].train(mode)
        return self

    def apply(self, fn: Callable[[nn.Module], object]) -> Self:
        """Apply it to the block and what that holds."""
        self.proxied[0].apply(fn)  # type: ignore[arg-type]  # torch asks for a function that returns None
        return self

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        self.proxied[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]  # noqa: SLF001  what `to`, `half` and the like call
        self._share()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The block's, with its hooks and its extra state."""
        return self.proxied[0].state_dict(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.proxied[0]._load_from_state_dict(*args, **kwargs)  # noqa: SLF001  torch loads a module by it


def itself(module: nn.Module) -> nn.Module:
    """The module, or the block that it stands for."""
    return module.proxied[0] if isinstance(module, BlockProxy) else module
