"""Synthetic peptides and a pretended model, for tests of tables, calibration and pages."""

from dataclasses import replace

import numpy as np
import pandas as pd

from betafold.evaluation import baselines, table
from betafold.structures.samples import Sample

LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))


def peptide(generator, identifier: str, length: int, *, helical: bool, kind="free", models=1) -> Sample:
    """A peptide on ideal geometry with helical or extended torsions and a little noise."""
    centre = np.radians(baselines.HELIX if helical else baselines.EXTENDED)
    torsions = centre + generator.normal(0, 0.15, (length, 3)) * [1, 1, 0.2]
    torsions[0, 0] = torsions[-1, 1] = torsions[-1, 2] = np.nan
    noisy = torsions + generator.normal(0, 0.1, (models, length, 3)) * (np.arange(models) > 0)[:, None, None]
    coords = baselines.build(noisy).astype(np.float32)
    sequence = "".join(generator.choice(LETTERS, length))
    return Sample(
        id=identifier,
        sequence=sequence,
        coords=coords[0],
        torsions=torsions.astype(np.float32),
        mask=np.ones(length, dtype=bool),
        kind=kind,
        entry=identifier.split("_")[0],
        chain="A",
        start=0,
        parent=sequence,
        models=coords,
    )


def with_ca_only(sample: Sample) -> Sample:
    """The same sample as a file of CA coordinates gives it."""
    models = np.full_like(sample.models, np.nan)
    models[:, :, 1] = sample.models[:, :, 1]
    return replace(
        sample,
        coords=models[0],
        models=models,
        torsions=np.full_like(sample.torsions, np.nan),
        mask=~sample.mask,
    )


def data(clusters: int = 48, seed: int = 0, longest: int = 30) -> tuple[list[Sample], pd.DataFrame]:
    """Peptides, and chains of up to ``longest`` residues, of several clusters; their split table, indexed by id."""
    generator = np.random.default_rng(seed)
    samples, rows = [], []
    parts = ("train", "calibration", "test", "calibration", "test", "validation")
    for cluster in range(clusters):
        for member in range(int(generator.integers(1, 5))):
            is_chain = longest > 30 and member % 2 == 1
            sample = peptide(
                generator,
                f"{cluster:04d}_A_{member * 40 + 1}-{member * 40 + 20}",
                int(generator.integers(31, longest + 1) if is_chain else generator.integers(10, 31)),
                helical=bool((cluster // len(parts)) % 2),
                kind="chain" if is_chain else ("free", "bound", "fragment")[member % 3],
                models=1 + 2 * (cluster % 3 == 0),
            )
            samples.append(sample)
            rows.append(
                {
                    "id": sample.id,
                    "sequence": sample.sequence,
                    "length": sample.length,
                    "kind": sample.kind,
                    "parent": f"p{cluster}",
                    "cluster": cluster,
                    "split": parts[cluster % len(parts)],
                }
            )
    return samples, pd.DataFrame(rows).set_index("id")


def tables(
    name: str = "pretended",
    clusters: int = 48,
    seed: int = 0,
    model_seed: int = 1,
    longest: int = 30,
    ca_only: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluation and residue table of a pretended model that knows its own error, with all baselines.

    ``ca_only``: nothing but CA is known of any sample.
    """
    generator = np.random.default_rng([seed, model_seed])
    samples, split = data(clusters, seed, longest)
    train = [sample for sample in samples if split.at[sample.id, "split"] == "train"]
    held = [sample for sample in samples if split.at[sample.id, "split"] != "train"]
    predictions, sigmas = [], []
    for sample in held:
        sigma = generator.uniform(0.05, 1.0)
        noise = generator.normal(0, sigma, (5, sample.length, 3)) * [1, 1, 0.1]
        predictions.append(baselines.build(np.nan_to_num(sample.torsions) + noise))
        sigmas.append(sigma)
    if ca_only:
        train, held = ([with_ca_only(sample) for sample in part] for part in (train, held))
    plddt = [
        np.clip(95 - 15 * s + generator.normal(0, 4, p.length), 1, 99)
        for s, p in zip(sigmas, held, strict=True)
    ]
    ours = table.rows(held, split, name, predictions)
    ours["plddt_raw"] = [values.mean() for values in plddt]
    ours["expected_rmsd"] = [s * np.sqrt(p.length) for s, p in zip(sigmas, held, strict=True)]
    fitted = baselines.train_baselines([s.sequence for s in train], [s.torsions for s in train])
    others = [
        table.rows(held, split, method, [baselines.build(predict(s.id, s.sequence)) for s in held])
        for method, predict in fitted.items()
    ]
    return pd.concat([ours, *others], ignore_index=True), table.residue_rows(held, split, predictions, plddt)
