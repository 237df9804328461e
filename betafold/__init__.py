"""BetaFold: backbone structures of peptides of 10-30 residues, with calibrated confidence."""

__version__ = "0.1.0"
