"""Where the shipped data lies, and the sandboxed Jinja environment all templates share.

Inside a wheel `templates/` and `config/` live under `digest/_data`; in a checkout they stand beside the package.
Never renders by itself.
"""

from collections.abc import Iterable
from pathlib import Path

import jinja2
from jinja2 import sandbox

PACKAGE = Path(__file__).resolve().parent


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
        autoescape=jinja2.select_autoescape(["html", "xml"], default=False),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
