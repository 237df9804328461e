"""Text files as users have them: gzipped or not, any line ends, and the ways in which they are broken."""

import gzip
import os
import zlib
from pathlib import Path

from betafold.errors import BetaFoldError

GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: str | os.PathLike) -> str:
    """Text of a plain or gzipped file, told apart by content and not by suffix.

    Raises BetaFoldError for a missing, unreadable, empty, truncated or binary file.
    """
    path = Path(path)
    if not path.is_file():
        raise BetaFoldError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    try:
        data = path.read_bytes()
        if data.startswith(GZIP_MAGIC):
            data = gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BetaFoldError(f"{path}: truncated or damaged gzip file; fetch it again") from error
    except OSError as error:
        raise BetaFoldError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.strip():
        raise BetaFoldError(f"{path}: the file is empty")
    if b"\0" in data:
        raise BetaFoldError(f"{path}: a binary file; give plain text (UTF-8), gzipped or not")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # never fails; only comments and names can hold such letters
