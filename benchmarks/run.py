"""Measures betafold_ext against its peers: `python benchmarks/run.py [--quick] [--only TASK] [--write]`.

Makes .venv-bench beside the checkout's .venv on the first run, with the pinned peers and a fresh build of the
extension, prints the table, and with --write puts it and its figure into docs/.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"


def install():
    """Creates the environment where it is missing and installs the checkout's current extension into it."""
    requirements = Path(__file__).with_name("requirements.txt")
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Alone and first, so that no CUDA build comes along.
        torch = next(line for line in requirements.read_text().splitlines() if line.startswith("torch=="))
        subprocess.run([*pip, torch], check=True)
        subprocess.run([*pip, "-r", requirements, "setuptools>=77", "cython>=3.1"], check=True)
        stamp.write_text(requirements.read_text())
    subprocess.run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", ROOT],
        check=True,
        cwd=VENV,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repeats, for a look")
    parser.add_argument("--only", default="", help="run the tasks whose name contains this")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its figure")
    parser.add_argument("--no-install", action="store_true", help="use .venv-bench as it is")
    arguments = parser.parse_args()
    if not arguments.no_install:
        install()
    command = [PYTHON, Path(__file__).with_name("measure.py"), "--quick" if arguments.quick else "--full"]
    command += ["--only", arguments.only] + (["--write"] if arguments.write else [])
    # One thread everywhere, before any library starts its pool.
    single = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    single["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, **single, "JAX_PLATFORMS": "cpu"}
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
