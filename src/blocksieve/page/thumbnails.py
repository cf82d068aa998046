"""Pictures for the page: small ones as they are, others as thumbnails, each once."""

import base64
import hashlib
import io

from PIL import Image

MAX_SIDE = 256
QUALITY = 70
KEPT_BYTES = 8_000
"""Pictures of up to so many bytes stay as they are, if browsers show their format."""
MIME_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}


class Pictures:
    """The pictures of a page as data URIs, until their budget of characters is used up."""

    def __init__(self, budget: int) -> None:
        self.uris: list[str] = []
        self.left_out: set[str] = set()
        self._budget = budget
        self._places: dict[str, int] = {}

    def add(self, encoded: bytes) -> int | None:
        """Return the place of a picture in `uris`; None where the budget is used up."""
        digest = hashlib.sha256(encoded).hexdigest()
        if digest in self._places:
            return self._places[digest]
        if digest in self.left_out or self._budget <= 0:
            self.left_out.add(digest)
            return None
        uri = data_uri(encoded)
        if len(uri) > self._budget:
            self.left_out.add(digest)
            return None
        self._budget -= len(uri)
        self._places[digest] = len(self.uris)
        self.uris.append(uri)
        return self._places[digest]


def data_uri(encoded: bytes) -> str:
    """Return a picture as a data URI, made smaller if it is large."""
    with Image.open(io.BytesIO(encoded)) as picture:
        mime_type = MIME_TYPES.get(picture.format or "")
        if mime_type is None or len(encoded) > KEPT_BYTES:
            mime_type = MIME_TYPES["JPEG"]
            encoded = _thumbnail(picture)
    text = base64.b64encode(encoded).decode("ascii")
    return f"data:{mime_type};base64,{text}"


def _thumbnail(picture: Image.Image) -> bytes:
    small = picture.convert("RGBA")
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    on_white = Image.new("RGB", small.size, "white")
    on_white.paste(small, mask=small.getchannel("A"))
    buffer = io.BytesIO()
    on_white.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
