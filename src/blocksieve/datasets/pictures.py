"""Encoded pictures: how a table's cell gives one, and whether it can be decoded."""

import io
import re
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from blocksieve.errors import ConfigError, DataError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def picture_bytes(cell: Any, folder: Path | None) -> bytes:
    """Return the bytes of a picture from a table's cell.

    A cell holds bytes, a path below `folder`, or a struct with `bytes` or `path`. Raises DataError
    if it gives no picture; ConfigError for a URL, and for a path if there is no folder, since then
    no picture of the column can be read.
    """
    if isinstance(cell, dict):
        cell = cell["path"] if cell.get("bytes") is None else cell["bytes"]
    if isinstance(cell, bytes):
        return cell
    if not isinstance(cell, str):
        raise DataError(f"no picture but {type(cell).__name__}")
    if URL.match(cell):
        raise ConfigError(
            f"source columns: the pictures are URLs ({cell}), which are not fetched;"
            " download them and name their folder as source.image_folder"
        )
    if folder is None:
        raise ConfigError(
            f"source columns: the pictures are files ({cell});"
            " name their folder as source.image_folder"
        )
    path = (folder / cell).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(f"picture {cell!r} lies outside of {folder}")
    if not path.is_file():
        raise DataError(f"no file {cell!r} in {folder}")
    return path.read_bytes()


def check_picture(data: bytes) -> None:
    """Raise DataError if Pillow cannot decode a picture to its end.

    A picture with more pixels than Pillow's own limit is refused as well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as image:
                # Decodes a JPEG at an eighth of its size: faster, but still read to its end.
                image.draft("L", (1, 1))
                image.load()
        except UnidentifiedImageError as error:
            raise DataError("not a picture of a format that Pillow reads") from error
        except Exception as error:  # its decoders raise many types
            raise DataError(f"broken picture: {error}") from error
