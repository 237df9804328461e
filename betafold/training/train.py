"""Train a model of any family: first its structures, then the confidence in them."""

import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from betafold.errors import BetaFoldError
from betafold.provenance import provenance
from betafold.structures.samples import Sample
from betafold.training.checkpoint import save_adapter, save_checkpoint
from betafold.training.confidence import fit_confidence
from betafold.training.dataset import PeptideDataset, data_sha256, in_split
from betafold.training.device import choose_device, reproducible
from betafold.training.families import trainer_class
from betafold.training.run import RunState, load_run
from betafold.training.spec import Spec
from betafold.training.trainer import Trainer

MEGABYTE = 2**20


def train(
    spec: Spec,
    samples: list[Sample],
    embeddings: dict[str, np.ndarray] | None,
    embedding_attrs: dict | None,
    split: pd.DataFrame,
    out_dir: str | os.PathLike,
    *,
    weights: str | None = None,
    device: str = "auto",
    threads: int = 1,
    on_change: str = "refuse",
    max_minutes: float | None = None,
) -> Path:
    """Train until the validation loss stops falling; return the path of ``best.pt``.

    ``embeddings`` and ``embedding_attrs`` are for families that read them; ``weights`` says where a family that
    adapts a backbone finds it (None = the spec's or the usual source). Samples that are longer than the model
    takes are left out.

    ``out_dir`` receives ``best.pt`` (checkpoint), ``last.pt`` (resume state) and ``history.tsv`` after every
    epoch, and ``adapter.safetensors`` (the checkpoint's tensors) where a backbone is adapted. If it already
    holds a ``last.pt``, training goes on from there and, on the same kind of device, ends in the same weights
    as a run that was never interrupted; a run with another spec, data, weights or code is refused, or replaced
    with ``on_change="restart"``. ``max_minutes`` ends the first stage early.
    """
    out = Path(out_dir)
    torch_device = choose_device(device)
    if spec.family.reads_embeddings and embeddings is None:
        raise BetaFoldError(
            f"a {spec.family_name} model reads embeddings: make them with `betafold embed`, give --embeddings"
        )
    training, validation = _datasets(spec, samples, embeddings, split)
    with reproducible(spec.training.seed, threads):
        model = spec.family.build(spec.model, weights, torch_device)
        meta = _meta(spec, model, samples, embedding_attrs, split)
        run = _open_run(out / "last.pt", _identity(spec, meta), on_change)
        meta |= {"n_training": len(training), "n_validation": len(validation)}
        trainer = trainer_class(spec.family_name)(model, spec.training, training, validation, torch_device)
        if run.trainer:
            done = "nothing left to train" if run.finished else f"going on after epoch {run.trainer['epoch']}"
            _say(f"{out}: {done}")
            trainer.load_state_dict(run.trainer)
            # The other files follow from the state: they may have been removed, or be one epoch behind.
            _write(run, trainer, meta, out)
        else:
            _say(f"{out}: {meta['trainable_parameters']:,} of {meta['parameters']:,} parameters are trained")
        while not run.finished:
            if run.stop_reason:
                _second_stage(run, trainer)
            else:
                _one_epoch(run, trainer, max_minutes)
            _write(run, trainer, meta, out)
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
    spec: Spec, samples: list[Sample], embeddings: dict[str, np.ndarray] | None, split: pd.DataFrame
) -> tuple[PeptideDataset, PeptideDataset]:
    """Training and validation set, without kinds of weight 0 and chains that the model does not take."""
    weights = spec.training.kind_weights
    longest = spec.family.max_length(spec.model)
    if spec.family.learns_torsions:
        samples = _with_torsions(samples, spec.family_name)
    datasets = []
    for name in ("train", "validation"):
        chosen = [
            sample
            for sample in in_split(samples, split, name)
            if weights[sample.kind] > 0 and sample.length <= longest
        ]
        if not chosen:
            raise BetaFoldError(
                f"split {name}: no sample with a weight above 0; check split.tsv and kind_weights"
            )
        datasets.append(PeptideDataset(chosen, embeddings if spec.family.reads_embeddings else None, weights))
    x = datasets[0][0].x
    if x is not None and x.shape[-1] != spec.model.input_dim:
        raise BetaFoldError(
            f"model.input_dim: is {spec.model.input_dim}, the embeddings have {x.shape[-1]} features"
        )
    return datasets[0], datasets[1]


