"""Command line: one module per sub-command, one sub-command per step of the workflow."""
