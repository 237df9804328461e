"""``betafold report``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold report --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
