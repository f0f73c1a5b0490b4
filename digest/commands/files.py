"""Files a verb leaves: whole or not at all, so that whoever watches the folder never opens half of one."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    return draft.replace(path)
