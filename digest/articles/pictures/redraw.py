"""A program of its own: a picture of a stranger on stdin, the same as a plain JPEG or PNG on stdout.

Decoders are large programs in C, fed by strangers. So they run apart from everything, without our secrets, with little
memory and time, and whoever started this ends it if need be. First comes a line of JSON: kind, width and height; or
`fault`, why there is no picture. Loads nothing of digest.
"""

import io
import json
import sys
import warnings
from typing import Any

from PIL import Image, ImageCms, ImageOps

READ = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
# 50 million take 200 MB to draw; cameras make fewer, and nobody needs more in a mail.
MOST_PIXELS = 50_000_000
MOST_MEMORY = 1_500_000_000
MOST_SECONDS = 20
# Twice the width of a mail's column, for sharp screens. Higher than three screens is no picture of an article.
WIDTH, HEIGHT = 1072, 3000
# Where more can hardly be seen: about 100 KB for a photograph. 4:2:0 is what every decoder of the last century knows.
QUALITY = 82
_TROUBLE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
            ZeroDivisionError, Image.DecompressionBombError)  # fmt: skip


class Unfit(Exception):
    """The text says why, in words for the operator."""


def main() -> int:
    _confine()
    try:
        facts, content = redraw(sys.stdin.buffer.read())
    except Unfit as unfit:
        facts, content = {"fault": str(unfit)}, b""
    except MemoryError:
        facts, content = {"fault": "it takes more memory than allowed"}, b""
    except _TROUBLE:
        facts, content = {"fault": "it is damaged, or no picture"}, b""
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + content)
    return 0


def redraw(original: bytes) -> tuple[dict[str, Any], bytes]:
    """Raises Unfit, MemoryError, or whatever Pillow raises for damaged files."""
    warnings.simplefilter("ignore")
    # Our own limit comes first; Pillow's must not say something else.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(original), formats=READ) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Unfit(f"it has {image.width} × {image.height} pixels, more than anybody needs")
        # JPEG can be decoded at a half, a quarter or an eighth, at a fraction of the time and memory.
        image.draft("RGB", (2 * WIDTH, 2 * HEIGHT))
        drawn = _sized(ImageOps.exif_transpose(image))
    is_clear = _is_clear(drawn)
    drawn = _coloured(drawn, "RGBA" if is_clear else "RGB")
    content = io.BytesIO()
    if is_clear:
        drawn.save(content, "PNG", optimize=True)
    else:
        drawn.save(content, "JPEG", quality=QUALITY, optimize=True, progressive=True, subsampling="4:2:0")
    facts = {"kind": "png" if is_clear else "jpeg", "width": drawn.width, "height": drawn.height}
    return facts, content.getvalue()


def _sized(image: Image.Image) -> Image.Image:
    """Never larger than it was. Of several frames the first."""
    ready = image.convert("RGBA") if image.mode in ("P", "PA", "LA", "1") or "transparency" in image.info else image
    scale = min(1.0, WIDTH / ready.width, HEIGHT / ready.height)
    size = (max(1, round(ready.width * scale)), max(1, round(ready.height * scale)))
    return ready.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) if size != ready.size else ready.copy()


def _is_clear(image: Image.Image) -> bool:
    """Whether something shines through. An alpha channel that is full everywhere is no reason for a PNG."""
    if "A" not in image.getbands():
        return False
    lowest = image.getchannel("A").getextrema()[0]
    return isinstance(lowest, int | float) and lowest < 250


def _coloured(image: Image.Image, mode: str) -> Image.Image:
    """In sRGB, without the profile: pictures from phones have wide colours, which look pale when it is lost."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L"):
        try:
            source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            changed = ImageCms.profileToProfile(image, source, target, outputMode=mode)
        except (ImageCms.PyCMSError, *_TROUBLE):
            changed = None
        if changed is not None:
            image = changed
    plain = image.convert(mode)
    plain.info.clear()  # place and time of a photograph, the name of a camera, a preview: none of it is for readers
    return plain


def _confine() -> None:
    try:
        import resource
    except ImportError:  # Windows, where digest is good for a look and not for service
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
