"""The report's table of what was left out counts kinds of reasons, not cases."""

import pandas as pd

from betafold.reports.page import rejected_counts


def test_reasons_that_differ_in_names_and_numbers_are_one():
    reasons = [
        "duplicate of chain A 1 to 20 (CA-RMSD 0.31 A)",
        "duplicate of chain B 2 to 21 (CA-RMSD 0.02 A)",
        "peptide with modified residue HYP 12",
        "peptide with modified residue AIB 2, modified residue PH8 11",
        "peptide with D residue DAL 1, modified residue MLE 2",
        "chain of 7 residues, shorter than 10",
        "chain break: C-N 4.1 A",
    ]
    counts = rejected_counts(pd.DataFrame({"reason": reasons}))
    assert counts == [
        ("duplicate of another chain of the entry", 2),
        ("peptide with a modified residue", 2),
        ("peptide with a D residue", 1),
        ("chain of n residues, shorter than 10", 1),
        ("chain break", 1),
    ]


def test_rare_reasons_are_summed_up():
    reasons = ["common"] * 3 + ["rare", "rarer"]
    assert rejected_counts(pd.DataFrame({"reason": reasons}), most=1) == [("common", 3), ("other reasons", 2)]
