"""Where the shipped data lies, and the sandboxed Jinja environment all templates share.

Inside a wheel `templates/` and `config/` live under `digest/_data`; in a checkout they stand beside the package.
Never renders by itself.
"""

from collections.abc import Iterable
from pathlib import Path

import jinja2
from jinja2 import bccache, sandbox

PACKAGE = Path(__file__).resolve().parent


class _Compiled(jinja2.BytecodeCache):
    """Templates once compiled, for all environments of this process: notices and layouts lie over the same files, and
    compiling is most of what starting takes. Jinja compares the source, so an edited file is compiled anew.
    """

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: bccache.Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: bccache.Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def data_dir(name: str) -> Path:
    """The folder `templates` or `config` as shipped."""
    packed = PACKAGE / "_data" / name
    # An editable install has no packed copy (hatchling's force-include is for wheels only).
    return packed if packed.is_dir() else PACKAGE.parent / name


def environment(folders: Iterable[Path]) -> jinja2.Environment:
    """A sandboxed environment over these folders, the first that has a file wins.

    HTML is escaped by file name; an unknown variable is an error, not an empty string.
    """
    return sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        bytecode_cache=_COMPILED,
        autoescape=jinja2.select_autoescape(["html", "xml"], default=False),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
