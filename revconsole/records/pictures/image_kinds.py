"""Image formats that Pillow reads on this machine. Importing this module loads Pillow."""

from functools import cache

from PIL import Image

NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
"""Formats that Pillow only identifies, or passes to another program."""


@cache
def suffixes() -> frozenset[str]:
    """Lower-case file suffixes of all images that Pillow reads on this machine."""
    Image.init()
    read = formats()
    return frozenset(
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in read or name == "MPO"  # the JPEG reader opens MPO
    )


@cache
def formats() -> tuple[str, ...]:
    """Formats that are opened, independent of the file's name."""
    Image.init()
    return tuple(name for name in Image.ID if name not in NO_PICTURES)
