"""Walking a user's folder of structures."""

import os
from collections.abc import Iterator
from pathlib import Path


def walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """``(parent, folder names, file names)`` at any depth, sorted, without what is hidden.

    Links to folders are followed, as mirrors are often put together from them, but not those to a folder that
    they lie in.
    """
    above = {}  # folder -> real paths of itself and of all above it
    for name, folders, files in os.walk(folder, followlinks=True):
        parent, real = Path(name), os.path.realpath(name)
        upwards = above.get(parent.parent, frozenset())
        if real in upwards:
            folders.clear()
            continue
        above[parent] = upwards | {real}
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield parent, folders, sorted(name for name in files if not name.startswith("."))
