"""Files and folders appear under their final name only when they are complete."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_beside(final: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path next to ``final``; rename it to ``final`` if the block succeeds.

    The block creates a file or a folder at the yielded path. If it raises, whatever it created is
    removed and an existing ``final`` stays as it was.
    """
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept last: many writers choose the format (or compression) by it.
    partial = final.with_name(f".{uuid.uuid4().hex[:8]}.partial.{final.name}")
    try:
        yield partial
        if final.is_dir():
            shutil.rmtree(final)
        os.replace(partial, final)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)
