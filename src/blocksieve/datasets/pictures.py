"""Encoded pictures: where a value of a table has them, and whether they can be decoded."""

import io
import re
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from blocksieve.errors import ConfigError, DataError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def encoded(found: Any, folder: Path | None) -> bytes:
    """Get the bytes of a picture from a value: bytes, a struct with `bytes` or `path`, or a path below `folder`.

    DataError where there is none; ConfigError for a URL, since then no picture of the column is at hand.
    """
    if isinstance(found, dict):
        found = found["path"] if found.get("bytes") is None else found["bytes"]
    if isinstance(found, bytes):
        return found
    if not isinstance(found, str):
        raise DataError(f"no picture but {type(found).__name__}")
    if URL.match(found):
        raise ConfigError(
            f"source columns: the pictures are URLs ({found}), which are not fetched; "
            "download them and name their folder as source.image_folder"
        )
    if folder is None:
        raise ConfigError(
            f"source columns: the pictures are files ({found}); name their folder as source.image_folder"
        )
    path = (folder / found).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(f"picture {found!r} lies outside of {folder}")
    if not path.is_file():
        raise DataError(f"no file {found!r} in {folder}")
    return path.read_bytes()


def check_picture(data: bytes) -> None:
    """DataError if Pillow cannot decode the picture to its end, or it has more pixels than Pillow's own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.draft(
                    "L", (1, 1)
                )  # an eighth of a JPEG's size: read to the end all the same, but faster
                image.load()
        except UnidentifiedImageError as error:
            raise DataError("not a picture of a format that Pillow reads") from error
        except Exception as error:  # its decoders raise many types
            raise DataError(f"broken picture: {error}") from error
