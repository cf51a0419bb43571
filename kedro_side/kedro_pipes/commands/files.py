"""Files that a command makes for the user: written unless they are there, and told.

Knows paths and texts, not what is in them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kedro_pipes.commands.project import say


def write_files(texts: Mapping[Path, str], *, force: bool) -> bool:
    """Write files and say which; one that is there is kept, unless forced.

    Args:
        texts: What goes into each.
        force: Whether to write over what is there.

    Returns:
        Whether anything was written.
    """
    kept = [path for path in texts if path.exists() and not force]
    written = [path for path in texts if path not in kept]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
    for verb, paths in (("Wrote", written), ("Kept", kept)):
        for path in paths:
            say(f"{verb} {relative(path)}")
    if not written:
        say("Nothing was written: every file is there already. Overwrite them with --force.")
    return bool(written)


def relative(path: Path) -> str:
    """Return a path as it is seen from the working directory."""
    return os.path.relpath(path)
