"""Image files as 8-bit RGB: every mode that Pillow has, each with values worked out by hand."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from revconsole.records.pictures.file_pixels import (
    PixelFrame,
    UnfitImage,
    _parted,
    decoded,
    why_not,
)
from revconsole.records.pictures.image_kinds import suffixes

LEVELS = [0, 1, 128, 255]
WIDE = [0, 257, 32896, 65535]
"""The same levels in 16 bits: 65535 is white, and 257 steps are one of 255."""
SIDE = 4
FRAME = PixelFrame(SIDE, SIDE)
BICUBIC = 1  # grey level: Pillow rounds after each of its two passes


def grid(values, dtype):
    """One row of equal pixels for each value."""
    return np.repeat(np.array(values, dtype=dtype)[:, None], SIDE, axis=1)


def saved(image, kind, **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def rows(content):
    """The colour of each row of an image, as it is trained on; warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels, file = decoded(content, FRAME)
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 0].T.tolist(), file


def grey(values):
    return [[value] * 3 for value in values]


def png(depth, colours, lines, transparent=b""):
    """A PNG of four rows, chunk by chunk: Pillow does not write them all."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, depth, colours, 0, 0, 0))
        + (chunk(b"tRNS", transparent) if transparent else b"")
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines)))
        + chunk(b"IEND", b"")
    )


def tiff(bits, body, *, sample=1, photometric=1):
    """A grey TIFF of four by four pixels. sample: 1 without and 2 with a sign, 3 of floating point."""
    entries = [
        (256, 4, SIDE), (257, 4, SIDE), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 134),
        (277, 3, 1), (278, 4, SIDE), (279, 4, len(body)), (339, 3, sample),
    ]  # fmt: skip
    packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0) + body


def twelve_bits(values):
    """Each value four times, two of them in three bytes."""
    return b"".join(bytes([v >> 4, (v & 15) << 4 | v >> 8, v & 255]) * 2 for v in values)


@pytest.mark.parametrize(
    "content",
    [
        saved(Image.fromarray(grid(WIDE, np.uint16)), "PNG"),
        saved(Image.fromarray(grid(WIDE, np.uint16)), "TIFF"),
        saved(Image.fromarray(grid(WIDE, ">u2")), "TIFF"),
        saved(Image.fromarray(grid(WIDE, np.uint16)), "JPEG2000", irreversible=False),
        b"P5 4 4 65535\n" + grid(WIDE, ">u2").tobytes(),
        b"P5 4 4 1023\n" + (grid(WIDE, ">u2") >> 6).astype(">u2").tobytes(),
        b"P2 4 4 4095\n" + " ".join(str(v >> 4) for v in grid(WIDE, int).ravel()).encode() + b"\n",
        b"P6 4 4 65535\n" + np.repeat(grid(WIDE, ">u2"), 3).tobytes(),
        tiff(12, twelve_bits([v >> 4 for v in WIDE])),
        tiff(16, grid([65535 - v for v in WIDE], "<u2").tobytes(), photometric=0),
        png(16, 2, [struct.pack(">HHH", v, v, v) * SIDE for v in WIDE]),
    ],
    ids=["png", "tiff", "tiff-big-endian", "jp2", "pgm", "pgm-10-bit", "pgm-ascii-12-bit", "ppm", "tiff-12-bit",
         "tiff-min-is-white", "png-rgb"],
)  # fmt: skip
def test_more_than_eight_bits_are_scaled_by_the_range_of_the_file(content):
    found, picture = rows(content)
    assert found == grey(LEVELS)
    assert picture.kind.split()[1] in {"16-bit", "12-bit"}


@pytest.mark.parametrize(
    "content",
    [
        saved(Image.fromarray(grid(WIDE, np.int32)), "TIFF"),
        saved(Image.fromarray(grid(WIDE, np.float32)), "TIFF"),
        tiff(16, grid([v - 32768 for v in WIDE], "<i2").tobytes(), sample=2),
        tiff(8, grid([v - 128 for v in LEVELS], "i1").tobytes(), sample=2),
        tiff(32, grid(WIDE, "<u4").tobytes()),
        b"Pf 4 4 -1.0\n" + grid(WIDE, "<f4").tobytes(),
    ],
    ids=["int32", "float32", "int16", "int8", "uint32", "pfm"],
)
def test_an_image_without_a_range_is_refused_and_never_clipped(content):
    with pytest.raises(
        UnfitImage, match="does not say which value is white; save it with 8 or 16 bits"
    ):
        decoded(content, FRAME)


BEHIND = [255, 0, 128, 255]
"""Alpha of each row: opaque, nothing, half, opaque."""
SHOWN = [0, 255, 191, 255]
"""LEVELS on white by that: 128/255 of 128 and 127/255 of 255 make 191."""
OPAQUE, GONE = saved(Image.new("RGBA", (4, 4), (9, 9, 9, 255)), "PNG"), [0, 255, 128, 255]


def layered(*bands):
    return Image.fromarray(np.dstack([grid(band, np.uint8) for band in bands]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (saved(layered(LEVELS, LEVELS, LEVELS, BEHIND), "PNG"), SHOWN),
        (saved(layered(LEVELS, LEVELS, LEVELS, BEHIND), "TIFF"), SHOWN),
        (saved(layered(LEVELS, LEVELS, LEVELS, BEHIND), "WEBP", lossless=True, exact=True), SHOWN),
        (saved(layered(LEVELS, BEHIND), "PNG"), SHOWN),
        (png(16, 4, [struct.pack(">HH", v, a * 257) * SIDE for v, a in zip(WIDE, BEHIND, strict=True)]), SHOWN),
        (png(16, 6, [struct.pack(">HHHH", v, v, v, a * 257) * SIDE for v, a in zip(WIDE, BEHIND, strict=True)]), SHOWN),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)), "PNG", transparency=1), GONE),
        (saved(Image.fromarray(grid(WIDE, np.uint16)), "PNG", transparency=257), GONE),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("RGB"), "PNG", transparency=(1, 1, 1)), GONE),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("P"), "PNG", transparency=1), GONE),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("P"), "GIF", transparency=1), GONE),
        (
            saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("P"), "PNG",
                  transparency=bytes([255, 0, *[255] * 126, 128, *[255] * 127])), SHOWN,
        ),
        (png(2, 0, [bytes([v * 85]) for v in range(4)], struct.pack(">H", 1)), [0, 255, 170, 255]),
        (png(4, 0, [bytes([v * 17]) * 2 for v in (0, 1, 8, 15)], struct.pack(">H", 8)), [0, 17, 255, 255]),
        (png(1, 0, [bytes([v]) for v in (0, 255, 0, 255)], struct.pack(">H", 0)), [255, 255, 255, 255]),
    ],
    ids=["rgba", "rgba-tiff", "rgba-webp", "la", "la-16-bit", "rgba-16-bit", "grey-trns", "grey-16-bit-trns", "rgb-trns",
         "palette-trns", "gif", "palette-alphas", "grey-2-bit-trns", "grey-4-bit-trns", "bilevel-trns"],
)  # fmt: skip
def test_what_is_transparent_is_white(content, expected):
    found, picture = rows(content)
    assert found == grey(expected)
    assert picture.transparent


@pytest.mark.parametrize(
    ("mode", "colours"), [("PA", LEVELS), ("La", [0, 0, 127, 255]), ("RGBa", [0, 0, 127, 255])]
)
def test_alpha_is_found_in_modes_that_no_file_has_but_a_plugin_may_give(mode, colours):
    """Premultiplied colours: 128 of alpha 128 is stored as 64, which is 127 again."""
    if mode == "PA":
        image = Image.fromarray(np.dstack([grid(LEVELS, np.uint8), grid(BEHIND, np.uint8)]), "PA")
        image.putpalette([level for level in range(256) for _ in range(3)])
    else:
        image = (
            layered(LEVELS, LEVELS, LEVELS, BEHIND)
            .convert("LA" if mode == "La" else "RGBA")
            .convert(mode)
        )
    rgb, alpha = _parted(image, None)
    assert np.asarray(rgb)[:, 0].tolist() == grey(colours)
    assert np.asarray(alpha)[:, 0].tolist() == BEHIND


def test_an_opaque_alpha_channel_changes_nothing_and_is_not_told():
    assert rows(OPAQUE)[0] == grey([9] * 4)
    assert not rows(OPAQUE)[1].transparent


def test_a_transparent_16_bit_colour_is_refused_as_its_pixels_are_not_read_exactly():
    lines = [struct.pack(">HHH", v, v, v) * SIDE for v in WIDE]
    with pytest.raises(UnfitImage, match="save it with an alpha channel"):
        decoded(png(16, 2, lines, struct.pack(">HHH", 1, 1, 1)), FRAME)


def lab(image):
    srgb, space = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.applyTransform(image, ImageCms.buildTransform(srgb, space, "RGB", "LAB"))


@pytest.mark.parametrize(
    ("content", "off"),
    [
        (saved(Image.fromarray(grid(LEVELS, np.uint8)), "PNG"), 0),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("P"), "PNG"), 0),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("CMYK"), "JPEG", quality=100), 0),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("CMYK"), "TIFF"), 0),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("RGB").convert("YCbCr"), "TIFF"), 0),
        (saved(lab(Image.fromarray(grid(LEVELS, np.uint8)).convert("RGB")), "TIFF"), 1),
        (saved(Image.fromarray(grid(LEVELS, np.uint8)).convert("RGB"), "AVIF", quality=100), 1),
    ],
    ids=["grey", "palette", "cmyk-jpeg", "cmyk-tiff", "ycbcr", "lab", "avif"],
)
def test_every_colour_space_becomes_the_same_rgb(content, off):
    assert np.abs(np.array(rows(content)[0]) - np.array(grey(LEVELS))).max() <= off


def test_bilevel_images_are_black_and_white():
    assert rows(saved(Image.fromarray(grid(LEVELS, np.uint8) > 100), "PNG"))[0] == grey(
        [0, 0, 255, 255]
    )


def test_a_16_bit_image_is_turned_upright():
    turned = Image.Exif()
    turned[0x0112] = 3
    content = saved(Image.fromarray(grid(WIDE, np.uint16)), "PNG", exif=turned)
    assert rows(content)[0] == grey(LEVELS[::-1])


def test_of_an_animation_the_first_frame_is_taken_and_that_is_told():
    first = Image.fromarray(grid(LEVELS, np.uint8)).convert("P")
    content = saved(first, "GIF", save_all=True, append_images=[first.transpose(1)])
    found, picture = rows(content)
    assert found == grey(LEVELS)
    assert picture.frames


def test_too_many_pixels_are_refused_with_the_limit_and_a_way_round(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    with pytest.raises(Image.DecompressionBombError) as caught:
        decoded(OPAQUE, FRAME)
    said = why_not(caught.value)
    assert (
        said
        == "it has more than 14 pixels, the most that are read; scale it down, or cut it into pieces"
    )


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n"]
)
def test_what_is_no_image_or_a_program_says_so_without_an_address_in_memory(content):
    with pytest.raises(Exception) as caught:  # noqa: PT011  Pillow's choice
        decoded(content, FRAME)
    assert why_not(caught.value) == "it is no image that Pillow can read"


def test_every_suffix_that_pillow_reads_here_is_read_and_no_other():
    assert {
        ".jpg",
        ".jpeg",
        ".jfif",
        ".jpe",
        ".png",
        ".tif",
        ".tiff",
        ".ppm",
        ".gif",
        ".webp",
        ".mpo",
    } <= suffixes()
    assert not {".eps", ".ps", ".pdf", ".mpg", ".h5", ".wmf"} & suffixes()


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (9, 9), (6, 5)])
@pytest.mark.parametrize("frame", [(12, 12), (8, 16), (16, 8)])
def test_each_fit_is_what_torch_makes_of_the_same_piece(size, frame):
    """A second computation: torch's antialiased bicubic interpolation of the piece that the definition names."""
    (width, height), (rows, columns) = size, frame
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([255 * x / width, 255 * y / height, 128 + 0.0 * x])
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).to(torch.uint8).numpy()).save(file, "PNG")

    def scaled(piece, to):
        piece = piece.to(torch.uint8).float()[None]
        image = torch.nn.functional.interpolate(piece, to, mode="bicubic", antialias=True)[0]
        return image.clamp(0, 255)

    ratio = min(rows / height, columns / width)
    inner = (round(height * ratio), round(width * ratio))
    top, left = round((rows - inner[0]) / 2), round((columns - inner[1]) / 2)
    boxed = torch.zeros(3, rows, columns)
    boxed[:, top : top + inner[0], left : left + inner[1]] = scaled(pixels, inner)
    expected = {"squash": scaled(pixels, frame), "letterbox": boxed}
    for fit, image in expected.items():
        found = decoded(file.getvalue(), PixelFrame(rows, columns, fit))[0]
        assert found.shape == (3, rows, columns)
        assert (torch.tensor(found).float() - image).abs().max() <= BICUBIC
