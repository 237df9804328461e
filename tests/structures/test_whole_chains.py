"""Chains of 31-512 residues as whole samples: when, which, and what they change for the others."""

import gzip

import numpy as np
import pytest

from betafold.structures.fragments import FragmentOptions
from betafold.structures.labelling import label_structure
from betafold.structures.labels import SampleText, read_labels, write_labels
from betafold.structures.plan import LabelOptions
from betafold.structures.split import count_samples, split_samples
from betafold_ext import nerf_batch

FRAGMENTS = FragmentOptions(per_chain=5, stride=10)
PEPTIDES = LabelOptions(fragments=FRAGMENTS)
WHOLE = LabelOptions(fragments=FRAGMENTS, max_length=512)


def of_kind(samples, *kinds):
    return [sample for sample in samples if sample.kind in kinds]


def as_pdb(models):
    """PDB text of poly-alanine from models [M, L, 3, 3] of N, CA, C."""
    lines = []
    for number, model in enumerate(models, start=1):
        lines.append(f"MODEL     {number:4d}")
        for residue, atoms in enumerate(model, start=1):
            for name, (x, y, z) in zip(("N", "CA", "C"), atoms, strict=True):
                lines.append(
                    f"ATOM  {len(lines):5d}  {name:<3} ALA A{residue:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
                    f"           {name[0]}"
                )
        lines.append("ENDMDL")
    return "\n".join(lines) + "\n"


def extended(length, models=1):
    """Backbones f8 [models, length, 3, 3] that fill little space, each a bit different."""
    torsions = np.radians(np.tile([-65.0, -40.0, 180.0], (models, length, 1)))
    torsions[:, :, 0] += np.radians(np.arange(models))[:, None]
    return nerf_batch(torsions)


def test_a_protein_is_a_sample_beside_its_fragments_and_its_inhibitor(data_dir):
    path = data_dir / "pdb1ppe.ent.gz"
    before, reasons_before = label_structure(path, "1ppe", PEPTIDES)
    after, reasons = label_structure(path, "1ppe", WHOLE)
    (trypsin,) = of_kind(after, "chain")
    assert trypsin.chain == "E" and trypsin.length == 223 and trypsin.sequence == trypsin.parent
    assert trypsin.id == "1ppe_E_1-223" and len(trypsin.disulfides) == 6 and not trypsin.cyclic
    assert trypsin.mask.all() and not trypsin.ca_only and np.isfinite(trypsin.torsions[1:-1]).all()
    assert [sample.id for sample in of_kind(after, "free", "bound", "fragment")] == [s.id for s in before]
    assert reasons == reasons_before and not of_kind(before, "chain")


def test_a_longer_chain_than_allowed_is_left_out_with_a_reason(data_dir):
    options = LabelOptions(fragments=FragmentOptions(per_chain=0), max_length=222)
    samples, rejections = label_structure(data_dir / "pdb1ppe.ent.gz", "1ppe", options)
    assert {sample.kind for sample in samples} == {"bound"}
    (reason,) = [row.reason for row in rejections if row.chain == "E" and "longer" in row.reason]
    assert reason == "chain of 223 residues, longer than 222"


def test_a_chain_in_pieces_is_no_whole_chain(data_dir):
    samples, rejections = label_structure(data_dir / "pdb1k33.ent.gz", "1k33", WHOLE)
    assert samples and not of_kind(samples, "chain")
    assert any("in pieces" in row.reason for row in rejections)


@pytest.mark.parametrize("lost, length", [(range(58, 61), 57), (range(1, 3), 58), (range(30, 33), None)])
def test_incomplete_ends_are_trimmed_but_a_gap_is_not_bridged(tmp_path, lost, length):
    (model,) = extended(60)
    lines = as_pdb([model]).splitlines()
    kept = [
        line
        for line in lines
        if not (line.startswith("ATOM") and int(line[22:26]) in lost and " C  " in line)
    ]
    path = tmp_path / "x.pdb"
    path.write_text("\n".join(kept) + "\n")
    chains = of_kind(label_structure(path, "x", WHOLE)[0], "chain")
    assert [chain.length for chain in chains] == ([length] if length else [])


def test_512_residues_with_twenty_models_are_kept_and_513_are_not(tmp_path):
    models = extended(512, models=20)
    path = tmp_path / "long.pdb"
    path.write_text(as_pdb(models))
    options = LabelOptions(fragments=FragmentOptions(per_chain=0), max_length=512)
    (sample,), rejections = label_structure(path, "long", options)
    assert not rejections and sample.kind == "chain" and sample.models.shape == (20, 512, 3, 3)
    np.testing.assert_allclose(sample.models, models, atol=6e-4)
    write_labels(tmp_path / "0", [sample], {})
    (read,) = read_labels(tmp_path / "0")
    np.testing.assert_array_equal(read.models, sample.models)
    path.write_text(as_pdb(extended(513)))
    samples, (rejection,) = label_structure(path, "long", options)
    assert not samples and rejection.reason == "chain of 513 residues, longer than 512"


def test_copies_of_a_chain_are_one_sample(tmp_path, data_dir):
    text = gzip.decompress((data_dir / "pdb1cbn.ent.gz").read_bytes()).decode()
    atoms = [line for line in text.splitlines() if line.startswith("ATOM")]
    path = tmp_path / "dimer.pdb"
    path.write_text("\n".join([*atoms, "TER", *(line[:21] + "B" + line[22:] for line in atoms)]) + "\n")
    samples, rejections = label_structure(path, "dimer", WHOLE)
    assert [sample.chain for sample in of_kind(samples, "chain")] == ["A"]
    assert any(row.chain == "B" and "duplicate of chain A 1 to 46" in row.reason for row in rejections)


# --- split


def sample_text(name, sequence, kind, parent=None):
    return SampleText(name, sequence, kind, parent or sequence)


def random_sequences(n, length, seed):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), length)) for _ in range(n)]


def test_a_peptide_inside_a_long_chain_shares_its_cluster():
    long, other = random_sequences(2, 400, seed=0)
    table = split_samples(
        [
            sample_text("chain", long, "chain"),
            sample_text("peptide", long[200:214], "free"),
            sample_text("other", other, "chain"),
        ]
    ).set_index("id")
    assert table.loc["chain", "cluster"] == table.loc["peptide", "cluster"] != table.loc["other", "cluster"]


def test_chains_get_their_share_of_every_part_and_peptides_stay_where_they_were():
    peptides = [sample_text(f"p{i}", s, "free") for i, s in enumerate(random_sequences(40, 15, seed=1))]
    chains = [sample_text(f"c{i}", s, "chain") for i, s in enumerate(random_sequences(40, 60, seed=2))]
    alone = split_samples(peptides).set_index("id")["split"]
    together = split_samples(peptides + chains)
    counts = count_samples(together)
    assert list(counts.columns[:4]) == ["free", "bound", "fragment", "chain"]
    assert 26 <= counts.loc["train", "chain"] <= 30 and (counts["chain"] > 0).all()
    assert together.set_index("id").loc[alone.index, "split"].equals(alone)
