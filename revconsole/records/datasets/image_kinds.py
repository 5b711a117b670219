"""Kinds of image files that Pillow reads on this machine. Importing it loads Pillow."""

from functools import cache

from PIL import Image

NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
"""Formats that Pillow knows by name only, or hands to another program."""


@cache
def suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of all images that Pillow reads on this machine."""
    Image.init()
    read = formats()
    return frozenset(
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in read or name == "MPO"  # which the reader of JPEG opens
    )


@cache
def formats() -> tuple[str, ...]:
    """The formats that are opened, whatever a file's name says."""
    Image.init()
    return tuple(name for name in Image.ID if name not in NO_PICTURES)
