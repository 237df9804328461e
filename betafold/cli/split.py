"""``betafold split``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold split --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
