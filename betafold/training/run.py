"""What a training run leaves on disk, and how it is found again after being killed."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from betafold.errors import BetaFoldError
from betafold.files import write_beside
from betafold.training.checkpoint import read_payload

FORMAT = "betafold-training-1"
REMEDY = "give --on-change restart to train from scratch, or another --out"


@dataclass
class RunState:
    """A run after some epoch: the content of ``last.pt``.

    ``best.pt`` and ``history.tsv`` follow from it, so a run that was killed between writing two files, or
    whose results were removed, is whole again after it is resumed.
    """

    identity: dict  # spec, data_sha256, weights_sha256, code_digest: what a resumed run must share
    trainer: dict = field(default_factory=dict)
    best: dict = field(default_factory=dict)  # state dict of the best model so far
    best_row: dict = field(default_factory=dict)  # its row of the history
    history: list[dict] = field(default_factory=list)
    stop_reason: str = ""
    finished: bool = False

    def save(self, path: Path) -> None:
        with write_beside(path) as partial:
            torch.save({"format": FORMAT, **vars(self)}, partial)

    def write_history(self, path: Path) -> None:
        """One row per epoch, both stages; angles in degrees, RMSD in Angstrom, losses per residue."""
        with write_beside(path) as partial:
            pd.DataFrame(self.history).to_csv(partial, sep="\t", index=False, float_format="%.6g")


def load_run(path: Path, identity: dict) -> RunState | None:
    """The run in ``path``, or None where there is none.

    Raises BetaFoldError if it was made from another spec, data, weights or code, and names what differs.
    """
    if not path.exists():
        return None
    payload = read_payload(path, FORMAT)
    del payload["format"]
    run = RunState(**payload)
    differences = difference(run.identity, identity)
    if differences:
        raise BetaFoldError(f"{path}: this run began with another {', '.join(differences)}; {REMEDY}")
    return run


def difference(old: dict, new: dict, prefix: str = "") -> list[str]:
    """Names of the entries in which two nested dictionaries differ, with short values where they have any."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += difference(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} ({_short(a)}, now {_short(b)})")
    return found


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 16 else text[:8] + "..."
