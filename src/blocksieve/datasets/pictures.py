"""Encoded pictures: how a table's cell gives one, and how it becomes what a person sees."""

import base64
import binascii
import io
import os
import re
import urllib.parse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from blocksieve.errors import ConfigError, DataError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
DATA_URI = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
# Longer texts are cut in messages: a picture's text may have thousands of characters.
LONGEST_SHOWN = 80

ORIENTATION = 0x0112
"""The EXIF tag that says how a viewer turns or mirrors the picture."""
UPRIGHT = 1

TURNED = "turned upright, as the picture's EXIF orientation says"
ON_WHITE = "transparent parts put on white"
SCALED = "16-bit, 32-bit or float values scaled to 8 bit"
FIRST = "only the first of several pages or frames taken"

# What a camera puts behind the picture in such a file is a preview of it.
WITH_PREVIEW = "MPO"

# A picture of 32-bit or float values does not say what white is: the first that holds all values.
USUAL_WHITES = (1, 255, 65535)


def picture_bytes(cell: object, folder: Path | None, linked: tuple[Path, ...] = ()) -> bytes:
    """Return the bytes of a picture from a table's cell.

    A cell holds bytes, a path below `folder`, base64 text, a data URI, or a struct with `bytes` or
    `path`. A link is followed if it ends in `folder`, in one of the folders `linked`, or in the
    hub's cache. Raises DataError if it gives no picture; ConfigError for a URL, and for a path if
    there is no folder, since then no picture of the column can be read.
    """
    if isinstance(cell, dict):
        cell = cell.get("path") if cell.get("bytes") is None else cell["bytes"]
    if isinstance(cell, bytes):
        return cell
    if not isinstance(cell, str):
        raise DataError("no picture" if cell is None else f"no picture but {type(cell).__name__}")
    if DATA_URI.match(cell) or cell[:5].lower() == "data:":
        return _from_data_uri(cell)
    if URL.match(cell):
        raise ConfigError(
            f"source columns: the pictures are URLs ({_shown(cell)}), which are not fetched;"
            " download them and name their folder as source.image_folder"
        )
    if folder is not None and _is_file(folder / cell):
        return _read_file(cell, folder, linked)
    decoded = _from_base64(cell)
    if decoded is not None and _is_picture(decoded):
        return decoded
    if folder is None:
        raise ConfigError(
            f"source columns: the pictures are files ({_shown(cell)});"
            " name their folder as source.image_folder"
        )
    if not _is_below(folder / cell, folder):
        raise DataError(f"picture {_shown(cell)!r} lies outside of {folder}")
    raise DataError(f"no file {_shown(cell)!r} in {folder}")


def _read_file(name: str, folder: Path, linked: tuple[Path, ...]) -> bytes:
    path = folder / name
    if not _is_below(path, folder):
        raise DataError(f"picture {_shown(name)!r} lies outside of {folder}")
    end = path.resolve()
    allowed = [folder, *linked, *_hub_caches(folder)]
    if not any(end.is_relative_to(place.resolve()) for place in allowed):
        raise DataError(
            f"picture {_shown(name)!r} is a link that ends outside of {folder}, at {end};"
            " put the file itself there"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read picture {_shown(name)!r}: {error.strerror}") from error


def _is_below(path: Path, folder: Path) -> bool:
    """Tell whether a path as written, links not followed, stays in a folder."""
    written = Path(os.path.normpath(path.absolute()))
    places = (folder.absolute(), folder.resolve())
    return any(written.is_relative_to(os.path.normpath(place)) for place in places)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or with a zero byte
        return False


def _hub_caches(folder: Path) -> Iterator[Path]:
    """Yield where the links of a hub snapshot end: its own blobs, and the hub's cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    yield Path(HF_HUB_CACHE)
    for parent in folder.resolve().parents:
        if parent.name == "snapshots":
            yield parent.parent / "blobs"


def _from_data_uri(text: str) -> bytes:
    header = DATA_URI.match(text)
    decoded = _from_base64(urllib.parse.unquote(text[header.end() :])) if header else None
    if decoded is None:
        raise DataError(f"a data URI without base64 text: {_shown(text)!r}")
    return decoded


def _from_base64(text: str) -> bytes | None:
    """Decode base64 text of either alphabet, with or without padding and line ends."""
    packed = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    padding = "=" * (-len(packed) % 4)
    try:
        return base64.b64decode(packed + padding, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_picture(data: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(data)).close()
    except Exception:  # its readers raise many types; `check_picture` says what is wrong
        return False
    return True


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def check_picture(data: bytes) -> tuple[str, ...]:
    """Return what `upright_png` changes so that a model sees what a person sees; mostly nothing.

    Raises DataError if Pillow cannot decode the picture to its end. A picture with more pixels than
    Pillow's own limit is refused as well.
    """
    with _decoding(data) as image:
        changes = []
        if getattr(image, "n_frames", 1) > 1 and image.format != WITH_PREVIEW:
            changes.append(FIRST)
        # Decodes a JPEG at an eighth of its size: faster, but still read to its end.
        image.draft("L", (1, 1))
        image.load()
        if image.getexif().get(ORIENTATION, UPRIGHT) in range(2, 9):
            changes.append(TURNED)
        if _has_deep_values(image):
            _eight_bit(image)
            changes.append(SCALED)
        elif _is_transparent(image):
            changes.append(ON_WHITE)
        return tuple(changes)


def upright_png(data: bytes) -> bytes:
    """Return a picture as a person sees it, as an RGB PNG.

    The first page or frame, turned as its EXIF orientation says, transparent parts on white, values
    scaled to 8 bit.
    """
    buffer = io.BytesIO()
    open_picture(data).save(buffer, format="PNG")
    return buffer.getvalue()


def open_picture(data: bytes) -> Image.Image:
    """Decode a picture to RGB, as a person sees it; DataError if it cannot be decoded."""
    with _decoding(data) as image:
        image.load()
        turned = ImageOps.exif_transpose(image)
        if _has_deep_values(turned):
            return _eight_bit(turned).convert("RGB")
        if not _is_transparent(turned):
            return turned.convert("RGB")
        layer = turned.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")


@contextmanager
def _decoding(data: bytes) -> Iterator[Image.Image]:
    """Open a picture; whatever its decoder raises becomes a DataError."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as image:
                yield image
        except DataError:
            raise
        except UnidentifiedImageError as error:
            raise DataError("not a picture of a format that Pillow reads") from error
        except Exception as error:  # its decoders raise many types
            raise DataError(f"broken picture: {error}") from error


def _has_deep_values(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale a picture of 16-bit, 32-bit or float values to 8 bit.

    Black is 0 and white is 65535 for 16 bit. Otherwise white is the first of USUAL_WHITES that no
    value exceeds; if none is, or a value is negative, the range is that of the picture's values.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError("the picture holds values that are no finite numbers")
    low, high = float(values.min()), float(values.max())
    whites = [65535] if image.mode.startswith("I;16") else USUAL_WHITES
    fitting = [white for white in whites if low >= 0 and high <= white]
    black, white = (0.0, fitting[0]) if fitting else (low, high)
    scaled = (values - black) * (255 / (white - black or 1))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _is_transparent(image: Image.Image) -> bool:
    """Tell whether any part of a picture is not opaque."""
    if not image.has_transparency_data:
        return False
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return bool((alpha < 255).any())
