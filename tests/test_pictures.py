"""One reader for all picture files, and one rule for what they hold."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nca_viewer import pictures
from nca_viewer.pictures import Picture, PictureError, decide, levels, read_picture


def drawn(paper: int = 255, ink: int = 0, size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A bar at the upper left, so that it is seen which way up it is."""
    picture = Image.new("L", size, paper)
    ImageDraw.Draw(picture).rectangle((5, 5, 25, 10), fill=ink)
    return picture


DRAWN = np.asarray(drawn())


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def read(folder: Path, content: bytes) -> Picture:
    (folder / "picture").write_bytes(content)
    return read_picture(folder / "picture")


def assert_is_drawn(picture: Picture, tolerance: int = 12) -> None:
    assert picture.values.shape == (*DRAWN.shape, 1)
    assert np.abs(picture.values[..., 0].astype(int) - DRAWN).mean() < tolerance


# ---- metadata ----

TURNED = {
    1: DRAWN,
    2: DRAWN[:, ::-1],
    3: DRAWN[::-1, ::-1],
    4: DRAWN[::-1],
    5: DRAWN.T,
    6: np.rot90(DRAWN),
    7: DRAWN[::-1, ::-1].T,
    8: np.rot90(DRAWN, -1),
}
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description tiff:Orientation="{}" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_read_upright(tmp_path, form, orientation):
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    assert_is_drawn(read(tmp_path, encoded(stored, form, exif=exif, **options)))


def test_the_orientation_may_stand_in_xmp_alone(tmp_path):
    stored = Image.fromarray(np.ascontiguousarray(TURNED[6]))
    assert_is_drawn(read(tmp_path, encoded(stored, "JPEG", xmp=XMP.format(6).encode())))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def directory(entries: list[tuple[int, int, int, bytes]], count: int | None = None) -> bytes:
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries) if count is None else count)
    return head + b"".join(struct.pack("<HHI4s", *entry) for entry in entries) + b"\0\0\0\0"


BROKEN_EXIF = {
    "no TIFF": b"nothing of the kind",
    "empty": b"",
    "astray": b"II*\0\xff\xff\xff\xff",
    "cut short": b"II*\0\x08\0\0\0\xff\xff",
    "unknown turn": directory([(0x0112, 3, 1, b"\x63\0\0\0")]),
    "turn as text": directory([(0x0112, 2, 1, b"x\0\0\0")]),
    "many entries": directory([(0x0112, 5, 9999, b"\xff\xff\xff\xff")], 500),
    "resolution of 0": directory([(0x011A, 5, 1, b"\x08\0\0\0"), (0x0128, 3, 1, b"\2\0\0\0")]),
}


@pytest.mark.parametrize("exif", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_a_broken_exif_block_spoils_no_picture(tmp_path, exif):
    jpeg, png = encoded(drawn(), "JPEG"), encoded(drawn(), "PNG")
    block = b"Exif\0\0" + exif
    assert_is_drawn(
        read(tmp_path, jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:])
    )
    assert_is_drawn(read(tmp_path, png[:33] + chunk(b"eXIf", exif) + png[33:]))
    assert_is_drawn(read(tmp_path, png[:-12] + chunk(b"eXIf", exif) + png[-12:]))
    webp = encoded(drawn().convert("RGB"), "WEBP", lossless=True, exif=block)
    assert_is_drawn(read(tmp_path, webp))
    tiff = encoded(drawn(), "TIFF", tiffinfo={34665: 8})
    assert_is_drawn(read(tmp_path, tiff))


PNG_LITTER = {
    "text": chunk(b"tEXt", b"a\0b")[:-1] + b"\0",
    "profile": chunk(b"iCCP", b"abc\0\0no zlib"),
    "endless text": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))),
    "size": chunk(b"pHYs", b"ab"),
    "gamma": chunk(b"gAMA", b"a") + chunk(b"sRGB", b""),
    "foreign": chunk(b"ioIO", b"anything"),
}


