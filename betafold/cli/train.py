"""``betafold train``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold train --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
