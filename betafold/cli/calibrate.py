"""``betafold calibrate``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold calibrate --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
