"""Format and size of a picture, from the beginning of its file. Pure; nothing is decoded.

Only headers are read, so a file that claims a billion pixels costs no more than another.
"""

import io
import warnings
from dataclasses import dataclass

from PIL import Image

from digest.articles.pictures import kinds

# Where the size stands: most say it in the first kilobyte, photographs with a preview and colour profile late.
MOST = 256 * 1024
_STEPS = (1024, 4096, 16_384, 65_536, MOST)
_READERS = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF"}
_SIDEWAYS = {5, 6, 7, 8}  # EXIF: turned by a quarter before it is shown
_ORIENTATION = 0x0112
# Whatever a header can do to a reader of headers.
_TROUBLE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, MemoryError,
            Image.DecompressionBombError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """`kind` is empty for what is no picture we know; sizes are 0 where they were not found."""

    kind: str
    width: int = 0
    height: int = 0


def read(start: bytes) -> Seen:
    kind = kinds.of_bytes(start)
    return Seen(kind, *_size(start, kind)) if kind in _READERS else Seen(kind)


def is_enough(start: bytes) -> bool:
    """Whether reading on would tell nothing more. Asked for each piece that arrives, so it looks at steps only."""
    if len(start) >= MOST or (len(start) >= 16 and kinds.of_bytes(start) not in _READERS):
        return True
    return any(len(start) >= step for step in _STEPS) and read(start).width > 0


def _size(start: bytes, kind: str) -> tuple[int, int]:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(start), formats=[_READERS[kind]]) as image:
            width, height = image.size
            is_sideways = kind == "jpeg" and image.getexif().get(_ORIENTATION) in _SIDEWAYS
            return (height, width) if is_sideways else (width, height)
    except _TROUBLE:
        return 0, 0
