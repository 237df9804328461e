"""``betafold bundle``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold bundle --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
