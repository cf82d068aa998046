"""Pictures are stored as a person sees them, from whatever a table's cell holds."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from blocksieve.datasets.pictures import (
    FIRST,
    ON_WHITE,
    SCALED,
    TURNED,
    check_picture,
    open_picture,
    picture_bytes,
    upright_png,
)
from blocksieve.datasets.quality import ReadReport
from blocksieve.datasets.sources import read_samples
from blocksieve.errors import ConfigError, DataError


def encode(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def two_colours() -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (64, 32), "blue")
    image.paste((255, 0, 0), (0, 0, 32, 32))
    return image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_is_applied(orientation: int, form: str) -> None:
    image = two_colours()
    exif = image.getexif()
    exif[0x0112] = orientation
    data = encode(image, form, exif=exif)
    # Pillow turns a TIFF while it decodes it.
    turns = orientation in range(2, 9) and form != "TIFF"
    assert check_picture(data) == ((TURNED,) if turns else ())
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(open_picture(data), expected)
    stored = upright_png(data)
    assert np.array_equal(open_picture(stored), expected)
    assert check_picture(stored) == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "palette with a transparent colour", "RGB"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (4, 0, 8, 8))
    if mode == "RGB":
        data = encode(image.convert("RGB"), transparency=(0, 0, 0))
    elif mode.startswith("palette"):
        palette = image.convert("RGB").quantize(4)
        data = encode(palette, "GIF", transparency=palette.getpixel((0, 0)))
    else:
        data = encode(image.convert(mode))
    assert check_picture(data) == (ON_WHITE,)
    shown = open_picture(data)
    assert shown.getpixel((0, 0)) == (255, 255, 255)
    assert shown.getpixel((7, 0)) != (255, 255, 255)


@pytest.mark.parametrize(
    ("values", "form", "expected"),
    [
        (np.array([[0, 32768, 65535]], np.uint16), "PNG", [0, 128, 255]),
        (np.array([[0, 1000, 2000]], np.uint16), "TIFF", [0, 4, 8]),
        (np.array([[0, 32768, 65535]], np.int32), "TIFF", [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), "TIFF", [0, 128, 255]),
        (np.array([[0, 100, 200]], np.float32), "TIFF", [0, 100, 200]),
        (np.array([[-5, 0, 5]], np.float32), "TIFF", [0, 128, 255]),
        (np.array([[7e9, 7e9, 7e9]], np.float32), "TIFF", [0, 0, 0]),
    ],
)
def test_deep_values_are_scaled_and_not_cut_off(
    values: np.ndarray, form: str, expected: list[int]
) -> None:
    data = encode(Image.fromarray(values), form)
    assert check_picture(data) == (SCALED,)
    assert np.asarray(open_picture(data))[0, :, 0].tolist() == expected


def test_values_that_are_no_numbers_are_refused() -> None:
    data = encode(Image.fromarray(np.array([[np.nan, 1]], np.float32)), "TIFF")
    with pytest.raises(DataError, match="no finite numbers"):
        check_picture(data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_ordinary_pictures_keep_their_bytes(mode: str) -> None:
    assert check_picture(encode(two_colours().convert(mode), "TIFF")) == ()


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_pages_the_first_is_taken_and_said(form: str) -> None:
    second_page = Image.new("RGB", (64, 32), "green")
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(two_colours(), form, save_all=True, append_images=[second_page], **options)
    assert check_picture(data) == (FIRST,)
    stored = upright_png(data)
    assert check_picture(stored) == ()
    assert np.array_equal(open_picture(stored), two_colours())


def test_a_cameras_preview_is_no_page() -> None:
    preview = two_colours().resize((8, 4))
    data = encode(two_colours(), "MPO", save_all=True, append_images=[preview])
    assert check_picture(data) == ()


def test_changed_pictures_are_counted_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(two_colours()))
    (tmp_path / "b.png").write_bytes(encode(Image.new("RGBA", (8, 8), (0, 0, 0, 0))))
    lines = [f'{{"q": "{n}?", "a": "x", "p": "{n}.png"}}\n' for n in "abb"]
    (tmp_path / "t.jsonl").write_text("".join(lines))
    source: Any = {"kind": "columns", "path": str(tmp_path), "files": {"train": "t.jsonl"}}
    source |= {"question": "{q}", "references": "a", "images": "p"}
    report = ReadReport()
    samples = list(report.usable(read_samples(source, ["train"]), "exact_match", 0))
    assert samples[0].images == ((tmp_path / "a.png").read_bytes(),)
    assert open_picture(samples[1].images[0]).getpixel((0, 0)) == (255, 255, 255)
    expected = [{"change": ON_WHITE, "samples": 2, "first": "train row 1"}]
    assert report.content(3)["changed_pictures"] == expected


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A snapshot's folder as in the hub's cache, and a secret beside the cache."""
    snapshot = tmp_path / "hub/snapshots/abc"
    (snapshot / "photos").mkdir(parents=True)
    (tmp_path / "hub/blobs").mkdir()
    (tmp_path / "hub/blobs/b1").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    return snapshot


