"""Packed numbers: many numbers of a row as one text, read when they are looked at, because a list looks at those of few rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload


class PackedNumbers(Sequence[float]):
    """Numbers that were written with `packed`."""

    __slots__ = ("_numbers", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._numbers: tuple[float, ...] | None = None

    def _read(self) -> tuple[float, ...]:
        if self._numbers is None:
            self._numbers = tuple(map(float, self._text.split()))
        return self._numbers

    @overload
    def __getitem__(self, place: int) -> float: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[float, ...]: ...
    def __getitem__(self, place: int | slice) -> float | tuple[float, ...]:
        return self._read()[place]

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._read() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


class PackedMetrics(Mapping[str, float]):
    """Values by the names of metrics; the names are known without reading the numbers."""

    __slots__ = ("_names", "_numbers")

    def __init__(self, names: Sequence[str], text: str) -> None:
        self._names, self._numbers = names, PackedNumbers(text)

    def __getitem__(self, name: str) -> float:
        try:
            return self._numbers[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(zip(self._names, self._numbers, strict=True)))


def packed(numbers: Sequence[float]) -> str:
    """The numbers as a text that gives exactly them back."""
    return " ".join(map(repr, map(float, numbers)))