@pytest.mark.parametrize("litter", PNG_LITTER.values(), ids=PNG_LITTER)
def test_a_broken_chunk_that_is_no_pixels_spoils_no_png(tmp_path, litter):
    png = encoded(drawn(), "PNG")
    assert_is_drawn(read(tmp_path, png[:33] + litter + png[33:]))


def test_transparency_and_palette_outlive_broken_metadata(tmp_path):
    palette = drawn(0, 1).convert("P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    png = encoded(palette, "PNG", transparency=0)
    picture = read(tmp_path, png[:33] + PNG_LITTER["text"] + png[33:])
    assert picture.opacity is not None
    assert (picture.opacity == 255 - DRAWN).all()


# ---- kinds of files ----


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "1"), ("PNG", "1"), ("PNG", "P"), ("BMP", "RGB"),
     ("GIF", "P"), ("TIFF", "LAB"), ("JPEG", "YCbCr"), ("PPM", "L")],
)  # fmt: skip
def test_grey_of_any_kind_is_grey(tmp_path, form, mode):
    rgb = drawn().convert("RGB")
    if mode == "LAB":
        from PIL import ImageCms

        profiles = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        picture = ImageCms.applyTransform(rgb, ImageCms.buildTransform(*profiles, "RGB", "LAB"))
        read_back = read(tmp_path, encoded(picture, form))
        assert np.abs(read_back.values.mean(axis=-1) - DRAWN).mean() < 12
        return
    assert_is_drawn(read(tmp_path, encoded(rgb.convert(mode), form)))


def grey_and_opacity_png(grey: np.ndarray, opacity: np.ndarray) -> bytes:
    """A PNG of sixteen bits."""
    pixels = np.stack([grey, opacity], axis=-1).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 16, 4, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def test_sixteen_bits_of_grey_and_opacity(tmp_path):
    opacity = (255 - DRAWN.astype(int)) * 257
    picture = read(tmp_path, grey_and_opacity_png(np.full(DRAWN.shape, 40_000), opacity))
    ink = levels(picture, decide([picture]))[..., 0]
    np.testing.assert_allclose(ink, (255 - DRAWN) / 255 * 40_000 / 65_535, atol=0.01)


def test_a_transparent_grey_of_sixteen_bits(tmp_path):
    sixteen = Image.fromarray(np.where(DRAWN == 255, 7, 50_000).astype(np.uint16))
    png = encoded(sixteen, "PNG")
    picture = read(tmp_path, png[:33] + chunk(b"tRNS", struct.pack(">H", 7)) + png[33:])
    assert picture.opacity is not None
    assert (picture.opacity == 255 - DRAWN).all()


def test_the_limit_is_what_the_message_says(tmp_path):
    assert pictures.MAX_PIXELS == 50_000_000
    with pytest.raises(PictureError, match="has 8000 x 7000 pixels, more than 50,000,000; make it smaller"):
        read(tmp_path, encoded(Image.new("1", (8000, 7000)), "PNG"))


def test_long_pictures_are_reduced_on_request(tmp_path):
    (tmp_path / "a").write_bytes(encoded(Image.new("L", (10_000, 3), 7), "PNG"))
    picture = read_picture(tmp_path / "a", longest_pixels=1000)
    assert picture.size == (1000, 1)
    assert (picture.values == 7).all()


# ---- the rule, for sets of pictures ----


