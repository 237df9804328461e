"""``betafold embed``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold embed --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
