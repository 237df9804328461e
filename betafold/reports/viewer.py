"""3Dmol.js, the viewer inside pages of structures: from the npm registry, pinned by hash, kept in the user's cache."""

import hashlib
import http.client
import io
import os
import re
import sys
import tarfile
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

import tenacity

from betafold import __version__
from betafold.embeddings.weights import cache_folder
from betafold.errors import BetaFoldError
from betafold.files import write_beside

NAME, VERSION, LICENCE_NAME = "3dmol", "2.5.5", "BSD-3-Clause"
TARBALL_SHA256 = "26d91c5036d4efe78fc032c22cb692fea92bbb3cb1e65d20bf3869673fb3d8f5"
MEMBERS = {
    "package/build/3Dmol-min.js": "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016",
    "package/LICENSE": "4c6eaaed856f3f28a3b1a98e74f4a8a71618de7d51ea4155c29f6f793bcef861",
}
"""What is taken from the tarball, with the SHA-256 of each."""

REGISTRY = "https://registry.npmjs.org"
MAX_BYTES = 32 * 2**20
TIMEOUT_SECONDS = 60
ATTEMPTS = 3
GET_IT = "betafold fetch viewer"


@dataclass(frozen=True)
class Viewer:
    """The viewer's JavaScript and the text of its licence."""

    script: str
    licence: str


def viewer_folder(cache_dir: str | os.PathLike | None = None) -> Path:
    """Where the viewer is kept, beside the ESM-2 weights; ``cache_dir`` as in ``cache_folder``."""
    return cache_folder(cache_dir) / f"{NAME}-{VERSION}"


def find_viewer(cache_dir: str | os.PathLike | None = None) -> Viewer | None:
    """The viewer in the cache, None where it is not there or not whole."""
    texts = []
    for member, sha256 in MEMBERS.items():
        try:
            data = (viewer_folder(cache_dir) / Path(member).name).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        texts.append(data.decode("utf-8"))
    return Viewer(*texts)


def fetch_viewer(
    registry: str | None = None,
    cache_dir: str | os.PathLike | None = None,
    retry_seconds: float = 1.0,
) -> Path:
    """Folder of the viewer; fetched from an npm registry unless it is in the cache.

    Args:
        registry: base address; None is the user's own, see :func:`npm_registry`.
        retry_seconds: first pause after a failure that may pass; it doubles.

    Raises BetaFoldError if the registry cannot be reached or gives another file, or the cache cannot be written.
    """
    folder = viewer_folder(cache_dir)
    if find_viewer(cache_dir):
        return folder
    registry = registry or npm_registry()
    if not re.match(r"https?://\S+$", registry):
        raise BetaFoldError(f"npm registry {registry}: not an http:// or https:// address")
    url = f"{registry.rstrip('/')}/{NAME}/-/{NAME}-{VERSION}.tgz"
    print(f"betafold: downloading 3Dmol.js {VERSION} (4 MB) from {url}", file=sys.stderr)
    members = unpack(_download(url, retry_seconds))
    try:
        with write_beside(folder) as partial:
            partial.mkdir()
            for name, data in members.items():
                (partial / name).write_bytes(data)
    except OSError as error:
        raise BetaFoldError(
            f"{folder}: cannot be written ({error.strerror or error}): set BETAFOLD_CACHE to a writable folder"
        ) from error
    return folder


def npm_registry() -> str:
    """The registry npm would ask: ``npm_config_registry`` in any case, ``registry=`` of ~/.npmrc, or npm's own."""
    settings = {name.lower(): value for name, value in os.environ.items() if value}
    if address := settings.get("npm_config_registry"):
        return address
    file = Path(settings.get("npm_config_userconfig") or Path.home() / ".npmrc")
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return REGISTRY
    found = re.findall(r"""^[ \t]*registry[ \t]*=[ \t]*["']?([^\s"';#]+)""", text, re.MULTILINE)
    if not found:
        return REGISTRY
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), found[-1])


def _download(url: str, retry_seconds: float) -> bytes:
    """The pinned tarball at ``url``; BetaFoldError, one line with the remedy, where it cannot be had."""

    def may_pass(error: BaseException) -> bool:
        if isinstance(error, urllib.error.HTTPError):
            return error.code >= 500 or error.code in (408, 429)
        return isinstance(error, OSError | http.client.HTTPException)

    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=retry_seconds, max=30),
        reraise=True,
    )
    try:
        data = retry(_read, url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise BetaFoldError(
            f"cannot download 3Dmol.js from {url} ({reason}): check the network, or give another npm registry "
            "with --registry or npm_config_registry"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != TARBALL_SHA256:
        raise BetaFoldError(
            f"{url}: not the file that is known as 3Dmol.js {VERSION} (sha256 {digest[:16]}..., expected "
            f"{TARBALL_SHA256[:16]}...): use another npm registry with --registry"
        )
    return data


def _read(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": f"betafold/{__version__}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        return response.read(MAX_BYTES)


def unpack(tarball: bytes) -> dict[str, bytes]:
    """Bare name -> bytes of :data:`MEMBERS`. All else is passed over, and no path of the tarball is ever used.

    Raises BetaFoldError if the tarball is damaged, or a member is absent, no plain file or not the pinned one.
    """
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
            for member in archive:
                if member.name in MEMBERS and member.isfile() and member.size <= MAX_BYTES:
                    found[member.name] = archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BetaFoldError(f"3Dmol.js {VERSION}: damaged tarball ({error})") from error
    for name, sha256 in MEMBERS.items():
        if name not in found:
            raise BetaFoldError(f"3Dmol.js {VERSION}: no plain file {name} in the tarball")
        if hashlib.sha256(found[name]).hexdigest() != sha256:
            raise BetaFoldError(f"3Dmol.js {VERSION}: {name} in the tarball is not the known file")
    return {Path(name).name: data for name, data in found.items()}