def grey(values: object, **keywords: object) -> Picture:
    return Picture(np.asarray(values)[..., None], **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(("are_fractions", "highest", "white"), [
    (True, 1.0, 1.0), (True, 0.2, 1.0), (True, 200.0, 255.0), (True, 60_000.0, 65_535.0),
    (False, 1.0, 255.0), (False, 200.0, 255.0), (False, 300.0, 65_535.0), (False, 1e6, 1e6),
])  # fmt: skip
def test_the_depth_of_a_set_is_decided_as_one(are_fractions, highest, white):
    unit = np.array([[0.0, 1.0]] * 4, np.float32)
    bright, dim = (
        grey(unit * part, white=None, are_fractions=are_fractions) for part in (highest, highest / 100)
    )
    decision = decide([dim, bright])
    assert levels(bright, decision).max() == pytest.approx(highest / white)
    assert levels(dim, decision).max() == pytest.approx(highest / white / 100)


def test_dark_ink_on_light_paper_is_inverted_all_or_none():
    paper, night = Picture(DRAWN[..., None]), Picture(255 - DRAWN[..., None])
    mostly = decide([paper, paper, paper, night])
    assert mostly.is_inverted
    assert levels(paper, mostly)[0, 0] == 0
    assert levels(night, mostly)[0, 0] == 1
    assert not decide([paper, night, night]).is_inverted
    assert not decide([paper] * 4, as_is=True).is_inverted
    assert levels(paper, decide([paper], as_is=True))[0, 0] == 1


def test_pictures_that_are_no_ink_on_paper_stay():
    generator = np.random.default_rng(0)
    noise = [grey(generator.integers(0, 256, (28, 28), dtype=np.uint8)) for _ in range(20)]
    smooth = [
        grey(np.asarray(Image.fromarray(each.values[:5, :5, 0]).resize((28, 28), Image.Resampling.BICUBIC)))
        for each in noise
    ]
    assert not decide(noise).is_inverted
    assert not decide(smooth).is_inverted


def test_colours_are_never_inverted():
    coloured = Picture(np.stack([DRAWN, DRAWN, np.full_like(DRAWN, 200)], axis=-1))
    decision = decide([coloured, Picture(DRAWN[..., None])])
    assert not decision.is_grey
    np.testing.assert_array_equal(levels(coloured, decision), coloured.values.astype(np.float32) / 255)
    assert levels(Picture(DRAWN[..., None]), decision).shape == (*DRAWN.shape, 3)


@pytest.mark.parametrize("ink", [0, 60, 190, 255])
def test_each_grey_picture_of_strokes_on_nothing_shows_them(ink):
    strokes = grey(np.full(DRAWN.shape, ink, np.uint8), opacity=255 - DRAWN)
    other = grey(np.full(DRAWN.shape, 255, np.uint8), opacity=255 - DRAWN)
    values = levels(strokes, decide([strokes, other, other]))[..., 0]
    assert values[0, 0] == 0
    assert values[7, 7] >= 0.5


def test_holes_get_the_colour_of_the_border():
    opacity = np.full(DRAWN.shape, 255, np.uint8)
    opacity[:3, :3] = 0
    card = grey(np.where(opacity == 0, 0, DRAWN).astype(np.uint8), opacity=opacity)
    assert (levels(card, decide([card], as_is=True))[:3, :3] == 1).all()


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_sixteen_bits_may_hold_fewer(tmp_path, bits):
    ramp = np.linspace(0, 1, 12 * 13).reshape(12, 13)
    Image.fromarray(np.rint(ramp * (2**bits - 1)).astype(np.uint16)).save(tmp_path / "ramp.tif")
    picture = read_picture(tmp_path / "ramp.tif")
    np.testing.assert_allclose(levels(picture, decide([picture], as_is=True))[..., 0], ramp, atol=1e-3)


def test_light_and_dark_strokes_on_nothing_are_both_seen(tmp_path):
    alpha = np.zeros((20, 20), np.uint8)
    alpha[4:16, 8:12] = 255
    grey = np.zeros((20, 20), np.uint8)
    grey[:10] = 255
    Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha))).save(tmp_path / "two.png")
    picture = read_picture(tmp_path / "two.png")
    for as_is in (False, True):
        np.testing.assert_array_equal(levels(picture, decide([picture], as_is=as_is))[..., 0], alpha / 255)
