"""Protobuf: the fields of a message in wire format, without its schema; enough to read what a log holds.

A message is a row of fields, each a key (number and kind of its value) and the value: a varint, eight bytes, four bytes,
or bytes with their length (texts, messages, packed numbers). The format: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
"""Kinds of values on the wire."""
LONGEST_VARINT = 10
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")

Value = int | bytes


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field; eight and four bytes come as they are. Raises ValueError for what is no message."""
    place, end = 0, len(message)
    while place < end:
        key = message[place]
        place += 1
        if key > 0x7F:
            key, place = _varint(message, place - 1)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, place = _varint(message, place)
        elif kind in (EIGHT, FOUR):
            size = 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if size > end - place:
            raise ValueError("a field is longer than its message")
        yield key >> 3, message[place : place + size]
        place += size


def double(value: Value) -> float:
    """A value of eight bytes as float64. Raises ValueError."""
    return float(_DOUBLE.unpack(_bytes(value, 8))[0])


def single(value: Value) -> float:
    """A value of four bytes as float32. Raises ValueError."""
    return float(_FLOAT.unpack(_bytes(value, 4))[0])


def signed(value: Value) -> int:
    """A varint as a signed whole number of 64 bits. Raises TypeError."""
    if not isinstance(value, int):
        raise TypeError("no whole number")
    return value - (1 << 64) if value >> 63 else value


def text(value: Value) -> str:
    """A text; what is no UTF-8 shows as replacement characters. Raises TypeError."""
    return content(value).decode(errors="replace")


def content(value: Value) -> bytes:
    """The bytes of a text or message. Raises TypeError."""
    if isinstance(value, int):
        raise TypeError("a number where bytes are expected")
    return value


def _bytes(value: Value, size: int) -> bytes:
    if isinstance(value, int) or len(value) != size:
        raise ValueError(f"not {size} bytes")
    return value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """The varint at `place`, and where it ends."""
    value = shift = 0
    while shift < 7 * LONGEST_VARINT:
        if place >= len(message):
            raise ValueError("a number is cut off")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
        shift += 7
    raise ValueError("a number without an end")
