"""TensorBoard's event files: records of protobuf with lengths and checksums, one after the other.

A record is its length (8 bytes), a checksum of that, the message, and a checksum of it. A folder with event files is a run;
so is each file of one that was written after another, unless it says that the run began again at a step. Scalars of the
older API (`simple_value`) and of the newer (a tensor) are taken; images, histograms, texts and graphs are not. What
`add_hparams` wrote into a folder of its own beside them, named by the time, belongs to the run.
"""

import re
import struct
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.foreign.crc32c import masked
from revconsole.records.foreign.gathered import Ending, Gathered
from revconsole.records.foreign.part import Part, Reach
from revconsole.records.foreign.protobuf import content, double, fields, signed, single, text

TOOL = "TensorBoard"
RECORDS_ENDS = False
IN_NAME = ".tfevents."
OF_HPARAMS = re.compile(r"\d{9,}(\.\d+)?")
"""Name of the folder that `add_hparams` makes: the time."""
HEAD = struct.Struct("<QI")
LONGEST_RECORD = 1 << 28
SESSION_BEGAN = 1
FLOAT, DOUBLE, INT32, INT64 = 1, 2, 3, 9
"""Numbers of types of a tensor."""
MEDIA = {4: "image", 5: "histogram", 6: "sound"}
"""What a value is, by the field that it is in."""
OF_PLUGIN = {"images": "image", "histograms": "histogram", "audio": "sound", "text": "text"}
ENDINGS: dict[int, Ending] = {1: "finished", 2: "failed"}
HPARAMS = "hparams"


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """A folder with event files is one run."""
    del folder
    return ("",) if any(IN_NAME in name for name in files) else ()


def owns(folder: str) -> bool:
    """Whether a folder inside of a run's belongs to that run."""
    return OF_HPARAMS.fullmatch(folder) is not None


def parts(folder: Path, name: str) -> list[Part]:
    """The event files of a run in the order of their names, which begin with the time."""
    del name
    inner = sorted(each for each in bounded.folders(folder) if owns(each))
    found = []
    for place in (folder, *(folder / each for each in inner)):
        files = sorted(each for each in bounded.files(place) if IN_NAME in each)
        found += [Part(place / each, "log", take) for each in files]
    return found


def take(data: bytes, reach: Reach, into: Gathered) -> int:
    """Take the whole records at the beginning of the bytes."""
    place, end = 0, len(data)
    while place + HEAD.size <= end:
        size, checksum = HEAD.unpack_from(data, place)
        if masked(data[place : place + 8]) != checksum or size > LONGEST_RECORD:
            reach.doubt = f"the length of the record at byte {reach.at + place:,} is damaged: nothing behind it can be read"
            break
        start = place + HEAD.size
        stop = start + size + 4
        if stop > end:
            break
        message = data[start : stop - 4]
        if masked(message) != int.from_bytes(data[stop - 4 : stop], "little"):
            into.damage(f"the record at byte {reach.at + place:,} is damaged and left out")
        else:
            _take_event(message, into)
        place = stop
    return place


def _take_event(message: bytes, into: Gathered) -> None:
    wall, step, summary = 0.0, 0, b""
    for number, value in fields(message):
        if number == 1:
            wall = double(value)
        elif number == 2:
            step = signed(value)
        elif number == 5:
            summary = content(value)
        elif number == 7 and dict(fields(content(value))).get(1) == SESSION_BEGAN:
            into.cut(step)
    into.at(step, wall)
    for number, value in fields(summary):
        if number == 1:
            _take_value(content(value), step, into)


def _take_value(message: bytes, step: int, into: Gathered) -> None:
    """Take one value of a summary if it is a scalar or the settings of the hparams plugin."""
    tag, scalar, plugin, kind = "", None, b"", ""
    tensor = b""
    for number, value in fields(message):
        if number == 1:
            tag = text(value)
        elif number == 2:
            scalar = single(value)
        elif number == 8:
            tensor = content(value)
        elif number == 9:
            plugin = content(value)
        kind = kind or MEDIA.get(number, "")
    if tag.startswith("_hparams_/"):
        _take_hparams(plugin, into)
        return
    if scalar is None and tensor:
        scalar = _scalar(tensor)
    if scalar is not None:
        into.point(tag, step, scalar)
    else:
        into.left_out[kind or OF_PLUGIN.get(_plugin(plugin), "tensor")] += 1


def _plugin(metadata: bytes) -> str:
    """The name of the plugin that shows a value."""
    data = dict(fields(metadata)).get(1, b"")
    return text(dict(fields(content(data))).get(1, b""))


def _scalar(tensor: bytes) -> float | None:
    """The number in a tensor without dimensions; None for any other tensor."""
    found = dict(fields(tensor))
    shape = fields(content(found.get(2, b"")))
    if any(number == 2 for number, _ in shape):
        return None
    kind, raw = found.get(1), content(found.get(4, b""))
    match kind:
        case 1:
            return single(raw) if raw else single(content(found.get(5, b""))[:4])
        case 2:
            return double(raw) if raw else double(content(found.get(6, b""))[:8])
        case 3 | 9 if raw:
            return float(int.from_bytes(raw, "little", signed=True))
    return None


def _take_hparams(metadata: bytes, into: Gathered) -> None:
    """Take settings and end from what the hparams plugin keeps with a value."""
    if _plugin(metadata) != HPARAMS:
        return
    plugin = dict(fields(content(dict(fields(metadata)).get(1, b""))))
    for number, value in fields(content(plugin.get(2, b""))):
        if number == 3:
            for inner, entry in fields(content(value)):
                if inner == 1:
                    pair = dict(fields(content(entry)))
                    into.setting(text(pair.get(1, b"")), _json_value(content(pair.get(2, b""))))
        elif number == 4:
            status = dict(fields(content(value))).get(1)
            into.end(ENDINGS.get(status if isinstance(status, int) else 0, ""))


def _json_value(message: bytes) -> object:
    """A google.protobuf.Value: a number, a text, a truth or nothing."""
    for number, value in fields(message):
        match number:
            case 2:
                return _whole(double(value))
            case 3:
                return text(value)
            case 4:
                return bool(value)
    return None


def _whole(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