def test_links_of_the_hubs_cache_and_of_the_dataset_are_followed(hub: Path) -> None:
    (hub / "1.png").symlink_to("../../blobs/b1")
    (hub / "photos/1.png").symlink_to("../../../blobs/b1")
    assert picture_bytes("1.png", hub) == b"picture"
    assert picture_bytes("photos/1.png", hub) == b"picture"
    assert picture_bytes("1.png", hub / "photos") == b"picture"
    (hub / "2.png").write_bytes(b"original")
    (hub / "photos/2.png").symlink_to("../2.png")
    assert picture_bytes("2.png", hub / "photos", linked=(hub,)) == b"original"
    with pytest.raises(DataError, match="link that ends outside"):
        picture_bytes("2.png", hub / "photos")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../blobs/b1", "lies outside of"),
        ("photos/../../../blobs/b1", "lies outside of"),
        ("out.png", "link that ends outside"),
        ("loop.png", "no file"),
        ("gone.png", "no file"),
        ("x\0.png", "no file"),
        ("photos/out/secret", "link that ends outside"),
    ],
)
def test_what_lies_elsewhere_stays_refused(hub: Path, name: str, reason: str) -> None:
    (hub / "out.png").symlink_to("../../../secret")
    (hub / "photos/out").symlink_to("../../../..")
    (hub / "loop.png").symlink_to("loop.png")
    (hub / "gone.png").symlink_to("../../blobs/b2")
    with pytest.raises(DataError, match=reason):
        picture_bytes(name, hub)


@pytest.mark.parametrize("folder", [None, Path(__file__).parent])
def test_base64_and_data_uris_are_read(folder: Path | None) -> None:
    data = encode(two_colours())
    text = base64.b64encode(data).decode()
    forms = {
        "plain": text,
        "without padding": text.rstrip("="),
        "in lines": base64.encodebytes(data).decode(),
        "for URLs": base64.urlsafe_b64encode(data).decode(),
        "data URI": f"data:image/png;base64,{text}",
        "data URI, escaped": f"data:image/png;base64,{text.replace('+', '%2B')}",
    }
    for name, form in forms.items():
        assert picture_bytes(form, folder) == data, name
        assert picture_bytes({"bytes": None, "path": form}, folder) == data, name


@pytest.mark.parametrize(
    "text",
    ["A" * 20_000, "data:image/svg+xml,<svg>" + "x" * 9999, "data:x;base64,\xfc", "x/" * 5000],
)
def test_other_long_texts_are_refused_in_one_short_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError) as raised:
        picture_bytes(text, tmp_path)
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("cell", [{}, {"url": "x"}, {"bytes": None, "path": None}, 3, [b"x"]])
def test_a_cell_without_a_picture_is_refused(tmp_path: Path, cell: Any) -> None:
    with pytest.raises(DataError, match="no picture"):
        picture_bytes(cell, tmp_path)
    with pytest.raises(ConfigError, match="the pictures are URLs"):
        picture_bytes("https://example.org/1.png", tmp_path)
