"""Evaluate a checkpoint and the trivial baselines on the held-out peptides of a split."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from betafold.embeddings.store import check_weights, read_embeddings
from betafold.errors import BetaFoldError
from betafold.evaluation import baselines, table
from betafold.files import write_beside
from betafold.models.inputs import inference_batches, pad_inputs
from betafold.models.stored import StoredModel
from betafold.prediction.candidates import DEFAULT_SETTINGS, ConformerSettings
from betafold.prediction.conformers import Conformers, build_conformers
from betafold.provenance import file_sha256, provenance
from betafold.structures.labels import labels_attrs, read_labels
from betafold.structures.samples import Sample
from betafold.structures.split import read_split
from betafold.training.checkpoint import read_checkpoint
from betafold.training.device import choose_device

SPLITS = ("validation", "calibration", "test")
MAX_FRAGMENTS = 1000
MAX_CHAINS = 1000


def evaluate_checkpoint(
    checkpoint: Path,
    labels: Sequence[Path],
    embeddings: Sequence[Path] | None,
    split_path: Path,
    out: Path,
    *,
    name: str | None = None,
    weights: str | None = None,
    device: str = "auto",
    seed: int = 0,
    settings: ConformerSettings = DEFAULT_SETTINGS,
    max_fragments: int = MAX_FRAGMENTS,
    max_chains: int = MAX_CHAINS,
    n_threads: int = 1,
) -> None:
    """Write ``out`` (rows of model and baselines), its residue table and its provenance.

    For ``out`` = ``DIR/NAME.tsv`` these are ``DIR/NAME.residues.tsv.gz`` and ``DIR/NAME.json``. The
    model's rows carry ``name``, by default NAME. Of the fragments of each held-out part at most
    ``max_fragments`` are evaluated (see :func:`thin`): those of one chain overlap and say little more. Of its whole
    chains at most ``max_chains`` are: each takes seconds.
    ``embeddings`` are for families that read them, ``weights`` for those that adapt a backbone (None = its usual
    source). Peptides that are longer than the model takes are left out, of the baselines too.
    """
    name = name or out.stem
    if name in baselines.METHODS:
        raise BetaFoldError(f"--name {name}: that is a baseline's name; call the model something else")
    torch.set_num_threads(n_threads)
    device = choose_device(device)
    stored = read_checkpoint(checkpoint)
    features = _features(stored, embeddings, checkpoint)
    split = read_split(split_path)
    train, held_out = _divide(read_labels(labels), split, stored.max_length)
    held_out = _thin_aloud(held_out, split, {"fragment": max_fragments, "chain": max_chains})
    if features is not None:
        _check_features(held_out, features)
    model = stored.build(weights, device)
    conformers = _conformers(model, device, held_out, features, seed, settings, n_threads)

    predictions = [_of_item(conformers.coords, index, sample) for index, sample in enumerate(held_out)]
    plddt = [conformers.plddt[0, index, : len(sample.sequence)] for index, sample in enumerate(held_out)]
    ours = table.rows(held_out, split, name, predictions)
    ours["plddt_raw"] = conformers.mean_plddt[0]
    ours["expected_rmsd"] = conformers.expected_rmsd[0]
    ours = ours.join(pd.DataFrame(conformers.diagnostics, index=ours.index))
    rows = [ours, *_baseline_rows(train, held_out, split, seed)]
    residues = table.residue_rows(held_out, split, predictions, plddt)

    record = provenance(
        "evaluate",
        name=name,
        checkpoint_sha256=file_sha256(checkpoint),
        split_sha256=file_sha256(split_path),
        data_sha256=sorted(labels_attrs(path)["data_sha256"] for path in labels),
        weights_sha256=stored.meta["weights_sha256"],
        training=stored.meta,
        conformers=asdict(settings),
        seed=seed,
        peptides=len(held_out),
        training_peptides=len(train),
        max_fragments=max_fragments,
        max_chains=max_chains,
    )
    with write_beside(table.residues_path(out)) as partial:
        table.write_table(residues, partial)
    with write_beside(out.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(record, indent=1, default=str) + "\n")
    with write_beside(out) as partial:
        table.write_table(pd.concat(rows, ignore_index=True), partial)


def _features(
    stored: StoredModel, embeddings: Sequence[Path] | None, checkpoint: Path
) -> dict[str, np.ndarray] | None:
    """Embeddings by sample id, made with the weights the model was trained on; None for families that read none."""
    if not stored.family.reads_embeddings:
        return None
    if not embeddings:
        raise BetaFoldError(
            f"{checkpoint}: a {stored.family_name} model reads embeddings; make them with `betafold embed`, "
            "give --embeddings"
        )
    features, attrs = read_embeddings(embeddings)
    check_weights(attrs, stored.meta["weights_sha256"], f"the checkpoint {checkpoint}")
    return features


def _divide(samples: list[Sample], split: pd.DataFrame, max_length: int) -> tuple[list[Sample], list[Sample]]:
    """Training samples and held-out samples of at most ``max_length`` residues."""
    known = [sample for sample in samples if sample.id in split.index and sample.length <= max_length]
    train = [sample for sample in known if split.at[sample.id, "split"] == "train"]
    held_out = [sample for sample in known if split.at[sample.id, "split"] in SPLITS]
    if not train or not held_out:
        raise BetaFoldError(
            f"the split holds {len(train)} training and {len(held_out)} held-out peptides of these labels; "
            "make split and labels from the same data"
        )
    return train, held_out


def _check_features(held_out: list[Sample], features: dict[str, np.ndarray]) -> None:
    missing = [sample.id for sample in held_out if sample.id not in features]
    if missing:
        raise BetaFoldError(
            f"no embedding for {len(missing)} peptides, {missing[0]} the first; run betafold embed on the same labels"
        )


def thin(samples: list, split: pd.DataFrame, most: int, kind: str = "fragment") -> list:
    """All samples of other kinds, and of each part of the split at most ``most`` of ``kind``.

    Those are taken from the clusters in turn, in the order of a hash of their ids, so that every
    cluster is heard before any is heard twice. The order of the samples is kept.
    """
    ids = [sample.id for sample in samples if sample.kind == kind]
    table = split.loc[ids, ["split", "cluster"]]
    table["hash"] = [hashlib.sha256(identifier.encode()).hexdigest() for identifier in ids]
    table = table.sort_values("hash")
    table["turn"] = table.groupby(["split", "cluster"]).cumcount()
    table = table.sort_values(["turn", "hash"])
    kept = set(table.groupby("split").head(most).index)
    return [sample for sample in samples if sample.kind != kind or sample.id in kept]


def _thin_aloud(samples: list, split: pd.DataFrame, most: dict[str, int]) -> list:
    """``thin`` for each kind; a line on stderr says how many of a kind were left out."""
    for kind, number in most.items():
        everyone, samples = len(samples), thin(samples, split, number, kind)
        if left_out := everyone - len(samples):
            print(
                f"{left_out} held-out samples of kind {kind} are not evaluated: at most {number} of each part of the "
                f"split are (--max-{kind}s)",
                file=sys.stderr,
            )
    return samples


def _of_item(values: np.ndarray, index: int, sample) -> np.ndarray:
    """Conformers [K, L, ...] of one peptide of a padded batch [K, B, L, ...]."""
    return values[:, index, : len(sample.sequence)].astype(np.float64)


def _conformers(
    model: nn.Module,
    device: torch.device,
    samples: list[Sample],
    features: dict[str, np.ndarray] | None,
    seed: int,
    settings: ConformerSettings,
    n_threads: int,
) -> Conformers:
    """Ranked conformers of all samples, run through the model in batches."""
    parts = []
    batches = list(inference_batches([sample.length for sample in samples]))
    for places in tqdm(batches, desc="conformers", unit="batch", disable=None):
        batch = [samples[place] for place in places]
        inputs = pad_inputs(
            [sample.sequence for sample in batch],
            None if features is None else [features[sample.id] for sample in batch],
        )
        parts += _split_batch(
            build_conformers(model, inputs.to(device), table.CONFORMERS, seed, settings, n_threads)
        )
    return Conformers.stack(parts)


def _split_batch(batch: Conformers) -> list[Conformers]:
    """The peptides of a batch as batches of one, without padding."""
    return [
        Conformers(
            lengths=batch.lengths[index : index + 1],
            torsions=batch.torsions[:, index : index + 1, :length],
            coords=batch.coords[:, index : index + 1, :length],
            plddt=batch.plddt[:, index : index + 1, :length],
            expected_rmsd=batch.expected_rmsd[:, index : index + 1],
            diagnostics=batch.diagnostics[index : index + 1],
        )
        for index, length in enumerate(batch.lengths)
    ]


def _baseline_rows(train: list, held_out: list, split: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Rows of every trivial baseline, built by the same NeRF and scored by the same code."""
    fitted = baselines.train_baselines(
        [sample.sequence for sample in train], [sample.torsions for sample in train], seed=seed
    )
    rows = []
    for method, predict in fitted.items():
        predictions = [baselines.build(predict(sample.id, sample.sequence)) for sample in held_out]
        rows.append(table.rows(held_out, split, method, predictions))
    return rows