def _with_torsions(samples: list[Sample], family: str) -> list[Sample]:
    """The samples of which more than CA is known; BetaFoldError if there is none."""
    known = [sample for sample in samples if not sample.ca_only]
    if len(known) < len(samples):
        reason = f"only CA atoms are known of {len(samples) - len(known)} samples, a {family} model needs N, CA and C"
        if not known:
            raise BetaFoldError(f"{reason}; train a model of the mtp family on them")
        _say(f"{reason}: they are left out")
    return known


def _one_epoch(run: RunState, trainer: Trainer, max_minutes: float | None) -> None:
    """Train one epoch; keep the model if it is the best so far; decide whether to stop."""
    start = time.monotonic()
    row = {"stage": trainer.stage, **trainer.run_epoch()}
    row["seconds"] = time.monotonic() - start
    row["memory_mb"] = _peak_memory(trainer.device)
    run.history.append(row)
    run.trainer = trainer.state_dict()
    if not run.best or row["validation_loss"] < run.best_row["validation_loss"]:
        state = trainer.family.state(trainer.evaluated)
        run.best = {name: value.detach().clone() for name, value in state.items()}
        run.best_row = row
    minutes = sum(row["seconds"] for row in run.history) / 60
    if trainer.epoch >= trainer.config.epochs:
        run.stop_reason = "all epochs done"
    elif trainer.epoch - run.best_row["epoch"] >= trainer.config.patience:
        run.stop_reason = f"no improvement in {trainer.config.patience} epochs"
    elif max_minutes is not None and minutes >= max_minutes:
        run.stop_reason = f"time limit of {max_minutes:g} minutes"


def _peak_memory(device: torch.device) -> int:
    """Most memory in MB that the process has held, of the GPU where it trains on one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // MEGABYTE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // MEGABYTE if sys.platform == "darwin" else peak // 1024


def _second_stage(run: RunState, trainer: Trainer) -> None:
    """Fit the confidence head of the best model; the run is finished then."""
    trainer.family.load_state(trainer.evaluated, run.best)
    run.history += fit_confidence(trainer)
    run.best = trainer.family.state(trainer.evaluated)
    run.finished = True


def _write(run: RunState, trainer: Trainer, meta: dict, out: Path) -> None:
    """Resume state first: the other files follow from it."""
    run.save(out / "last.pt")
    run.write_history(out / "history.tsv")
    validation = {
        key.removeprefix("validation_"): v for key, v in run.best_row.items() if "validation_" in key
    }
    state = {"epoch": run.best_row["epoch"], "stop_reason": run.stop_reason, "finished": run.finished}
    meta = meta | state | {"validation": validation}
    save_checkpoint(out / "best.pt", trainer.evaluated, meta, run.best)
    if not trainer.family.reads_embeddings:  # it adapts a backbone
        save_adapter(out / "adapter.safetensors", trainer.evaluated, meta, run.best)


def _meta(
    spec: Spec, model: nn.Module, samples: list[Sample], embedding_attrs: dict | None, split: pd.DataFrame
) -> dict:
    """What a checkpoint says about its origin, apart from how training went."""
    parameters = list(model.parameters())
    return {
        "family": spec.family_name,
        "spec": spec.as_dict(),
        "seed": spec.training.seed,
        **spec.family.origin(model, embedding_attrs),
        "data_sha256": data_sha256(samples, split),
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "confidence_fitted_on": "train, then validation",
        **provenance("train"),
    }


def _identity(spec: Spec, meta: dict) -> dict:
    """What a resumed run must share with the one that began."""
    names = ("data_sha256", "weights_sha256", "layer", "backbone", "code_digest")
    return {"spec": spec.as_dict(), **{name: meta[name] for name in names if name in meta}}


def _say(line: str) -> None:
    print(line, file=sys.stderr)
