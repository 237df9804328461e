"""The benchmark page: all models of a run and the trivial baselines on the same test peptides."""
