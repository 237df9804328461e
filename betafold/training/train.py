"""Train a torsion model: first the torsions, then the confidence in them."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from betafold.errors import BetaFoldError
from betafold.models.torsion import TorsionModel
from betafold.provenance import provenance
from betafold.structures.samples import Sample
from betafold.training.checkpoint import save_checkpoint
from betafold.training.confidence import fit_confidence
from betafold.training.dataset import PeptideDataset, data_sha256, in_split
from betafold.training.device import choose_device, reproducible
from betafold.training.run import RunState, load_run
from betafold.training.spec import Spec
from betafold.training.trainer import TorsionTrainer


def train(
    spec: Spec,
    samples: list[Sample],
    embeddings: dict[str, np.ndarray],
    embedding_attrs: dict,
    split: pd.DataFrame,
    out_dir: str | os.PathLike,
    *,
    device: str = "auto",
    threads: int = 1,
    on_change: str = "refuse",
    max_minutes: float | None = None,
) -> Path:
    """Train until the validation loss stops falling; return the path of ``best.pt``.

    ``out_dir`` receives ``best.pt`` (checkpoint), ``last.pt`` (resume state) and ``history.tsv`` after every
    epoch. If it already holds a ``last.pt``, training goes on from there and, on the same kind of device,
    ends in the same weights as a run that was never interrupted; a run with another spec, data, weights or
    code is refused, or replaced with ``on_change="restart"``. ``max_minutes`` ends the first stage early.
    """
    out = Path(out_dir)
    torch_device = choose_device(device)
    meta = _meta(spec, samples, embedding_attrs, split)
    identity = {
        "spec": spec.as_dict(),
        **{key: meta[key] for key in ("data_sha256", "weights_sha256", "layer", "code_digest")},
    }
    run = _open_run(out / "last.pt", identity, on_change)
    training, validation = _datasets(spec, samples, embeddings, split)
    meta |= {"n_training": len(training), "n_validation": len(validation)}
    with reproducible(spec.training.seed, threads):
        trainer = TorsionTrainer(TorsionModel(spec.model), spec.training, training, validation, torch_device)
        if run.trainer:
            done = "nothing left to train" if run.finished else f"going on after epoch {run.trainer['epoch']}"
            _say(f"{out}: {done}")
            trainer.load_state_dict(run.trainer)
            # The other files follow from the state: they may have been removed, or be one epoch behind.
            _write(run, trainer.evaluated, meta, out)
        while not run.finished:
            if run.stop_reason:
                _second_stage(run, trainer)
            else:
                _one_epoch(run, trainer, max_minutes)
            _write(run, trainer.evaluated, meta, out)
    best = run.best_row
    _say(
        f"{out / 'best.pt'}: epoch {best['epoch']} ({run.stop_reason}), "
        f"validation loss {best['validation_loss']:.3f}, CA-RMSD {best['validation_ca_rmsd']:.2f} A"
    )
    return out / "best.pt"


def _open_run(path: Path, identity: dict, on_change: str) -> RunState:
    try:
        return load_run(path, identity) or RunState(identity)
    except BetaFoldError:
        if on_change != "restart":
            raise
        return RunState(identity)


def _datasets(
    spec: Spec, samples: list[Sample], embeddings: dict[str, np.ndarray], split: pd.DataFrame
) -> tuple[PeptideDataset, PeptideDataset]:
    """Training and validation set, without kinds of weight 0."""
    weights = spec.training.kind_weights
    datasets = []
    for name in ("train", "validation"):
        chosen = [sample for sample in in_split(samples, split, name) if weights[sample.kind] > 0]
        if not chosen:
            raise BetaFoldError(
                f"split {name}: no sample with a weight above 0; check split.tsv and kind_weights"
            )
        datasets.append(PeptideDataset(chosen, embeddings, weights))
    width = datasets[0][0][0].shape[-1]
    if width != spec.model.input_dim:
        raise BetaFoldError(
            f"model.input_dim: is {spec.model.input_dim}, the embeddings have {width} features"
        )
    return datasets[0], datasets[1]


def _one_epoch(run: RunState, trainer: TorsionTrainer, max_minutes: float | None) -> None:
    """Train one epoch; keep the model if it is the best so far; decide whether to stop."""
    start = time.monotonic()
    row = {"stage": "torsions", **trainer.run_epoch()}
    row["seconds"] = time.monotonic() - start
    run.history.append(row)
    run.trainer = trainer.state_dict()
    if not run.best or row["validation_loss"] < run.best_row["validation_loss"]:
        run.best = {name: value.detach().clone() for name, value in trainer.evaluated.state_dict().items()}
        run.best_row = row
    minutes = sum(row["seconds"] for row in run.history) / 60
    if trainer.epoch >= trainer.config.epochs:
        run.stop_reason = "all epochs done"
    elif trainer.epoch - run.best_row["epoch"] >= trainer.config.patience:
        run.stop_reason = f"no improvement in {trainer.config.patience} epochs"
    elif max_minutes is not None and minutes >= max_minutes:
        run.stop_reason = f"time limit of {max_minutes:g} minutes"


def _second_stage(run: RunState, trainer: TorsionTrainer) -> None:
    """Fit the confidence head of the best model; the run is finished then."""
    model = trainer.evaluated
    model.load_state_dict(run.best)
    run.history += fit_confidence(model, trainer.training, trainer.validation, trainer.config, trainer.device)
    run.best = model.state_dict()
    run.finished = True


def _write(run: RunState, model: TorsionModel, meta: dict, out: Path) -> None:
    """Resume state first: the other two files follow from it."""
    run.save(out / "last.pt")
    run.write_history(out / "history.tsv")
    validation = {
        key.removeprefix("validation_"): v for key, v in run.best_row.items() if "validation_" in key
    }
    state = {"epoch": run.best_row["epoch"], "stop_reason": run.stop_reason, "finished": run.finished}
    save_checkpoint(out / "best.pt", model, meta | state | {"validation": validation}, run.best)


def _meta(spec: Spec, samples: list[Sample], embedding_attrs: dict, split: pd.DataFrame) -> dict:
    """What a checkpoint says about its origin, apart from how training went."""
    return {
        "family": "torsion",
        "spec": spec.as_dict(),
        "seed": spec.training.seed,
        "esm": embedding_attrs["model"],
        "layer": int(embedding_attrs["layer"]),
        "weights_sha256": embedding_attrs["weights_sha256"],
        "data_sha256": data_sha256(samples, split),
        "confidence_fitted_on": "train, then validation",
        **provenance("train"),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr)
