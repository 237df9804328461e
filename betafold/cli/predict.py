"""``betafold predict``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold predict --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
